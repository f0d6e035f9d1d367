//! What backends on files have to see to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use syncline::store::{Claim, Holder, Retry, StoreError};
pub use syncline_os::InPlace;

/// Checks that files are still where they were opened.
///
/// # Errors
/// [`StoreError::Backend`].
pub fn check_in_place(backend: &'static str, files: &InPlace) -> Result<(), StoreError> {
    let told =
        |source: syncline_os::Displaced| StoreError::Backend { backend, retry: Retry::Never, source: source.into() };
    files.check().map_err(told)
}

/// The files or folders at these paths as they are now.
///
/// # Errors
/// [`StoreError::Backend`] if one of them cannot be looked at.
pub fn in_place(backend: &'static str, path: &Path, inside: &[&Path]) -> Result<InPlace, StoreError> {
    let all = std::iter::once(path.to_owned()).chain(inside.iter().map(|name| path.join(name)));
    InPlace::now(all).map_err(|error| failed(backend, path, error))
}

/// Refuses a file or directory that is marked read-only, also if the user may write to it nevertheless. One that does not
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

/// Makes the name of a file or directory just created survive a power cut, if the system knows of such a thing.
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

/// A file whose lock keeps other processes out, and this one's other handles, until it is dropped. The operating system releases it
/// when the process dies. The file stays.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    is_new: bool,
    _open: Claim,
}

impl Lock {
    /// Locks the file at `mark`, which is created if it does not exist, on behalf of the database at `path`, which need not exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process, or this one, holds the lock; [`StoreError::Backend`] if there can be no such file.
    pub fn take(backend: &'static str, mark: &Path, path: &Path) -> Result<Self, StoreError> {
        let told = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => {
                failed(backend, mark, format_args!("{error}; make the file and its directory writable"))
            }
            _ => failed(backend, mark, error),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Anyone who may write to the database may take its lock, and nobody else.
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
            let database = path.metadata().ok().filter(std::fs::Metadata::is_file);
            options.mode(database.map_or(0o600, |database| database.mode() & 0o666));
        }
        let (file, is_new) = match options.clone().create_new(true).open(mark) {
            Ok(file) => (file, true),
            Err(_) => (options.create(true).truncate(false).open(mark).map_err(told)?, false),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path: mark.to_owned(), is_new, _open: claim(mark) }),
            Err(TryLockError::WouldBlock) => Err(held(backend, path, mark)),
            Err(TryLockError::Error(error)) => Err(told(error)),
        }
    }

    /// The file itself, to keep a few bytes in.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Releases the lock of a database that is not ours, and leaves nothing next to it that was not there before.
    pub fn withdraw(self) {
        if self.is_new {
            // Nothing depends on it: the next opener takes the lock whether the file is there or not.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a child process that is just being started has it open, too, until it becomes another
        // program. If this fails, the lock ends with the last of them.
        let _ = self.file.unlock();
    }
}

/// Notes that this process has the file or directory at `path` open: keep it as long as the lock.
pub fn claim(path: &Path) -> Claim {
    Claim::new(place(path))
}

/// That the file or directory at `path` is open already, and by whom.
pub fn in_use(backend: &'static str, path: &Path) -> StoreError {
    held(backend, path, path)
}

/// The same, if the claim is on `mark`.
fn held(backend: &'static str, path: &Path, mark: &Path) -> StoreError {
    StoreError::InUse { backend, what: path.display().to_string(), by: Holder::of(&place(mark)) }
}

/// One name for a file or directory, however it is reached.
fn place(path: &Path) -> String {
    path.canonicalize().as_deref().unwrap_or(path).display().to_string()
}

fn failed(backend: &'static str, path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Backend { backend, retry: Retry::Never, source: format!("{}: {why}", path.display()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_has_inherited_the_file_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let lock = Lock::take("test", &mark, dir.path()).unwrap();
        let inherited = lock.file().try_clone().unwrap();
        drop(lock);
        Lock::take("test", &mark, dir.path()).unwrap();
        drop(inherited);
    }
}
