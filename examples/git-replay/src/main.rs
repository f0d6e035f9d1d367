//! Replays a git history through many replicas.
//!
//! Reads the history and prints the digest that plain sequential application leads to.
#![cfg_attr(not(test), allow(dead_code, reason = "the replay is what uses the rest"))]

mod digest;
mod git;
mod history;
mod sample;
mod schedule;
mod source;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    let mut message = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let source = source::Source::open(path.as_deref())?;
    let expected = digest::Expected::of(source.commits()?)?;
    writeln!(io::stdout(), "{}  {source}", expected.digest)?;
    Ok(())
}
