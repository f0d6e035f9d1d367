//! Many histories on several threads, with progress, and a summary of what they came to.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use syncline_sim::{Case, Finding, Profile, Summary, lab};

use crate::Cli;

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(2);
/// How many findings are listed.
const LISTED: usize = 20;

/// Which histories to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    profile: Profile,
    seed: u64,
    histories: u64,
    steps: usize,
    jobs: u64,
    story: bool,
}

impl Job {
    pub(crate) fn new(cli: &Cli, profile: Profile) -> Self {
        let Cli { seed, histories, steps, jobs, story, .. } = *cli;
        Self { profile, seed, histories, steps, jobs, story }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    summary: Summary,
    findings: Vec<(Case, Finding)>,
}

/// Runs all histories of a job. Returns whether none breaks a law.
pub(crate) fn all(job: &Job) -> io::Result<bool> {
    let (found, next, start) = (Mutex::new(Found::default()), AtomicU64::new(0), Instant::now());
    let shown = Mutex::new(start);
    std::thread::scope(|scope| {
        for _ in 0..job.jobs.max(1) {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < job.histories) {
                    one(job, number, &found);
                    progress(job, &found, &shown);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.findings.sort_by_key(|(case, _)| case.seed);
    report(job, &found, start.elapsed())?;
    Ok(found.findings.is_empty())
}

fn one(job: &Job, number: u64, found: &Mutex<Found>) {
    let case = Case::new(job.profile, job.seed.wrapping_add(number), job.steps);
    let outcome = lab(0..0).outcome(&case, job.story);
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.summary.add(&outcome);
    if job.story {
        let mut out = io::stdout().lock();
        // A closed pipe ends the telling, not the run.
        outcome.story.iter().for_each(|line| drop(writeln!(out, "{line}")));
    }
    found.findings.extend(outcome.finding.map(|finding| (case, finding)));
}

fn progress(job: &Job, found: &Mutex<Found>, shown: &Mutex<Instant>) {
    let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    if !io::stderr().is_terminal() || shown.elapsed() < PROGRESS {
        return;
    }
    *shown = Instant::now();
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, findings) = (found.summary.histories, found.findings.len());
    let _ = writeln!(io::stderr(), "{}: {done} of {} histories, {findings} findings", job.profile, job.histories);
}

fn report(job: &Job, found: &Found, took: Duration) -> io::Result<()> {
    let Found { summary, findings } = found;
    let mut out = io::stdout().lock();
    let seconds = took.as_secs_f64().max(1e-9);
    let last = job.seed.wrapping_add(job.histories.saturating_sub(1));
    writeln!(out, "{}: seeds {} to {last}, {} steps each and healing", job.profile, job.seed, job.steps)?;
    let (histories, steps) = (summary.histories as f64 / seconds, summary.steps as f64 / seconds);
    writeln!(out, "{} findings, {histories:.0} histories/s, {steps:.0} steps/s", findings.len())?;
    write!(out, "{summary}")?;
    for (case, finding) in findings.iter().take(LISTED) {
        writeln!(out, "seed {}: {finding}\n  again: sim --replay {case}", case.seed)?;
    }
    if let Some(more) = findings.len().checked_sub(LISTED + 1) {
        writeln!(out, "and {} more", more + 1)?;
    }
    drop(out);
    match findings.first() {
        Some((case, finding)) if !job.story => crate::tell(&lab(0..0).explain(case.clone(), finding)),
        _ => Ok(()),
    }
}
