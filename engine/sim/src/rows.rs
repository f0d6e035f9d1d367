//! The rows of a device, for anyone who decides what it writes next.

use std::sync::Arc;

use bytes::Bytes;
use syncline::projection::RowState;
use syncline::{EventStore, Projection};

use crate::device::Device;
use crate::invariants::equal;

/// The rows of the device that writes, as they are when it does. See [`Lab::writes_with_rows`](crate::Lab::writes_with_rows).
#[derive(Debug)]
pub struct Rows {
    device: usize,
    upgraded: bool,
    store: Arc<dyn EventStore>,
}

impl Rows {
    pub(crate) fn of(device: &Device) -> Self {
        let has_newer = device.stack.views.iter().any(|view| view.newer);
        let upgraded = device.is_upgraded() || !has_newer;
        Self { device: device.index, upgraded, store: device.disk.peek() }
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
        let rows = equal::stored(&*self.store, &projection.view()).unwrap_or_default();
        rows.into_iter().filter_map(|row| Some((row.key, P::State::decode(&row.value).ok()?))).collect()
    }
}
