//! Notes of the events that were put aside: one for each event and view, stored in the commit that folds the view. They are listed and
//! counted for the views that the replica maintains, and are gone when what they say is no longer so: a view that is folded from the
//! start of the log has none, and a bundle that was refused or rewritten takes its own along.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::turn::Turn;
use super::{Inner, Replica, ReplicaError};
use crate::format::run::Bundle;
use crate::id::{Dot, Position, ReplicaId, Seq};
use crate::projection::{Aside, Cause};
use crate::reserved::{self, NoteRow, UNREADABLE, UNREADABLE_1};
use crate::store::{Limit, Row, RowKey, RowRange, RowWrite, StoreError, ViewId, WriteBatch};

impl Replica {
    /// Events that are in the log but not in the rows of a view that this replica maintains: which event, which view, why. In the order
    /// of view and bundle, at most `limit`, beginning after `after`, the last one of the previous page. Empty at the end.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn unreadable(&self, after: Option<&Aside>, limit: Limit) -> Result<Vec<Aside>, ReplicaError> {
        let last = after.map(|aside| aside.view.as_ref());
        for view in self.inner.noted().filter(|view| last.is_none_or(|last| last <= *view)) {
            let mut range = reserved::notes(view);
            if let Some(after) = after.filter(|_| last == Some(view)) {
                range = range.after(reserved::note_key(view, after.dot, after.index));
            }
            let rows = self.inner.store.scan(&reserved::view(UNREADABLE), range, limit).await?;
            if !rows.is_empty() {
                return Ok(rows.iter().map(reserved::read_note).collect::<Result<_, _>>()?);
            }
        }
        Ok(Vec::new())
    }
}

impl Inner {
    /// Whose notes count: every maintained view's, and those of bundles that no view can read.
    pub(super) fn noted(&self) -> impl Iterator<Item = Option<&ViewId>> {
        let bundles = self.projections.views().next().map(|_| None);
        bundles.into_iter().chain(self.projections.views().map(Some))
    }

    /// How many notes count.
    pub(super) async fn count_unreadable(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for view in self.noted() {
            count += self.count(UNREADABLE, reserved::notes(view)).await?;
        }
        Ok(count)
    }
}

