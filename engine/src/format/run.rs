//! Runs: consecutive bundles of one origin, packed. The unit on the wire and on disk.
//!
//! ```text
//! run     1 byte   format version, 1
//!         16       origin
//!         varint   seq of the first bundle
//!         8        start of the chain hash after the last bundle
//!         8        time of the first bundle, big-endian
//!         body     of the first bundle
//!         (varint time minus the previous bundle's time, body)*
//! body    varint   length * 2, plus 1 for a void
//!         bytes    the body; of a void only its 32-byte BLAKE3 digest
//! ```
//!
//! Hashes do not depend on the packing, so cutting runs in other places changes no hash and no bundle.

use std::collections::BTreeSet;

use bytes::Bytes;
use thiserror::Error;

use crate::format::event::Events;
use crate::format::heads::{BodyDigest, ChainHash, Head};
use crate::format::time::NTP64;
use crate::format::wire::{DecodeError, Reader, check_size};
use crate::id::{Dot, ReplicaId, Seq};
use crate::limits::{BODY_BYTES_MAX, RUN_BYTES_MAX};

mod build;
mod serde;

pub use build::RunBuilder;
pub(crate) use build::{join, pack};

/// The run format that this build writes, and the newest that it reads.
pub const RUN_VERSION: u8 = 1;

/// What a bundle holds: its events, or nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// The encoded events.
    Full(&'a [u8]),
    /// The bundle was refused: its header stays so that the chain continues, its events are gone.
    Void {
        /// How long the body was.
        bytes: u32,
        /// What it hashed to.
        digest: BodyDigest,
    },
}

impl Body<'_> {
    /// How many bytes it takes in a run, framing apart.
    pub(crate) fn stored_bytes(&self) -> u64 {
        match self {
            Self::Full(bytes) => bytes.len() as u64,
            Self::Void { .. } => 32,
        }
    }

    /// Length and digest, which a full body and its void share.
    pub fn seal(&self) -> (u32, BodyDigest) {
        match self {
            Self::Full(bytes) => (u32::try_from(bytes.len()).expect("bodies are bounded"), BodyDigest::of(bytes)),
            Self::Void { bytes, digest } => (*bytes, *digest),
        }
    }
}

/// One bundle, read in place: the events of one write. Atomic everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// Its name.
    pub dot: Dot,
    /// When it was written.
    pub time: NTP64,
    /// What it holds.
    pub body: Body<'a>,
}

impl<'a> Bundle<'a> {
    /// Whether it was refused and its events are gone.
    pub fn is_void(&self) -> bool {
        matches!(self.body, Body::Void { .. })
    }

    /// Its events, none of a void.
    pub fn events(&self) -> Events<'a> {
        match self.body {
            Body::Full(bytes) => Events::new(bytes, self.dot, self.time),
            Body::Void { .. } => Events::new(&[], self.dot, self.time),
        }
    }

    /// The chain hash after it.
    pub fn chain_after(&self, previous: ChainHash) -> ChainHash {
        let (bytes, digest) = self.body.seal();
        previous.next(self.dot, self.time, bytes, digest)
    }
}

/// Consecutive bundles of one origin, checked for form when decoded. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    bytes: Bytes,
    origin: ReplicaId,
    first: Seq,
    count: u64,
    start: NTP64,
    end: NTP64,
    /// Where the first body begins.
    bodies_at: usize,
}

