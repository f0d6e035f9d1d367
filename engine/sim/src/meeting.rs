//! Whether devices have met in the rows under test: if they never do, no order of arrival is tested.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use syncline::format::Stamp;
use syncline::format::time::NTP64;
use syncline::projection::{Fold, Keys};
use syncline::{Dot, EventRef, ReplicaId, ViewId};

use crate::invariants::{log, pure};
use crate::rows::stored;
use crate::touched::Touched;
use crate::world::World;

/// How the events of a history have touched the user's views, as the first device has them in the end.
pub(crate) fn touched(world: &World) -> BTreeMap<ViewId, Touched> {
    let place = world.places.iter().find(|place| !place.left).filter(|_| !world.stack.own_views);
    let Some(store) = place.map(|place| place.device.disk.peek()) else { return BTreeMap::new() };
    let runs = log::whole(world).unwrap_or_default();
    let events = pure::events(&runs);
    let views = world.stack.views_of(true).map(|view| {
        let rows = stored(&*store, &view.id).unwrap_or_default();
        (view.id.clone(), of(&*view.fold, &events, &rows.into_iter().map(|row| row.key).collect()))
    });
    views.collect()
}

/// By origin, what its events say.
type Said<'a> = BTreeMap<ReplicaId, Vec<(&'a str, &'a [u8])>>;

fn of(fold: &dyn Fold, events: &[EventRef<'_>], rows: &BTreeSet<Bytes>) -> Touched {
    let mut said: BTreeMap<Vec<u8>, Said<'_>> = BTreeMap::new();
    let mut events_of: BTreeMap<ReplicaId, u64> = BTreeMap::new();
    let mut touched = Touched { rows: rows.len() as u64, ..Touched::default() };
    for event in events {
        let keys = keys_of(fold, event);
        *events_of.entry(event.dot.origin).or_default() += u64::from(!keys.is_empty());
        touched.can_be_shared |= !keys.is_disjoint(&keys_of(fold, &elsewhere(event)));
        for key in keys {
            said.entry(key).or_default().entry(event.dot.origin).or_default().push((event.name, event.payload));
        }
    }
    let shared = rows.iter().filter_map(|row| said.remove(&row[..])).filter(differ);
    touched.shared = shared.count() as u64;
    let mut before = 0;
    for count in events_of.values() {
        touched.pairs += before * count;
        before += count;
    }
    touched
}

/// Whether two origins have said different things. The same things are no meeting: one device has written them, and has written
/// them again under another identity, after it was cloned or restored.
fn differ(said: &Said<'_>) -> bool {
    let sorted = |said: &Vec<_>| {
        let mut said = said.clone();
        said.sort();
        said
    };
    let mut origins = said.values().map(sorted);
    origins.next().is_some_and(|first| origins.any(|other| other != first))
}

fn keys_of(fold: &dyn Fold, event: &EventRef<'_>) -> BTreeSet<Vec<u8>> {
    let mut keys = Keys::default();
    fold.reads().keys(fold, event, &mut keys);
    keys.iter().map(<[u8]>::to_vec).collect()
}

/// The event as somebody else would have written it a moment later.
fn elsewhere<'a>(event: &EventRef<'a>) -> EventRef<'a> {
    let other = event.dot.origin.to_bytes().map(|byte| byte ^ 0x55);
    let origin = ReplicaId::from_bytes(other).unwrap_or(event.dot.origin);
    let time = NTP64(event.stamp.time.0 ^ 1);
    let dot = Dot { origin, seq: event.dot.seq.plus(1) };
    let mut other = *event;
    (other.dot, other.stamp) = (dot, Stamp { time, origin, ..event.stamp });
    other
}
