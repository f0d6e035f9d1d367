//! Which rows have changed since the application was here last.
//!
//! A mark is a place of the log. The rows that events behind it touch are found from the events alone, so nothing is kept for it. What
//! takes events back (a refusal, new times or a new identity of own bundles, a view that is folded again) is counted in a row of the
//! engine. If that count has moved, or the bundles behind a mark are gone, then any row may have changed.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::turn::Turn;
use super::{ReplicaError, View};
use crate::id::Cursor;
use crate::projection::Projection;
use crate::reserved::{self, TAKEN_BACK};
use crate::store::{Limit, RowKey, RowWrite, StoreError, WriteBatch};

/// Log bytes read at a time.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

/// Rows that are told by their keys, at most.
const KEYS_MAX: usize = 100_000;

/// A moment of a view. An application stores it with what it has made of the rows, and asks later what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Up to where the view was folded.
    at: Cursor,
    /// How often events had been taken back.
    taken_back: u64,
}

/// What has changed since a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The rows that may have changed; all others are as they were. `None` if any row may have, or if these are more than 100,000.
    pub keys: Option<BTreeSet<Bytes>>,
    /// The mark to ask with next time.
    pub now: Mark,
}

impl<P: Projection> View<P> {
    /// The view's present moment. Take it before you read rows: what changes while you read is then told later.
    ///
    /// # Errors
    /// [`ReplicaError::NeedsHistory`] if the view is [without history](super::ReplicaStatus::views_without_history);
    /// [`ReplicaError::Store`].
    pub async fn mark(&self) -> Result<Mark, ReplicaError> {
        let mut turn = self.replica.inner.turn().await;
        turn.refresh().await?;
        self.replica.inner.check_history(&self.view)?;
        let at = Cursor { log: turn.status.log, position: turn.folded(&self.view) };
        Ok(Mark { at, taken_back: turn.taken_back().await? })
    }

    /// The rows that have changed since a mark, created and deleted ones among them. It reads the log behind the mark once. So it costs
    /// what was written since, however many rows there are. Keys of rows that events touched without changing them may be among them.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub async fn changed_since(&self, mark: &Mark) -> Result<Since, ReplicaError> {
        let now = self.mark().await?;
        let (inner, mut keys, mut cursor) = (&self.replica.inner, BTreeSet::new(), mark.at);
        let is_comparable = |now: &Mark| now.at.log == mark.at.log && now.taken_back == mark.taken_back;
        if !is_comparable(&now) || now.at.position < mark.at.position {
            return Ok(Since { keys: None, now });
        }
        let projections = inner.projections.filter(|view| *view == self.view);
        while cursor.position < now.at.position {
            let left = now.at.position.since(cursor.position).try_into().unwrap_or(u32::MAX);
            let page = match inner.store.read(cursor, Limit { items: left, ..CHUNK }).await {
                Ok(page) => page,
                Err(StoreError::CursorGone { .. }) => return Ok(Since { keys: None, now }),
                Err(error) => return Err(error.into()),
            };
            let rows = projections.plan(page.runs.iter().map(|stored| &stored.run)).rows();
            keys.extend(rows.into_iter().map(|row| row.key));
            if keys.len() > KEYS_MAX {
                return Ok(Since { keys: None, now });
            }
            cursor = page.next;
        }
        // Bundles may have been taken back while they were read.
        let again = self.mark().await?;
        let keys = is_comparable(&again).then_some(keys);
        Ok(Since { now: if keys.is_some() { now } else { again }, keys })
    }
}

impl Turn<'_> {
    /// How often events were taken back.
    async fn taken_back(&self) -> Result<u64, StoreError> {
        let row = self.inner.store.load(&[key()]).await?.remove(0);
        row.map_or(Ok(0), |row| reserved::get(TAKEN_BACK, &row))
    }

    /// The row that counts a batch which takes events back, if it does.
    pub(super) async fn count_taken_back(&self, batch: &WriteBatch) -> Result<Option<RowWrite>, StoreError> {
        let is_ours = |view| self.inner.projections.views().any(|ours| ours == view);
        let clears = batch.clear.iter().any(is_ours);
        let goes_back = batch.views.iter().any(|(view, at)| is_ours(view) && *at < self.folded(view));
        let takes_back = clears || goes_back || batch.rewrite.is_some() || !batch.voids.is_empty();
        if !takes_back {
            return Ok(None);
        }
        Ok(Some(reserved::put(TAKEN_BACK, Bytes::new(), &(self.taken_back().await? + 1))))
    }
}

fn key() -> RowKey {
    RowKey::new(reserved::view(TAKEN_BACK), Bytes::new())
}
