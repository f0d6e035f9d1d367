//! The turn to commit: what its holder knows of the log, and the only way to change it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::Inner;
use super::recent::Recent;
use super::sent::{Sent, sent_row};
use super::unreadable::notes;
use super::write::Taken;
use crate::format::run::VerifiedRun;
use crate::id::{Position, ReplicaId};
use crate::projection::fold::{Folded, Plan};
use crate::reserved::{self, IDENTITY, SENT, SentRow};
use crate::store::{Committed, EventStore, LogStatus, RowKey, RowWrite, StoreError, ViewId, WriteBatch, whole};

/// What the holder of the turn knows. Survives a dropped future, so that an interrupted write can be settled.
#[derive(Debug)]
pub(super) struct Turn {
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
    /// Views that were folded again since the replica was opened, because a stored row did not read back.
    mended: BTreeSet<ViewId>,
}

impl Turn {
    /// Reads the log's status and the replica's identity, which is stored first if there is none.
    pub(super) async fn begin(store: &dyn EventStore, fresh: ReplicaId) -> Result<Self, StoreError> {
        loop {
            let status = store.status().await?;
            if let Some((id, sent)) = load_self(store, &status).await? {
                let (taken, recent, mended) = (None, Recent::default(), BTreeSet::new());
                return Ok(Self { status, id, sent, taken, last_writes: 0, stale: false, recent, mended });
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

    /// Up to where a view's rows are folded.
    pub(super) fn folded(&self, view: &ViewId) -> Position {
        self.status.views.get(view).copied().unwrap_or(Position::ZERO)
    }
}

impl Inner {
    /// Reads the log's status again, and the identity, which another handle or a commit of unknown outcome may have changed.
    pub(super) async fn reload(&self, turn: &mut Turn) -> Result<(), StoreError> {
        let status = self.store.status().await?;
        if (status.log, status.revision) != (turn.status.log, turn.status.revision) {
            turn.recent.forget();
        }
        turn.status = status;
        if let Some((id, sent)) = load_self(&*self.store, &turn.status).await? {
            turn.sent.read(sent);
            if id != turn.id {
                turn.id = id;
                *super::locked(&self.peers) = super::peers::Peers::load(&*self.store).await?;
            }
        }
        self.clock.advance(turn.status.high_water());
        turn.stale = false;
        Ok(())
    }

    /// Reads the log's status again if it may lack something: a commit was dropped half way, or has failed and so has the reading
    /// after it.
    pub(super) async fn refresh(&self, turn: &mut Turn) -> Result<(), StoreError> {
        if turn.stale { self.reload(turn).await } else { Ok(()) }
    }

    /// Folds these runs into every view that is current. `None` if that has found damaged rows: start over.
    pub(super) async fn fold_runs(&self, turn: &mut Turn, runs: &[VerifiedRun]) -> Result<Option<Folded>, StoreError> {
        let projections = self.projections.filter(|view| turn.is_current(view));
        self.fold(turn, projections.plan(runs.iter().map(VerifiedRun::run))).await
    }

    /// The batch that appends these runs, as they were folded into every view that is current.
    pub(super) fn append_batch(&self, turn: &Turn, runs: Vec<VerifiedRun>, folded: Folded) -> WriteBatch {
        let head = turn.status.head.plus(runs.iter().map(|verified| verified.run().count()).sum());
        let clock = runs.iter().map(|verified| verified.head().time).max().unwrap_or(turn.status.clock);
        let current = self.projections.views().filter(|view| turn.is_current(view));
        WriteBatch {
            expected: Some(turn.status.revision),
            runs,
            rows: rows(folded),
            views: current.map(|view| (view.clone(), head)).collect(),
            clock: clock.max(turn.status.clock),
            ..WriteBatch::default()
        }
    }

    /// Folds planned events into the rows, and gives these as they are to be stored. `None` if a row did not read back and its view was
    /// cleared, to be folded again from the log: start over. That is done once for each view, since a row that this very program writes so
    /// that it cannot read it would come back; its events are then put aside.
    pub(super) async fn fold(&self, turn: &mut Turn, plan: Plan<'_>) -> Result<Option<Folded>, StoreError> {
        let keys = plan.rows();
        let stored = turn.recent.load(&*self.store, &keys).await?;
        let (loaded, stubs) = whole::join(&*self.store, &keys, stored).await?;
        let folded = plan.fold(keys, loaded);
        let clear: Vec<_> = folded.damaged.keys().filter(|view| !turn.mended.contains(*view)).cloned().collect();
        if clear.is_empty() {
            let rows = whole::writes(folded.rows, &stubs, self.piece_bytes);
            return Ok(Some(Folded { rows, ..folded }));
        }
        let batch = WriteBatch { expected: Some(turn.status.revision), clear: clear.clone(), ..WriteBatch::default() };
        match self.commit(turn, batch).await {
            Ok(_) => turn.mended.extend(clear),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// What is to be stored when `touched` rows have been folded again: those in `rows` as they are there, and no others.
    pub(super) async fn refolded(
        &self,
        touched: BTreeSet<RowKey>,
        mut rows: BTreeMap<RowKey, Bytes>,
    ) -> Result<Vec<RowWrite>, StoreError> {
        let keys: Vec<_> = touched.into_iter().collect();
        let stubs = whole::stubs(&keys, &self.store.load(&keys).await?)?;
        let rows = keys.into_iter().map(|key| RowWrite { value: rows.remove(&key), key }).collect();
        Ok(whole::writes(rows, &stubs, self.piece_bytes))
    }

    /// The views of this log that another version of the program maintains. When events go, they are cleared: anyone who knows them folds
    /// them again.
    pub(super) fn foreign_views(&self, turn: &Turn) -> Vec<ViewId> {
        let known = |view: &&ViewId| self.projections.views().any(|ours| ours == *view);
        turn.status.views.keys().filter(|view| !known(view)).cloned().collect()
    }

    /// Commits rows of the engine that depend on nothing else.
    pub(super) async fn commit_rows(&self, rows: Vec<RowWrite>) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        loop {
            let batch =
                WriteBatch { expected: Some(turn.status.revision), rows: rows.clone(), ..WriteBatch::default() };
            match self.commit(&mut turn, batch).await {
                Err(StoreError::Conflict { .. }) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Commits a batch computed from the turn's status, and notes what it changed.
    ///
    /// # Errors
    /// On [`StoreError::Conflict`] the status has been reloaded: compute the batch again.
    pub(super) async fn commit(&self, turn: &mut Turn, mut batch: WriteBatch) -> Result<Committed, StoreError> {
        batch.clear = batch.clear.into_iter().flat_map(|view| [whole::pieces_view(&view), view]).collect();
        let heads: Vec<_> = batch.runs.iter().map(|verified| (verified.run().origin(), verified.head())).collect();
        let (views, clear, clock) = (batch.views.clone(), batch.clear.clone(), batch.clock);
        let rows = batch.rows.clone();
        turn.stale = true;
        let committed = match self.store.commit(batch).await {
            Ok(committed) => committed,
            Err(error) => {
                self.reload(turn).await?;
                return Err(error);
            }
        };
        turn.stale = false;
        let changed: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        if !clear.is_empty() {
            turn.recent.forget();
        }
        turn.recent.note(rows);
        let status = &mut turn.status;
        (status.revision, status.head) = (committed.revision, committed.head);
        heads.into_iter().for_each(|(origin, head)| status.heads.set(origin, head));
        status.views.retain(|view, _| !clear.contains(view));
        status.views.extend(views);
        status.clock = status.clock.max(clock);
        self.clock.advance(clock);
        let cleared: Vec<_> =
            clear.into_iter().filter(|view| self.projections.views().any(|ours| ours == view)).collect();
        self.watchers.publish(committed.head, &changed, &cleared);
        Ok(committed)
    }
}

/// The stored identity, and up to where its bundles may have been sent.
async fn load_self(store: &dyn EventStore, status: &LogStatus) -> Result<Option<(ReplicaId, Sent)>, StoreError> {
    let keys = [IDENTITY, SENT].map(|view| RowKey::new(reserved::view(view), Bytes::new()));
    let rows = store.load(&keys).await?;
    let Some(row) = &rows[0] else { return Ok(None) };
    let id = reserved::get(IDENTITY, row)?;
    let sent = rows[1].as_ref().map(|row| reserved::get(SENT, row)).transpose()?;
    Ok(Some((id, Sent::stored(sent, id, status.heads.get(id).seq))))
}

/// The rows of a fold, with the notes of the events put aside.
pub(super) fn rows(folded: Folded) -> Vec<RowWrite> {
    let mut rows = folded.rows;
    rows.extend(notes(folded.aside));
    rows
}
