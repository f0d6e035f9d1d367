//! What the servers have trimmed is in their archive, bundle for bundle, and the log goes on where that ends.

use std::sync::Arc;

use syncline::archive::{Archive, History, HistoryError};
use syncline::store::Limit;
use syncline::{Cursor, EventStore, MemoryStore, Position};

use crate::finding::{Finding, Law};
use crate::stores::{finish, space};
use crate::world::World;

/// The archive has exactly what a log that was never trimmed has up to the base.
pub(crate) fn is_whole(world: &World) -> Result<(), Finding> {
    let Some(keeper) = &world.keeper else { return Ok(()) };
    let broken = |detail: String| Finding { law: Law::HistoryIsKept, detail };
    let untrimmed = keeper.disk.untrimmed().map_err(|error| broken(error.to_string()))?;
    match finish(first_unlike(keeper.disk.peek(), keeper.archive.peek(), &untrimmed)) {
        Ok(None) => Ok(()),
        Ok(Some(at)) => Err(broken(format!("the archive has something else behind position {at} than the log had"))),
        Err(error) => Err(broken(error.to_string())),
    }
}

/// The place behind which the history is not what the untrimmed log has.
async fn first_unlike(
    store: Arc<dyn EventStore>,
    archive: Arc<dyn Archive>,
    untrimmed: &MemoryStore,
) -> Result<Option<Position>, HistoryError> {
    let log = untrimmed.status().await?.log;
    let mut history = History::of(store, archive, &space()).await?;
    let mut position = Position::ZERO;
    while let Some(runs) = history.next().await? {
        for verified in runs {
            let count = verified.run().count();
            let limit = Limit::items(u32::try_from(count).unwrap_or(u32::MAX));
            let page = untrimmed.read(Cursor { log, position }, limit).await?;
            if !page.runs.iter().flat_map(|stored| stored.run.bundles()).eq(verified.run().bundles()) {
                return Ok(Some(position));
            }
            position = position.plus(count);
        }
    }
    Ok(None)
}
