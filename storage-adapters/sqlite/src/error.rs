//! How failures of SQLite become [`StoreError`]s.

use std::fmt;
use std::path::{Path, PathBuf};

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

pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

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
#[derive(Debug, Error)]
#[error("{}: {source}{}", path.display(), hint(source))]
struct FileError {
    path: PathBuf,
    source: rusqlite::Error,
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
    let source = FileError { path: path.to_owned(), source: error };
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

/// A failure that no retry mends and that SQLite knows nothing of.
pub(crate) fn refused(path: &Path, why: impl fmt::Display) -> StoreError {
    let source = format!("{}: {why}", path.display()).into();
    StoreError::Backend { backend: BACKEND, retry: Retry::Never, source }
}
