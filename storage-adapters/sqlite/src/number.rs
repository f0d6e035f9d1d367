//! Numbers between the engine, where they are unsigned, and SQLite, where they are not.

use syncline::store::StoreError;
use syncline::{NTP64, Position};

use crate::error::corrupt;

/// Bits of a run's id that hold a position; those above hold the space.
const POSITION_BITS: u32 = 40;
/// The largest position of a space: a bundle a microsecond fills it in twelve days, and the file then takes terabytes.
const POSITION_MAX: u64 = (1 << POSITION_BITS) - 1;
/// The most spaces in one file.
const SPACES_MAX: i64 = (1 << (63 - POSITION_BITS)) - 1;

/// A space as the tables know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpaceKey(pub(crate) i64);

impl SpaceKey {
    /// Checks that the ids of this space's runs are numbers.
    pub(crate) fn new(id: i64) -> Result<Self, StoreError> {
        check("number of spaces in one file", id.unsigned_abs(), SPACES_MAX.unsigned_abs())?;
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

/// Checks that a position fits a run's id.
pub(crate) fn check_position(position: Position) -> Result<(), StoreError> {
    check("number of bundles in one space", position.get(), POSITION_MAX)
}

/// The value as an integer of SQLite.
pub(crate) fn to_integer(what: &'static str, value: u64) -> Result<i64, StoreError> {
    check(what, value, i64::MAX.unsigned_abs())?;
    Ok(value.cast_signed())
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

fn check(what: &'static str, value: u64, max: u64) -> Result<(), StoreError> {
    let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
    if value > max {
        return Err(StoreError::TooLarge { what, size: size(value), max: size(max) });
    }
    Ok(())
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
        assert_eq!(to_integer("seq", i64::MAX as u64).unwrap(), i64::MAX);
        assert!(matches!(to_integer("seq", 1 << 63), Err(StoreError::TooLarge { what: "seq", .. })));
        assert!(matches!(from_integer("seq", -1), Err(StoreError::Corrupt { .. })));
        assert!(check_position(Position::new(POSITION_MAX)).is_ok());
        assert!(check_position(Position::new(POSITION_MAX + 1)).is_err());
        assert!(SpaceKey::new(SPACES_MAX + 1).is_err());
    }

    #[test]
    fn times_and_their_blobs_have_one_order() {
        let times = [0, 1, (1 << 63) - 1, 1 << 63, u64::MAX].map(NTP64);
        assert!(times.map(to_blob).is_sorted());
        assert_eq!(times.map(to_blob).map(from_blob), times);
    }
}
