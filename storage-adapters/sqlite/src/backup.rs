//! Copies of a file that is in use, and putting one in its place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use syncline::store::StoreError;

use crate::error::{Result, refused};
use crate::leftover::beside;
use crate::open::lock;
use crate::schema;

/// What belongs to a file and lies next to it.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Copies the database at `from` to `to`, which must not exist: all commits that have returned, as of one moment, on the disk,
/// readable by its owner alone. The database may be in use by another process, which continues.
///
/// Blocks for as long as reading and writing it takes.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] if `from` is not Syncline's. [`StoreError::Backend`] if one of them cannot be read or written.
/// [`StoreError::Corrupt`] if SQLite cannot read it. Then `to` is not there.
pub fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    schema::inspect(from)?;
    private(to).map_err(|error| refused(to, error))?;
    let copied = copy_pages(from, to).map_err(|fault| fault.at(from));
    if copied.is_err() {
        // The first error counts.
        let _ = fs::remove_file(to);
    }
    copied
}

fn copy_pages(from: &Path, to: &Path) -> Result<()> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let mut target = Connection::open(to)?;
    target.pragma_update(None, "synchronous", "FULL")?;
    // In one step it is of one moment, and holds up no writer: the source keeps a write-ahead log.
    match Backup::new(&source, &mut target)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(refused(from, format!("it could not be copied at once ({other:?})")).into()),
    }
    target.close().map_err(|(_, error)| error)?;
    Ok(sync(to).map_err(|error| refused(to, error))?)
}

/// Puts `copy` in the place of the database at `path`, which nobody may have open. What was there is kept under its name with
/// `.old`, its write-ahead log with it, so that the log of the one is never taken for that of the other. Every log gets a new
/// identity: peers compare heads with it, and bring back what it lacks.
///
/// # Errors
/// [`StoreError::InUse`] if the database is open. [`StoreError::Backend`] if there is something with `.old` already, or a file
/// cannot be moved. A database is at `path` in every case in which there was one.
pub fn put_in_place(copy: &Path, path: &Path) -> Result<(), StoreError> {
    let _lock = lock(path)?;
    renew(copy).map_err(|fault| fault.at(copy))?;
    let old = beside(path, ".old");
    if old.exists() {
        return Err(refused(&old, "it is from an earlier restoring; move it away first"));
    }
    let place = || -> io::Result<()> {
        if path.exists() {
            // By its new name the old file has its log before it loses it by the old name.
            if beside(path, "-wal").exists() {
                fs::hard_link(beside(path, "-wal"), beside(&old, "-wal"))?;
            }
            fs::hard_link(path, &old)?;
        }
        for ending in BESIDE {
            match fs::remove_file(beside(path, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(copy, path)?;
        sync(path)
    };
    place().map_err(|error| refused(path, error))
}

/// Gives every log a new identity.
fn renew(copy: &Path) -> Result<()> {
    let db = Connection::open(copy)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute("UPDATE spaces SET log = randomblob(16)", [])?;
    db.close().map_err(|(_, error)| error)?;
    Ok(sync(copy).map_err(|error| refused(copy, error))?)
}

/// Creates a file that must not exist, for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a file and its name survive a power cut.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
