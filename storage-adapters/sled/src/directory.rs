//! Whose directory it is, and how many writes it must at least give back.
//!
//! sled takes damage in its log for the end of the log, and opens with what was there before. So every write counts itself,
//! and the mark that makes a directory ours holds the count of the last close: a directory that gives back less is damaged.

use std::fs;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::Path;

use syncline::store::StoreError;
use syncline_key_value::files::{self, Lock};

use crate::error::{BACKEND, failed, foreign};

/// The file that marks a directory as ours, and is locked while it is open.
pub(crate) const MARK: &str = "syncline.lock";

/// A directory that is ours and open nowhere else, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim(Lock);

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
        let lock = Lock::take(BACKEND, &mark, path)?;
        files::sync_parent(BACKEND, &mark)?;
        Ok(Self(lock))
    }

    /// How many writes the directory must at least give back.
    pub(crate) fn promised(&self) -> io::Result<u64> {
        let mut text = String::new();
        let mut file = self.0.file();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        match text.trim_end() {
            "" => Ok(0),
            count => count.parse().map_err(|_| io::Error::new(ErrorKind::InvalidData, "its mark holds no number")),
        }
    }

    /// Notes how many writes it gives back from now on.
    pub(crate) fn promise(&self, count: u64) -> io::Result<()> {
        let mut file = self.0.file();
        file.rewind()?;
        // Always as long, and so short that it is written as one.
        file.write_all(format!("{count:020}\n").as_bytes())?;
        file.sync_all()
    }
}
