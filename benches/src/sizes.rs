//! What goes over the wire, against the payloads alone.

use std::path::Path;

use syncline::format::Head;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Push, Request};
use syncline::{NTP64, Transport};
use syncline_sqlite::SqliteStorage;

use crate::fresh::{OurServer, Plan};
use crate::workload::{Keys, Workload};
use crate::{Failure, ours};

/// The level that Syncline compresses with.
const LEVEL: i32 = 1;

/// Bytes of the payloads of a plan's events, compressed all at once and with nothing around them.
///
/// # Errors
/// [`Failure`] of the compressor.
pub fn compressed_payloads(plan: &Plan) -> Result<u64, Failure> {
    let mut payloads = Vec::new();
    Workload::new(plan.keys, 1).take(plan.events).for_each(|change| change.put_payload(&mut payloads));
    Ok(zstd::bulk::compress(&payloads, LEVEL)?.len() as u64)
}

/// The most bytes that the body of a push has in addition to the payload, over the first `pushes` single events of a replica.
///
/// # Errors
/// [`Failure`] of the store or the engine.
pub async fn push_overhead(folder: &Path, pushes: usize) -> Result<u64, Failure> {
    let server = OurServer::start(SqliteStorage::at(folder.join("pushed.sqlite"))?).await?;
    let transport = server.transport()?;
    let (origin, mut head) = (syncline_os::replica_id(), Head::NONE);
    let mut most = 0;
    for change in Workload::new(Keys::TEN_THOUSAND, 1).take(pushes) {
        let body = encode_body(&[change.event()?])?;
        let mut run = RunBuilder::new(origin, head.seq.plus(1), head.chain);
        run.push(NTP64(syncline_os::wall_clock().0.max(head.time.0 + 1)), Body::Full(&body));
        let run = run.finish().ok_or("a run without a bundle")?;
        head = run.head();
        let before = transport.traffic().sent;
        transport.call(Request::Push(ours::space(), None, Push { runs: vec![run.run().clone()] })).await?;
        most = most.max(transport.traffic().sent - before - change.payload_bytes() as u64);
    }
    server.stop().await?;
    Ok(most)
}
