//! Checks that every store makes, so that all stores refuse alike.

use bytes::Bytes;

use super::{LogStatus, Replacement, RowKey, StoreError};
use crate::format::heads::Head;
use crate::format::run::VerifiedRun;
use crate::id::{Cursor, Dot, LogId, Position};
use crate::limits::{KEY_BYTES_MAX, ROW_BYTES_MAX};

/// What a log has a limited number of, as it is told in errors.
pub(super) const BUNDLES: &str = "number of bundles in one space";
/// No log is replaced by one that has had more of them: positions and seqs can be counted on from there.
const BUNDLES_MAX: u64 = u64::MAX / 2;

/// Checks that a number is one that a backend can keep.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub(super) fn check_number(what: &'static str, value: u64, max: u64) -> Result<(), StoreError> {
    let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
    if value > max {
        return Err(StoreError::TooLarge { what, size: size(value), max: size(max) });
    }
    Ok(())
}

/// Checks that a run follows its origin's head by seq and by hash.
///
/// # Errors
/// [`StoreError::OutOfOrder`] by seq, [`StoreError::WrongChain`] by hash.
pub fn check_append(verified: &VerifiedRun, head: Head) -> Result<(), StoreError> {
    let got = Dot { origin: verified.run().origin(), seq: verified.run().first() };
    if got.seq != head.seq.plus(1) {
        return Err(StoreError::OutOfOrder { expected: head.seq.plus(1), got });
    }
    if verified.previous() != head.chain {
        return Err(StoreError::WrongChain { got });
    }
    Ok(())
}

/// Checks a row's key and state against their limits.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub fn check_row(key: &RowKey, value: Option<&Bytes>) -> Result<(), StoreError> {
    let sizes = [("row key", key.key.len(), KEY_BYTES_MAX), ("row", value.map_or(0, Bytes::len), ROW_BYTES_MAX)];
    match sizes.into_iter().find(|(_, size, max)| size > max) {
        Some((what, size, max)) => Err(StoreError::TooLarge { what, size, max }),
        None => Ok(()),
    }
}

/// Checks that a log with this identity may be replaced so. Returns the head and base of the new log.
///
/// # Errors
/// [`StoreError::SameLog`]; [`StoreError::TooLarge`] if the heads tell of more bundles than a log can have.
pub fn check_replacement(replacement: &Replacement, log: LogId) -> Result<Position, StoreError> {
    if replacement.log == log {
        return Err(StoreError::SameLog { log });
    }
    let bundles = u64::try_from(replacement.heads.bundles()).unwrap_or(u64::MAX);
    check_number(BUNDLES, bundles, BUNDLES_MAX)?;
    Ok(Position::new(bundles))
}

/// Checks that a log with this head may be trimmed so far.
///
/// # Errors
/// [`StoreError::TrimBeyondHead`].
pub fn check_trim(trim: Option<Position>, head: Position) -> Result<(), StoreError> {
    match trim.filter(|trim| *trim > head) {
        Some(trim) => Err(StoreError::TrimBeyondHead { trim, head }),
        None => Ok(()),
    }
}

/// Checks that a log can serve everything behind a cursor.
///
/// # Errors
/// [`StoreError::CursorGone`] if it names another log, lies beyond the head or below the base.
pub fn check_cursor(cursor: Cursor, status: &LogStatus) -> Result<(), StoreError> {
    let LogStatus { log, head, base, .. } = *status;
    if cursor.log != log || cursor.position > head || cursor.position < base {
        return Err(StoreError::CursorGone { cursor, log, base, head });
    }
    Ok(())
}
