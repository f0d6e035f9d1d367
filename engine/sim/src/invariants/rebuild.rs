//! Rows are those that a rebuild from the log gives.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::Run;
use syncline::projection::fold::Projections;
use syncline::store::{Limit, Row};

use super::equal::{difference, stored};
use super::log::runs;
use crate::finding::{Finding, Law};
use crate::world::World;

/// The first device's rows are the fold of its log from zero. (That all devices have the same rows is checked before.)
pub(crate) fn rows(world: &World) -> Result<(), Finding> {
    let Some(place) = world.places.iter().find(|place| !place.left) else { return Ok(()) };
    let store = place.device.disk.peek();
    let runs = runs(&*store, Limit::PAGE)?;
    let mut projections = Projections::none();
    for view in &world.stack.views {
        projections.add(view.fold.clone()).map_err(|error| broken(error.to_string()))?;
    }
    let folded = refold(&projections, &runs)?;
    for view in &world.stack.views {
        let expected = folded.get(view.id.as_str()).cloned().unwrap_or_default();
        let expected: Vec<Row> = expected.into_iter().map(|(key, value)| Row { key, value }).collect();
        if let Some(key) = difference(&expected, &stored(&*store, &view.id)?) {
            let key = String::from_utf8_lossy(&key).into_owned();
            let detail = format!("row {key:?} of {} is not the fold of device {}'s log", view.id, place.device.index);
            return Err(broken(detail));
        }
    }
    Ok(())
}

fn broken(detail: String) -> Finding {
    Finding { law: Law::RowsAreTheFold, detail }
}

type Rows = BTreeMap<Bytes, Bytes>;

fn refold(projections: &Projections, runs: &[Run]) -> Result<BTreeMap<String, Rows>, Finding> {
    let plan = projections.plan(runs);
    let keys = plan.rows();
    let loaded = vec![None; keys.len()];
    let folded = plan.fold(keys, loaded);
    if let Some((view, why)) = folded.damaged.first_key_value() {
        return Err(broken(format!("a row of {view} does not read back: {why}")));
    }
    let mut views: BTreeMap<String, Rows> = BTreeMap::new();
    for row in folded.rows {
        let Some(value) = row.value else { continue };
        views.entry(row.key.view.as_str().to_owned()).or_default().insert(row.key.key, value);
    }
    Ok(views)
}
