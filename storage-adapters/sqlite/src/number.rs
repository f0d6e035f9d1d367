//! Numbers between the engine, where they are unsigned, and SQLite, where they are not.

use syncline::store::StoreError;
use syncline::{NTP64, Position};

use crate::error::corrupt;

/// Bits of a run's id that hold a position; those above hold the space.
const POSITION_BITS: u32 = 40;
/// The largest position of a space: a bundle a microsecond fills it in twelve days, and the file then takes terabytes.
pub(crate) const POSITION_MAX: u64 = (1 << POSITION_BITS) - 1;
/// The largest integer of SQLite.
pub(crate) const INTEGER_MAX: u64 = i64::MAX.unsigned_abs();
/// The most spaces in one file.
const SPACES_MAX: i64 = (1 << (63 - POSITION_BITS)) - 1;

/// A space as the tables know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpaceKey(pub(crate) i64);

impl SpaceKey {
    /// Checks that the ids of this space's runs are numbers.
    pub(crate) fn new(id: i64) -> Result<Self, StoreError> {
        if id > SPACES_MAX {
            let (size, max) = (to_size(id.unsigned_abs()), to_size(SPACES_MAX.unsigned_abs()));
            return Err(StoreError::TooLarge { what: "number of spaces in one file", size, max });
        }
        Ok(Self(id))
    }

    /// The id of the run whose last bundle lies here. Positions beyond the largest count as the largest.
    pub(crate) fn run_id(self, last: Position) -> i64 {
        let position = last.get().min(POSITION_MAX);
        (self.0 << POSITION_BITS) | i64::try_from(position).expect("40 bits fit")
    }

    /// The id that no run of this space lies behind.
    pub(crate) fn last_run_id(self) -> i64 {
        self.run_id(Position::new(POSITION_MAX))
    }
}

/// Where the last bundle of a run lies.
pub(crate) fn run_end(id: i64) -> Position {
    Position::new(id.unsigned_abs() & POSITION_MAX)
}

/// A number of a draft as an integer of SQLite.
pub(crate) fn to_integer(value: u64) -> i64 {
    i64::try_from(value).expect("a draft takes no number beyond its bounds")
}

/// A number to look for as an integer of SQLite: what is too large to be stored lies behind everything that is.
pub(crate) fn to_bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The value of an integer of SQLite.
pub(crate) fn from_integer(what: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(what.into(), format!("{value} is negative")))
}

/// A time as a blob that sorts as times do.
pub(crate) fn to_blob(time: NTP64) -> [u8; 8] {
    time.0.to_be_bytes()
}

/// The time in a blob.
pub(crate) fn from_blob(blob: [u8; 8]) -> NTP64 {
    NTP64(u64::from_be_bytes(blob))
}

fn to_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_space_and_position_up_to_their_ends() {
        let ends = [1, 2, SPACES_MAX - 1, SPACES_MAX].map(|id| {
            let space = SpaceKey::new(id).unwrap();
            [0, 1, POSITION_MAX - 1, POSITION_MAX].map(|position| space.run_id(Position::new(position)))
        });
        assert!(ends.as_flattened().is_sorted_by(|a, b| a < b));
        assert_eq!(run_end(SpaceKey(SPACES_MAX).last_run_id()).get(), POSITION_MAX);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_by_name() {
        assert_eq!((to_integer(INTEGER_MAX), to_bound(u64::MAX)), (i64::MAX, i64::MAX));
        assert!(matches!(from_integer("seq", -1), Err(StoreError::Corrupt { .. })));
        assert!(SpaceKey::new(SPACES_MAX + 1).is_err());
    }

    #[test]
    fn times_and_their_blobs_have_one_order() {
        let times = [0, 1, (1 << 63) - 1, 1 << 63, u64::MAX].map(NTP64);
        assert!(times.map(to_blob).is_sorted());
        assert_eq!(times.map(to_blob).map(from_blob), times);
    }
}
