//! Replays a git history through many replicas and a real server; see `--help`.

mod cli;
mod digest;
mod entity;
mod git;
mod history;
mod member;
mod replay;
mod report;
mod run;
mod sample;
mod schedule;
mod server;
mod source;
mod stores;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match run::run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", run::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
