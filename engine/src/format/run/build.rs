//! Packing bundles into a run.

use super::{Body, Bundle, RUN_VERSION, Run, VerifiedRun};
use crate::format::heads::{ChainHash, Head};
use crate::format::time::NTP64;
use crate::format::wire::put_varint;
use crate::id::{Dot, ReplicaId, Seq};
use crate::limits::RUN_BYTES_MAX;

/// Length of the longest run header.
const HEADER_BYTES_MAX: usize = 1 + 16 + 10 + 8 + 8;

/// Packs bundles of one origin, in order, and computes their chain.
#[derive(Debug, Clone)]
pub struct RunBuilder {
    origin: ReplicaId,
    first: Seq,
    previous: ChainHash,
    bodies: Vec<u8>,
    count: u64,
    start: NTP64,
    head: Head,
}

impl RunBuilder {
    /// A run that starts with bundle `first` of `origin`; `previous` is the chain hash before it.
    pub fn new(origin: ReplicaId, first: Seq, previous: ChainHash) -> Self {
        let head = Head { seq: Seq::ZERO, chain: previous, time: NTP64(0) };
        Self { origin, first, previous, bodies: Vec::new(), count: 0, start: NTP64(0), head }
    }

    /// Adds a bundle with this body, written at `time`, which must lie after the previous bundle's; names it.
    pub fn push(&mut self, time: NTP64, body: Body<'_>) -> Dot {
        let dot = Dot { origin: self.origin, seq: self.first.plus(self.count) };
        self.push_chained(&Bundle { dot, time, body });
        dot
    }

    pub(super) fn push_chained(&mut self, bundle: &Bundle<'_>) {
        let chain = bundle.chain_after(self.head.chain);
        self.step_to(bundle.time);
        match bundle.body {
            Body::Full(bytes) => {
                put_varint(&mut self.bodies, (bytes.len() as u64) << 1);
                self.bodies.extend_from_slice(bytes);
            }
            Body::Void { bytes, digest } => {
                put_varint(&mut self.bodies, u64::from(bytes) << 1 | 1);
                self.bodies.extend_from_slice(&digest.0);
            }
        }
        self.count += 1;
        self.head = Head { seq: bundle.dot.seq, chain, time: bundle.time };
    }

    /// The packed run, or `None` if no bundle was added.
    pub fn finish(self) -> Option<VerifiedRun> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = header(self.origin, self.first, self.head.chain.check(), self.start);
        let bodies_at = bytes.len();
        bytes.extend_from_slice(&self.bodies);
        let run = Run {
            bytes: bytes.into(),
            origin: self.origin,
            first: self.first,
            count: self.count,
            start: self.start,
            end: self.head.time,
            bodies_at,
        };
        Some(VerifiedRun { run, previous: self.previous, head: self.head })
    }

    fn step_to(&mut self, time: NTP64) {
        if self.count == 0 {
            self.start = time;
        } else {
            debug_assert!(time > self.head.time, "an origin's times rise");
            put_varint(&mut self.bodies, time.0 - self.head.time.0);
        }
    }
}

/// Joins what of these runs is consecutive bundles of one origin, up to the limit of a run.
pub(crate) fn pack(runs: Vec<Run>) -> Vec<Run> {
    let mut packed: Vec<Run> = Vec::new();
    let mut joining: Vec<Run> = Vec::new();
    let mut bytes = 0;
    for run in runs {
        let follows = |last: &Run| last.origin == run.origin && last.last().plus(1) == run.first;
        let size = run.bytes.len();
        if !joining.last().is_some_and(follows) || bytes + size > RUN_BYTES_MAX {
            packed.extend((!joining.is_empty()).then(|| join(&joining)));
            joining.clear();
            bytes = 0;
        }
        bytes += size;
        joining.push(run);
    }
    packed.extend((!joining.is_empty()).then(|| join(&joining)));
    packed
}

/// Joins consecutive runs of one origin into one, without hashing: the last run's check is the whole's.
pub(crate) fn join(runs: &[Run]) -> Run {
    let [first, .., last] = runs else { return runs[0].clone() };
    let mut bytes = header(first.origin, first.first, last.check(), first.start);
    let bodies_at = bytes.len();
    bytes.extend_from_slice(&first.bytes[first.bodies_at..]);
    for pair in runs.windows(2) {
        put_varint(&mut bytes, pair[1].start.0 - pair[0].end.0);
        bytes.extend_from_slice(&pair[1].bytes[pair[1].bodies_at..]);
    }
    let count = runs.iter().map(Run::count).sum();
    Run { bytes: bytes.into(), count, bodies_at, end: last.end, ..first.clone() }
}

pub(super) fn header(origin: ReplicaId, first: Seq, check: [u8; 8], start: NTP64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX);
    bytes.push(RUN_VERSION);
    bytes.extend_from_slice(&origin.to_bytes());
    put_varint(&mut bytes, first.get());
    bytes.extend_from_slice(&check);
    bytes.extend_from_slice(&start.0.to_be_bytes());
    bytes
}
