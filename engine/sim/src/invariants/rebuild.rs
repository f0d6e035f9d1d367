//! Rows are those that a rebuild from the log gives.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::format::Run;
use syncline::projection::fold::{Folded, Projections};
use syncline::store::{Row, RowWrite};

use super::equal::difference;
use super::log::whole;
use crate::finding::{Finding, Law};
use crate::rows::stored;
use crate::tell::shown;
use crate::world::World;

/// The first device's rows are the fold of its log from zero. (That all devices have the same rows is checked before.)
pub(crate) fn rows(world: &World) -> Result<(), Finding> {
    let Some(place) = world.places.iter().find(|place| !place.left) else { return Ok(()) };
    let store = place.device.disk.peek();
    let folded = refold(world, &whole(world)?)?;
    let rows = by_view(folded.rows);
    for view in world.stack.views_of(true) {
        let expected = rows.get(view.id.as_str()).cloned().unwrap_or_default();
        let expected: Vec<Row> = expected.into_iter().map(|(key, value)| Row { key, value }).collect();
        if let Some(key) = difference(&expected, &stored(&*store, &view.id)?) {
            let (key, index) = (shown(&key), place.device.index);
            let detail = format!("row {key} of {} is not the fold of device {index}'s log", view.id);
            return Err(broken(detail));
        }
    }
    Ok(())
}

fn broken(detail: String) -> Finding {
    Finding { law: Law::RowsAreTheFold, detail }
}

type Rows = BTreeMap<Bytes, Bytes>;

/// What the views of the new version make of a log.
pub(super) fn refold(world: &World, runs: &[Run]) -> Result<Folded, Finding> {
    let mut projections = Projections::none();
    for view in world.stack.views_of(true) {
        projections.add(view.fold.clone()).map_err(|error| broken(error.to_string()))?;
    }
    let plan = projections.plan(runs);
    let keys = plan.rows();
    let loaded = vec![None; keys.len()];
    let folded = plan.fold(keys, loaded);
    match folded.damaged.first_key_value() {
        Some((view, why)) => Err(broken(format!("a row of {view} cannot be read back: {why}"))),
        None => Ok(folded),
    }
}

fn by_view(rows: Vec<RowWrite>) -> BTreeMap<String, Rows> {
    let mut views: BTreeMap<String, Rows> = BTreeMap::new();
    for row in rows {
        let Some(value) = row.value else { continue };
        views.entry(row.key.view.as_str().to_owned()).or_default().insert(row.key.key, value);
    }
    views
}
