//! Whose directory it is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use syncline::store::StoreError;
use syncline_key_value::files;

use crate::error::{BACKEND, failed, foreign};

/// The file that marks a directory as ours, and is locked while it is open.
const MARK: &str = "syncline.lock";

/// Takes a directory that is ours, and makes one ours that is empty or does not exist. One that is neither is left as it
/// was. The claim ends when the file is closed.
pub(crate) fn claim(path: &Path) -> Result<File, StoreError> {
    let io = |error: std::io::Error| failed(path, error.into());
    match fs::create_dir(path) {
        Ok(()) => files::sync_parent(BACKEND, path)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    let mark = path.join(MARK);
    if !path.is_dir() {
        return Err(foreign(path, "unknown (a file, where sled keeps a directory)"));
    }
    if !mark.exists() && path.read_dir().map_err(io)?.next().is_some() {
        return Err(foreign(path, "unknown (a directory of another program)"));
    }
    files::check_writable(BACKEND, path)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&mark).map_err(io)?;
    files::sync_parent(BACKEND, &mark)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { backend: BACKEND, what: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
