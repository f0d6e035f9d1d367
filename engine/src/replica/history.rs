//! Past states: what the rows were when only the bundles up to a timestamp existed.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::checkpoint::Start;
use super::{Inner, ReplicaError, View};
use crate::format::event::EventRef;
use crate::format::run::{Run, VerifiedRun};
use crate::format::time::Moment;
use crate::id::Cursor;
use crate::projection::fold::{Plan, Projections};
use crate::projection::{Aside, Projection};
use crate::store::{Limit, RowKey, RowWrite, StoreError, StoredRun, ViewId};

/// Log bytes read at a time.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

impl<P: Projection> View<P> {
    /// The view's rows as they would be if only the events up to and including `until` existed, of those this replica has now.
    /// `until` is a timestamp, or a time as a person says it: see [`Moment`].
    ///
    /// Folds the log from its start in memory: takes time with the log's length and memory with the number of rows. What was
    /// [trimmed](crate::Replica::trim) comes from the [archive](super::Compose::archive).
    ///
    /// # Errors
    /// [`ReplicaError::NeedsHistory`] if the log was trimmed, and there is no archive; [`ReplicaError::Archive`]; [`ReplicaError::Store`].
    pub async fn state_at(&self, until: impl Into<Moment>) -> Result<BTreeMap<Bytes, P::State>, ReplicaError> {
        let rows = self.rows_at(until.into(), |_| true).await?;
        let decode = |(key, value): (RowKey, Bytes)| {
            let state = self.decode(&key.key, &value)?;
            Ok((key.key, state))
        };
        rows.into_iter().map(decode).collect()
    }

    /// One row's state as [`state_at`](Self::state_at) has it, or `None` if no event up to then has touched it. Reads the log from
    /// its start, too, and folds this row alone.
    ///
    /// # Errors
    /// [`ReplicaError::Row`], and those of [`state_at`](Self::state_at).
    pub async fn get_at(&self, key: &[u8], until: impl Into<Moment>) -> Result<Option<P::State>, ReplicaError> {
        let rows = self.rows_at(until.into(), |found| found == key).await?;
        rows.into_values().next().map(|value| self.decode(key, &value)).transpose()
    }

    /// Those of the view's rows that `wanted` wants, as they were at a moment.
    async fn rows_at(
        &self,
        until: Moment,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<BTreeMap<RowKey, Bytes>, ReplicaError> {
        let inner = &self.replica.inner;
        let projections = inner.projections.filter(|view| *view == self.view);
        let keep = |event: &EventRef<'_>| until.includes(event.stamp.timestamp());
        let wanted = |_: &ViewId, key: &[u8]| wanted(key);
        loop {
            let mut start = Start::default();
            if let Some(mut history) = inner.history(&self.view).await? {
                while let Some(runs) = history.next().await? {
                    let plan = projections.plan_some(runs.iter().map(VerifiedRun::run), keep, wanted);
                    fold_into(&mut start.rows, plan);
                }
                start.after = history.end();
            }
            let after = start.after;
            let seen = |stored: &StoredRun| Some(stored.run.clone());
            match inner.refold(start, &projections, seen, keep, wanted, &[]).await {
                Ok((rows, _)) => return Ok(rows),
                // The log was trimmed in the meantime.
                Err(StoreError::CursorGone { .. }) if inner.store.status().await?.base > after => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Inner {
    /// Folds the log in memory from `start` on, and `more` after it: every run as `seen` shows it, the events that `keep` keeps, into the
    /// rows that `wanted` wants. Returns the rows, and which events of `more` were put aside.
    pub(super) async fn refold(
        &self,
        start: Start,
        projections: &Projections,
        seen: impl Fn(&StoredRun) -> Option<Run>,
        keep: impl Fn(&EventRef<'_>) -> bool,
        wanted: impl Fn(&ViewId, &[u8]) -> bool,
        more: &[Run],
    ) -> Result<(BTreeMap<RowKey, Bytes>, Vec<Aside>), StoreError> {
        let Start { after, mut rows, .. } = start;
        let mut cursor = Cursor { log: self.store.status().await?.log, position: after };
        loop {
            let page = self.store.read(cursor, CHUNK).await?;
            let runs: Vec<Run> = page.runs.iter().filter_map(&seen).collect();
            let plan = projections.plan_some(&runs, &keep, &wanted);
            fold_into(&mut rows, plan);
            if page.is_last() {
                let aside = fold_into(&mut rows, projections.plan_some(more, &keep, &wanted));
                return Ok((rows, aside));
            }
            cursor = page.next;
        }
    }
}

/// Returns the events that were put aside.
fn fold_into(rows: &mut BTreeMap<RowKey, Bytes>, plan: Plan) -> Vec<Aside> {
    let keys = plan.rows();
    let loaded = keys.iter().map(|key| rows.get(key).cloned()).collect();
    let folded = plan.fold(keys, loaded);
    for RowWrite { key, value } in folded.rows {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    folded.aside
}
