//! A log reads back as it was committed: every bundle, every hash, every place, over pages of any size.

use syncline::format::{ChainHash, Run};
use syncline::store::{Limit, LogStatus, StoredRun};
use syncline::{Cursor, Dot, EventStore};

use crate::disk::Disk;
use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::stores::finish;
use crate::world::World;

fn broken(detail: impl Into<String>) -> Finding {
    Finding { law: Law::StoreKeepsItsWord, detail: detail.into() }
}

/// All runs that a log keeps, by pages of at most `limit`.
fn read(store: &dyn EventStore, limit: Limit) -> Result<Vec<StoredRun>, Finding> {
    let failed = |error: syncline::StoreError| broken(format!("a log cannot be read back: {error}"));
    let LogStatus { log, base, .. } = finish(store.status()).map_err(failed)?;
    let mut cursor = Cursor { log, position: base };
    let mut runs = Vec::new();
    loop {
        let page = finish(store.read(cursor, limit)).map_err(failed)?;
        let (last, moved) = (page.is_last(), page.next.position > cursor.position);
        runs.extend(page.runs);
        if last {
            return Ok(runs);
        }
        if !moved {
            return Err(broken(format!("a page behind {cursor} is empty and not the last")));
        }
        cursor = page.next;
    }
}

/// All runs of a log.
pub(crate) fn runs(store: &dyn EventStore, limit: Limit) -> Result<Vec<Run>, Finding> {
    Ok(read(store, limit)?.into_iter().map(|stored| stored.run).collect())
}

/// All runs of the first device's log after healing, when all logs have the same bundles. If that log was trimmed, those of the first one
/// that was not. If all were, those of the servers' log as it would be without its trims.
pub(crate) fn whole(world: &World) -> Result<Vec<Run>, Finding> {
    let disks = world.disks();
    if let Some(disk) = disks.iter().find(|disk| disk.with_image(|image| image.base == 0)) {
        return runs(&*disk.peek(), Limit::PAGE);
    }
    let Some(database) = world.databases.first() else { return Ok(Vec::new()) };
    let untrimmed = database.untrimmed().map_err(|error| broken(format!("its commits do not repeat: {error}")))?;
    runs(&untrimmed, Limit::PAGE)
}

/// Every log reads back as the commits to it have made it.
pub(crate) fn is_as_committed(world: &World) -> Result<(), Finding> {
    let limit = Limit::items(1 + (world.plan.seed % 40) as u32);
    for disk in world.disks() {
        let in_disk =
            |finding: Finding| Finding { detail: format!("{}: {}", disk.log.name, finding.detail), ..finding };
        compare(&disk, limit).map_err(in_disk)?;
    }
    Ok(())
}

fn compare(disk: &Disk, limit: Limit) -> Result<(), Finding> {
    status(disk)?;
    let runs = read(&*disk.peek(), limit)?;
    disk.with_image(|image| bundles(&runs, image))
}

/// A log's status is that of the last commit.
pub(crate) fn status(disk: &Disk) -> Result<(), Finding> {
    let status = finish(disk.peek().status()).map_err(|error| broken(error.to_string()))?;
    disk.with_image(|image| {
        if status.log != image.log {
            return Err(broken(format!(
                "the log was {} and is now {}: its identity has changed",
                image.log, status.log
            )));
        }
        if (status.revision.get(), status.head.get()) != (image.revision, image.head()) {
            return Err(broken("revision or head are not those of the last commit"));
        }
        if status.base.get() != image.base {
            return Err(broken("the base is not that of the last trim"));
        }
        if status.heads != image.heads() {
            return Err(broken("the heads are not those of the bundles"));
        }
        if status.clock != image.clock {
            return Err(broken("the log's clock is not the largest time committed"));
        }
        Ok(())
    })
}

/// The bundles that were read are those that were committed, in their places.
fn bundles(runs: &[StoredRun], image: &Image) -> Result<(), Finding> {
    let mut place = usize::try_from(image.base).unwrap_or(usize::MAX);
    for StoredRun { position, previous, run } in runs {
        if position.get() != place as u64 + 1 {
            return Err(broken(format!("position {position} is read, but {} comes next", place + 1)));
        }
        let first = run.first().get();
        let before = match first {
            1 => ChainHash::GENESIS,
            _ => image.entry(dot_before(run)).map_or(ChainHash::GENESIS, |entry| entry.chain),
        };
        let mut chain = *previous;
        if before != chain {
            return Err(broken(format!("the chain hash before bundle {first} of {} is wrong", run.origin())));
        }
        for bundle in run.bundles() {
            chain = bundle.chain_after(chain);
            let expected = image.positions.get(place).copied();
            let right = expected == Some(bundle.dot) && image.holds((bundle.dot, chain));
            if !right || bundle.is_void() != image.voids.contains(&bundle.dot) {
                return Err(broken(format!(
                    "position {} reads as bundle {}, which is not what was committed there",
                    place + 1,
                    bundle.dot
                )));
            }
            place += 1;
        }
        if run.check() != chain.check() {
            return Err(Finding {
                law: Law::ChainHolds,
                detail: format!("a run up to bundle {} of {} carries a wrong check", run.last(), run.origin()),
            });
        }
    }
    if place != image.positions.len() {
        return Err(broken(format!("bundles up to position {place} of {} are read", image.positions.len())));
    }
    Ok(())
}

fn dot_before(run: &Run) -> Dot {
    Dot { origin: run.origin(), seq: syncline::Seq::new(run.first().get() - 1) }
}
