//! A projection is pure: equal events give equal rows, in any order, all at once or one by one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use syncline::EventRef;
use syncline::projection::{Fold, Keys};
use syncline::store::Limit;

use super::log::runs;
use crate::finding::{Finding, Law};
use crate::quiet;
use crate::trace::shown;
use crate::world::World;

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// Every user's projection folds the events of this history alike, whatever their order.
pub(crate) fn projections(world: &World) -> Result<(), Finding> {
    let Some(place) = world.places.iter().find(|place| !place.left).filter(|_| !world.stack.own_views) else {
        return Ok(());
    };
    let runs = runs(&*place.device.disk.peek(), Limit::PAGE)?;
    let events: Vec<EventRef<'_>> =
        runs.iter().flat_map(|run| run.bundles()).flat_map(|bundle| bundle.events()).flatten().collect();
    for view in &world.stack.views {
        check(&*view.fold, &events).map_err(|why| {
            let detail = format!("{}: {why}", view.id);
            Finding { law: Law::ProjectionIsPure, detail }
        })?;
    }
    Ok(())
}

/// Folds events in several ways and compares.
fn check(fold: &dyn Fold, events: &[EventRef<'_>]) -> Result<(), String> {
    let by = |events: &[EventRef<'_>]| {
        quiet::catch(|| one_by_one(fold, events)).unwrap_or_else(|panic| Err(format!("it panics: {panic}")))
    };
    let first = by(events)?;
    if let Some(row) = differing(&first, &by(events)?) {
        return Err(format!("{row}: the same events in the same order; it looks at something else than events"));
    }
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|event| event.stamp);
    let in_order = by(&sorted)?;
    if let Some(row) = differing(&first, &in_order) {
        return Err(format!("{row} in the order of their times; it depends on the order of arrival"));
    }
    sorted.reverse();
    if let Some(row) = differing(&in_order, &by(&sorted)?) {
        return Err(format!("{row} in reverse order; it depends on the order of arrival"));
    }
    Ok(())
}

/// How two ways of folding differ, if they do.
fn differing(one: &Rows, other: &Rows) -> Option<String> {
    let keys: BTreeSet<&Vec<u8>> = one.keys().chain(other.keys()).collect();
    let key = keys.into_iter().find(|key| one.get(*key) != other.get(*key))?;
    let value = |rows: &Rows| rows.get(key).map_or("nothing".into(), |value| shown(value));
    let (one, other) = (value(one), value(other));
    Some(format!("row {} is {one} and, folded once more, {other}", shown(key)))
}

fn one_by_one(fold: &dyn Fold, events: &[EventRef<'_>]) -> Result<Rows, String> {
    let mut rows = Rows::new();
    for event in events {
        let mut keys = Keys::default();
        fold.keys(event, &mut keys);
        let keys: BTreeSet<&[u8]> = keys.iter().collect();
        for key in keys {
            let old = rows.get(key).cloned();
            let mut aside = 0;
            let new = fold.fold(key, old.as_deref(), std::slice::from_ref(event), &mut |_, _| aside += 1);
            let new = new.map_err(|error| format!("a row that it wrote does not read back: {error}"))?;
            if old.is_some() || aside == 0 {
                rows.insert(key.to_vec(), new);
            }
        }
    }
    Ok(rows)
}
