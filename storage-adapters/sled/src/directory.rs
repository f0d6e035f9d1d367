//! Whose directory it is, and how many writes it must at least give back.
//!
//! sled takes damage in its log for the end of the log, and opens with what was there before. So every write counts itself,
//! and the mark that makes a directory ours holds the count of the last close: a directory that gives back less is damaged.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::Path;

use syncline::store::{self, StoreError};
use syncline_key_value::files;

use crate::error::{BACKEND, failed, foreign};

/// The file that marks a directory as ours, and is locked while it is open.
const MARK: &str = "syncline.lock";

/// A directory that is ours and open nowhere else, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    mark: File,
    _open: store::Claim,
}

impl Claim {
    /// Takes a directory that is ours, and makes one ours that is empty or does not exist. One that is neither is left as it
    /// was.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let io = |error: io::Error| failed(path, error.into());
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
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&mark).map_err(io)?;
        files::sync_parent(BACKEND, &mark)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { mark: file, _open: files::claim(path) }),
            Err(TryLockError::WouldBlock) => Err(files::in_use(BACKEND, path)),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// How many writes the directory must at least give back.
    pub(crate) fn promised(&self) -> io::Result<u64> {
        let mut text = String::new();
        let mut file = &self.mark;
        file.rewind()?;
        file.read_to_string(&mut text)?;
        match text.trim_end() {
            "" => Ok(0),
            count => count.parse().map_err(|_| io::Error::new(ErrorKind::InvalidData, "its mark holds no number")),
        }
    }

    /// Notes how many writes it gives back from now on.
    pub(crate) fn promise(&self, count: u64) -> io::Result<()> {
        let mut file = &self.mark;
        file.rewind()?;
        // Always as long, and so short that it is written as one.
        file.write_all(format!("{count:020}\n").as_bytes())?;
        file.sync_all()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // To close the file is not enough: a child process that is just being started has it open, too, until it becomes
        // another program. Where this fails, the claim ends with the last of them.
        let _ = self.mark.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_has_inherited_the_mark_does_not_keep_the_claim() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path()).unwrap();
        let inherited = claim.mark.try_clone().unwrap();
        drop(claim);
        Claim::take(dir.path()).unwrap();
        drop(inherited);
    }
}
