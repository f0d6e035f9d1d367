//! The syncing that sled leaves out.
//!
//! sled's `flush` hands its log to the operating system and waits for the write (`sync_file_range`), which does not reach
//! through a disk's cache and does not record that the file has grown. Values that are large it writes to files of their
//! own, and syncs them not at all. So both are synced here, after each flush.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files of an open directory.
#[derive(Debug)]
pub(crate) struct Disk {
    log: File,
    blobs: PathBuf,
    /// The files of large values that are synced. They never change, they only come and go.
    synced: Mutex<BTreeSet<OsString>>,
}

impl Disk {
    /// Opens the files that sled has just opened or created, and makes their names survive.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let disk = Self { log: File::open(path.join("db"))?, blobs: path.join("blobs"), synced: Mutex::default() };
        File::open(path.join("conf"))?.sync_all()?;
        sync_directory(path)?;
        disk.sync()?;
        Ok(disk)
    }

    /// Returns when everything flushed before is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.sync_blobs()?;
        // Last: what it refers to is there.
        self.sync_log()
    }

    /// Returns when the log, as far as it is flushed, is on the disk.
    pub(crate) fn sync_log(&self) -> io::Result<()> {
        self.log.sync_data()
    }

    /// Returns when the large values written before are on the disk.
    pub(crate) fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.blobs.read_dir()?.map(|entry| entry.map(|entry| entry.file_name()));
        let present = names.collect::<io::Result<BTreeSet<_>>>()?;
        let mut grown = false;
        for name in present.difference(&synced) {
            match File::open(self.blobs.join(name)).and_then(|file| file.sync_all()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {} // gone in the meantime
                synced => {
                    synced?;
                    grown = true;
                }
            }
        }
        if grown {
            sync_directory(&self.blobs)?;
        }
        *synced = present;
        Ok(())
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
