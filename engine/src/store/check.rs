//! Checks that every store makes, so that all stores refuse alike.

use bytes::Bytes;

use super::{LogStatus, RowKey, StoreError};
use crate::format::heads::Head;
use crate::format::run::VerifiedRun;
use crate::id::{Cursor, Dot, Position};
use crate::limits::{KEY_BYTES_MAX, ROW_BYTES_MAX};

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
