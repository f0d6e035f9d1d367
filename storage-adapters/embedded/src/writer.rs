//! The thread that writes: it lets waiting commits share a transaction.
//!
//! A durable commit is one wait for the disk, whatever its size. So the thread takes all commits that are queued, makes one draft for
//! each space of them, writes the drafts in one transaction, and answers the commits together. What a commit is refused for is known
//! before anything is written, so that a refused one neither leaves a trace nor harms its neighbours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use syncline::store::draft::Outcome;
use syncline::store::{RowFold, StoreError, WriteBatch};

use crate::backend::{Backend, Failure};
use crate::error::{message, shared};
use crate::fold::{Answer, fold_all};
use crate::plan::Plan;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::space::{OpenSpaces, Space};

/// Commits in one transaction.
const GROUP_JOBS_MAX: usize = 256;
/// Bytes of the commits in one transaction, unless the first one alone has more.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// If a transaction takes less, waiting for others to share it costs more than it saves.
const SHARED_FROM: Duration = Duration::from_micros(100);
/// Callers that come back at all come back within this.
const PATIENCE_MAX: Duration = Duration::from_millis(1);

/// What the thread is asked to do.
pub(crate) enum Job<B: Backend> {
    /// One commit, which may share a transaction.
    Commit(Box<Commit<B>>),
    /// Anything else, between two transactions.
    Alone(Work<B>),
}

/// What the thread does with all that it has.
type Work<B> = Box<dyn FnOnce(&mut Writer<B>) + Send>;

/// One commit.
pub(crate) struct Commit<B: Backend> {
    pub(crate) space: Arc<Space<B::Key>>,
    pub(crate) batch: WriteBatch,
    /// What makes the rest of its rows; none once that is done.
    pub(crate) fold: Option<RowFold>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What the writer has done since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) transactions: AtomicU64,
}

/// The state of the thread.
pub(crate) struct Writer<B: Backend> {
    pub(crate) backend: Arc<B>,
    pub(crate) own: B::Writer,
    pub(crate) poison: Arc<Poison>,
    pub(crate) spaces: Arc<OpenSpaces<B::Key>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) jobs: Arc<Queue<Job<B>>>,
    /// How many commits there may be at a time: those answered last, whose callers may come again, and those that waited.
    pub(crate) expected: usize,
}

impl<B: Backend> Commit<B> {
    /// Whether the other one is of the same space.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.space, &other.space)
    }
}

impl<B: Backend> Writer<B> {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let jobs = self.jobs.clone();
        let _abandon = AbandonAtEnd(&jobs);
        let mut patience = Duration::ZERO;
        loop {
            let group = jobs.pop_many(GROUP_JOBS_MAX, GROUP_BYTES_MAX, self.expected, patience);
            if group.is_empty() {
                return;
            }
            let start = Instant::now();
            self.work(group);
            patience = patience_after(start.elapsed());
            self.tidy();
        }
    }

    fn work(&mut self, jobs: Vec<Job<B>>) {
        let mut group = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(commit) => {
                    // What is folded from stored rows must find those of the commits before it.
                    if commit.fold.is_some() && group.iter().any(|other| commit.is_beside(other)) {
                        self.commit(std::mem::take(&mut group));
                    }
                    group.push(*commit);
                }
                Job::Alone(work) => {
                    self.commit(std::mem::take(&mut group));
                    work(self);
                }
            }
        }
        self.commit(group);
    }

    fn commit(&mut self, mut group: Vec<Commit<B>>) {
        if group.is_empty() {
            return;
        }
        let (mut begun, mut plan, commits) = (0, None, &mut group);
        let done = self.transaction(|session, changes| {
            let commits = commits;
            begun = commits.len();
            fold_all(session, commits)?;
            plan = Some(Plan::write(session, changes, commits)?);
            Ok(())
        });
        if begun > 1 && plan.is_none() && self.poison.check().is_ok() {
            // One of them, which is not known, met damage or a full disk: the others must not suffer.
            return group.into_iter().for_each(|commit| self.commit(vec![commit]));
        }
        let outcomes = match (done, plan) {
            (Ok(()), plan) => plan.map(Plan::publish).unwrap_or_default(),
            (Err(error), plan) => {
                let known = plan.map(|plan| plan.outcomes);
                failed_outcomes(error, known, group.len())
            }
        };
        self.count(&outcomes);
        group.into_iter().zip(outcomes).for_each(|(commit, outcome)| _ = commit.answer.send(Answer::Outcome(outcome)));
    }

    fn count(&mut self, outcomes: &[Outcome]) {
        self.expected = self.jobs.len() + outcomes.len();
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.counters.commits.fetch_add(done as u64, Ordering::Relaxed);
        self.counters.transactions.fetch_add(u64::from(done > 0), Ordering::Relaxed);
    }

    /// Runs `body` in a transaction of its own, which is durable when this returns.
    ///
    /// # Errors
    /// Those of `body`, and those of the backend. Then nothing has changed, or the handle is poisoned.
    pub(crate) fn transaction<T>(
        &mut self,
        body: impl FnOnce(&B::Session<'_>, &mut B::Changes) -> Result<T, B::Fault>,
    ) -> Result<T, StoreError> {
        self.poison.check()?;
        let (backend, own) = (&self.backend, &mut self.own);
        match catch_unwind(AssertUnwindSafe(|| backend.transaction(own, body))) {
            Ok(Ok(value)) => self.backend.in_place().map(|()| value).inspect_err(|error| self.spoil(error.to_string())),
            Ok(Err(Failure::Unchanged(error))) => Err(error),
            Ok(Err(Failure::Unknown(error))) => {
                // If the files have gone, that says more than what the backend met because of it.
                let error = self.backend.in_place().err().unwrap_or(error);
                self.spoil(error.to_string());
                Err(error)
            }
            Err(panic) => Err(self.panicked(&*panic)),
        }
    }

    fn tidy(&mut self) {
        if self.poison.check().is_err() {
            return;
        }
        let (backend, own) = (&self.backend, &mut self.own);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| backend.tidy(own))) {
            self.panicked(&*panic);
        }
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> StoreError {
        let why = format!("the writer panicked: {}", message(panic));
        self.spoil(why.clone());
        self.poison.error(&why)
    }

    fn spoil(&self, why: String) {
        self.poison.set(why);
        self.spaces.wake();
    }
}

/// What becomes of commits whose transaction has failed: those that were refused before are refused all the same.
fn failed_outcomes(error: StoreError, known: Option<Vec<Outcome>>, count: usize) -> Vec<Outcome> {
    let error = shared(error);
    match known {
        Some(outcomes) => outcomes.into_iter().map(|outcome| outcome.and_then(|_| Err(error()))).collect(),
        None => (0..count).map(|_| Err(error())).collect(),
    }
}

/// How long to wait for others before a transaction, if the last one took so long.
fn patience_after(took: Duration) -> Duration {
    if took < SHARED_FROM { Duration::ZERO } else { PATIENCE_MAX.min(took / 2) }
}

/// However the thread ends, those who wait are not left waiting.
struct AbandonAtEnd<'a, B: Backend>(&'a Queue<Job<B>>);

impl<B: Backend> Drop for AbandonAtEnd<'_, B> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_others_longer_than_it_pays() {
        let waits = [0, 99, 100, 1_000, 2_000, 50_000].map(Duration::from_micros).map(patience_after);
        assert_eq!(waits, [0, 0, 50, 500, 1_000, 1_000].map(Duration::from_micros));
    }
}
