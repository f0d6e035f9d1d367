//! How far each origin's log reaches, and the hash chain that proves which log it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::time::{self, NTP64};
use crate::id::{Dot, ReplicaId, Seq};
use crate::limits::HEADS_MAX;

mod digest;
mod hash;
mod tree;

pub use digest::{HeadsDigest, Prefix};
pub(crate) use hash::hash_of_32_bytes;
use tree::Node;

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

hash_of_32_bytes!(ChainHash, "a chain hash");

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
/// A tree of which clones share what neither of them changes. So a clone is free, a change costs a few nodes, and the digest after a
/// change costs a few hashes, however many origins there are.
#[derive(Clone)]
pub struct Heads(Arc<Node>);

/// An origin that ends differently in two logs. [`Head::NONE`] stands for a log that has nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The origin.
    pub origin: ReplicaId,
    /// Its head in the log that was asked.
    pub ours: Head,
    /// Its head in the other.
    pub theirs: Head,
}

/// What is below one prefix of origins' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// All heads: there are 16 at most.
    Heads(Heads),
    /// By the next hex digit, the digests of what is below.
    Digests(Box<[HeadsDigest; 16]>),
}

impl Heads {
    /// The heads of an empty log.
    pub fn new() -> Self {
        Self(Node::empty())
    }

    /// The head of one origin, [`Head::NONE`] if the log has nothing of it.
    pub fn get(&self, origin: ReplicaId) -> Head {
        self.0.get(origin).unwrap_or(Head::NONE)
    }

    /// Sets the head of one origin.
    pub fn set(&mut self, origin: ReplicaId, head: Head) {
        Node::set(&mut self.0, origin, head, 0);
    }

    /// Forgets an origin of which the log no longer has any bundle.
    pub fn remove(&mut self, origin: ReplicaId) {
        if self.0.get(origin).is_some() {
            Node::remove(&mut self.0, origin, 0);
        }
    }

    /// All origins with their heads, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, Head)> + '_ {
        self.0.iter()
    }

    /// At most [`HEADS_MAX`] origins, in the order of their ids, beginning after `after`: as many as one message carries.
    pub fn page(&self, after: Option<ReplicaId>) -> Self {
        if after.is_none() && self.len() <= HEADS_MAX {
            return self.clone();
        }
        let page: Vec<_> = self.iter().skip_while(|(origin, _)| Some(*origin) <= after).take(HEADS_MAX).collect();
        Self(Node::build(&page, 0))
    }

    /// The last origin of a message that is full: behind it there may be more.
    pub fn end_of_full_page(&self) -> Option<ReplicaId> {
        self.0.last().filter(|_| self.len() >= HEADS_MAX)
    }

    /// How many origins the log knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the log is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digest of all heads.
    pub fn digest(&self) -> HeadsDigest {
        self.0.summary().digest
    }

    /// How many bundles there are up to these heads.
    pub fn bundles(&self) -> u128 {
        self.0.summary().bundles
    }

    /// The largest time of a head, and the second largest, which is that of another origin; zero if there is none.
    pub fn latest(&self) -> [NTP64; 2] {
        self.0.summary().latest
    }

    /// What is below a prefix, in at most 16 heads or digests.
    pub fn part(&self, prefix: &Prefix) -> Part {
        let below = Node::under(&self.0, prefix);
        match below.children() {
            Some(children) => Part::Digests(Box::new(children.each_ref().map(|child| child.summary().digest))),
            None => Part::Heads(Self(below)),
        }
    }

    /// The digest of what is below a prefix.
    pub fn digest_below(&self, prefix: &Prefix) -> HeadsDigest {
        Node::under(&self.0, prefix).summary().digest
    }

    /// Puts other heads in the place of those below a prefix. Those that are not below it are left out.
    pub fn replace_below(&mut self, prefix: &Prefix, heads: &Self) {
        for (origin, _) in Node::under(&self.0, prefix).iter() {
            self.remove(origin);
        }
        let below = heads.iter().filter(|(origin, _)| prefix.holds(*origin));
        below.for_each(|(origin, head)| self.set(origin, head));
    }

    /// The origins that end differently in two logs, in the order of their ids. Equal subtrees are skipped.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        Node::differences(&self.0, &other.0, &mut found);
        found
    }

    /// Whether this log has, by number, everything that the log with `other` heads has.
    pub fn covers(&self, other: &Heads) -> bool {
        self.differences(other).iter().all(|Difference { ours, theirs, .. }| ours.seq >= theirs.seq)
    }

    /// How many bundles this log has that the log with `other` heads lacks, by number.
    pub fn ahead_of(&self, other: &Heads) -> u64 {
        self.differences(other).iter().map(|Difference { ours, theirs, .. }| ours.seq.since(theirs.seq)).sum()
    }

    /// The first origin whose last bundle has the same number in both logs, but different hashes. This proves a fork.
    pub fn fork(&self, other: &Heads) -> Option<Dot> {
        self.differences(other).iter().find_map(Difference::fork)
    }
}

impl Difference {
    /// The last bundle, if it has the same number in both logs, but different hashes. This proves a fork.
    pub fn fork(&self) -> Option<Dot> {
        let Self { origin, ours, theirs } = self;
        (ours.seq == theirs.seq && ours.chain != theirs.chain).then_some(Dot { origin: *origin, seq: theirs.seq })
    }
}

impl Default for Heads {
    fn default() -> Self {
        Self::new()
    }
}

/// By the digests, which cost nothing if they are known.
impl PartialEq for Heads {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Heads {}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(ReplicaId, Head)> for Heads {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Head)>>(heads: I) -> Self {
        let sorted: BTreeMap<_, _> = heads.into_iter().collect();
        Self(Node::build(&sorted.into_iter().collect::<Vec<_>>(), 0))
    }
}

impl Serialize for Heads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        self.iter().try_for_each(|(origin, head)| map.serialize_entry(&origin, &head))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Heads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod properties;

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
