//! One writing process per file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use syncline::store::{Claim, Holder, StoreError};

use crate::error::{BACKEND, refused};

/// An exclusive lock on the file `…-lock` beside the database, held until it is dropped. The operating system releases it
/// when the process dies. The file itself stays.
///
/// It is not the database file that is locked: SQLite's own locks on it would end with the first handle that is closed.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    path: PathBuf,
    created: bool,
    _claim: Claim,
}

impl FileLock {
    /// Takes the lock of `database`, which need not exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process, or this one, holds it.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-lock");
        let path = PathBuf::from(path);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => {
                refused(&path, format_args!("{error}; make the file and its directory writable"))
            }
            _ => refused(&path, error),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Who may write to the database may take its lock, and nobody else.
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
            options.mode(database.metadata().map_or(0o600, |database| database.mode() & 0o666));
        }
        let (file, created) = match options.clone().create_new(true).open(&path) {
            Ok(file) => (file, true),
            Err(_) => (options.create(true).truncate(false).open(&path).map_err(failed)?, false),
        };
        let place = path.canonicalize().map_err(failed)?.display().to_string();
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path, created, _claim: Claim::new(place) }),
            Err(TryLockError::WouldBlock) => {
                let (what, by) = (database.display().to_string(), Holder::of(&place));
                Err(StoreError::InUse { backend: BACKEND, what, by })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The file that is locked.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Releases the lock of a file that is not ours, and leaves nothing beside it that was not there before.
    pub(crate) fn withdraw(self) {
        if self.created {
            // Nothing depends on it: the next opener takes the lock whether the file is there or not.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // To close the file is not enough: a child process that is just being started has it open, too, until it becomes
        // another program. Where this fails, the lock ends with the last of them.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_has_inherited_the_file_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sqlite");
        let lock = FileLock::take(&path).unwrap();
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        FileLock::take(&path).unwrap();
        drop(inherited);
    }
}
