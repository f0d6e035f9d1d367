//! If rows are kept in pieces, a store holds exactly these pieces.

use syncline::store::{Limit, RowRange, whole};

use crate::fault::Fault;
use crate::finding::{Finding, Law};
use crate::rows::stored;
use crate::stores::finish;
use crate::world::World;

/// Every device's pieces are as many bytes as its rows in pieces.
pub(crate) fn of_rows(world: &World) -> Result<(), Finding> {
    for place in world.places.iter().filter(|place| !place.left) {
        let store = place.device.disk.peek();
        for view in &world.stack.views {
            let rows = stored(&*store, &view.id)?;
            let all = |view| finish(store.scan(view, RowRange::all(), Limit::items(u32::MAX)));
            let (as_stored, pieces) = match (all(&view.id), all(&whole::pieces_view(&view.id))) {
                (Ok(as_stored), Ok(pieces)) => (as_stored, pieces),
                (Err(error), _) | (_, Err(error)) => {
                    return Err(Finding { law: Law::StoreKeepsItsWord, detail: error.to_string() });
                }
            };
            let in_pieces = rows.iter().zip(&as_stored).filter(|(row, stored)| row != stored);
            let expected: usize = in_pieces.map(|(row, _)| row.value.len()).sum();
            let found: usize = pieces.iter().map(|piece| piece.value.len()).sum();
            if expected != found {
                let index = place.device.index;
                let detail = format!(
                    "device {index} keeps {found} bytes of pieces for rows of {} that have {expected}",
                    view.id
                );
                return Err(Finding { law: Law::RowsAreTheFold, detail });
            }
            let outgrown = |limit| rows.iter().any(|row| row.value.len() > limit);
            if world.plan.mix.rows.is_some_and(|limits| outgrown(limits.own)) {
                world.sim.count(Fault::RowOutgrown);
            }
        }
    }
    Ok(())
}
