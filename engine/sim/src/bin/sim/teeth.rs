//! The lab's own test: looks for the faults that are built in on purpose.

use std::io::{self, Write};
use std::process::ExitCode;

use syncline_sim::Plant;
use syncline_sim::planted::{SEEDS_MAX, seek_all, table};

/// Looks for one of them, and tells what it does. Fails if it is found, as every run that finds something.
pub(crate) fn one(plant: Plant, first: u64) -> io::Result<ExitCode> {
    let Some((count, finding)) = plant.sought(first, SEEDS_MAX) else {
        writeln!(io::stdout().lock(), "`{plant}` is not found in {SEEDS_MAX} histories")?;
        return Ok(ExitCode::SUCCESS);
    };
    writeln!(io::stdout().lock(), "`{plant}` is found in history {count} of its profile, {}", plant.profile())?;
    crate::tell(&plant.lab().explain(plant.case(first + count - 1), &finding))?;
    Ok(ExitCode::FAILURE)
}

/// Looks for all of them, and prints the page about them. Fails if one is not found.
pub(crate) fn all(first: u64, jobs: usize) -> io::Result<ExitCode> {
    let sought = seek_all(first, jobs);
    write!(io::stdout().lock(), "{}", table(&sought))?;
    let all = sought.iter().all(|sought| sought.found.is_some());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
