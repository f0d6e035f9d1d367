//! What backends on files have to see to themselves.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use syncline::store::{Claim, Holder, Retry, StoreError};

/// Refuses a file or directory that is marked read-only, also where the user may write to it nevertheless. One that does not
/// exist passes.
///
/// # Errors
/// [`StoreError::Backend`].
pub fn check_writable(backend: &'static str, path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(metadata) if metadata.permissions().readonly() => {
            Err(failed(backend, path, "it is read-only, and Syncline writes to what it opens; make it writable"))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(backend, path, error)),
        _ => Ok(()),
    }
}

/// Makes the name of a file or directory just created survive a power cut, where the system knows of such a thing.
///
/// # Errors
/// [`StoreError::Backend`].
pub fn sync_parent(backend: &'static str, path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| failed(backend, parent, error))?;
    }
    Ok(())
}

/// Notes that this process has the file or directory at `path` open: keep it as long as the lock.
pub fn claim(path: &Path) -> Claim {
    Claim::new(place(path))
}

/// That the file or directory at `path` is open already, and by whom.
pub fn in_use(backend: &'static str, path: &Path) -> StoreError {
    StoreError::InUse { backend, what: path.display().to_string(), by: Holder::of(&place(path)) }
}

/// One name for a file or directory, however it is reached.
fn place(path: &Path) -> String {
    path.canonicalize().as_deref().unwrap_or(path).display().to_string()
}

fn failed(backend: &'static str, path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Backend { backend, retry: Retry::Never, source: format!("{}: {why}", path.display()).into() }
}
