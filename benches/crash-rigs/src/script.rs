//! What is written: every bundle follows from the seed and its dot, so that anyone who reads the store afterwards knows what each
//! must hold and hash to, without having been told.

use std::sync::Arc;

use rand::{Rng as _, RngExt as _};
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{Head, VerifiedRun};
use syncline::projection::fold::Projections;
use syncline::projection::{Keys, Reads};
use syncline::{Dot, Event, EventRef, EventType, NTP64, Projection, ReplicaId, Seq, SpaceId, Unreadable, ViewId};

use crate::chance::part;

/// The spaces of a store.
pub const SPACES: u8 = 4;
/// The origins of a space; each is written by a task of its own.
pub const WRITERS: u8 = 4;
/// The space whose log is trimmed while it is written.
pub const TRIMMED: u8 = 2;
/// The space whose log is replaced by snapshots while it is written.
pub const REPLACED: u8 = 3;
/// The number of the origin whose bundles come to the replaced space with snapshots alone.
pub const PEER: u8 = WRITERS;
/// Bundles in one commit, at most.
pub const BATCH_MAX: u64 = 500;

/// Bytes of bodies in one commit, about: so that one run holds them.
const BATCH_BYTES: usize = 1024 * 1024;
const NOTED: EventType = EventType::new("crash.noted", 1);
/// When the first bundles are written, in seconds since 1970.
const START_SECONDS: u64 = 1_700_000_000;
/// Rows that many events share, and rows that few do.
const VIEWS: [(&str, u16); 2] = [("crash.few@1", 16), ("crash.many@1", u16::MAX)];

/// All that will be written to one store.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    seed: u64,
}

impl Script {
    /// The script of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The name of a space.
    pub fn space(self, space: u8) -> SpaceId {
        SpaceId::new(&format!("space-{space}")).expect("the name is well formed")
    }

    /// The origin that a writer of a space writes as.
    pub fn origin(self, space: u8, writer: u8) -> ReplicaId {
        let mut bytes = [0; 16];
        part(self.seed, u64::from(space) << 8 | u64::from(writer)).fill_bytes(&mut bytes);
        bytes[15] |= 1;
        ReplicaId::from_bytes(bytes).expect("the last bit is set")
    }

    /// When a bundle is written.
    pub fn time(self, seq: Seq) -> NTP64 {
        NTP64((START_SECONDS << 32) + (seq.get() << 16))
    }

    /// Later than all bundles of the script, and not by so much that anybody doubts it.
    pub fn end(self) -> NTP64 {
        NTP64((START_SECONDS + 3_600) << 32)
    }

    /// What a bundle holds: one to three events, mostly short; a few are so long that stores keep them apart.
    pub fn body(self, dot: Dot) -> Vec<u8> {
        let origin = dot.origin.to_bytes();
        let origin = u64::from_be_bytes(origin[..8].try_into().expect("8 of 16 bytes"));
        let mut chance = part(self.seed ^ origin, dot.seq.get());
        let lengths = if chance.random_ratio(1, 400) { 20_000..=60_000 } else { 16..=200 };
        let events: Vec<_> = (0..chance.random_range(1..=3))
            .map(|_| {
                let mut payload = vec![0; chance.random_range(lengths.clone())];
                chance.fill_bytes(&mut payload);
                Event::new(NOTED, payload)
            })
            .collect();
        encode_body(&events).expect("the events are short and few")
    }

    /// The first bundles of an origin, up to `last`, as runs.
    pub fn until(self, origin: ReplicaId, last: Seq) -> Vec<VerifiedRun> {
        let (mut head, mut runs) = (Head::NONE, Vec::new());
        while head.seq < last {
            let next = self.next(origin, head, last.since(head.seq).min(BATCH_MAX));
            head = next.head();
            runs.push(next);
        }
        runs
    }

    /// The next bundles of an origin: `count`, or fewer if they are long.
    ///
    /// # Panics
    /// If `count` is zero.
    pub fn next(self, origin: ReplicaId, head: Head, count: u64) -> VerifiedRun {
        let mut builder = RunBuilder::new(origin, head.seq.plus(1), head.chain);
        let mut bytes = 0;
        for step in 1..=count {
            let seq = head.seq.plus(step);
            let body = self.body(Dot { origin, seq });
            bytes += body.len();
            builder.push(self.time(seq), Body::Full(&body));
            if bytes > BATCH_BYTES {
                break;
            }
        }
        builder.finish().expect("at least one bundle is asked for")
    }
}

/// The numbers of the origins that a space may have.
pub fn writers(space: u8) -> impl Iterator<Item = u8> {
    0..if space == REPLACED { PEER + 1 } else { WRITERS }
}

/// The views, in order.
pub fn views() -> Vec<ViewId> {
    projections().views().cloned().collect()
}

/// The folds of the log whose rows are kept and compared.
///
/// # Panics
/// Never: the views are two and have their own names.
pub fn projections() -> Projections {
    let mut projections = Projections::none();
    for projection in noted() {
        projections.add(Arc::new(projection)).expect("no other projection has the view");
    }
    projections
}

/// The same folds, for a replica.
pub(crate) fn noted() -> [Noted; 2] {
    VIEWS.map(|(name, keys)| Noted { name, keys })
}

/// Counts the events of a row and sums them up, so that one event more or less, or another one, makes another row.
pub(crate) struct Noted {
    name: &'static str,
    keys: u16,
}

impl Noted {
    fn number(event: &EventRef<'_>) -> u64 {
        let hash = blake3::hash(event.payload);
        u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("8 of 32 bytes"))
    }
}

impl Projection for Noted {
    /// How many events, and their sum.
    type State = (u64, u64);

    fn view(&self) -> ViewId {
        ViewId::new(self.name).expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::everything()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        let key = (Self::number(event) % u64::from(self.keys)) as u16;
        keys.push(&key.to_be_bytes());
    }

    fn apply(&self, _: &[u8], (count, sum): &mut (u64, u64), event: &EventRef<'_>) -> Result<(), Unreadable> {
        *count += 1;
        *sum = sum.wrapping_add(Self::number(event));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_cut_in_two_is_the_same_history() {
        let script = Script::new(7);
        let origin = script.origin(1, 2);
        let whole = script.next(origin, Head::NONE, 40);
        let front = script.next(origin, Head::NONE, 15);
        let back = script.next(origin, front.head(), 25);
        assert_eq!(whole.head(), back.head());
    }

    #[test]
    fn the_longest_batch_fits_one_run() {
        for seed in 0..20 {
            let script = Script::new(seed);
            let run = script.next(script.origin(0, 0), Head::NONE, BATCH_MAX);
            assert!(run.run().as_bytes().len() <= syncline::limits::RUN_BYTES_MAX);
        }
    }

    #[test]
    fn writers_of_one_store_share_no_origin() {
        let script = Script::new(1);
        let all = (0..SPACES).flat_map(|space| writers(space).map(move |writer| script.origin(space, writer)));
        let distinct: std::collections::BTreeSet<_> = all.collect();
        assert_eq!(distinct.len(), usize::from(SPACES * WRITERS + 1));
    }
}
