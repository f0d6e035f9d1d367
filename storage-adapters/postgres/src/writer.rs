//! Commits of one space: those that wait share a transaction.

use std::sync::Arc;

use syncline::store::draft::{Bounds, Draft, Outcome, origins};
use syncline::store::{Committed, StoreError, WriteBatch};
use syncline::{Position, SpaceId};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::database::Database;
use crate::error::{BACKEND, Fault, abandoned, duplicate};
use crate::number::BIGINT_MAX;
use crate::space::{Space, Waiting};
use crate::tail::{Tail, gone};
use crate::work::Work;
use crate::{log, write};

/// Batches of one transaction are taken until they hold so many bytes.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Batches of one transaction.
const GROUP_BATCHES_MAX: usize = 256;
/// A group that takes longer than so many statements may has met a connection that is dead without saying so.
const STATEMENTS: u32 = 4;
/// What a failed commit was doing.
const DURING: &str = "committing";

/// Postgres keeps counters as `bigint`.
pub(crate) const BOUNDS: Bounds = Bounds { backend: BACKEND, position: Position::new(BIGINT_MAX), number: BIGINT_MAX };

/// Commits a batch, together with others that wait. It is committed even if the future is dropped.
pub(crate) async fn commit(database: &Arc<Database>, space: &Arc<Space>, batch: WriteBatch) -> Outcome {
    let (answer, outcome) = oneshot::channel();
    space.queue().push_back(Waiting { batch, answer });
    database.runtime.spawn(take_turn(database.clone(), space.clone()));
    outcome.await.unwrap_or_else(|_| Err(abandoned(DURING)))
}

/// Waits for the turn, and commits what waits then. There is one such task for each batch; most find nothing left to do.
async fn take_turn(database: Arc<Database>, space: Arc<Space>) {
    let mut remembered = space.turn.lock().await;
    let (batches, answers) = take_group(&space);
    if batches.is_empty() {
        return;
    }
    let outcomes = match commit_group(&database, &space.name, remembered.take(), &batches).await {
        Ok((tail, outcomes)) => {
            if let Some(Committed { revision, .. }) = outcomes.iter().flatten().last() {
                database.counts.count(outcomes.iter().flatten().count());
                space.hear(*revision);
                database.announcer.announce(&space.name, *revision);
            }
            *remembered = Some(tail);
            outcomes
        }
        Err(error) => batches.iter().map(|_| Err(duplicate(&error))).collect(),
    };
    drop(remembered);
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        drop(answer.send(outcome)); // nobody waits for it any more
    }
}

fn take_group(space: &Space) -> (Vec<WriteBatch>, Vec<oneshot::Sender<Outcome>>) {
    let mut queue = space.queue();
    let mut bytes = 0;
    let fits = |waiting: &&Waiting| {
        bytes += waiting.batch.bytes();
        bytes <= GROUP_BYTES_MAX
    };
    let count = queue.iter().take(GROUP_BATCHES_MAX).take_while(fits).count();
    let count = count.max(1).min(queue.len()); // one goes through, however large it is
    queue.drain(..count).map(|Waiting { batch, answer }| (batch, answer)).unzip()
}

/// Whether a batch is written by one statement: it only adds to the log, and deletes nothing.
fn only_adds(batch: &WriteBatch) -> bool {
    let deletes = batch.rows.iter().any(|row| row.value.is_none());
    batch.replace.is_none()
        && batch.rewrite.is_none()
        && batch.voids.is_empty()
        && batch.clear.is_empty()
        && batch.trim.is_none()
        && !deletes
}

/// Why a group was not committed.
enum Failure {
    /// Nothing has happened.
    Unchanged(Fault),
    /// It may have happened, if the connection was lost.
    Unknown(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Unchanged(fault)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Unchanged(error.into())
    }
}

/// What to remember of the log, and each batch's outcome.
type Done = (Tail, Vec<Outcome>);

