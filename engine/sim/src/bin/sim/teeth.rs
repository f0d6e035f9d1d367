//! The lab's own test as a table: every planted fault, and how many histories it took to find.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use syncline_sim::{Finding, Plant};

/// How many histories are given to each.
const SEEDS_MAX: u64 = 1_000;

/// How many histories a fault took to find, and the law that it broke, if it was found.
type Sought = Option<(u64, Finding)>;

/// Looks for one of them, and tells what it does. Fails where it is found, as every run that finds something.
pub(crate) fn one(plant: Plant, first: u64) -> io::Result<ExitCode> {
    let Some((count, finding)) = plant.sought(first, SEEDS_MAX) else {
        writeln!(io::stdout().lock(), "`{plant}` is not found in {SEEDS_MAX} histories")?;
        return Ok(ExitCode::SUCCESS);
    };
    writeln!(io::stdout().lock(), "`{plant}` is found in history {count} of its profile, {}", plant.profile())?;
    crate::tell(&plant.lab().explain(plant.case(first + count - 1), &finding))?;
    Ok(ExitCode::FAILURE)
}

/// Looks for all of them. Fails where one is not found.
pub(crate) fn all(first: u64, jobs: u64) -> io::Result<ExitCode> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(Plant, Sought)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(plant) = Plant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sought = plant.sought(first, SEEDS_MAX);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((*plant, sought));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(plant, _)| *plant);
    let mut out = io::stdout().lock();
    writeln!(out, "| planted fault | profile | histories | law that it breaks |\n|---|---|---|---|")?;
    for (plant, sought) in &found {
        let (count, law) = match sought {
            Some((count, finding)) => (count.to_string(), finding.law.to_string()),
            None => (format!("not in {SEEDS_MAX}"), String::new()),
        };
        writeln!(out, "| {plant} | {} | {count} | {law} |", plant.profile())?;
    }
    let all = found.iter().all(|(_, sought)| sought.is_some());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
