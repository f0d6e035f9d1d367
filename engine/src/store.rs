//! What a storage adapter implements: one space's append-only log and the rows folded from it.
//!
//! This file is the specification; `syncline-conformance` holds a named test for each sentence of it. Every method may be
//! called from many tasks at once. Adapters block no executor: they use their own threads, or an async driver. A call that is
//! left half polled, as by a `select!` that runs another arm, blocks no other call. What others wait for (a
//! connection, a lock, a place in a queue) is held by a thread or a task of the adapter, never by the caller's future.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::format::heads::{ChainHash, Heads};
use crate::format::run::{Run, VerifiedRun};
use crate::format::time::NTP64;
use crate::id::{Cursor, LogId, Position, ReplicaId, Revision, Seq, SpaceId};

mod batch;
pub mod check;
mod claim;
pub mod draft;
mod error;
#[doc(hidden)]
pub mod forward;
mod key;
pub(crate) mod lacking;
pub mod memory;
pub mod page;
pub mod rewrite;
pub mod whole;

pub use batch::{Committed, Replacement, Rewrite, RowFold, RowWrite, WriteBatch};
pub use claim::{Claim, Holder};
pub use error::{BoxError, Retry, StoreError};
pub use key::{Direction, Row, RowKey, RowRange, ViewId};

#[doc(inline)]
pub use crate::__forward_event_store as forward;

/// One space's append-only log and the rows folded from it, changed only by whole commits.
///
/// A store that wraps another one passes calls on with [`forward!`].
#[async_trait]
pub trait EventStore: Debug + Send + Sync + 'static {
    /// Identity, revision, head, base, heads, clock and view progress of the log, all from one moment.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`], [`StoreError::Poisoned`].
    async fn status(&self) -> Result<LogStatus, StoreError>;

    /// Runs after `after` in commit order, from one moment: at most `limit`, but at least one bundle if there is one.
    /// `Page::next` is the place of the last returned bundle. It equals the head exactly if nothing is left.
    ///
    /// # Errors
    /// [`StoreError::CursorGone`] if the cursor names another log, or is beyond the head or below the base: never a partial
    /// answer. [`StoreError::Corrupt`] if stored bytes cannot be read back.
    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError>;

    /// One origin's runs after bundle `after`, in order, at most `limit` but at least one bundle if there is one. Empty
    /// if the log has nothing further of that origin.
    ///
    /// # Errors
    /// As [`status`](Self::status). [`StoreError::Trimmed`] if a bundle that belongs into the answer lies at or below the base, with the
    /// first such bundle. [`StoreError::Corrupt`] if the origin's head says that there is more than can be found, or if what is found
    /// does not follow without a hole: neither a trim nor an index that lost an entry ever makes an answer short. In a log
    /// that was trimmed, a bundle that is not found counts as trimmed.
    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError>;

    /// One value per key, in the order asked, from one moment. `None` if there is no such row. Rows may be large together: what
    /// a projection lets grow beyond the limit of a row is kept in pieces of that size, see [`whole`].
    ///
    /// # Errors
    /// As [`status`](Self::status).
    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Rows of one view within `range`, from one moment, in the order of their keys or backwards, as
    /// [`RowRange::direction`] says. At most `limit`, but at least one row if there is one. Shorter than the limit only if the
    /// range ends: continue with [`RowRange::after`] the last key.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError>;

    /// Applies all of the batch in one durable transaction, or nothing of it.
    ///
    /// Returns when the backend's durable commit has returned, at the storage's [`Durability`]. Positions are assigned inside
    /// the transaction: the first bundle gets `head + 1`. An empty batch is a commit too and raises the revision. There is a limit
    /// to each row and none to the rows of a batch.
    ///
    /// A replacement lets the log begin anew: another identity, other heads, and no bundle. From then on every cursor into the old log
    /// is gone. Runs of the same batch follow the new heads. The revision goes on, and rows, the progress of views and the clock stay.
    ///
    /// A trim deletes bundles, and what belongs to these bundles alone. Positions, heads, rows and the progress of views stay, and the
    /// log goes on as if nothing had been deleted. What goes is judged by positions, however a store packs bundles into runs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if `expected` is not the log's revision; [`StoreError::SameLog`] if the log is to be replaced
    /// under the identity that it has; [`StoreError::OutOfOrder`] if a run does not follow its origin's head by seq;
    /// [`StoreError::WrongChain`] if it does by seq and not by hash; [`StoreError::NoSuchBundle`] if a void or a rewrite names a
    /// bundle that the log does not hold; [`StoreError::Trimmed`] if a void names a bundle at or below the base, or a rewrite empties
    /// the place of one; [`StoreError::Misplaced`] if a rewrite does not fill exactly the places it empties;
    /// [`StoreError::TooLarge`] beyond a limit; [`StoreError::TrimBeyondHead`] if the log is to be trimmed further than it reached before
    /// the runs of the batch; [`StoreError::Backend`] if the outcome may be unknown. In every case except the last nothing has
    /// changed. If several errors apply, the first in this order is returned: revision, replacement, rewrite, runs, voids, rows,
    /// trim. A run that does not follow is told as such, whether or not the log still has the bundle that it repeats: only the head's
    /// hash is compared.
    ///
    /// # Cancel
    /// Dropping the future does not undo the commit: its outcome is unknown, ask [`status`](Self::status).
    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError>;

    /// Loads rows, lets `fold` make row writes of them, and commits `batch` with these writes behind its own rows. It does what
    /// [`load`](Self::load) and [`commit`](Self::commit) do, in one step. `fold` gets the rows as they are at the very revision
    /// that the batch is applied to, one value per key, in the order asked. It is called at most once, and only if `expected` is the
    /// log's revision. If it answers `None`, nothing is committed, and the answer is `None`.
    ///
    /// A backend that can load within the transaction that it then commits saves its callers a hop. The default loads first, and
    /// commits on condition that the log is still at the same revision.
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`commit`](Self::commit). A batch that expects nothing may be answered with
    /// [`StoreError::Conflict`], too: somebody else has committed after the rows were loaded. If several errors apply, the first in this
    /// order is returned: revision, loading, replacement, rewrite, runs, voids, rows, trim.
    ///
    /// # Panics
    /// If `fold` panics, its panic goes on in the caller's task. Then nothing is committed, and no other call notices it.
    ///
    /// # Cancel
    /// As [`commit`](Self::commit).
    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        load_and_commit(self, batch, fold).await
    }

    /// Waits until the log's revision is larger than `since`, and returns it. Wakes for commits of other processes too,
    /// if the backend allows several.
    ///
    /// # Cancel
    /// Dropping the future stops waiting and changes nothing.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    async fn changed(&self, since: Revision) -> Result<Revision, StoreError>;
}