impl Turn<'_> {
    /// Deletes notes of this view, some at a time: they are of an earlier fold of it. Returns whether there were any.
    pub(super) async fn forget_notes(&mut self, view: &ViewId) -> Result<bool, StoreError> {
        let range = reserved::notes(Some(view));
        let rows = self.inner.store.scan(&reserved::view(UNREADABLE), range, Limit::PAGE).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let (expected, rows) = (Some(self.status.revision), rows.into_iter().map(deleted).collect());
        match self.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The rows that delete the notes of an origin's bundles from `first` to `last`.
    pub(super) async fn notes_gone(
        &self,
        origin: ReplicaId,
        first: Seq,
        last: Seq,
    ) -> Result<Vec<RowWrite>, StoreError> {
        let mut gone = Vec::new();
        for view in self.inner.noted() {
            let mut range = reserved::notes_of(view, origin, first, last);
            loop {
                let rows = self.inner.store.scan(&reserved::view(UNREADABLE), range.clone(), Limit::PAGE).await?;
                let Some(last) = rows.last() else { break };
                range = range.after(last.key.clone());
                gone.extend(rows.into_iter().map(deleted));
            }
        }
        Ok(gone)
    }

    /// Lets those views be folded again that this program reads better than the notes say: it knows a version of an event
    /// that an earlier program did not, or a form of a bundle's body. Notes of the first layout do not tell, so their views are among
    /// them, once.
    pub(super) async fn renew_outdated(&mut self) -> Result<(), StoreError> {
        loop {
            let mut outdated = Outdated::default();
            self.find_first_layout(&mut outdated).await?;
            self.find_outdated(&mut outdated).await?;
            if outdated.clear.is_empty() && outdated.rows.is_empty() {
                return Ok(());
            }
            let batch = match self.status.base {
                Position::ZERO => outdated.cleared(),
                _ => self.folded_from_checkpoint(outdated).await?,
            };
            let batch = WriteBatch { expected: Some(self.status.revision), ..batch };
            match self.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets views be folded again from the checkpoint on, since the log's start has been trimmed. The events that they put aside lie behind
    /// the checkpoint, because it does not move past such an event in a trimmed log.
    async fn folded_from_checkpoint(&self, outdated: Outdated) -> Result<WriteBatch, StoreError> {
        let mut batch = WriteBatch { rows: outdated.rows, ..WriteBatch::default() };
        let at = self.settled();
        for view in outdated.clear {
            if view.is_reserved() {
                batch.clear.push(view);
                continue;
            }
            if self.lacks_history(&view) {
                continue;
            }
            batch.rows.extend(self.rows_at_checkpoint(&view).await?);
            batch.clear.push(reserved::pre_images(&view));
            batch.views.push((view, at));
        }
        Ok(batch)
    }

    async fn find_first_layout(&self, outdated: &mut Outdated) -> Result<(), StoreError> {
        let (layout, mut range) = (reserved::view(UNREADABLE_1), RowRange::all());
        loop {
            let rows = self.inner.store.scan(&layout, range.clone(), Limit::PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            for row in &rows {
                let view = reserved::first_layout_view(&row.key);
                // No view: a bundle whose body is malformed, whichever view is folded.
                outdated.clear.extend(
                    self.inner.projections.views().filter(|known| view.is_none_or(|v| v == known.as_str())).cloned(),
                );
            }
            outdated.clear.insert(layout.clone());
            range = range.after(last.key.clone());
        }
    }

    async fn find_outdated(&self, outdated: &mut Outdated) -> Result<(), StoreError> {
        for view in self.inner.noted() {
            let mut range = reserved::notes(view);
            loop {
                let rows = self.inner.store.scan(&reserved::view(UNREADABLE), range.clone(), Limit::PAGE).await?;
                let Some(last) = rows.last() else { break };
                range = range.after(last.key.clone());
                for row in rows {
                    let Aside { dot, event_type, cause, .. } = reserved::read_note(&row)?;
                    let reads = |view| {
                        event_type.as_ref().is_some_and(|event_type| self.inner.projections.reads(view, event_type))
                    };
                    match (view, cause) {
                        (Some(view), Cause::OtherVersion { .. }) if reads(view) => {
                            outdated.clear.insert(view.clone());
                            outdated.rows.push(deleted(row));
                        }
                        (None, _) if self.is_sound(dot).await? => {
                            outdated.clear.extend(self.inner.projections.views().cloned());
                            outdated.rows.push(deleted(row));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether this program can read the bundle's body.
    async fn is_sound(&self, dot: Dot) -> Result<bool, StoreError> {
        let stored = self.inner.store.read_origin(dot.origin, Seq::new(dot.seq.get() - 1), Limit::items(1)).await;
        let stored = match stored {
            Err(StoreError::Trimmed { .. }) => return Ok(false),
            stored => stored?,
        };
        let mut bundles = stored.iter().flat_map(|stored| stored.run.bundles());
        let reads = |bundle: Bundle<'_>| bundle.events().all(|event| event.is_ok());
        Ok(bundles.find(|bundle| bundle.dot == dot).is_none_or(reads))
    }
}

/// What is to be folded again.
#[derive(Debug, Default)]
struct Outdated {
    clear: BTreeSet<ViewId>,
    rows: Vec<RowWrite>,
}

impl Outdated {
    /// Deletes the rows of all these views.
    fn cleared(self) -> WriteBatch {
        WriteBatch { clear: self.clear.into_iter().collect(), rows: self.rows, ..WriteBatch::default() }
    }
}

/// The notes of events that were put aside: one for each event and view, however many rows of it the event touches.
pub(super) fn notes(aside: Vec<Aside>) -> Vec<RowWrite> {
    let note = |Aside { view, dot, index, event_type, cause }| {
        (reserved::note_key(view.as_ref(), dot, index), NoteRow { event_type, cause })
    };
    let notes: BTreeMap<Bytes, NoteRow> = aside.into_iter().map(note).collect();
    notes.into_iter().map(|(key, note)| reserved::put(UNREADABLE, key, &note)).collect()
}

fn deleted(row: Row) -> RowWrite {
    RowWrite { key: RowKey::new(reserved::view(UNREADABLE), row.key), value: None }
}
