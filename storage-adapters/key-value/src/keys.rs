//! Where everything lies. Numbers are big-endian, so that keys sort as what they name.
//!
//! ```text
//! 00000000 00                     the format: "syncline", version (4)
//! 00000000 01 name                a space's number (4), by its name
//! 00000000 02                     how many spaces there are (4)
//! space    01                     what the space is at, see `record`
//! space    02 origin              an origin's head: seq (8), chain hash (32), time (8)
//! space    03 position            a run by its last position: chain hash before it (32), the encoded run
//! space    04 origin seq          the position of a run (8) by its origin (16) and its last seq (8)
//! space    05 view key            a row, by its view's number (4) and its key
//! ```
//!
//! `space` is a number of four bytes, from 1. Every value is followed by a checksum, see `record`.

use std::ops::{Bound, Range};

use syncline::store::RowRange;
use syncline::{Position, ReplicaId, Seq};

/// Bytes before what a key names: space and kind.
const PREFIX_BYTES: usize = 5;
/// Bytes before a row's key.
const ROW_PREFIX_BYTES: usize = PREFIX_BYTES + 4;

const FORMAT: u8 = 0;
const NAME: u8 = 1;
const COUNT: u8 = 2;
const STATUS: u8 = 1;
const HEAD: u8 = 2;
const RUN: u8 = 3;
const PLACE: u8 = 4;
const ROW: u8 = 5;

/// A range of keys.
pub(crate) type Keys = Range<Vec<u8>>;

/// Every key.
pub(crate) fn all() -> Keys {
    Vec::new()..vec![0xff; PREFIX_BYTES]
}

/// The key of the format.
pub(crate) fn format() -> Vec<u8> {
    SpaceKey::DIRECTORY.key(FORMAT, &[])
}

/// The key of a space's number.
pub(crate) fn name(name: &str) -> Vec<u8> {
    SpaceKey::DIRECTORY.key(NAME, &[name.as_bytes()])
}

/// The keys of all spaces' numbers.
pub(crate) fn names() -> Keys {
    SpaceKey::DIRECTORY.kind(NAME)
}

/// The name that such a key holds.
pub(crate) fn name_of(key: &[u8]) -> &[u8] {
    &key[PREFIX_BYTES..]
}

/// The key of the number of spaces.
pub(crate) fn count() -> Vec<u8> {
    SpaceKey::DIRECTORY.key(COUNT, &[])
}

/// A space's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpaceKey(pub(crate) u32);

/// Where a space lies, and its name.
pub(crate) type Place = syncline_embedded::Place<SpaceKey>;

/// A view's number within its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ViewKey(pub(crate) u32);

impl SpaceKey {
    /// What is not in a space.
    const DIRECTORY: Self = Self(0);

    /// The key of what the space is at.
    pub(crate) fn status(self) -> Vec<u8> {
        self.key(STATUS, &[])
    }

    /// The key of an origin's head.
    pub(crate) fn head(self, origin: ReplicaId) -> Vec<u8> {
        self.key(HEAD, &[&origin.to_bytes()])
    }

    /// The keys of all heads.
    pub(crate) fn heads(self) -> Keys {
        self.kind(HEAD)
    }

    /// The keys of all heads, of all runs, and of all their positions.
    pub(crate) fn log(self) -> Keys {
        self.kind(HEAD).start..self.kind(PLACE).end
    }

    /// The key of the run that ends here.
    pub(crate) fn run(self, end: Position) -> Vec<u8> {
        self.key(RUN, &[&end.get().to_be_bytes()])
    }

    /// The keys of all runs that end behind `after`.
    pub(crate) fn runs_behind(self, after: Position) -> Keys {
        self.run(after.plus(1))..self.kind(RUN).end
    }

    /// The key of the position of the run that ends with this bundle.
    pub(crate) fn place(self, origin: ReplicaId, last: Seq) -> Vec<u8> {
        self.key(PLACE, &[&origin.to_bytes(), &last.get().to_be_bytes()])
    }

    /// The keys of the positions of an origin's runs, from the one that holds `seq` on.
    pub(crate) fn places_from(self, origin: ReplicaId, seq: Seq) -> Keys {
        self.place(origin, seq)..successor(self.place(origin, Seq::new(u64::MAX)))
    }

    /// The key of a row.
    pub(crate) fn row(self, view: ViewKey, key: &[u8]) -> Vec<u8> {
        self.key(ROW, &[&view.0.to_be_bytes(), key])
    }

    /// The keys of a view's rows within a range.
    pub(crate) fn rows(self, view: ViewKey, range: &RowRange) -> Keys {
        let start = match &range.start {
            Bound::Unbounded => self.row(view, &[]),
            Bound::Included(key) => self.row(view, key),
            Bound::Excluded(key) => successor(self.row(view, key)),
        };
        let end = match &range.end {
            Bound::Unbounded => self.row(ViewKey(view.0 + 1), &[]),
            Bound::Included(key) => successor(self.row(view, key)),
            Bound::Excluded(key) => self.row(view, key),
        };
        start..end
    }

