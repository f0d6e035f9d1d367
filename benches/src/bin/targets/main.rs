//! Measures Syncline against the same work by hand, and prints the ratios next to their targets.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use syncline_benches::compare::machine;
use syncline_benches::report::{Line, table};
use syncline_benches::{Failure, memory};
use tempfile::TempDir;

mod size;
mod speed;

/// Measures Syncline against the same work written by hand on the bare libraries, both in turns and in this very run, and prints
/// the ratios next to their targets. Rates are events per second; only the ratios say something about another machine.
#[derive(Debug, Parser)]
#[command(name = "targets", version)]
struct Arguments {
    /// A short run, whose ratios are rough: a tenth of the events.
    #[arg(long)]
    quick: bool,
    /// Write the measurements to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder for the databases, on the disk that you want to measure [default: the folder for temporary files]. That folder may be
    /// in memory, and then nothing waits for a disk.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Only the measurements whose name contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// A part of the usual number of events.
    #[arg(long, hide = true, value_name = "PART", default_value_t = 1.0)]
    scale: f64,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// The server whose memory is weighed.
    #[command(name = memory::SERVE, hide = true)]
    Serve { file: PathBuf },
}

/// How much is measured.
#[derive(Debug, Clone)]
struct Effort {
    scale: f64,
    rounds: usize,
    only: String,
    folder: PathBuf,
}

impl Effort {
    /// A number of events, by the run's scale; a multiple of 20.
    fn events(&self, usual: usize) -> usize {
        ((usual as f64 * self.scale) as usize).next_multiple_of(20).max(20)
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// A new folder, gone when dropped.
    fn folder(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("syncline-targets-").tempdir_in(&self.folder)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "targets: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(Part::Serve { file }) = &arguments.part {
        return memory::serve(file).await;
    }
    let effort = Effort {
        scale: if arguments.quick { 0.1 } else { 1.0 } * arguments.scale,
        rounds: if arguments.quick || arguments.scale < 1.0 { 3 } else { 9 },
        only: arguments.only,
        folder: arguments.folder.unwrap_or_else(std::env::temp_dir),
    };
    let start = Instant::now();
    let mut lines = Vec::new();
    lines.extend(speed::append(&effort).await?);
    lines.extend(speed::concurrent(&effort).await?);
    lines.extend(speed::fresh(&effort).await?);
    lines.extend(size::wire(&effort).await?);
    lines.extend(size::disk(&effort).await?);
    lines.extend(size::memory(&effort).await?);
    print(&lines, start, &effort.folder)?;
    if let Some(file) = arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&lines)?)?;
    }
    Ok(())
}

fn print(lines: &[Line], start: Instant, folder: &Path) -> Result<(), Failure> {
    let wait = machine::disk_waits(folder)?.median;
    let mut out = io::stdout().lock();
    out.write_all(table(lines).as_bytes())?;
    let missed = lines.iter().filter(|line| !line.met).count();
    let took = start.elapsed().as_secs();
    writeln!(out, "\n{} of {} targets met, in {took} s", lines.len() - missed, lines.len())?;
    writeln!(out, "a wait for the disk below {} takes {} µs", folder.display(), wait.as_micros())?;
    Ok(())
}

/// Says on a terminal what is being measured.
fn announce(what: &str) {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "measuring {what}");
    }
}
