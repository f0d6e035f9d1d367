//! The convergence lab as a program; see `--help`.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use syncline_sim::{Case, Failure, Plant, Profile, kept, lab};

mod report;
mod run;
mod teeth;

/// Runs histories of simulated replicas and servers with faults, and checks that every law holds.
///
/// The real engine runs on simulated disks, clocks and networks, in virtual time. One seed is one history, always the same. A
/// history has some steps with faults. Then the faults stop, everybody syncs, and everything is compared. Exits with 0 if every law
/// held, with 1 if a history breaks one (the first such history is shrunk and printed), and with 2 if the arguments are wrong.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = EXAMPLES, args_override_self = true)]
struct Cli {
    /// The first seed. [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of histories, one for each seed from the first one on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    histories: u64,
    #[arg(long, default_value = "mixed", help = which_faults())]
    profile: String,
    /// Steps with faults in each history.
    #[arg(long, default_value_t = 200, value_name = "N")]
    steps: usize,
    /// Number of threads. [default: the number of processors]
    #[arg(long, value_name = "J")]
    jobs: Option<usize>,
    /// Run the first N histories a second time, and compare: one seed must give one history.
    #[arg(long, default_value_t = 0, value_name = "N")]
    twice: u64,
    /// First run every history that has found a fault of the engine in the past.
    #[arg(long)]
    kept: bool,
    /// Print what happens, step by step.
    #[arg(long)]
    story: bool,
    /// Run this one history, as a failing run names it, and print what happens.
    #[arg(long, value_name = "CASE")]
    replay: Option<Case>,
    /// Plant this fault and look for it, to see what the lab prints.
    #[arg(long, value_name = "NAME")]
    plant: Option<Plant>,
    /// Look for every planted fault, and print a page with the number of histories that each took.
    #[arg(long)]
    teeth: bool,
}

fn which_faults() -> String {
    let names: Vec<_> = Profile::ALL.iter().map(ToString::to_string).collect();
    format!("Which faults: {}; or all, in turn", names.join(", "))
}

const EXAMPLES: &str = "\
Examples:
  sim --profile all --histories 10000     ten thousand new histories of all kinds
  sim --profile restore --seed 17 --story what happens in one of them
  sim --replay restore:17:200:keep=3+17   a history that a failing run has named
  sim --plant arrival-wins                what a failing run looks like";

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(case) = &cli.replay {
        return replay(case);
    }
    if let Some(plant) = cli.plant {
        return teeth::one(plant, cli.seed.unwrap_or(1));
    }
    let jobs = cli.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into)).max(1);
    if cli.teeth {
        return teeth::all(cli.seed.unwrap_or(1), jobs);
    }
    let profiles = match cli.profile.as_str() {
        "all" => Profile::ALL.to_vec(),
        name => vec![name.parse().unwrap_or_else(exit)],
    };
    let mut good = true;
    if cli.kept {
        good &= run::all(&run::Job { cases: kept().collect(), jobs, story: false, twice: 0 })?;
    }
    let seed = cli.seed.unwrap_or_else(fresh);
    writeln!(io::stdout(), "seed {seed}: {} histories of {} steps and healing", cli.histories, cli.steps)?;
    let case = |number: u64| {
        let (round, turn) = (number / profiles.len() as u64, number % profiles.len() as u64);
        Case::new(profiles[turn as usize], seed.wrapping_add(round), cli.steps)
    };
    let cases = (0..cli.histories).map(case).collect();
    good &= run::all(&run::Job { cases, jobs, story: cli.story, twice: cli.twice })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A seed that nobody has chosen.
fn fresh() -> u64 {
    // Short enough to be typed. The keys of a new hasher are the operating system's.
    RandomState::new().hash_one(0u8) >> 24
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
