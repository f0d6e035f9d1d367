//! Keeping logs small: making snapshots, and trimming logs up to them.

use std::path::Path;

use syncline::attributes::Attributes;
use syncline::protocol::SnapshotInfo;
use syncline::replica::{Keep, TrimPlan};
use syncline::{Position, Replica, SpaceId};

use crate::archive;
use crate::cli::{Folded, SnapshotTask, Trim};
use crate::failure::Failure;
use crate::output::Output;
use crate::spaces;
use crate::stack::Stack;
use crate::text::{count, size};

/// `snapshot`.
pub(crate) async fn snapshot(task: SnapshotTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    match task {
        SnapshotTask::Make { space, views, archive } => {
            let keeper = keeper(&space, &views, archive.as_deref(), stack).await?;
            let Some(keeper) = keeper else { return no_log(&space, out).await };
            let made = keeper.make_snapshot().await?;
            Ok(out.line(line(&made)).await?)
        }
        SnapshotTask::List { space } => {
            let Some(keeper) = keeper(&space, &[], None, stack).await? else { return no_log(&space, out).await };
            for info in keeper.snapshots().await? {
                out.line(line(&info)).await?;
            }
            Ok(())
        }
    }
}

async fn no_log(space: &SpaceId, out: &mut Output) -> Result<(), Failure> {
    Ok(out.line(format!("space {space}: no log yet")).await?)
}

/// `trim`.
pub(crate) async fn trim(task: Trim, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let Trim { space, keep, age, window, views, dry_run, archive } = task;
    let keep = Keep { bundles: keep, age: age.map(|span| span.0), window: window.map_or(Keep::WINDOW, |span| span.0) };
    let keeper = keeper(&space, &views, archive.as_deref(), stack).await?;
    let Some(keeper) = keeper else { return no_log(&space, out).await };
    let plan = if dry_run { keeper.plan_trim(keep).await? } else { keeper.trim(keep).await? };
    let bundles = count(plan.bundles(), "bundle");
    let (what, to, head) = (if dry_run { "would go" } else { "are gone" }, plan.to, plan.head);
    out.line(format!("space {space}: {bundles} {what}, up to position {to} of {head}")).await?;
    for bound in plan.bounds {
        out.line(format!("  up to {}: {}", bound.at, bound.hold)).await?;
    }
    Ok(())
}

/// Makes a snapshot of a space whose log has grown by so many bundles since the last, and trims the log. Gives what was done, if anything.
///
/// # Errors
/// [`Failure`] of the database. What was done is done.
pub(crate) async fn keep_small(
    space: &SpaceId,
    views: &[Folded],
    every: u64,
    keep: Option<Keep>,
    stack: &Stack,
) -> Result<Option<(SnapshotInfo, Option<TrimPlan>)>, Failure> {
    let Some(store) = spaces::find(space, stack).await?.open(stack).await? else { return Ok(None) };
    if store.status().await?.head.get() < every {
        return Ok(None);
    }
    let Some(keeper) = keeper(space, views, None, stack).await? else { return Ok(None) };
    let newest = keeper.snapshots().await?.first().map_or(Position::ZERO, |info| info.covers.position);
    if keeper.status().await?.head.since(newest) < every {
        return Ok(None);
    }
    let made = keeper.make_snapshot().await?;
    let trimmed = match keep {
        Some(keep) => Some(keeper.trim(keep).await?),
        None => None,
    };
    Ok(Some((made, trimmed)))
}

/// A replica on the space's own store: it folds the views that the server maintains, and writes nothing. `None` if the space has no log.
/// What it trims goes to this archive, or to that of the settings.
async fn keeper(
    space: &SpaceId,
    views: &[Folded],
    archive: Option<&Path>,
    stack: &Stack,
) -> Result<Option<Replica>, Failure> {
    let Some(store) = spaces::find(space, stack).await?.open(stack).await? else { return Ok(None) };
    let mut keeper = Replica::compose(space.clone(), store).clock(syncline_os::wall_clock).shared_with_service();
    if let Some(folder) = archive.or(stack.place.archive.as_deref()) {
        keeper = keeper.archive(archive::open(folder)?);
    }
    for view in views {
        keeper = match view {
            Folded::Attributes => keeper.projection(Attributes),
        };
    }
    Ok(Some(keeper.open(syncline_os::replica_id()).await?))
}

fn line(info: &SnapshotInfo) -> String {
    let views: Vec<_> = info.views.iter().filter(|view| !view.is_reserved()).map(ToString::to_string).collect();
    let (bundles, rows) = (count(info.bundles, "bundle"), count(info.rows, "row"));
    let views = if views.is_empty() { "no view".to_owned() } else { views.join(", ") };
    format!("snapshot {}: {bundles}, {rows} of {views}, {}", info.id, size(info.bytes))
}
