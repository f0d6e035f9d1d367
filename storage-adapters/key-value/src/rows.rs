//! A space's rows.

use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::store::draft::Draft;
use syncline::store::{RowKey, RowRange};
use syncline_embedded::EachRow;

use crate::backend::Snapshot;
use crate::changes::Changes;
use crate::error::Result;
use crate::keys::{self, Place};
use crate::read;
use crate::record::{Status, View};

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

/// Shows the rows of a view within a range, in its direction, until `each` breaks off.
pub(crate) fn each(
    snapshot: &impl Snapshot,
    space: &Place,
    view: View,
    range: &RowRange,
    each: &mut EachRow<'_>,
) -> Result<()> {
    let at = |key: &[u8]| row_at(space, key);
    read::walk(snapshot, &space.key.rows(view.key, range), range.direction, at, |key, value| {
        Ok(each(keys::row_key_of(key), value))
    })
}

/// Writes what a draft changes in rows, and in the progress of views.
pub(crate) fn write(
    snapshot: &impl Snapshot,
    changes: &mut Changes,
    space: &Place,
    status: &mut Status,
    draft: &Draft<'_>,
) -> Result<()> {
    for view in &draft.clear {
        if let Some(view) = status.views.get_mut(view) {
            view.folded = None;
            keys_of(snapshot, space, *view)?.into_iter().for_each(|key| changes.delete(key));
        }
    }
    for rows in draft.rows.chunk_by(|(a, _), (b, _)| a.view == b.view) {
        let view = &rows[0].0.view;
        if rows.iter().all(|(_, value)| value.is_none()) && !status.views.contains_key(view) {
            continue;
        }
        let view = status.view(view).key;
        for (RowKey { key, .. }, value) in rows {
            let key = space.key.row(view, key);
            match value {
                Some(value) => changes.put(key, &[value]),
                None => changes.delete(key),
            }
        }
    }
    draft.views.iter().for_each(|(view, position)| status.view(view).folded = Some(*position));
    Ok(())
}

/// The keys of all rows of a view.
fn keys_of(snapshot: &impl Snapshot, space: &Place, view: View) -> Result<Vec<Vec<u8>>> {
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
