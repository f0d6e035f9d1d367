//! The rows of a device, for anyone who decides what it writes next.

use std::sync::Arc;

use bytes::Bytes;
use syncline::projection::RowState;
use syncline::store::{Limit, Row, RowRange, whole};
use syncline::{EventStore, Projection, ViewId};

use crate::finding::{Finding, Law};
use crate::stores::finish;

/// The rows of the device that writes, as they are when it does. See [`Lab::writes_with_rows`](crate::Lab::writes_with_rows).
#[derive(Debug)]
pub struct Rows {
    device: usize,
    upgraded: bool,
    store: Arc<dyn EventStore>,
}

impl Rows {
    pub(crate) fn new(device: usize, upgraded: bool, store: Arc<dyn EventStore>) -> Self {
        Self { device, upgraded, store }
    }

    /// Which device writes, counted from 0.
    pub fn device(&self) -> usize {
        self.device
    }

    /// Whether the device has the newest version of the program. Only such a device writes events of new kinds.
    pub fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// One row's state. `None` if no event has touched it, or if the device has no such view (an older version of a program may lack
    /// it).
    pub fn get<P: Projection>(&self, projection: &P, key: &[u8]) -> Option<P::State> {
        self.all(projection).into_iter().find(|(row, _)| row == key).map(|(_, state)| state)
    }

    /// All rows of a projection, in the order of their keys.
    pub fn all<P: Projection>(&self, projection: &P) -> Vec<(Bytes, P::State)> {
        // A store that does not give its rows is found out elsewhere.
        let rows = stored(&*self.store, &projection.view()).unwrap_or_default();
        rows.into_iter().filter_map(|row| Some((row.key, P::State::decode(&row.value).ok()?))).collect()
    }
}

/// All rows of one view, whole.
pub(crate) fn stored(store: &dyn EventStore, view: &ViewId) -> Result<Vec<Row>, Finding> {
    let (mut rows, mut range): (Vec<Row>, _) = (Vec::new(), RowRange::all());
    loop {
        let page = finish(whole::scan(store, view, range.clone(), Limit::PAGE));
        let page = page.map_err(|error| Finding { law: Law::StoreKeepsItsWord, detail: error.to_string() })?;
        let Some(last) = page.last() else { return Ok(rows) };
        let rises = page.is_sorted_by(|one, next| one.key < next.key);
        if !rises || rows.last().is_some_and(|row| row.key >= page[0].key) {
            let detail = format!("a scan of {view} does not move on, or not in key order");
            return Err(Finding { law: Law::StoreKeepsItsWord, detail });
        }
        range = range.after(last.key.clone());
        rows.extend(page);
    }
}
