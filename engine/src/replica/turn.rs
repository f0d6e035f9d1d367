//! The turn to commit: what its holder knows of the log, and the only way to change it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::lock::MutexGuard;

use super::beside;
use super::checkpoint::{self, Checkpoint};
use super::peers::Peers;
use super::queue::Taken;
use super::recent::Recent;
use super::sent::{Sent, sent_row};
use super::watch::KEYS_MAX;
use super::{Inner, locked};
use crate::format::heads::Head;
use crate::format::run::VerifiedRun;
use crate::format::time::NTP64;
use crate::id::{Position, ReplicaId};
use crate::projection::fold::Plan;
use crate::reserved::{self, IDENTITY, IMPORT, SENT, SentRow};
use crate::snapshot::{ImportRow, SnapshotId};
use crate::store::{Committed, EventStore, LogStatus, RowKey, RowWrite, StoreError, ViewId, WriteBatch, whole};

/// The turn to commit. One holder at a time has it, until it is dropped.
pub(super) struct Turn<'a> {
    pub(super) inner: &'a Inner,
    log: MutexGuard<'a, LogState>,
}

/// What the holder of the turn knows. It stays in the replica when a future is dropped, so that an interrupted write can be settled.
#[derive(Debug)]
pub(super) struct LogState {
    /// The log as of the last commit or reload. Others may have committed since; a commit then conflicts.
    pub(super) status: LogStatus,
    /// Own identity.
    pub(super) id: ReplicaId,
    /// Up to which own bundle others may have copies.
    pub(super) sent: Sent,
    /// Writes taken from the queue and not settled yet.
    pub(super) taken: Option<Taken>,
    /// How many writes shared the last commit of such.
    pub(super) last_writes: usize,
    /// A commit has begun and its outcome is not known: the status may lack what is in the log.
    pub(super) stale: bool,
    /// Rows as of the status.
    pub(super) recent: Recent,
    /// Where the checkpoint is.
    pub(super) checkpoint: Checkpoint,
    /// How often replicas beside a service have committed.
    pub(super) keepers: Option<Bytes>,
    /// The snapshot that is being fetched, or whose rows are being written.
    pub(super) import: Option<ImportRow>,
    /// The snapshot that this handle has begun to fetch last, or has found begun when it was opened.
    pub(super) takes: Option<SnapshotId>,
    /// How often views that this replica maintains were cleared since it was opened.
    pub(super) clears: u64,
    /// Views that were folded again since the replica was opened, because a stored row did not read back.
    pub(super) mended: BTreeSet<ViewId>,
}

impl Deref for Turn<'_> {
    type Target = LogState;

    fn deref(&self) -> &LogState {
        &self.log
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut LogState {
        &mut self.log
    }
}

impl Inner {
    /// Waits for the turn. Dropping the future gives the place up.
    pub(super) fn turn(&self) -> impl Future<Output = Turn<'_>> + Unpin {
        self.log.lock().map(|log| Turn { inner: self, log })
    }
}

