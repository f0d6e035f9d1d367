//! The convergence lab as a program; see `--help`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use syncline_sim::{Case, Failure, Plant, Profile, lab};

mod run;
mod teeth;

/// Runs histories of simulated replicas and servers, with faults, and checks that what must hold does.
///
/// The real engine runs on simulated disks, clocks and networks, in virtual time. One seed is one history, always the same. Exits
/// with 1 where a history breaks a law: the first that does is shrunk and told.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = "Example: sim --profile restore --seed 17 --story")]
struct Cli {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds from there on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    histories: u64,
    /// Which faults: calm, flaky, partition, crash, clock, restore, hostile, mixed, live; or all, for one after the other.
    #[arg(long, default_value = "mixed")]
    profile: String,
    /// Steps per history.
    #[arg(long, default_value_t = 200, value_name = "N")]
    steps: usize,
    /// Threads.
    #[arg(long, default_value_t = 1, value_name = "J")]
    jobs: u64,
    /// Print what happens, step by step.
    #[arg(long)]
    story: bool,
    /// Run this one history, as a failing run names it, and print what happens.
    #[arg(long, value_name = "CASE")]
    replay: Option<Case>,
    /// Build this fault in, and look for it: shows what the lab says.
    #[arg(long, value_name = "NAME")]
    plant: Option<Plant>,
    /// Look for every planted fault, and print how many histories each took.
    #[arg(long)]
    teeth: bool,
}

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(case) = &cli.replay {
        return replay(case);
    }
    if let Some(plant) = cli.plant {
        return teeth::one(plant, cli.seed);
    }
    if cli.teeth {
        return teeth::all(cli.seed, cli.jobs);
    }
    let profiles = match cli.profile.as_str() {
        "all" => Profile::ALL.to_vec(),
        name => vec![name.parse().unwrap_or_else(exit)],
    };
    let mut good = true;
    for profile in profiles {
        good &= run::all(&run::Job::new(&cli, profile))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends for want of a sound argument.
fn exit(why: String) -> Profile {
    let _ = writeln!(io::stderr(), "error: {why}");
    std::process::exit(2)
}

fn replay(case: &Case) -> io::Result<ExitCode> {
    let outcome = lab(0..0).outcome(case, true);
    let mut out = io::stdout().lock();
    for line in &outcome.story {
        writeln!(out, "{line}")?;
    }
    match outcome.finding {
        Some(finding) => {
            writeln!(out, "this law is broken: {finding}")?;
            Ok(ExitCode::FAILURE)
        }
        None => {
            writeln!(out, "no law is broken")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints a failure, whole.
fn tell(failure: &Failure) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{failure}")
}
