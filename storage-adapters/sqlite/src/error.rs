//! How failures of SQLite become [`StoreError`]s.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use syncline::store::{Retry, StoreError};
use thiserror::Error;

/// The adapter's name in errors.
pub(crate) const BACKEND: &str = "sqlite";

/// Why something failed, before the file's name is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// What a caller is told.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sqlite(error) => sqlite_error(error, path),
        }
    }
}

/// An error of SQLite or of the file system, with the file that it concerns.
#[derive(Debug, Clone, Error)]
#[error("{}: {source}{}", path.display(), hint(source))]
pub(crate) struct FileError {
    path: PathBuf,
    source: Arc<rusqlite::Error>,
}

fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; nothing was changed, make room and try again",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "; make the file and its directory writable",
        Some(ErrorCode::CannotOpen) => "; check that its directory exists and is writable",
        Some(ErrorCode::DatabaseBusy) => "; another program holds a write transaction, let it finish and try again",
        _ => "",
    }
}

fn sqlite_error(error: rusqlite::Error, path: &Path) -> StoreError {
    let retry = match error.sqlite_error_code() {
        // The statements are sound, so a general error comes from the file: a schema or a format that is none.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
            return corrupt(path.display().to_string(), error);
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull | ErrorCode::OutOfMemory) => {
            Retry::Later
        }
        Some(ErrorCode::SystemIoFailure) => Retry::Later,
        None if is_unreadable(&error) => return corrupt(path.display().to_string(), error),
        _ => Retry::Never,
    };
    let source = FileError { path: path.to_owned(), source: Arc::new(error) };
    StoreError::Backend { backend: BACKEND, retry, source: source.into() }
}

/// Whether a column holds what this crate never writes there.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

pub(crate) fn corrupt(at: String, why: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { backend: BACKEND, at, why: why.to_string() }
}

pub(crate) fn poisoned(why: impl Into<String>) -> StoreError {
    StoreError::Poisoned { backend: BACKEND, why: why.into() }
}

/// The file is not where it was opened.
pub(crate) fn displaced(source: syncline_os::Displaced) -> StoreError {
    StoreError::Backend { backend: BACKEND, retry: Retry::Never, source: source.into() }
}

/// A failure that no retry mends and that SQLite knows nothing of.
pub(crate) fn refused(path: &Path, why: impl fmt::Display) -> StoreError {
    let source = format!("{}: {why}", path.display()).into();
    StoreError::Backend { backend: BACKEND, retry: Retry::Never, source }
}

/// The same failure for one more of those who wait for a transaction.
pub(crate) fn duplicate(error: &StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { backend, at, why } => StoreError::Corrupt { backend, at: at.clone(), why: why.clone() },
        StoreError::Poisoned { backend, why } => StoreError::Poisoned { backend, why: why.clone() },
        StoreError::Backend { backend, retry, source } => {
            let source = match source.downcast_ref::<FileError>() {
                Some(error) => error.clone().into(),
                None => source.to_string().into(),
            };
            StoreError::Backend { backend, retry: *retry, source }
        }
        other => StoreError::Backend { backend: BACKEND, retry: other.retry(), source: other.to_string().into() },
    }
}
