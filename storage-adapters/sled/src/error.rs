//! How failures of sled become [`StoreError`]s.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sled::Error as Sled;
use syncline::store::{Retry, StoreError};
use syncline_key_value::files;
use thiserror::Error;

/// The adapter's name in errors.
pub(crate) const BACKEND: &str = "sled";

/// An error of sled, with the directory that it concerns.
#[derive(Debug, Error)]
#[error("{}: {source}{}", path.display(), hint(source))]
struct DirectoryError {
    path: PathBuf,
    source: Sled,
}

fn hint(error: &Sled) -> &'static str {
    let Sled::Io(error) = error else { return "; open the directory again" };
    match error.kind() {
        ErrorKind::StorageFull => "; make room and open the directory again",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; make the directory writable",
        ErrorKind::NotFound => "; check that the directory above exists",
        _ => "; open the directory again",
    }
}

/// What a caller is told.
pub(crate) fn failed(path: &Path, error: Sled) -> StoreError {
    let (at, backend) = (path.display().to_string(), BACKEND);
    match error {
        Sled::Unsupported(why) => foreign(path, &why),
        Sled::Corruption { at: place, .. } => {
            let why = place
                .map_or_else(|| "sled found corruption".into(), |place| format!("sled found corruption at {place:?}"));
            StoreError::Corrupt { backend, at, why }
        }
        Sled::ReportableBug(why) => StoreError::Corrupt { backend, at, why },
        Sled::Io(error) if is_lock(&error) => files::in_use(backend, path),
        Sled::Io(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
            StoreError::Corrupt { backend, at, why: error.to_string() }
        }
        error => {
            let source = DirectoryError { path: path.to_owned(), source: error };
            StoreError::Backend { backend, retry: Retry::Never, source: source.into() }
        }
    }
}

/// Whether sled's own lock is still held. It says so in words only.
pub(crate) fn is_lock(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// A directory that this build does not read.
pub(crate) fn foreign(path: &Path, found: &str) -> StoreError {
    StoreError::UnsupportedFormat { what: path.display().to_string(), found: found.into(), newest: 1 }
}
