//! What somebody with a valid token sends who should not: changed, repeated, torn and foreign bundles, and cursors from nowhere.
//!
//! Whether any of it comes to be is seen where everything is seen: a bundle in a log that nobody has written breaks a law.

use bytes::Bytes;
use syncline::format::Run;
use syncline::format::heads::ChainHash;
use syncline::format::run::{Body, RunBuilder};
use syncline::protocol::{Have, Pull, Push, Request};
use syncline::store::Limit;
use syncline::{Cursor, EventStore, LogId, NTP64, Position, Seq};

use super::World;
use crate::fault::Fault;
use crate::rng::Rng;
use crate::stores::{finish, space};

/// Kinds of forgery.
const FORGERIES: u64 = 9;

impl World {
    /// Sends something forged, with a device's token.
    pub(crate) fn forge(&mut self, device: u8, seed: u32) {
        let index = self.index(device);
        if self.doors(index).is_empty() {
            return;
        }
        let mut rng = Rng::stream(self.plan.seed, u64::from(seed) << 8 | 1);
        let way = self.forged_way(index, rng.index(8));
        let store = self.places[index].device.disk.peek();
        let Some(request) = forged(&*store, &mut rng) else { return };
        self.sim.fault(Fault::Forged, || format!("somebody sends something forged with the token of device {index}"));
        self.sim.spawn(super::WORLD, async move {
            let _ = way.call(request).await;
        });
    }
}

/// A request that no honest replica sends, made of what a log holds.
fn forged(store: &dyn EventStore, rng: &mut Rng) -> Option<Request> {
    let status = finish(store.status()).ok()?;
    let page = finish(store.read(Cursor::start(status.log), Limit::PAGE)).ok()?;
    let genuine = page.runs.get(rng.index(page.runs.len().max(1)))?.run.clone();
    let push = |runs| Some(Request::Push(space(), None, Push { runs }));
    match rng.below(FORGERIES) {
        0 => push(vec![changed(&genuine, rng)?]),
        1 => push(vec![renumbered(&genuine, genuine.last().get() + rng.between(2, 9))?]),
        2 => push(vec![rewritten(&genuine, genuine.first(), NTP64(genuine.last_time().0 + 1))?]),
        3 => push(vec![rewritten(&genuine, Seq::new(1), NTP64(u64::MAX - 16))?]),
        4 => push(vec![genuine.clone(), genuine]),
        5 => push(Vec::new()),
        6 => push(vec![rewritten(&genuine, genuine.last().plus(1), NTP64(1))?]),
        7 => pull(Cursor { log: LogId::from_bytes([7; 16])?, position: Position::new(rng.below(99)) }, rng),
        _ => pull(Cursor { log: status.log, position: Position::new(u64::MAX) }, rng),
    }
}

fn pull(cursor: Cursor, rng: &mut Rng) -> Option<Request> {
    let limit = Limit { items: rng.below(3) as u32, bytes: rng.below(3) as u32 };
    Some(Request::Pull(space(), Pull { have: Have::Cursor(cursor), without: None, limit }))
}

/// The run with one byte of its bodies changed if that still reads as a run.
fn changed(run: &Run, rng: &mut Rng) -> Option<Run> {
    let mut bytes = run.as_bytes().to_vec();
    let at = bytes.len() - 1 - rng.index(8.min(bytes.len().saturating_sub(50)).max(1));
    bytes[at] ^= 1 << rng.below(8);
    Run::decode(bytes.into()).ok().filter(|changed| changed != run)
}

/// The run's events under other numbers, with the check that they had.
fn renumbered(run: &Run, first: u64) -> Option<Run> {
    let moved = rewritten(run, Seq::new(first), run.last_time())?;
    let mut bytes = moved.as_bytes().to_vec();
    let at = bytes.windows(8).position(|window| window == moved.check())?;
    bytes[at..at + 8].copy_from_slice(&run.check());
    Run::decode(Bytes::from(bytes)).ok()
}

/// A bundle in the name of the run's origin, with this number and time, chained to nothing that is known.
fn rewritten(run: &Run, seq: Seq, time: NTP64) -> Option<Run> {
    let mut builder = RunBuilder::new(run.origin(), seq, ChainHash::from_bytes([9; 32]));
    builder.push(time, Body::Full(b"\x14forged\x01\x00"));
    Some(builder.finish()?.run().clone())
}