impl Run {
    /// Reads and checks a run: version, sizes, rising times, at least one bundle, nothing left over. Bodies stay opaque.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong; nothing is allocated for announced sizes.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        check_size("run", bytes.len(), RUN_BYTES_MAX)?;
        let mut reader = Reader::new("run", &bytes);
        let version = reader.byte()?;
        if version != RUN_VERSION {
            let (found, newest) = (version.into(), RUN_VERSION.into());
            return Err(DecodeError::UnsupportedVersion { what: "run", found, newest });
        }
        let origin =
            ReplicaId::from_bytes(reader.array()?).ok_or_else(|| reader.malformed("the origin is all zero"))?;
        let first = Seq::new(reader.varint()?);
        if first == Seq::ZERO {
            return Err(reader.malformed("bundles count from 1"));
        }
        reader.take(8)?;
        let start = NTP64(u64::from_be_bytes(reader.array()?));
        let bodies_at = bytes.len() - reader.remaining();
        let mut bundles = Bundles { reader, origin, seq: first, time: start, fresh: true };
        let (mut count, mut end) = (0u64, start);
        while let Some(bundle) = bundles.read()? {
            (count, end) = (count + 1, bundle.time);
        }
        if count == 0 {
            return Err(DecodeError::Malformed { what: "run", why: "it has no bundle" });
        }
        if first.get().checked_add(count).is_none() {
            return Err(DecodeError::Malformed { what: "run", why: "its seqs exceed 64 bits" });
        }
        Ok(Self { origin, first, count, start, end, bodies_at, bytes })
    }

    /// The encoded run.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Who wrote the bundles.
    pub fn origin(&self) -> ReplicaId {
        self.origin
    }

    /// The first bundle's seq.
    pub fn first(&self) -> Seq {
        self.first
    }

    /// The last bundle's seq.
    pub fn last(&self) -> Seq {
        self.first.plus(self.count - 1)
    }

    /// How many bundles it holds, at least 1.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last bundle's time, the largest.
    pub fn last_time(&self) -> NTP64 {
        self.end
    }

    /// The start of the chain hash after the last bundle.
    pub fn check(&self) -> [u8; 8] {
        self.bytes[self.bodies_at - 16..self.bodies_at - 8].try_into().expect("8 bytes before the time")
    }

    /// The bundles, in order.
    pub fn bundles(&self) -> Bundles<'_> {
        let reader = Reader::new("run", &self.bytes[self.bodies_at..]);
        Bundles { reader, origin: self.origin, seq: self.first, time: self.start, fresh: true }
    }

    /// The run from `seq` on, or `None` if it ends before. Bundles and hashes stay as they are.
    pub fn since(&self, seq: Seq) -> Option<Run> {
        if seq <= self.first {
            return Some(self.clone());
        }
        if seq > self.last() {
            return None;
        }
        let mut bundles = self.bundles();
        bundles.nth(usize::try_from(seq.since(self.first)).ok()? - 1)?;
        // The next bundle starts with its time step; the tail's header takes the whole time instead.
        let mut rest = bundles.reader.clone();
        let time = NTP64(bundles.time.0 + rest.varint().ok()?);
        let tail_at = self.bytes.len() - rest.remaining();
        let mut bytes = build::header(self.origin, seq, self.check(), time);
        let bodies_at = bytes.len();
        bytes.extend_from_slice(&self.bytes[tail_at..]);
        let count = self.count - seq.since(self.first);
        Some(Run { bytes: bytes.into(), first: seq, count, start: time, bodies_at, ..self.clone() })
    }

    /// The run up to and including `seq`, given the chain hash before its first bundle; `None` if it begins after.
    pub fn until(&self, seq: Seq, previous: ChainHash) -> Option<Run> {
        if seq >= self.last() {
            return Some(self.clone());
        }
        let mut builder = RunBuilder::new(self.origin, self.first, previous);
        self.bundles().take_while(|bundle| bundle.dot.seq <= seq).for_each(|bundle| builder.push_chained(&bundle));
        builder.finish().map(|verified| verified.run().clone())
    }

    /// The run with the given bundles made void, given the chain hash before its first bundle. All hashes stay.
    pub fn with_voids(&self, seqs: &[Seq], previous: ChainHash) -> Run {
        let seqs: BTreeSet<Seq> = seqs.iter().copied().collect();
        let mut builder = RunBuilder::new(self.origin, self.first, previous);
        for mut bundle in self.bundles() {
            if seqs.contains(&bundle.dot.seq) {
                let (bytes, digest) = bundle.body.seal();
                bundle.body = Body::Void { bytes, digest };
            }
            builder.push_chained(&bundle);
        }
        builder.finish().expect("a run has at least one bundle").run().clone()
    }
}

/// Iterates over a run's bundles, in order.
#[derive(Debug, Clone)]
pub struct Bundles<'a> {
    reader: Reader<'a>,
    origin: ReplicaId,
    /// Seq of the bundle read next.
    seq: Seq,
    /// Time of the bundle read last; of the first before it is read.
    time: NTP64,
    /// Nothing has been read yet.
    fresh: bool,
}

