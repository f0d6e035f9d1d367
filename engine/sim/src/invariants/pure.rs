//! A projection is pure: equal events give equal rows, in any order, all at once or one by one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use syncline::EventRef;
use syncline::projection::{Fold, Keys};
use syncline::store::Limit;

use super::log::runs;
use crate::finding::{Finding, Law};
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
        catch_unwind(AssertUnwindSafe(|| one_by_one(fold, events))).unwrap_or_else(|_| Err("it panics".into()))
    };
    let first = by(events)?;
    if by(events)? != first {
        return Err("the same events in the same order give other rows: it looks at something else than events".into());
    }
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|event| event.stamp);
    if by(&sorted)? != first {
        return Err("events in the order of their times give other rows: it depends on the order of arrival".into());
    }
    sorted.reverse();
    if by(&sorted)? != first {
        return Err("events in reverse order give other rows: it depends on the order of arrival".into());
    }
    Ok(())
}

fn one_by_one(fold: &dyn Fold, events: &[EventRef<'_>]) -> Result<Rows, String> {
    let (mut rows, mut keys) = (Rows::new(), Keys::default());
    for event in events {
        keys = {
            let _ = keys;
            Keys::default()
        };
        fold.keys(event, &mut keys);
        for key in keys.iter() {
            let old = rows.get(key).cloned();
            let new = fold.fold(key, old.as_deref(), std::slice::from_ref(event), &mut |_, _| {});
            let new = new.map_err(|error| format!("a row that it wrote does not read back: {error}"))?;
            rows.insert(key.to_vec(), new);
        }
    }
    Ok(rows)
}
