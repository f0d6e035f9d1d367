//! Bytes over the wire, in the tables of a log, and in the memory of a server: what is promised for SQLite.

use syncline_sqlite::SqliteStorage;
use tempfile::TempDir;

use crate::compare::Bench;
use crate::compare::bench::Sides;
use crate::compare::measure::Side;
use crate::compare::work::FEW;
use crate::disk::Footprint;
use crate::fresh::{self, OurServer, Plan, write_log};
use crate::workload::Keys;
use crate::{Failure, disk, memory, sizes};

/// Bytes that a pushed event may take in addition to its payload.
const PUSH_BYTES: u64 = 40;
/// Events that a fresh replica receives, that a log on the disk has, and that are pushed one by one.
const SYNCED: usize = 200_000;
const ON_DISK: usize = 50_000;
const PUSHED: usize = 1_000;
/// Events of the log that a server holds, and of the one that it is compared with.
const SERVED: usize = 1_000_000;
const SERVED_SHORT: usize = SERVED / 10;
const PER_BUNDLE: usize = 10;

/// What a fresh replica receives, and the payloads alone.
pub(super) async fn wire(bench: &Bench<'_>, keys: Keys) -> Result<Sides, Failure> {
    let (folder, plan) = (folder(bench)?, Plan { keys, events: bench.effort.events(SYNCED), per_bundle: PER_BUNDLE });
    let server = serve(&plan, &folder).await?;
    let (_, synced) = fresh::sync_ours(&server, folder.path(), bench.durability).await?;
    server.stop().await?;
    Ok(per_event(plan.events, synced.bytes, sizes::compressed_payloads(&plan)?))
}

/// What a push of one event has around its payload.
pub(super) async fn push(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let most = sizes::push_overhead(folder(bench)?.path(), bench.effort.events(PUSHED)).await?;
    Ok(per_event(1, most, PUSH_BYTES))
}

/// What a log takes that was written on the spot, and the same encoded.
pub(super) async fn log(bench: &Bench<'_>, per_bundle: usize) -> Result<Sides, Failure> {
    let events = bench.effort.events(ON_DISK);
    let Footprint { disk_bytes, encoded_bytes } = disk::written(folder(bench)?.path(), events, per_bundle).await?;
    Ok(per_event(events, disk_bytes, encoded_bytes))
}

/// What a log takes that was received, and the same encoded.
pub(super) async fn synced_log(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let (folder, plan) =
        (folder(bench)?, Plan { keys: FEW, events: bench.effort.events(ON_DISK), per_bundle: PER_BUNDLE });
    let server = serve(&plan, &folder).await?;
    let (replica, _) = fresh::sync_ours(&server, folder.path(), bench.durability).await?;
    server.stop().await?;
    let Footprint { disk_bytes, encoded_bytes } = disk::weigh(replica, &folder.path().join("ours.sqlite")).await?;
    Ok(per_event(plan.events, disk_bytes, encoded_bytes))
}

/// What a server takes for a long log, and for a short one.
pub(super) async fn server(bench: &Bench<'_>) -> Result<Sides, Failure> {
    let folder = folder(bench)?;
    let plan = |events| Plan { keys: FEW, events: bench.effort.events(events), per_bundle: PER_BUNDLE };
    let short = memory::measure(bench.program, folder.path(), &plan(SERVED_SHORT)).await?;
    let long = memory::measure(bench.program, folder.path(), &plan(SERVED)).await?;
    Ok(sides(long.memory_bytes as f64 / 1e6, short.memory_bytes as f64 / 1e6))
}

async fn serve(plan: &Plan, folder: &TempDir) -> Result<OurServer, Failure> {
    let server = OurServer::start(SqliteStorage::at(folder.path().join("server.sqlite"))?).await?;
    write_log(plan, &server.transport()?).await?;
    Ok(server)
}

/// A new folder on the disk that is measured, gone when dropped.
fn folder(bench: &Bench<'_>) -> Result<TempDir, Failure> {
    Ok(tempfile::tempdir_in(&bench.ground.folder)?)
}

fn per_event(events: usize, ours: u64, other: u64) -> Sides {
    sides(ours as f64 / events as f64, other as f64 / events as f64)
}

fn sides(ours: f64, other: f64) -> Sides {
    let side = |value| Side { values: vec![value], took: Vec::new() };
    (side(ours), Some(side(other)))
}
