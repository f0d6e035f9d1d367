//! What a replica gives to its archive before it trims the log, and what it folds from there.

use std::sync::Arc;

use bytes::Bytes;

use super::turn::Turn;
use super::{Inner, ReplicaError};
use crate::archive::{Archive, ArchiveError, History, Segment, SegmentName};
use crate::format::run::VerifiedRun;
use crate::format::wire::DecodeError;
use crate::id::{Cursor, Position, SpaceId};
use crate::store::{EventStore, Limit, StoreError, ViewId};

/// Bytes of bundles in a segment, but for the last run: half of what a segment takes.
const SEGMENT_BYTES: u32 = (crate::limits::SEGMENT_BYTES_MAX / 2) as u32;

/// A segment that the archive has taken.
pub(super) struct Cut {
    name: SegmentName,
    bytes: Bytes,
}

impl Cut {
    /// The position of its last bundle.
    pub(super) fn last(&self) -> Position {
        self.name.last
    }
}

impl Inner {
    /// What a view needs of the log and the log does not keep any more; `None` if it keeps everything.
    ///
    /// # Errors
    /// [`ReplicaError::NeedsHistory`] if there is no archive; those of [`History::of`].
    pub(super) async fn history(&self, view: &ViewId) -> Result<Option<History>, ReplicaError> {
        let base = self.store.status().await?.base;
        match &self.archive {
            _ if base == Position::ZERO => Ok(None),
            None => Err(ReplicaError::NeedsHistory { view: view.clone(), base }),
            Some(archive) => Ok(Some(History::of(self.store.clone(), archive.clone(), &self.space).await?)),
        }
    }

    /// Gives the bundles behind `base`, up to `to` and as many as a segment takes, to the archive. `None` if somebody else has trimmed
    /// them meanwhile.
    pub(super) async fn archive_some(
        &self,
        archive: &dyn Archive,
        base: Position,
        to: Position,
    ) -> Result<Option<Cut>, ReplicaError> {
        let Some(taken) = cut(&self.store, &self.space, base, to).await? else { return Ok(None) };
        let put = archive.put(&self.space, taken.name, taken.bytes.clone()).await;
        put.map_err(ArchiveError::unavailable("keep a segment"))?;
        Ok(Some(taken))
    }

    /// Folds views that lack history from the archive, if there is one. All of the history is checked first: rows that were folded from
    /// another one would stay.
    pub(super) async fn catch_up_from_archive(&self) -> Result<(), ReplicaError> {
        if self.archive.is_none() {
            return Ok(());
        }
        loop {
            let lacking = self.turn().await.without_history().cloned();
            let Some(view) = lacking else { return Ok(()) };
            match self.history(&view).await? {
                Some(history) => {
                    history.clone().verify().await?;
                    self.fold_from_archive(&view, history).await?;
                }
                None => self.turn().await.reload().await?,
            }
        }
    }

    /// Folds a view from the archive, as far as nobody else clears it or replaces the log meanwhile. The history was checked. A segment
    /// per turn, so that writers get in between; no turn is held while the archive is read.
    pub(super) async fn fold_from_archive(&self, view: &ViewId, mut history: History) -> Result<(), ReplicaError> {
        self.turn().await.reload().await?;
        while let Some(runs) = history.next().await? {
            if !self.fold_archived(view, &runs, &history).await? {
                break;
            }
        }
        Ok(())
    }

    /// Folds the runs of the segment that was read last into a view, but for what it has of them. Says whether the view now has them.
    async fn fold_archived(
        &self,
        view: &ViewId,
        runs: &[VerifiedRun],
        history: &History,
    ) -> Result<bool, ReplicaError> {
        let end = history.read();
        let begin = end.get() - runs.iter().map(|verified| verified.run().count()).sum::<u64>();
        loop {
            let mut turn = self.turn().await;
            turn.refresh().await?;
            let folded = turn.folded(view);
            // A view that was cleared meanwhile begins again with the first segment.
            if turn.status.log != history.log() || folded.get() < begin {
                return Ok(false);
            }
            if folded >= end {
                return Ok(true);
            }
            if folded == Position::ZERO && turn.forget_notes(view).await? {
                continue;
            }
            let mut known = folded.get() - begin;
            let rest = runs.iter().filter_map(|verified| {
                let (run, skipped) = (verified.run(), known.min(verified.run().count()));
                known -= skipped;
                run.since(run.first().plus(skipped))
            });
            let rest: Vec<_> = rest.collect();
            turn.fold_behind(view.clone(), rest.iter(), end).await?;
        }
    }
}

impl Turn<'_> {
    /// Whether the log begins with exactly what the archive has taken.
    pub(super) async fn still_has(&self, taken: &Cut) -> Result<bool, ReplicaError> {
        let SegmentName { after, last, log } = taken.name;
        if (self.status.log, self.status.base) != (log, after) {
            return Ok(false);
        }
        let now = cut(&self.inner.store, &self.inner.space, after, last).await?;
        Ok(now.is_some_and(|now| now.bytes == taken.bytes))
    }
}

/// The bundles behind `after`, up to `to` and as many as a segment takes. `None` if the log does not have them any more.
async fn cut(
    store: &Arc<dyn EventStore>,
    space: &SpaceId,
    after: Position,
    to: Position,
) -> Result<Option<Cut>, StoreError> {
    let log = store.status().await?.log;
    let items = u32::try_from(to.since(after)).unwrap_or(u32::MAX);
    let page = match store.read(Cursor { log, position: after }, Limit { items, bytes: SEGMENT_BYTES }).await {
        Err(StoreError::CursorGone { .. }) => return Ok(None),
        page => page?,
    };
    let name = SegmentName { after, last: page.next.position, log };
    let runs = page.runs.into_iter().map(|stored| stored.run).collect();
    let bytes = Segment { space: space.clone(), name, runs }.encode().map_err(too_large)?;
    Ok(Some(Cut { name, bytes }))
}

/// A store that returns more than it was asked for.
fn too_large(error: DecodeError) -> StoreError {
    StoreError::Corrupt { backend: "engine", at: "a page of the log".to_owned(), why: error.to_string() }
}
