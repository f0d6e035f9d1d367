//! The reference server of Syncline, and the administration a person needs. `syncline-server --help` says how.

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::ServeOptions;
use crate::failure::Failure;

mod admin;
mod archive;
mod backup;
mod carry;
mod claim;
mod cli;
mod config;
mod control;
mod failure;
mod log;
mod logging;
mod metrics;
mod output;
mod secret;
mod serve;
mod setup;
mod small;
mod spaces;
mod span;
mod stack;
mod status;
mod task;
mod text;
mod time;
mod verify;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Anyone who called a command reads its answer. Nobody may be there to read a server's.
    let patience = match cli.command {
        Command::Serve(_) => logging::LAST_LINES_TIME_MAX,
        Command::Task(_) | Command::Carry(_) | Command::Archive(_) => Duration::MAX,
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                tell(format!("syncline-server: {failure}\n"), patience);
            }
            failure.code().into()
        }
    }
}

/// Writes to standard error. If even that is closed, or not read within `patience`, the exit code has to do.
fn tell(line: String, patience: Duration) {
    let (done, is_done) = mpsc::channel();
    let write = move || {
        let _ = std::io::stderr().write_all(line.as_bytes());
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(write).is_ok() {
        let _ = is_done.recv_timeout(patience);
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let given = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    config::check_variables(given)?;
    let Cli { config, database, store, archive, command } = cli;
    let config = config.as_deref();
    let place = || config::place(database.clone(), store.clone(), archive.clone(), config);
    match command {
        Command::Serve(options) => {
            let settings = ServeOptions { database, store, archive, ..*options }.settle(config)?;
            runtime(tokio::runtime::Builder::new_multi_thread())?.block_on(serve::run(settings))
        }
        Command::Task(task) => administer(task.run_at(&place()?)),
        Command::Carry(carry) => administer(carry.run_at(&place()?)),
        Command::Archive(task) => administer(task.run_at(&place()?)),
    }
}

fn administer(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime(tokio::runtime::Builder::new_current_thread())?.block_on(task)
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder.enable_all().build().map_err(|source| Failure::Machine {
        what: "the program cannot start its threads".to_owned(),
        source,
        next: "raise the limits of processes and open files",
    })
}