/// What [`EventStore::commit_folded`] does by default. For a store that wraps another one and changes what its methods do.
///
/// # Errors
/// As [`EventStore::commit_folded`].
pub async fn load_and_commit<S: EventStore + ?Sized>(
    store: &S,
    mut batch: WriteBatch,
    fold: RowFold,
) -> Result<Option<Committed>, StoreError> {
    let found = store.status().await?.revision;
    if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
        return Err(StoreError::Conflict { expected, found });
    }
    let stored = store.load(&fold.keys).await?;
    let Some(rows) = fold.make(stored) else { return Ok(None) };
    batch.rows.extend(rows);
    store.commit(WriteBatch { expected: Some(found), ..batch }).await.map(Some)
}

/// One database: many spaces, each a log of its own.
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// Opens a space, and creates it with a fresh [`LogId`] if it does not exist. Two opens share one log.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote it; [`StoreError::Backend`] otherwise.
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError>;

    /// The spaces that exist, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError>;

    /// What a returned commit has survived.
    fn durability(&self) -> Durability;

    /// Whether a commit would succeed now, as far as this is known without one. Fast enough for one call per second.
    ///
    /// # Errors
    /// The obstacle: [`StoreError::Poisoned`]; [`StoreError::Backend`] if the backend cannot be reached, or if its files
    /// are not where they were opened.
    async fn ready(&self) -> Result<(), StoreError> {
        self.spaces().await.map(drop)
    }

    /// Lets the backend check everything that it has stored, as thoroughly as it can while it serves: its indices, its checksums.
    /// Returns in a few words what was checked. It may take as long as reading everything, and blocks neither commits nor
    /// reads. The caller checks what only an [`EventStore`] knows, such as the chain of hashes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first damage; [`StoreError::Backend`], [`StoreError::Poisoned`].
    ///
    /// # Cancel
    /// Dropping the future ends the check, at once or soon.
    async fn check(&self) -> Result<String, StoreError> {
        Ok("nothing, since this store has no check of its own".to_owned())
    }
}

#[async_trait]
impl<S: Storage + ?Sized> Storage for Arc<S> {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        (**self).open(space).await
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        (**self).spaces().await
    }

    fn durability(&self) -> Durability {
        (**self).durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        (**self).ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        (**self).check().await
    }
}

