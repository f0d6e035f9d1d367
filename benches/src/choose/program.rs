//! A whole program that compares stores, in one call.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::candidate::{Candidate, Source};
use super::errand::{ERRAND, run_errand};
use super::pattern::Flags;
use super::summary::{Summary, measure};
use crate::Failure;
use crate::place::{Backend, Ground};
use crate::server::Server;

/// Which store suits this workload? Every store does the work in turn, each in its own process.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// Only this store; may be given several times
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
    /// Where the databases are made: on the disk that is to be measured. The folder for temporary files by default
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Runs the program with these candidates: reads the command line, measures, and prints the table. `--help` says what it takes.
/// Exit codes: 0 measured, 2 if it was told something that it cannot do, or if no store could be measured.
pub fn main(candidates: impl IntoIterator<Item = Candidate>) -> ExitCode {
    let candidates: Vec<_> = candidates.into_iter().collect();
    let mut words = std::env::args().skip(1);
    let errand = words.next().filter(|word| word == ERRAND).and_then(|_| words.next());
    let run = async {
        match errand {
            Some(errand) => run_errand(&errand, &candidates).await,
            None => compare(Arguments::parse(), &candidates).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(2)
        }
    }
}

async fn compare(arguments: Arguments, candidates: &[Candidate]) -> Result<(), Failure> {
    let pattern = arguments.flags.pattern()?;
    let known = |name: &&String| candidates.iter().any(|candidate| candidate.name == **name);
    if let Some(unknown) = arguments.store.iter().find(|name| !known(name)) {
        let names: Vec<_> = candidates.iter().map(Candidate::name).collect();
        return Err(format!("there is no store `{unknown}`; there are {}", names.join(", ")).into());
    }
    let wanted = |candidate: &&Candidate| arguments.store.is_empty() || arguments.store.contains(&candidate.name);
    let candidates: Vec<_> = candidates.iter().filter(wanted).cloned().collect();
    let folder = arguments.folder.unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("syncline-compare-").tempdir_in(&folder)?;
    let remote = candidates.iter().any(|candidate| matches!(candidate.source, Source::Shipped(Backend::Postgres)));
    let server = if remote { Server::start().await } else { Ok(Server::none()) };
    let postgres = server.as_ref().ok().and_then(Server::url);
    let ground = Ground { folder: folder.path().to_owned(), postgres };
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "measuring: {pattern}");
    }
    let summary = measure(&candidates, &pattern, &ground, &std::env::current_exe()?).await;
    print(&summary)
}

fn print(summary: &Summary) -> Result<(), Failure> {
    io::stdout().lock().write_all(summary.print().as_bytes())?;
    if summary.lines.is_empty() { Err("nothing was measured".into()) } else { Ok(()) }
}
