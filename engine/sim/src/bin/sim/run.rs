//! Many histories on several threads, with progress.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use syncline_sim::{Case, Finding, Outcome, Profile, Summary, lab};

use crate::report::report;

/// How often progress is shown to people, and how often to a file.
const PROGRESS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(30)];

/// Which histories to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) cases: Vec<Case>,
    /// Threads.
    pub(crate) jobs: usize,
    /// Whether what happens is printed.
    pub(crate) story: bool,
    /// How many of them are run a second time.
    pub(crate) twice: u64,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) all: Summary,
    /// By profile: what happened, how long it took a thread, and how many laws were broken.
    pub(crate) profiles: BTreeMap<Profile, (Summary, Duration, u64)>,
    pub(crate) findings: Vec<(Case, Finding)>,
    /// Histories that were run a second time, and those that were others then.
    pub(crate) repeated: u64,
    pub(crate) unlike: Vec<Case>,
}

/// Runs all histories of a job, and reports. Returns whether no law is broken.
pub(crate) fn all(job: &Job) -> io::Result<bool> {
    let (found, next, start) = (Mutex::new(Found::default()), AtomicUsize::new(0), Instant::now());
    let shown = Mutex::new(start);
    std::thread::scope(|scope| {
        for _ in 0..job.jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = job.cases.get(number) else { break };
                    one(job, (number as u64, case), &found);
                    progress(job, &found, &shown);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.findings.sort_by_key(|(case, _)| (case.profile, case.seed));
    report(&found, start.elapsed(), !job.story)?;
    Ok(found.findings.is_empty() && found.unlike.is_empty())
}

fn one(job: &Job, (number, case): (u64, &Case), found: &Mutex<Found>) {
    let (start, lab) = (Instant::now(), lab(0..0));
    let outcome = lab.outcome(case, job.story);
    let took = start.elapsed();
    let again = (number < job.twice).then(|| lab.outcome(case, job.story) == outcome);
    if job.story {
        let mut out = io::stdout().lock();
        // A closed pipe ends the telling, not the run.
        outcome.story.iter().for_each(|line| drop(writeln!(out, "{line}")));
    }
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.add(case, outcome, took);
    found.repeated += u64::from(again.is_some());
    found.unlike.extend((again == Some(false)).then(|| case.clone()));
}

impl Found {
    fn add(&mut self, case: &Case, outcome: Outcome, took: Duration) {
        self.all.add(&outcome);
        let (summary, time, findings) = self.profiles.entry(case.profile).or_default();
        summary.add(&outcome);
        *time += took;
        *findings += u64::from(outcome.finding.is_some());
        self.findings.extend(outcome.finding.map(|finding| (case.clone(), finding)));
    }
}

fn progress(job: &Job, found: &Mutex<Found>, shown: &Mutex<Instant>) {
    let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    let terminal = io::stderr().is_terminal();
    if shown.elapsed() < PROGRESS[usize::from(!terminal)] {
        return;
    }
    *shown = Instant::now();
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, findings) = (found.all.histories, found.findings.len());
    // For people the line stays where it is.
    let (back, end) = if terminal { ("\r", "") } else { ("", "\n") };
    let _ = write!(io::stderr(), "{back}{done} of {} histories, {findings} findings{end}", job.cases.len());
}
