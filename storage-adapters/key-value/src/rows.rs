//! A space's rows.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::store::page::RowPageBuilder;
use syncline::store::{Limit, Row, RowKey, RowRange};

use crate::backend::Snapshot;
use crate::error::Result;
use crate::keys;
use crate::read;
use crate::record::{Status, View};
use crate::space::Place;

/// One value per key, in the order asked.
pub(crate) fn load(
    snapshot: &impl Snapshot,
    space: &Place,
    status: &Status,
    keys: &[RowKey],
) -> Result<Vec<Option<Bytes>>> {
    let load = |RowKey { view, key }: &RowKey| match status.views.get(view) {
        Some(View { key: number, .. }) => {
            let at = || space.at(format_args!("row {key:?} of view {view}"));
            read::get(snapshot, &space.key.row(*number, key), at)
        }
        None => Ok(None),
    };
    keys.iter().map(load).collect()
}

/// The rows of a view within a range, in its direction, up to a limit.
pub(crate) fn scan(
    snapshot: &impl Snapshot,
    space: &Place,
    view: View,
    range: &RowRange,
    limit: Limit,
) -> Result<Vec<Row>> {
    let mut page = RowPageBuilder::new(limit);
    read::walk(
        snapshot,
        &space.key.rows(view.key, range),
        range.direction,
        |key| row_at(space, key),
        |key, value| {
            let taken = page.push_copy(keys::row_key_of(key), value);
            Ok(if taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    )?;
    Ok(page.finish())
}

/// The keys of all rows of a view.
pub(crate) fn keys_of(snapshot: &impl Snapshot, space: &Place, view: View) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    read::range(
        snapshot,
        &space.key.rows(view.key, &RowRange::all()),
        |key| row_at(space, key),
        |key, _| {
            found.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(found)
}

fn row_at(space: &Place, key: &[u8]) -> String {
    space.at(format_args!("row {:?}", Bytes::copy_from_slice(keys::row_key_of(key))))
}
