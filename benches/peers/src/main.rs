//! Syncline next to Loro, Yrs and SQLite by hand: the same attribute writes, in one run.
//!
//! CPU time counts and not the clock, and files are on a file system in memory, so that neither the disk nor other programs decide. The
//! systems take turns within each round. The table shows medians, and ratios of the same round.

use std::process::ExitCode;

mod by_hand;
mod loro;
mod plan;
mod round;
mod syncline_on;
mod table;
mod yrs;

use plan::Plan;
use round::{Round, measure};

/// Whatever stops a measurement, for a person to read.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const HELP: &str = "\
Measures Syncline next to Loro, Yrs and SQLite by hand, and prints one table.

  --rounds N    how often each system is measured (5)
  --writes N    attribute writes of each of the 4 replicas (50000)
  --keys N      how many keys they fall on; 0: each write has its own (10000)
  --only WORD   only the systems whose name contains the word
  --folder DIR  where the files are: choose a file system in memory (/dev/shm)
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let Some((plan, rounds, only)) = arguments()? else {
        print!("{HELP}");
        return Ok(());
    };
    type Measure = fn(&Plan) -> Result<Round, Failure>;
    let systems: [(&str, &str, Measure); 6] = [
        (syncline_on::MEMORY, "volatile", measure::<syncline_on::Memory>),
        (syncline_on::SQLITE, "process", measure::<syncline_on::Sqlite>),
        (by_hand::BY_EVENT, "process", measure::<by_hand::ByEvent>),
        (by_hand::BY_BUNDLE, "process", measure::<by_hand::ByBundle>),
        (loro::NAME, "volatile", measure::<loro::Loro>),
        (yrs::NAME, "volatile", measure::<yrs::Yrs>),
    ];
    let wanted: Vec<_> = systems.into_iter().filter(|(name, ..)| name.contains(&*only)).collect();
    let mut measured = vec![Vec::new(); wanted.len()];
    for round in 0..rounds {
        // Each round begins with another system, so that none is always the first.
        for index in (0..wanted.len()).map(|index| (index + round) % wanted.len()) {
            let (name, _, measure) = wanted[index];
            eprintln!("round {} of {rounds}: {name}", round + 1);
            measured[index].push(measure(&plan)?);
        }
    }
    let named = wanted.iter().map(|(name, durability, _)| (*name, *durability)).zip(measured);
    print!("{}", table::of(&plan, &named.collect::<Vec<_>>()));
    Ok(())
}

/// The plan, how many rounds, and which systems; `None` if help is asked for.
fn arguments() -> Result<Option<(Plan, usize, String)>, Failure> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let (mut plan, mut rounds, mut only) = (Plan::default(), 5, String::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rounds") => rounds = parser.value()?.parse::<usize>()?.max(1),
            Long("writes") => plan.writes = parser.value()?.parse::<usize>()?.max(1),
            Long("keys") => plan.keys = parser.value()?.parse()?,
            Long("only") => only = parser.value()?.string()?,
            Long("folder") => plan.folder = parser.value()?.into(),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((plan, rounds, only)))
}
