//! What others need of a log that a service shares, and what is too young to go.

use std::time::Duration;

use super::{Hold, TrimBound};
use crate::format::time::{NTP64, before};
use crate::id::{Cursor, Position, ReplicaId};
use crate::replica::turn::Turn;
use crate::reserved::{self, DEVICES, DeviceRow};
use crate::snapshot::shelf;
use crate::store::{Limit, RowRange, StoreError};

/// How much of the log is read at a time in search of a bundle of others. Usually the first one is.
const SEARCH: Limit = Limit::bytes(64 * 1024);

impl Turn<'_> {
    /// Up to where a snapshot can take the place of bundles, and how far each device has read that was here within the window.
    pub(super) async fn bounds_of_others(&self, window: Duration) -> Result<Vec<TrimBound>, StoreError> {
        let (store, log) = (&*self.inner.store, self.status.log);
        let snapshots = shelf::list(store).await?.into_iter().filter(|info| info.covers.log == log);
        let newest = snapshots.max_by_key(|info| info.covers.position);
        let at = newest.as_ref().map_or(self.status.base, |info| info.covers.position);
        let mut bounds = vec![TrimBound { hold: Hold::Snapshot(newest.map(|info| info.id)), at }];
        // A clock that shows nothing lets no device be forgotten.
        let since = before(self.inner.clock.uncorrected(), window);
        let (view, mut range) = (reserved::view(DEVICES), RowRange::all());
        loop {
            let rows = store.scan(&view, range.clone(), Limit::PAGE).await?;
            let Some(last) = rows.last() else { return Ok(bounds) };
            range = range.after(last.key.clone());
            for row in &rows {
                let DeviceRow { device, read, own, seen } = reserved::get(DEVICES, &row.value)?;
                if read.log == log && seen >= since.0 {
                    let at = self.place_before_foreign(read.position.max(self.status.base), own).await?;
                    bounds.push(TrimBound { hold: Hold::Device { device, seen: NTP64(seen) }, at });
                }
            }
        }
    }

    /// The place before the first bundle behind `read` that is not of the device's own replica: a device that only writes reads nothing.
    async fn place_before_foreign(&self, read: Position, own: Option<ReplicaId>) -> Result<Position, StoreError> {
        let mut cursor = Cursor { log: self.status.log, position: read.min(self.status.head) };
        loop {
            let page = self.inner.store.read(cursor, SEARCH).await?;
            if let Some(foreign) = page.runs.iter().find(|stored| Some(stored.run.origin()) != own) {
                return Ok(Position::new(foreign.position.get() - 1));
            }
            cursor = page.next;
            if page.is_last() {
                return Ok(cursor.position);
            }
        }
    }

    /// The first bundle of the log that is not older than this, if it lies before `to`.
    pub(super) async fn bound_of_age(&self, age: Duration, to: Position) -> Result<TrimBound, StoreError> {
        let since = before(self.inner.clock.uncorrected(), age);
        let mut cursor = Cursor { log: self.status.log, position: self.status.base };
        while cursor.position < to {
            let page = self.inner.store.read(cursor, Limit::PAGE).await?;
            for stored in &page.runs {
                let young = (0u64..).zip(stored.run.bundles()).find(|(_, bundle)| bundle.time >= since);
                if let Some((before, _)) = young {
                    let at = Position::new(stored.position.plus(before).get() - 1);
                    return Ok(TrimBound { hold: Hold::Young, at });
                }
            }
            if page.is_last() {
                break;
            }
            cursor = page.next;
        }
        Ok(TrimBound { hold: Hold::Young, at: self.status.head })
    }
}
