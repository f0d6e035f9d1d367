//! How far each origin's log reaches, and the hash chain that proves which log it is.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::format::time::{self, NTP64};
use crate::id::{Dot, ReplicaId, Seq};
use crate::limits::HEADS_MAX;

/// BLAKE3 of a bundle's body, over the bytes as they were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest(pub [u8; 32]);

impl BodyDigest {
    /// The digest of these bytes.
    pub fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }
}

/// BLAKE3 over the previous chain hash, a bundle's header and the digest of its body: it fixes the whole history of an
/// origin up to that bundle, however the bundles are packed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// The hash before an origin's first bundle.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The hash after one more bundle: `BLAKE3(1, this, origin, seq, time, body length, body digest)`, numbers big-endian.
    #[must_use]
    pub fn next(self, dot: Dot, time: NTP64, body_bytes: u32, digest: BodyDigest) -> Self {
        let mut input = [0; 101];
        input[0] = 1;
        input[1..33].copy_from_slice(&self.0);
        input[33..49].copy_from_slice(&dot.origin.to_bytes());
        input[49..57].copy_from_slice(&dot.seq.get().to_be_bytes());
        input[57..65].copy_from_slice(&time.0.to_be_bytes());
        input[65..69].copy_from_slice(&body_bytes.to_be_bytes());
        input[69..].copy_from_slice(&digest.0);
        Self(*blake3::hash(&input).as_bytes())
    }

    /// The first eight bytes: what a run carries of it.
    pub fn check(self) -> [u8; 8] {
        self.0[..8].try_into().expect("8 of 32 bytes")
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({})", HEXLOWER.encode(&self.0[..6]))
    }
}

impl Serialize for ChainHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for ChainHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| de::Error::custom("a chain hash takes 64 lower-case hex digits"))
    }
}

/// The last bundle of one origin in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub seq: Seq,
    /// The chain hash after it.
    pub chain: ChainHash,
    /// Its time: an origin's times only rise.
    #[serde(with = "time::wire")]
    pub time: NTP64,
}

impl Head {
    /// Before an origin's first bundle.
    pub const NONE: Self = Self { seq: Seq::ZERO, chain: ChainHash::GENESIS, time: NTP64(0) };
}

/// Per origin the last bundle of a log: a version vector that also detects forks and tampering. Complete, because a log has
/// no holes.
///
/// Clones share their origins until one of them changes. A log of 65,536 origins has 6 MB of heads, and everyone who asks for its
/// status gets them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heads(Arc<BTreeMap<ReplicaId, Head>>);

impl Heads {
    /// The heads of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The head of one origin, [`Head::NONE`] if the log has nothing of it.
    pub fn get(&self, origin: ReplicaId) -> Head {
        self.0.get(&origin).copied().unwrap_or(Head::NONE)
    }

    /// Sets the head of one origin.
    pub fn set(&mut self, origin: ReplicaId, head: Head) {
        Arc::make_mut(&mut self.0).insert(origin, head);
    }

    /// Forgets an origin of which the log no longer has any bundle.
    pub fn remove(&mut self, origin: ReplicaId) {
        Arc::make_mut(&mut self.0).remove(&origin);
    }

    /// All origins with their heads, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, Head)> + '_ {
        self.0.iter().map(|(origin, head)| (*origin, *head))
    }

    /// At most [`HEADS_MAX`] origins, in the order of their ids, beginning after `after`: as many as one message carries.
    pub fn page(&self, after: Option<ReplicaId>) -> Self {
        if after.is_none() && self.0.len() <= HEADS_MAX {
            return self.clone();
        }
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        self.0.range(behind).take(HEADS_MAX).map(|(origin, head)| (*origin, *head)).collect()
    }

    /// The last origin of a message that is full: behind it there may be more.
    pub fn end_of_full_page(&self) -> Option<ReplicaId> {
        self.0.keys().next_back().copied().filter(|_| self.0.len() >= HEADS_MAX)
    }

    /// How many origins the log knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the log is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this log has, by number, everything that the log with `other` heads has.
    pub fn covers(&self, other: &Heads) -> bool {
        other.iter().all(|(origin, head)| self.get(origin).seq >= head.seq)
    }

    /// The first origin whose last bundle has the same number in both logs, but different hashes. This proves a fork.
    pub fn fork(&self, other: &Heads) -> Option<Dot> {
        let forked = |(origin, theirs): &(ReplicaId, Head)| {
            let ours = self.get(*origin);
            ours.seq == theirs.seq && ours.chain != theirs.chain
        };
        other.iter().find(forked).map(|(origin, head)| Dot { origin, seq: head.seq })
    }
}

impl FromIterator<(ReplicaId, Head)> for Heads {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Head)>>(heads: I) -> Self {
        Self(Arc::new(heads.into_iter().collect()))
    }
}

impl Serialize for Heads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Heads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|heads| Self(Arc::new(heads)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(byte: u8) -> ReplicaId {
        ReplicaId::from_bytes([byte; 16]).unwrap()
    }

    fn head(seq: u64, byte: u8) -> Head {
        Head { seq: Seq::new(seq), chain: ChainHash([byte; 32]), time: NTP64(seq) }
    }

    #[test]
    fn every_part_of_a_bundle_changes_the_chain_hash() {
        let dot = Dot { origin: origin(1), seq: Seq::new(1) };
        let digest = BodyDigest::of(b"body");
        let base = ChainHash::GENESIS.next(dot, NTP64(1), 4, digest);
        let others = [
            ChainHash([1; 32]).next(dot, NTP64(1), 4, digest),
            ChainHash::GENESIS.next(Dot { origin: origin(2), ..dot }, NTP64(1), 4, digest),
            ChainHash::GENESIS.next(Dot { seq: Seq::new(2), ..dot }, NTP64(1), 4, digest),
            ChainHash::GENESIS.next(dot, NTP64(2), 4, digest),
            ChainHash::GENESIS.next(dot, NTP64(1), 5, digest),
            ChainHash::GENESIS.next(dot, NTP64(1), 4, BodyDigest::of(b"bodY")),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn heads_tell_what_is_covered_and_what_has_forked() {
        let ours: Heads = [(origin(1), head(3, 1)), (origin(2), head(5, 2))].into_iter().collect();
        let behind: Heads = [(origin(1), head(2, 9))].into_iter().collect();
        let forked: Heads = [(origin(2), head(5, 9))].into_iter().collect();
        assert!(ours.covers(&behind) && !behind.covers(&ours));
        assert_eq!(ours.fork(&behind), None);
        assert_eq!(ours.fork(&forked), Some(Dot { origin: origin(2), seq: Seq::new(5) }));
    }

    #[test]
    fn a_clone_that_changes_leaves_the_others_as_they_are() {
        let ours: Heads = [(origin(1), head(3, 1)), (origin(2), head(5, 2))].into_iter().collect();
        let (mut longer, mut shorter) = (ours.clone(), ours.page(None));
        longer.set(origin(3), head(1, 3));
        shorter.remove(origin(1));
        assert_eq!((longer.len(), shorter.len(), ours.len()), (3, 1, 2));
        assert_eq!(ours.get(origin(1)), head(3, 1));
    }
}
