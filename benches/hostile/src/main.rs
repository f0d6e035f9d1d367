//! Attacks a real server process, on SQLite and on Postgres, and prints what it took and what an honest client noticed.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

mod attack;
mod crowd;
mod ground;
mod honest;
mod raw;
mod table;

use ground::Ground;

/// What ends a scenario that could not be played at all.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Attacks a real server, and prints one table. Ends with 1 if a row of the table fails.
#[derive(Debug, Parser)]
#[command(name = "hostile", version)]
struct Arguments {
    /// The server's program
    #[arg(long, value_name = "FILE", default_value = "target/release/syncline-server")]
    server: PathBuf,
    /// Where the server keeps its logs
    #[arg(long, value_enum, default_values_t = [Store::Sqlite, Store::Postgres])]
    store: Vec<Store>,
    /// Only the scenarios whose name contains this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// A part of the usual number of hostile clients
    #[arg(long, value_name = "PART", default_value_t = 1.0)]
    scale: f64,
}

/// Where the server keeps its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// One file
    Sqlite,
    /// A database server of its own, started for this and stopped afterwards
    Postgres,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "hostile: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let server = arguments.server.canonicalize().map_err(|error| {
        format!("{}: {error}; build it with `cargo build --release -p syncline-server`", arguments.server.display())
    })?;
    let mut rows = Vec::new();
    for store in arguments.store {
        let ground = Ground::prepare(server.clone(), store)?;
        for scenario in attack::ALL.iter().filter(|scenario| scenario.name.contains(&arguments.only)) {
            let row = scenario.play(&ground, arguments.scale).await?;
            // As they come, for a person; the table is for everybody else.
            let _ = writeln!(io::stderr(), "{}", table::line(&row));
            rows.push(row);
        }
    }
    io::stdout().write_all(table::all(&rows).as_bytes())?;
    Ok(rows.iter().all(table::Row::holds))
}