impl LogState {
    /// Reads the log's status and the replica's identity, which is stored first if there is none.
    pub(super) async fn begin(store: &dyn EventStore, fresh: ReplicaId) -> Result<Self, StoreError> {
        loop {
            let keepers = beside::count(store).await?;
            let status = store.status().await?;
            if let Some(Stored { id, sent, checkpoint, import }) = load_self(store, &status).await? {
                let (taken, last_writes, stale, clears) = (None, 0, false, 0);
                let takes = import.as_ref().map(|import| import.id);
                let (recent, mended) = (Recent::default(), BTreeSet::new());
                return Ok(Self {
                    status,
                    id,
                    sent,
                    taken,
                    last_writes,
                    stale,
                    recent,
                    checkpoint,
                    keepers,
                    import,
                    takes,
                    clears,
                    mended,
                });
            }
            // Nothing of an identity that nobody has heard of was ever sent; the log may be a copy that knows it.
            let sent = SentRow { origin: fresh, through: status.heads.get(fresh).seq, writer: 0 };
            let rows = vec![reserved::put(IDENTITY, Bytes::new(), &fresh), sent_row(&sent)];
            let batch = WriteBatch { expected: Some(status.revision), rows, ..WriteBatch::default() };
            match store.commit(batch).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a view's rows are folded up to the head.
    pub(super) fn is_current(&self, view: &ViewId) -> bool {
        self.folded(view) == self.status.head
    }

    /// Lets a batch delete a checkpoint that cannot be believed.
    pub(super) fn drop_spoiled(&self, batch: &mut WriteBatch) {
        if self.checkpoint == Checkpoint::Spoiled && !batch.clear.contains(&checkpoint::view()) {
            batch.clear.push(checkpoint::view());
        }
    }

    /// Up to where a view's rows are folded.
    pub(super) fn folded(&self, view: &ViewId) -> Position {
        self.status.views.get(view).copied().unwrap_or(Position::ZERO)
    }
}

impl Turn<'_> {
    /// Reads the log's status again, and the identity, which another handle or a commit of unknown outcome may have changed.
    pub(super) async fn reload(&mut self) -> Result<(), StoreError> {
        // Before the status: if another replica commits in between, the count is the older one, and no commit on condition of it is taken.
        let keepers = beside::count(&*self.inner.store).await?;
        let status = self.inner.store.status().await?;
        if (status.log, status.revision) != (self.status.log, self.status.revision) {
            self.recent.forget();
        }
        self.status = status;
        let stored = load_self(&*self.inner.store, &self.status).await?;
        if let Some(Stored { id, sent, checkpoint, import }) = stored {
            self.sent.read(sent);
            (self.checkpoint, self.keepers, self.import) = (checkpoint, keepers, import);
            if id != self.id {
                self.id = id;
                *locked(&self.inner.peers) = Peers::load(&*self.inner.store).await?;
            }
        }
        self.inner.clock.advance(self.status.high_water());
        self.stale = false;
        self.tell_history();
        Ok(())
    }

    /// Reads the log's status again if it may lack something: a commit was dropped half way, or has failed and so has the reading
    /// after it.
    pub(super) async fn refresh(&mut self) -> Result<(), StoreError> {
        if self.stale { self.reload().await } else { Ok(()) }
    }

    /// What these runs touch in every view that is current.
    pub(super) fn plan(&self, runs: &[VerifiedRun]) -> Plan {
        self.inner.projections.filter(|view| self.is_current(view)).plan(runs.iter().map(VerifiedRun::run))
    }

    /// The batch that appends these runs and folds them into every view that is current, without their rows.
    pub(super) fn append_batch(&self, runs: Vec<VerifiedRun>) -> WriteBatch {
        let head = self.status.head.plus(runs.iter().map(|verified| verified.run().count()).sum());
        let clock = runs.iter().map(|verified| verified.head().time).max().unwrap_or(self.status.clock);
        let current = self.inner.projections.views().filter(|view| self.is_current(view));
        WriteBatch {
            expected: Some(self.status.revision),
            runs,
            views: current.map(|view| (view.clone(), head)).collect(),
            clock: clock.max(self.status.clock),
            ..WriteBatch::default()
        }
    }

    /// What is to be stored when `touched` rows have been folded again: those in `rows` as they are there, and no others.
    pub(super) async fn refolded(
        &self,
        touched: BTreeSet<RowKey>,
        mut rows: BTreeMap<RowKey, Bytes>,
    ) -> Result<Vec<RowWrite>, StoreError> {
        let keys: Vec<_> = touched.into_iter().collect();
        let stubs = whole::stubs(&keys, &self.inner.store.load(&keys).await?)?;
        let rows = keys.into_iter().map(|key| RowWrite { value: rows.remove(&key), key }).collect();
        Ok(whole::writes(rows, &stubs, self.inner.piece_bytes))
    }

    /// The views of this log that another version of the program maintains. When events go, they are cleared: anyone who knows them folds
    /// them again.
    pub(super) fn foreign_views(&self) -> Vec<ViewId> {
        let known = |view: &&ViewId| self.inner.projections.views().any(|ours| ours == *view);
        self.status.views.keys().filter(|view| !view.is_reserved() && !known(view)).cloned().collect()
    }

    /// Commits rows of the engine that depend on nothing else.
    pub(super) async fn commit_rows(&mut self, rows: Vec<RowWrite>) -> Result<(), StoreError> {
        loop {
            let batch =
                WriteBatch { expected: Some(self.status.revision), rows: rows.clone(), ..WriteBatch::default() };
            match self.commit(batch).await {
                Err(StoreError::Conflict { .. }) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Commits a batch computed from the turn's status, and notes what it changed.
    ///
    /// # Errors
    /// On [`StoreError::Conflict`] the status has been reloaded: compute the batch again.
    pub(super) async fn commit(&mut self, mut batch: WriteBatch) -> Result<Committed, StoreError> {
        self.drop_spoiled(&mut batch);
        batch.rows.extend(self.count_taken_back(&batch).await?);
        batch.clear = batch.clear.into_iter().flat_map(with_kept).collect();
        if self.is_beside(&batch) {
            return self.commit_beside(batch).await;
        }
        let keepers = self.count_in(&mut batch)?;
        let change = Change::of(&batch);
        self.stale = true;
        match self.inner.store.commit(batch).await {
            Ok(committed) => {
                self.keepers = keepers;
                self.note(committed, change);
                Ok(committed)
            }
            Err(error) => {
                self.reload().await?;
                Err(error)
            }
        }
    }

    /// Notes what a commit has changed.
    pub(super) fn note(&mut self, committed: Committed, change: Change) {
        let Change { heads, views, clear, rows, crowded, clock, trim } = change;
        let is_folded = !views.is_empty();
        self.stale = false;
        if !clear.is_empty() || !crowded.is_empty() {
            self.recent.forget();
        }
        if clear.contains(&checkpoint::view()) {
            self.checkpoint = Checkpoint::None;
        }
        let status = &mut self.status;
        (status.revision, status.head) = (committed.revision, committed.head);
        heads.into_iter().for_each(|(origin, head)| status.heads.set(origin, head));
        status.views.retain(|view, _| !clear.contains(view));
        status.views.extend(views);
        status.clock = status.clock.max(clock);
        status.base = status.base.max(trim);
        self.inner.clock.advance(clock);
        if is_folded {
            self.tell_history();
        }
        let mut unnamed: Vec<_> =
            clear.into_iter().filter(|view| self.inner.projections.views().any(|ours| ours == view)).collect();
        self.log.clears += unnamed.len() as u64;
        unnamed.extend(crowded);
        self.inner.watchers.publish(committed.head, &rows, &unnamed);
        self.log.recent.note(rows);
    }
}

/// What a batch changes of that which the holder of the turn knows.
#[derive(Debug)]
pub(super) struct Change {
    heads: Vec<(ReplicaId, Head)>,
    views: Vec<(ViewId, Position)>,
    clear: Vec<ViewId>,
    /// The rows, unless they are too many to name.
    pub(super) rows: Vec<RowWrite>,
    /// The views of rows that are too many to name.
    crowded: BTreeSet<ViewId>,
    clock: NTP64,
    trim: Position,
}

impl Change {
    pub(super) fn of(batch: &WriteBatch) -> Self {
        let heads = batch.runs.iter().map(|verified| (verified.run().origin(), verified.head())).collect();
        let (views, clear) = (batch.views.clone(), batch.clear.clone());
        let (mut rows, mut crowded) = (Vec::new(), BTreeSet::new());
        match batch.rows.len() {
            ..=KEYS_MAX => rows.clone_from(&batch.rows),
            _ => {
                let views = batch.rows.chunk_by(|a, b| a.key.view == b.key.view);
                crowded.extend(views.map(|rows| rows[0].key.view.clone()));
            }
        }
        Self { heads, views, clear, rows, crowded, clock: batch.clock, trim: batch.trim.unwrap_or(Position::ZERO) }
    }
}

/// A view to be cleared, with those that keep something of it: pieces of its rows, and its rows as they were at the checkpoint.
fn with_kept(view: ViewId) -> Vec<ViewId> {
    let mut views = vec![whole::pieces_view(&view)];
    if !view.is_reserved() {
        let kept = reserved::pre_images(&view);
        views.extend([whole::pieces_view(&kept), kept]);
    }
    views.push(view);
    views
}

/// What a store knows of its replica.
struct Stored {
    id: ReplicaId,
    sent: Sent,
    checkpoint: Checkpoint,
    import: Option<ImportRow>,
}

async fn load_self(store: &dyn EventStore, status: &LogStatus) -> Result<Option<Stored>, StoreError> {
    let own = |view| RowKey::new(reserved::view(view), Bytes::new());
    let keys = [own(IDENTITY), own(SENT), checkpoint::key(), own(IMPORT)];
    let rows = store.load(&keys).await?;
    let Some(row) = &rows[0] else { return Ok(None) };
    let id = reserved::get(IDENTITY, row)?;
    let sent = rows[1].as_ref().map(|row| reserved::get(SENT, row)).transpose()?;
    let sent = Sent::stored(sent, id, status.heads.get(id).seq);
    let checkpoint = Checkpoint::read(rows[2].as_ref(), status)?;
    let import = rows[3].as_ref().map(|row| reserved::get(IMPORT, row)).transpose()?;
    Ok(Some(Stored { id, sent, checkpoint, import }))
}
