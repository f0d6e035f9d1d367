//! The thread that writes: it owns the one writing connection and lets waiting commits share a transaction.
//!
//! A durable commit is one wait for the disk, whatever its size. So the thread takes all commits that are queued, applies
//! them one after the other within one transaction, and answers them together. What a commit is refused for is known before
//! it changes anything, so that a refused one neither leaves a trace nor harms its neighbours.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use rusqlite::{Connection, ErrorCode};
use syncline::store::{StoreError, WriteBatch};
use syncline_os::InPlace;

use crate::checkpoint::{self, Checkpoint};
use crate::draft::{Draft, Outcome};
use crate::error::{Fault, Result, displaced, duplicate, poisoned};
use crate::lock::FileLock;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::space::{OpenSpaces, Space};

/// Commits in one transaction.
const GROUP_JOBS_MAX: usize = 256;
/// Bytes of the commits in one transaction, unless the first one alone has more.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Where a transaction takes less, waiting for others to share it costs more than it saves.
const SHARED_FROM: Duration = Duration::from_micros(100);
/// Callers that come back at all come back within this.
const PATIENCE_MAX: Duration = Duration::from_millis(1);

/// What the thread is asked to do.
pub(crate) enum Job {
    /// One commit, which may share a transaction.
    Commit(Box<Commit>),
    /// Anything else, between two transactions.
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
}

pub(crate) struct Commit {
    pub(crate) space: Arc<Space>,
    pub(crate) batch: WriteBatch,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Commit {
    /// About how many bytes the commit holds in memory.
    pub(crate) fn weight(batch: &WriteBatch) -> usize {
        let runs: usize = batch.runs.iter().map(|append| append.run().as_bytes().len() + 200).sum();
        let rows =
            batch.rows.iter().map(|row| row.key.key.len() + row.value.as_ref().map_or(0, |value| value.len()) + 100);
        200 + runs + rows.sum::<usize>()
    }
}

/// What the writer has done since the file was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) transactions: AtomicU64,
}

/// The state of the thread. The connection is closed before the lock is released.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) poison: Arc<Poison>,
    pub(crate) in_place: InPlace,
    pub(crate) spaces: Arc<OpenSpaces>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) jobs: Arc<Queue<Job>>,
    /// How many commits there may be at a time: those answered last, whose callers may come again, and those that waited.
    pub(crate) expected: usize,
    pub(crate) _lock: FileLock,
}

/// How far a transaction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Body,
    Commit,
}

impl Writer {
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
            let took = start.elapsed();
            patience = if took < SHARED_FROM { Duration::ZERO } else { PATIENCE_MAX.min(took / 2) };
        }
    }

    fn work(&mut self, jobs: Vec<Job>) {
        let mut group = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(commit) => group.push(*commit),
                Job::Alone(work) => {
                    self.commit(std::mem::take(&mut group));
                    work(self);
                }
            }
        }
        self.commit(group);
    }

    fn commit(&mut self, group: Vec<Commit>) {
        if group.is_empty() {
            return;
        }
        let pages = group.iter().map(|commit| checkpoint::pages(&commit.batch)).sum();
        self.checkpoint.expect(&self.connection, pages);
        match self.attempt(|db| apply(db, &group)) {
            Ok((outcomes, drafts)) => {
                drafts.into_values().for_each(Draft::publish);
                self.expected = self.jobs.len() + group.len();
                let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
                self.counters.commits.fetch_add(done as u64, Ordering::Relaxed);
                self.counters.transactions.fetch_add(u64::from(done > 0), Ordering::Relaxed);
                group.into_iter().zip(outcomes).for_each(|(commit, outcome)| _ = commit.answer.send(outcome));
            }
            // One of them, which is not known, met damage or a full disk: the others must not suffer.
            Err((Stage::Body, _)) if group.len() > 1 => group.into_iter().for_each(|commit| self.commit(vec![commit])),
            Err((_, error)) => {
                group.into_iter().for_each(|commit| _ = commit.answer.send(Err(duplicate(&error))));
            }
        }
    }

    /// Runs `body` in a transaction of its own, which is durable when this returns.
    ///
    /// # Errors
    /// Those of `body`, and those of SQLite. Then nothing has changed, or the writer is poisoned.
    pub(crate) fn transaction<T>(
        &mut self,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        self.attempt(body).map_err(|(_, error)| error)
    }

    fn attempt<T>(
        &mut self,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, (Stage, StoreError)> {
        self.poison.check().map_err(|error| (Stage::Begin, error))?;
        let mut stage = Stage::Begin;
        let connection = &self.connection;
        let result = catch_unwind(AssertUnwindSafe(|| {
            execute(connection, "BEGIN IMMEDIATE")?;
            stage = Stage::Body;
            let value = body(connection)?;
            stage = Stage::Commit;
            execute(connection, "COMMIT")?;
            Ok(value)
        }));
        match result {
            Ok(Ok(value)) => match self.in_place.check() {
                Ok(()) => Ok(value),
                Err(error) => {
                    self.spoil(error.to_string());
                    Err((Stage::Commit, displaced(error)))
                }
            },
            Ok(Err(fault)) => Err((stage, self.abort(fault, stage))),
            Err(panic) => {
                let why = format!("the writer panicked: {}", message(&*panic));
                self.spoil(why.clone());
                Err((Stage::Begin, poisoned(why)))
            }
        }
    }

    /// Rolls back. Where that fails, or where the commit itself failed in a way that may have reached the disk, nothing that
    /// this connection says is to be trusted any more.
    fn abort(&mut self, fault: Fault, stage: Stage) -> StoreError {
        let open = !self.connection.is_autocommit();
        let rolled_back = !open || execute(&self.connection, "ROLLBACK").is_ok() && self.connection.is_autocommit();
        let certain = stage != Stage::Commit || matches!(&fault, Fault::Sqlite(error) if is_clean(error));
        let error = fault.at(&self.path);
        if !rolled_back || !certain {
            self.spoil(error.to_string());
        }
        error
    }

    fn spoil(&self, why: String) {
        self.poison.set(why);
        self.spaces.wake();
    }
}

/// Applies the commits of a group in order.
fn apply(db: &Connection, group: &[Commit]) -> Result<(Vec<Outcome>, BTreeMap<i64, Draft>)> {
    let mut drafts = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(group.len());
    for Commit { space, batch, .. } in group {
        let draft = drafts.entry(space.key.0).or_insert_with(|| Draft::new(space.clone()));
        outcomes.push(draft.apply(db, batch)?);
    }
    drafts.values().try_for_each(|draft| draft.save(db))?;
    drafts.values().for_each(Draft::announce);
    Ok((outcomes, drafts))
}

fn execute(db: &Connection, sql: &str) -> Result<()> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Whether a commit that fails so has certainly not happened.
fn is_clean(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation)
    )
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for no stated reason")
}

/// However the thread ends, those who wait are not left waiting.
struct AbandonAtEnd<'a>(&'a Queue<Job>);

impl Drop for AbandonAtEnd<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests;