/// What a commit survives once it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing: it lives in memory.
    Volatile,
    /// The death of the process, not a power cut.
    Process,
    /// A power cut.
    Synced,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Volatile => "volatile",
            Self::Process => "process",
            Self::Synced => "synced",
        })
    }
}

/// A log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Which copy of the log.
    pub log: LogId,
    /// How many commits it has seen.
    pub revision: Revision,
    /// The last bundle's position.
    pub head: Position,
    /// Bundles up to here are no longer kept. Zero if the log was never trimmed.
    pub base: Position,
    /// Per origin the last bundle.
    pub heads: Heads,
    /// The largest time that the log's clock has issued or noted.
    pub clock: NTP64,
    /// Per view up to which position its rows are folded. A view that is not named has no rows.
    pub views: BTreeMap<ViewId, Position>,
}

impl LogStatus {
    /// A log just created.
    pub fn fresh(log: LogId) -> Self {
        Self {
            log,
            revision: Revision::ZERO,
            head: Position::ZERO,
            base: Position::ZERO,
            heads: Heads::new(),
            clock: NTP64(0),
            views: BTreeMap::new(),
        }
    }

    /// Checks that the heads tell of as many bundles as there are positions, as in every log: an adapter that reads both from its
    /// backend asks this, so that a head that was lost is noticed.
    ///
    /// # Errors
    /// What is wrong, in words: [`StoreError::Corrupt`] takes them.
    pub fn check(&self) -> Result<(), String> {
        let bundles = self.heads.bundles();
        if bundles == u128::from(self.head.get()) {
            return Ok(());
        }
        Err(format!("its heads tell of {bundles} bundles, and its last position is {}", self.head))
    }

    /// The largest time that must not be issued again: the clock's, and that of any bundle.
    pub fn high_water(&self) -> NTP64 {
        self.clock.max(self.heads.latest()[0])
    }
}

/// How much one read may return: the first bound that is reached ends it, but one item is always returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Bundles or rows.
    pub items: u32,
    /// Encoded bytes of them.
    pub bytes: u32,
}

impl Limit {
    /// One mebibyte, any number of items.
    pub const PAGE: Self = Self::bytes(1024 * 1024);

    /// At most so many bytes, any number of items.
    pub const fn bytes(bytes: u32) -> Self {
        Self { items: u32::MAX, bytes }
    }

    /// At most so many items, of any size.
    pub const fn items(items: u32) -> Self {
        Self { items, bytes: u32::MAX }
    }
}

/// A run as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Where its first bundle lies; the others follow.
    pub position: Position,
    /// The origin's chain hash before its first bundle.
    pub previous: ChainHash,
    /// The bundles.
    pub run: Run,
}

impl StoredRun {
    /// The run in as many pieces as the limit of a run asks for, each at its place; see [`VerifiedRun::pieces`].
    pub fn pieces(self) -> Vec<StoredRun> {
        let mut position = self.position;
        let place = |verified: VerifiedRun| {
            let stored = StoredRun { position, previous: verified.previous(), run: verified.run().clone() };
            position = stored.end().plus(1);
            stored
        };
        VerifiedRun::assume(self.run, self.previous).pieces().into_iter().map(place).collect()
    }

    /// Where its last bundle lies.
    pub fn end(&self) -> Position {
        self.position.plus(self.run.count() - 1)
    }

    /// What of it lies behind a position; `None` if nothing does.
    pub fn behind(self, after: Position) -> Option<StoredRun> {
        let known = after.plus(1).since(self.position);
        self.skip(known)
    }

    /// What is left without the first `count` bundles; `None` if nothing is.
    fn skip(self, count: u64) -> Option<StoredRun> {
        if count == 0 {
            return Some(self);
        }
        let StoredRun { position, previous, run } = self;
        let kept = run.since(run.first().plus(count))?;
        let skipped = run.bundles().take(usize::try_from(count).ok()?);
        let previous = skipped.fold(previous, |chain, bundle| bundle.chain_after(chain));
        Some(StoredRun { position: position.plus(count), previous, run: kept })
    }
}

/// Consecutive runs of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The runs, in commit order.
    pub runs: Vec<StoredRun>,
    /// From where to read on.
    pub next: Cursor,
    /// The log's head when the page was read.
    pub head: Position,
}

impl Page {
    /// Whether the page reaches the head.
    pub fn is_last(&self) -> bool {
        self.next.position == self.head
    }
}
