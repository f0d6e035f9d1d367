//! How failures of redb become [`StoreError`]s.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::Error as Redb;
use syncline::store::{Retry, StoreError};
use syncline_key_value::files;
use thiserror::Error;

/// The adapter's name in errors.
pub(crate) const BACKEND: &str = "redb";

/// An error of redb, with the file that it concerns.
#[derive(Debug, Error)]
#[error("{}: {source}{}", path.display(), hint(source))]
struct FileError {
    path: PathBuf,
    source: Redb,
}

fn hint(error: &Redb) -> &'static str {
    match error {
        Redb::Io(error) => match error.kind() {
            ErrorKind::StorageFull => "; make room and open the file again",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; make the file and its directory writable",
            ErrorKind::NotFound => "; check that its directory exists",
            _ => "; open the file again",
        },
        _ => "; open the file again",
    }
}

/// What a caller is told.
pub(crate) fn failed(path: &Path, error: impl Into<Redb>) -> StoreError {
    let (what, backend) = (path.display().to_string(), BACKEND);
    match error.into() {
        Redb::DatabaseAlreadyOpen | Redb::LockProtocolMismatch => files::in_use(backend, path),
        Redb::Corrupted(why) => StoreError::Corrupt { backend, at: what, why },
        Redb::UpgradeRequired(version) => foreign(path, &format!("{version} of redb's own formats")),
        Redb::Io(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
            StoreError::Corrupt { backend, at: what, why: error.to_string() }
        }
        error => {
            let source = FileError { path: path.to_owned(), source: error };
            StoreError::Backend { backend, retry: Retry::Never, source: source.into() }
        }
    }
}

/// A file that this build does not read.
pub(crate) fn foreign(path: &Path, found: &str) -> StoreError {
    StoreError::UnsupportedFormat { what: path.display().to_string(), found: found.into(), newest: 1 }
}
