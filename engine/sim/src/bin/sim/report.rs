//! What a run of many histories came to, for people.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use syncline_sim::{Summary, lab};

use crate::run::Found;

/// How many findings are listed.
const LISTED: usize = 20;

/// Prints what was found, and tells the first finding if `told`.
pub(crate) fn report(found: &Found, took: Duration, told: bool) -> io::Result<()> {
    let Found { all, profiles, findings, repeated, unlike } = found;
    if io::stderr().is_terminal() {
        // Over the line of progress.
        write!(io::stderr(), "\r\x1b[K")?;
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<10} {:>9} {:>8}  {:>11} {:>9}  {:>6}",
        "profile", "histories", "findings", "histories/s", "steps/s", "rounds"
    )?;
    for (profile, (summary, time, findings)) in profiles {
        let (histories, steps) = rates(summary, *time);
        let Summary { histories: count, rounds, .. } = summary;
        writeln!(out, "{:<10} {count:>9} {findings:>8}  {histories:>11.0} {steps:>9.0}  {rounds:>6}", profile.name())?;
    }
    let (histories, steps) = rates(all, took);
    let seconds = took.as_secs_f64();
    writeln!(
        out,
        "in {seconds:.1} s on all threads: {histories:.0} histories/s, {steps:.0} steps/s, {} findings",
        findings.len()
    )?;
    if *repeated > 0 {
        writeln!(out, "{repeated} histories were run twice, {} were not alike", unlike.len())?;
    }
    write!(out, "{all}")?;
    for case in unlike.iter().take(LISTED) {
        writeln!(out, "not alike when run twice: sim --replay {case}")?;
    }
    for (case, finding) in findings.iter().take(LISTED) {
        writeln!(out, "{} seed {}: {finding}\n  again: sim --replay {case}", case.profile, case.seed)?;
    }
    if let Some(more) = findings.len().checked_sub(LISTED + 1) {
        writeln!(out, "and {} more", more + 1)?;
    }
    drop(out);
    match findings.first().filter(|_| told) {
        Some((case, finding)) => crate::tell(&lab(0..0).explain(case.clone(), finding)),
        None => Ok(()),
    }
}

/// Histories and steps per second.
fn rates(summary: &Summary, time: Duration) -> (f64, f64) {
    let seconds = time.as_secs_f64().max(1e-9);
    (summary.histories as f64 / seconds, summary.steps as f64 / seconds)
}
