//! The digest of a log's heads, and the names of the subtrees by which two logs are compared.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::tree::Entry;
use crate::id::ReplicaId;

/// The first byte that a bucket's hash covers. [`ChainHash`](super::ChainHash) begins with 1.
const BUCKET_DOMAIN: u8 = 2;
/// The first byte that a branch's hash covers.
const BRANCH_DOMAIN: u8 = 3;
/// The digits of an origin's id.
const DIGITS: usize = 32;

/// BLAKE3 over the heads of a log, as a tree: equal digests mean equal heads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeadsDigest([u8; 32]);

super::hash_of_32_bytes!(HeadsDigest, "a digest of heads");

impl HeadsDigest {
    /// `BLAKE3(2, (origin, seq, chain hash, time)*)`, sorted by origin, numbers big-endian.
    pub(super) fn of_bucket(entries: &[Entry]) -> Self {
        // All at once: a hasher that is fed piece by piece costs more than the hash of so few bytes.
        let mut input = Vec::with_capacity(1 + 64 * entries.len());
        input.push(BUCKET_DOMAIN);
        for (origin, head) in entries {
            input.extend_from_slice(&origin.to_bytes());
            input.extend_from_slice(&head.seq.get().to_be_bytes());
            input.extend_from_slice(&head.chain.to_bytes());
            input.extend_from_slice(&head.time.0.to_be_bytes());
        }
        Self(*blake3::hash(&input).as_bytes())
    }

    /// `BLAKE3(3, digest{16})`: the digests below, by the next digit.
    pub(super) fn of_branch(children: impl Iterator<Item = Self>) -> Self {
        let mut input = Vec::with_capacity(1 + 32 * 16);
        input.push(BRANCH_DOMAIN);
        children.for_each(|child| input.extend_from_slice(&child.0));
        Self(*blake3::hash(&input).as_bytes())
    }
}

/// One hex digit of an origin's id, from the left.
pub(super) fn nibble(origin: ReplicaId, at: usize) -> usize {
    let byte = origin.to_bytes()[at / 2];
    usize::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// The first hex digits of origins' ids: names the subtree of all heads whose origins begin with them. None: all heads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    /// The prefix one digit longer; `None` if there is no such digit, or ids have no more.
    pub fn then(&self, digit: u8) -> Option<Self> {
        let is_digit = digit < 16 && self.0.len() < DIGITS;
        is_digit.then(|| Self(self.0.iter().copied().chain([digit]).collect()))
    }

    /// Whether an origin's id begins with it.
    pub fn holds(&self, origin: ReplicaId) -> bool {
        self.0.iter().enumerate().all(|(at, digit)| nibble(origin, at) == usize::from(*digit))
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{digit:x}"))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digit = |prefix: Self, digit: char| {
            let value = digit.to_digit(16).filter(|_| !digit.is_ascii_uppercase())?;
            prefix.then(u8::try_from(value).ok()?)
        };
        let prefix = String::deserialize(deserializer)?.chars().try_fold(Self::default(), digit);
        prefix.ok_or_else(|| de::Error::custom("a prefix takes at most 32 lower-case hex digits"))
    }
}
