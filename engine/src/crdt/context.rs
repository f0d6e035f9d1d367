//! What a writer had seen.

use serde::{Deserialize, Serialize};

use crate::format::time::{STAMP_BYTES, Stamp};
use crate::format::wire::{DecodeError, Reader, put_varint};
use crate::id::ReplicaId;
use crate::projection::Moved;

/// Per origin the greatest stamp seen: a version vector over stamps.
///
/// An operation that undoes or replaces others carries one, so that it touches only what its writer had seen.
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::Context};
///
/// let origin = ReplicaId::from_bytes([1; 16]).unwrap();
/// let at = |time| Stamp { time: NTP64(time), origin, index: 0 };
///
/// let context: Context = [at(5), at(3)].into_iter().collect();
/// assert!(context.covers(at(5)) && !context.covers(at(6)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Stamp>")]
pub struct Context(
    /// One stamp per origin, in the order of origins. Mostly there are very few, so that a vector beats a tree.
    Vec<Stamp>,
);

impl Context {
    /// Whether `stamp`, or a later one of its origin, has been seen.
    pub fn covers(&self, stamp: Stamp) -> bool {
        self.get(stamp.origin).is_some_and(|seen| stamp <= seen)
    }

    /// The greatest stamp seen of `origin`.
    pub fn get(&self, origin: ReplicaId) -> Option<Stamp> {
        self.place(origin).ok().map(|place| self.0[place])
    }

    /// Takes note of `stamp`.
    pub fn observe(&mut self, stamp: Stamp) {
        match self.place(stamp.origin) {
            Ok(place) => self.0[place] = stamp.max(self.0[place]),
            Err(place) => self.0.insert(place, stamp),
        }
    }

    /// Adds everything that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|stamp| self.observe(stamp));
    }

    /// The context with every stamp in its new form; see [`Moved`].
    #[must_use]
    pub fn moved(&self, stamps: &Moved) -> Self {
        let both = |stamp: Stamp| {
            let new = stamps.get(stamp);
            // Under a new identity: what was seen of the old one's bundles that stay has still been seen.
            let stays = stamps.stays().filter(|stays| stays.origin == stamp.origin && new.origin != stamp.origin);
            std::iter::once(new).chain(stays)
        };
        self.iter().flat_map(both).collect()
    }

    /// The stamps, one per origin, in the order of origins.
    pub fn iter(&self) -> impl Iterator<Item = Stamp> {
        self.0.iter().copied()
    }

    /// The greatest of all its stamps.
    pub fn latest(&self) -> Option<Stamp> {
        self.iter().max()
    }

    /// How many origins it has seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the stamps that satisfy `keep`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Stamp) -> bool) {
        self.0.retain(|stamp| keep(*stamp));
    }

    /// Appends the number of stamps and the stamps.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        self.iter().for_each(|stamp| out.extend_from_slice(&stamp.to_bytes()));
    }

    /// Reads what [`put`](Self::put) wrote, and nothing else.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.length("number of stamps", reader.remaining() / STAMP_BYTES)?;
        let mut stamps: Vec<Stamp> = Vec::with_capacity(count);
        for _ in 0..count {
            let stamp = read_stamp(reader)?;
            if stamps.last().is_some_and(|last| last.origin >= stamp.origin) {
                return Err(reader.malformed("stamps are not in the order of their origins"));
            }
            stamps.push(stamp);
        }
        Ok(Self(stamps))
    }

    fn place(&self, origin: ReplicaId) -> Result<usize, usize> {
        self.0.binary_search_by(|seen| seen.origin.cmp(&origin))
    }
}

impl FromIterator<Stamp> for Context {
    fn from_iter<I: IntoIterator<Item = Stamp>>(stamps: I) -> Self {
        let mut context = Self::default();
        stamps.into_iter().for_each(|stamp| context.observe(stamp));
        context
    }
}

impl From<Vec<Stamp>> for Context {
    fn from(stamps: Vec<Stamp>) -> Self {
        stamps.into_iter().collect()
    }
}

/// Reads the 26 bytes of a stamp.
pub(crate) fn read_stamp(reader: &mut Reader<'_>) -> Result<Stamp, DecodeError> {
    Stamp::from_bytes(reader.array()?).ok_or_else(|| reader.malformed("the origin of a stamp is all zero"))
}
