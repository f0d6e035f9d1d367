//! The demo as a program: shows a server and three devices on one page, or plays the scenario without a person.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use client_view::Mode;
use demo::{Door, Plan, Stage, samples, script};
use tempfile::TempDir;

/// Shows how devices work offline, conflict, heal and become equal.
///
/// It starts a server and three devices on this machine, and prints one address. Open it in a browser. Press Ctrl-C to stop.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The folder that keeps the data. It is made if it is not there. Without it the data goes when the demo stops.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The port of the page. 0 takes any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Plays the scenario without a page: tells each step, and exits with 0 if all four are equal and nothing was lost, else with 1.
    #[arg(long)]
    script: bool,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<ExitCode, Failure> {
    let temporary = TempDir::with_prefix("syncline-demo-")?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    match options.script {
        true => play(&Plan::new(folder)).await,
        false => show(Plan { mode: Mode::Live, ..Plan::new(folder) }, options.port).await,
    }
}

#[allow(clippy::print_stdout, reason = "a program")]
async fn play(plan: &Plan<'_>) -> Result<ExitCode, Failure> {
    let stage = Stage::set(plan).await?;
    let verdict = script::play(&stage, &mut |line| println!("{line}")).await?;
    println!("\n{verdict}");
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::print_stdout, reason = "a program")]
async fn show(plan: Plan<'_>, port: u16) -> Result<ExitCode, Failure> {
    let door = Door::open(port).await?;
    let origin = door.origin();
    let stage = Stage::set(&Plan { framed_by: Some(&origin), ..plan }).await?;
    samples::add(&stage).await?;
    let show = door.show(Arc::new(stage)).await?;
    println!("{}", show.address());
    tokio::signal::ctrl_c().await?;
    show.end().await;
    Ok(ExitCode::SUCCESS)
}