/// Commits a group.
///
/// # Errors
/// If the transaction failed. Unless the connection was lost, nothing has happened.
async fn commit_group(
    database: &Database,
    space: &SpaceId,
    remembered: Option<Tail>,
    batches: &[WriteBatch],
) -> Result<Done, StoreError> {
    let mut lease = database.pool.lease().await.map_err(|fault| fault.unchanged("connecting"))?;
    let done = database.bounded(STATEMENTS, commit_over(&mut lease, space, remembered, batches)).await;
    let done = done.unwrap_or_else(|error| Err(Failure::Unknown(error.into())));
    match &done {
        Ok(_) => lease.give_back(),
        Err(Failure::Unchanged(fault) | Failure::Unknown(fault)) if fault.is_lost() => database.pool.forget_idle(),
        Err(_) => {}
    }
    done.map_err(|failure| match failure {
        Failure::Unchanged(fault) => fault.unchanged(DURING),
        Failure::Unknown(fault) => fault.unknown(DURING),
    })
}

async fn commit_over(
    connection: &mut Connection,
    space: &SpaceId,
    remembered: Option<Tail>,
    batches: &[WriteBatch],
) -> Result<Done, Failure> {
    if batches.iter().all(only_adds)
        && let Some(done) = at_once(connection, space, remembered, batches).await?
    {
        return Ok(done);
    }
    in_line(connection, space, batches).await
}

/// Computes the change from what is remembered or read of the log, and writes it in one statement, on condition that the log is
/// still at that revision. `None` if another process was faster.
async fn at_once(
    connection: &mut Connection,
    space: &SpaceId,
    remembered: Option<Tail>,
    batches: &[WriteBatch],
) -> Result<Option<Done>, Failure> {
    connection.start(Work::Statements).await?;
    let origins = origins(batches);
    let from_memory = remembered.as_ref().is_some_and(|tail| tail.knows(&origins));
    let tail = match remembered {
        Some(tail) if from_memory => tail,
        other => Tail::read(connection, space, &origins).await?.joined(other),
    };
    let (mut draft, mut outcomes) = draft_of(tail, batches);
    if from_memory && outcomes.iter().any(Result::is_err) {
        // Memory may be out of date: nobody is refused for that.
        (draft, outcomes) = draft_of(Tail::read(connection, space, &origins).await?, batches);
    }
    let written = match draft.is_empty() {
        true => Ok(true),
        false => write::draft(connection, space, &draft).await,
    };
    match written {
        Ok(true) => {
            connection.end().await.map_err(|error| Failure::Unknown(error.into()))?;
            return Ok(Some((Tail::after(draft), outcomes)));
        }
        Ok(false) => {}
        Err(fault) if fault.is_race() => {}
        Err(fault) => return Err(Failure::Unknown(fault)),
    }
    connection.abandon().await?;
    Ok(None)
}

/// The draft of batches that only add to the log.
fn draft_of(Tail(end): Tail, batches: &[WriteBatch]) -> (Draft<'_>, Vec<Outcome>) {
    Draft::of(BOUNDS, end, Vec::new(), batches)
}

/// Waits in line for the space's head row, and computes and writes the change while nobody else can change the space.
async fn in_line(connection: &mut Connection, space: &SpaceId, batches: &[WriteBatch]) -> Result<Done, Failure> {
    connection.start(Work::Transaction).await?;
    Tail::lock(connection, space).await?;
    // Not one statement with the lock: that would see the log as it was before the wait.
    let Tail(end) = Tail::read(connection, space, &origins(batches)).await?;
    let concerned = log::read_concerned(connection, space, batches).await?;
    let (draft, outcomes) = Draft::of(BOUNDS, end, concerned, batches);
    if draft.is_empty() {
        connection.abandon().await?;
        return Ok((Tail::after(draft), outcomes));
    }
    write::removals(connection, space, &draft).await?;
    if !write::draft(connection, space, &draft).await? {
        return Err(Fault::Store(gone(space)).into());
    }
    connection.end().await.map_err(|error| Failure::Unknown(error.into()))?;
    Ok((Tail::after(draft), outcomes))
}