impl<'a> Bundles<'a> {
    fn read(&mut self) -> Result<Option<Bundle<'a>>, DecodeError> {
        if self.reader.is_empty() && !self.fresh {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.fresh, false) {
            let step = self.reader.varint()?;
            let time = self.time.0.checked_add(step).filter(|_| step > 0);
            self.time = NTP64(time.ok_or_else(|| self.reader.malformed("times do not rise"))?);
        }
        let tag = self.reader.varint()?;
        let size = usize::try_from(tag >> 1).unwrap_or(usize::MAX);
        check_size("bundle body", size, BODY_BYTES_MAX)?;
        let body = if tag & 1 == 0 {
            Body::Full(self.reader.take(size)?)
        } else {
            Body::Void { bytes: size as u32, digest: BodyDigest(self.reader.array()?) }
        };
        let dot = Dot { origin: self.origin, seq: self.seq };
        self.seq = self.seq.plus(1);
        Ok(Some(Bundle { dot, time: self.time, body }))
    }
}

impl<'a> Iterator for Bundles<'a> {
    type Item = Bundle<'a>;

    fn next(&mut self) -> Option<Bundle<'a>> {
        self.read().expect("a run is checked when it is decoded")
    }
}

/// A run that does not continue the log it was meant for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unchained {
    /// It starts further on than the log reaches, or before.
    #[error("bundle {got} does not follow: the log ends at {} and takes {} next; send from there", .head.get(), .head.plus(1))]
    Gap {
        /// The last seq of this origin in the log.
        head: Seq,
        /// The run's first bundle.
        got: Dot,
    },
    /// Its bundles hash to another chain than the run says: the sender's history of this origin differs, or bytes changed.
    #[error(
        "bundle {at} does not continue this log's history of its origin: the chain hashes differ; compare heads, then pull again"
    )]
    WrongChain {
        /// The run's last bundle.
        at: Dot,
    },
    /// Its times do not rise above the log's.
    #[error("bundle {at} is not later than the one before it; its clock went back, write it again")]
    TimeWentBack {
        /// The first bundle with such a time.
        at: Dot,
    },
}

/// A run proved to continue a known head: what a store appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRun {
    run: Run,
    previous: ChainHash,
    head: Head,
}

impl VerifiedRun {
    /// Checks that `run` follows `head` of its origin: next seq, rising time, and the chain hash it claims.
    ///
    /// # Errors
    /// [`Unchained`] says how it fails to follow.
    pub fn verify(run: Run, head: Head) -> Result<Self, Unchained> {
        let got = Dot { origin: run.origin, seq: run.first };
        if run.first != head.seq.plus(1) {
            return Err(Unchained::Gap { head: head.seq, got });
        }
        if head.seq > Seq::ZERO && run.start <= head.time {
            return Err(Unchained::TimeWentBack { at: got });
        }
        let chain = run.bundles().fold(head.chain, |chain, bundle| bundle.chain_after(chain));
        if chain.check() != run.check() {
            return Err(Unchained::WrongChain { at: Dot { origin: run.origin, seq: run.last() } });
        }
        let end = Head { seq: run.last(), chain, time: run.end };
        Ok(Self { run, previous: head.chain, head: end })
    }

    /// A run that is known to follow this hash, because it comes from a store. Its head's chain hash is not checked.
    pub(crate) fn assume(run: Run, previous: ChainHash) -> Self {
        let head = Head { seq: run.last(), chain: previous, time: run.end };
        Self { run, previous, head }
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The same run with these bundles made void. All hashes stay.
    #[must_use]
    pub fn with_voids(self, seqs: &[Seq]) -> Self {
        let run = self.run.with_voids(seqs, self.previous);
        Self { run, ..self }
    }

    /// The run in as many pieces as the limit of a run requires. Usually this is one piece. Voids may have made the run longer: a void is
    /// larger than the shortest bodies.
    pub fn pieces(self) -> Vec<VerifiedRun> {
        if self.run.bytes.len() <= RUN_BYTES_MAX || self.run.count < 2 {
            return vec![self];
        }
        let cut = self.run.first.plus(self.run.count / 2);
        let last = Seq::new(cut.get() - 1);
        let halves = self.run.until(last, self.previous).zip(self.run.since(cut));
        let (front, back) = halves.expect("the cut lies within the run");
        let chain = front.bundles().fold(self.previous, |chain, bundle| bundle.chain_after(chain));
        let head = Head { seq: last, chain, time: front.end };
        let front = VerifiedRun { run: front, previous: self.previous, head };
        let back = VerifiedRun { run: back, previous: chain, head: self.head };
        [front.pieces(), back.pieces()].concat()
    }

    /// The chain hash before its first bundle.
    pub fn previous(&self) -> ChainHash {
        self.previous
    }

    /// The origin's head once the run is appended.
    pub fn head(&self) -> Head {
        self.head
    }
}

#[cfg(test)]
mod tests;
