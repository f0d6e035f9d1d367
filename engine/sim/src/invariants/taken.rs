//! A device that has taken a snapshot keeps nothing of it but what it says: no chunk, no manifest, no note of how far it has come.

use syncline::store::{Limit, RowRange};
use syncline::tools::{CHUNKS, IMPORT, MAKING, MANIFESTS, SNAPSHOTS};
use syncline::{EventStore, ViewId};

use crate::device::Device;
use crate::finding::{Finding, Law};
use crate::stores::finish;
use crate::world::World;

/// No device has anything of a snapshot that it has taken. (One that has made snapshots itself keeps those.)
pub(crate) fn leaves_nothing(world: &World) -> Result<(), Finding> {
    for place in world.places.iter().filter(|place| !place.left) {
        let store = place.device.disk.peek();
        let makes = count(&*store, SNAPSHOTS)? + count(&*store, MAKING)? > 0;
        let needless: &[&str] = if makes { &[IMPORT] } else { &[IMPORT, MANIFESTS, CHUNKS] };
        for name in needless {
            let rows = count(&*store, name)?;
            if rows > 0 {
                let detail = format!("device {} still has {rows} rows in {name}", place.device.index);
                return Err(Finding { law: Law::NothingLeftBehind, detail });
            }
        }
    }
    Ok(())
}

/// Whether a device is taking a snapshot, and is not down.
pub(crate) fn is_under_way(device: &Device) -> bool {
    device.replica().is_some() && count(&*device.disk.peek(), IMPORT).is_ok_and(|rows| rows > 0)
}

fn count(store: &dyn EventStore, view: &str) -> Result<usize, Finding> {
    let view = ViewId::new(view).expect("the name is well formed");
    let rows = finish(store.scan(&view, RowRange::all(), Limit::items(u32::MAX)));
    rows.map(|rows| rows.len()).map_err(|error| Finding { law: Law::StoreKeepsItsWord, detail: error.to_string() })
}
