//! Bytes: on the wire, on the disk, in memory.

use syncline::store::Durability;
use syncline_benches::fresh::{self, Plan, Sites};
use syncline_benches::report::{Line, Target};
use syncline_benches::workload::Keys;
use syncline_benches::{Failure, disk, memory, sizes};

use crate::{Effort, announce};

/// Bytes that a pushed event may take in addition to its payload.
const PUSH_BYTES: u64 = 40;

/// What a fresh replica takes over the wire, and what a single event's push takes.
pub(crate) async fn wire(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for keys in [Keys::TEN_THOUSAND, Keys::Distinct] {
        let what = format!("wire, bundles of 10, {keys}, compared with the payloads through zstd");
        if effort.wants(&what) {
            announce(&what);
            let plan = Plan { keys, events: effort.events(200_000), per_bundle: 10 };
            let folder = effort.folder()?;
            let sites = Sites::start(&plan, folder.path()).await?;
            let (_, synced) = fresh::sync_ours(&sites, folder.path(), Durability::Process).await?;
            let payloads = sizes::compressed_payloads(&plan)?;
            lines.push(Line::of_bytes(what, synced.bytes, payloads, Target::AtMost(1.1)));
        }
    }
    let what = format!("wire, a push of one event in addition to its payload, compared with {PUSH_BYTES} bytes");
    if effort.wants(&what) {
        announce(&what);
        let most = sizes::push_overhead(effort.folder()?.path(), effort.events(1_000)).await?;
        lines.push(Line::of_bytes(what, most, PUSH_BYTES, Target::AtMost(1.0)));
    }
    Ok(lines)
}

/// What a log takes in its file.
pub(crate) async fn disk(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for (what, per_bundle) in [("disk, bundles of 10", 10), ("disk, single events", 1)] {
        let what = format!("{what}, compared with the encoded log");
        if effort.wants(&what) {
            announce(&what);
            let written = disk::written(effort.folder()?.path(), effort.events(50_000), per_bundle).await?;
            lines.push(Line::of_bytes(what, written.disk_bytes, written.encoded_bytes, Target::AtMost(1.3)));
        }
    }
    let what = "disk, bundles of 10 as they were synced, compared with the encoded log";
    if effort.wants(what) {
        announce(what);
        let plan = Plan { keys: Keys::TEN_THOUSAND, events: effort.events(50_000), per_bundle: 10 };
        let folder = effort.folder()?;
        let sites = Sites::start(&plan, folder.path()).await?;
        let (replica, _) = fresh::sync_ours(&sites, folder.path(), Durability::Process).await?;
        let synced = disk::weigh(replica, &folder.path().join("ours.sqlite")).await?;
        lines.push(Line::of_bytes(what, synced.disk_bytes, synced.encoded_bytes, Target::AtMost(1.3)));
    }
    Ok(lines)
}

/// What a server takes for a long log and for a short one.
pub(crate) async fn memory(effort: &Effort) -> Result<Vec<Line>, Failure> {
    let what = "memory of a server, compared with a log a tenth as long";
    if !effort.wants(what) || !cfg!(target_os = "linux") {
        return Ok(Vec::new());
    }
    announce(what);
    let (program, folder) = (std::env::current_exe()?, effort.folder()?);
    let plan = |events| Plan { keys: Keys::TEN_THOUSAND, events, per_bundle: 10 };
    let short = memory::measure(&program, folder.path(), &plan(effort.events(100_000))).await?;
    let long = memory::measure(&program, folder.path(), &plan(effort.events(1_000_000))).await?;
    Ok(vec![Line::of_bytes(what, long.memory_bytes, short.memory_bytes, Target::AtMost(1.25))])
}
