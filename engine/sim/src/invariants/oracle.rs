//! Rows are what the plainest code makes of the events: collect them, sort them by stamp, go over them once.

use std::collections::BTreeMap;

use syncline::EventType;
use syncline::format::Stamp;
use syncline::projection::RowState;

use super::log::whole;
use crate::finding::{Finding, Law};
use crate::rows::stored;
use crate::workload::{Cell, SET, TAG, read};
use crate::world::World;

fn wrong(detail: String) -> Finding {
    Finding { law: Law::RowsAreRight, detail }
}

/// When something was said, and what.
type Said = (Stamp, [u8; 4]);

/// The lab's own views hold what the events say. (Users' views have no oracle here.)
pub(crate) fn rows(world: &World) -> Result<(), Finding> {
    let Some(place) = world.places.iter().find(|place| !place.left).filter(|_| world.stack.own_views) else {
        return Ok(());
    };
    let store = place.device.disk.peek();
    let mut events: BTreeMap<(EventType, Vec<u8>), Vec<Said>> = BTreeMap::new();
    for run in whole(world)? {
        for event in run.bundles().flat_map(|bundle| bundle.events()).flatten() {
            let event_type = event.event_type();
            let known = [SET, TAG].contains(&event_type);
            let Some((key, value)) = read(event.payload).filter(|_| known) else { continue };
            events.entry((event_type, key.to_vec())).or_default().push((event.stamp, value));
        }
    }
    for (view, event_type) in world.stack.views.iter().zip([SET, TAG]) {
        let rows = stored(&*store, &view.id)?;
        let expected = events.iter().filter(|((of, _), _)| *of == event_type).count();
        if rows.len() != expected {
            return Err(wrong(format!("{} has {} rows, the events make {expected}", view.id, rows.len())));
        }
        for row in rows {
            let mut history = events.remove(&(event_type.clone(), row.key.to_vec())).unwrap_or_default();
            history.sort();
            let mut expected = Cell::default();
            history.iter().for_each(|(stamp, value)| expected.fold(*stamp, *value));
            if Cell::decode(&row.value) != Ok(expected) {
                let key = String::from_utf8_lossy(&row.key).into_owned();
                return Err(wrong(format!("row {key:?} of {} is not what its {} events say", view.id, history.len())));
            }
        }
    }
    Ok(())
}