    fn kind(self, kind: u8) -> Keys {
        self.key(kind, &[])..self.key(kind + 1, &[])
    }

    fn key(self, kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(PREFIX_BYTES + parts.iter().map(|part| part.len()).sum::<usize>());
        key.extend_from_slice(&self.0.to_be_bytes());
        key.push(kind);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// The key of the row that such a key holds.
pub(crate) fn row_key_of(key: &[u8]) -> &[u8] {
    &key[ROW_PREFIX_BYTES..]
}

/// The origin of the head that such a key holds; `None` if it holds none.
pub(crate) fn origin_of(key: &[u8]) -> Option<ReplicaId> {
    ReplicaId::from_bytes(key[PREFIX_BYTES..].try_into().ok()?)
}

/// The last position of the run that such a key holds; `None` if it holds none.
pub(crate) fn end_of(key: &[u8]) -> Option<Position> {
    Some(Position::new(u64::from_be_bytes(key[PREFIX_BYTES..].try_into().ok()?)))
}

/// The last seq of the run whose position such a key holds; `None` if it holds none.
pub(crate) fn last_of(key: &[u8]) -> Option<Seq> {
    Some(Seq::new(u64::from_be_bytes(*key.last_chunk()?)))
}

/// The least key behind this one.
pub(crate) fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn origin(byte: u8) -> ReplicaId {
        ReplicaId::from_bytes([byte; 16]).unwrap()
    }

    #[test]
    fn keys_sort_by_space_then_by_kind_then_by_what_they_name() {
        let space = |number| {
            let key = SpaceKey(number);
            let mut keys = vec![key.status(), key.head(origin(1)), key.head(origin(255))];
            keys.extend([0, 1, 255, 256, u64::MAX].map(|end| key.run(Position::new(end))));
            keys.extend([1, 255, 256, u64::MAX].map(|seq| key.place(origin(1), Seq::new(seq))));
            keys.push(key.place(origin(2), Seq::ZERO));
            keys.extend([&b""[..], b"\0", b"\xff\xff\xff\xff\xff"].map(|row| key.row(ViewKey(1), row)));
            keys.push(key.row(ViewKey(256), b""));
            keys
        };
        let mut keys = vec![format(), name("a"), name("b"), count()];
        keys.extend([1, 2, 255, 256, u32::MAX - 1].into_iter().flat_map(space));
        assert!(keys.is_sorted_by(|a, b| a < b));
        assert!(keys.iter().all(|key| all().contains(key)));
    }

    #[test]
    fn ranges_hold_exactly_what_they_say() {
        let space = SpaceKey(7);
        let behind = space.runs_behind(Position::new(5));
        assert_eq!([5, 6, u64::MAX].map(|end| behind.contains(&space.run(Position::new(end)))), [false, true, true]);
        let places = space.places_from(origin(1), Seq::new(3));
        assert_eq!(
            [2, 3, u64::MAX].map(|seq| places.contains(&space.place(origin(1), Seq::new(seq)))),
            [false, true, true]
        );
        assert!(!places.contains(&space.place(origin(2), Seq::ZERO)));
        let log = [space.head(origin(1)), space.run(Position::new(0)), space.place(origin(255), Seq::new(u64::MAX))];
        assert!(log.iter().all(|key| space.log().contains(key)));
        assert!([space.status(), space.row(ViewKey(1), b"")].iter().all(|key| !space.log().contains(key)));
        let rows = |range| space.rows(ViewKey(1), &range);
        assert!(rows(RowRange::all()).contains(&space.row(ViewKey(1), &[0xff; 1024])));
        assert!(!rows(RowRange::all()).contains(&space.row(ViewKey(2), b"")));
        let behind = rows(RowRange::all().after(Bytes::from_static(b"a")));
        assert_eq!([&b"a"[..], b"a\0"].map(|key| behind.contains(&space.row(ViewKey(1), key))), [false, true]);
    }

    #[test]
    fn keys_give_back_what_they_name() {
        let space = SpaceKey(7);
        assert_eq!(origin_of(&space.head(origin(3))), Some(origin(3)));
        assert_eq!(end_of(&space.run(Position::new(9))), Some(Position::new(9)));
        assert_eq!(last_of(&space.place(origin(3), Seq::new(9))), Some(Seq::new(9)));
        assert_eq!(row_key_of(&space.row(ViewKey(1), b"key")), b"key");
        assert_eq!(name_of(&name("notes")), b"notes");
        assert_eq!((origin_of(&space.status()), end_of(&space.head(origin(3)))), (None, None));
    }
}
