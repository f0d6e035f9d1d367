//! The file: a line that says what it is, and records. A record is its length, eight bytes of its hash, and its bytes.
//!
//! A record that was not written whole is the last one, and was acknowledged to nobody: it is cut off.

use std::fmt::Display;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use syncline::format::heads::BodyDigest;
use syncline::store::{Claim, Holder, Retry, StoreError};

const BACKEND: &str = "journal";
const MAGIC: &[u8] = b"syncline journal 1\n";
const HEADER_BYTES: usize = 12;

#[derive(Debug)]
pub(crate) struct File {
    file: fs::File,
    path: PathBuf,
    /// Why nothing may be written any more.
    poison: Option<String>,
    _open: Claim,
}

impl File {
    /// Opens the file, and gives what its records hold.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Vec<u8>>), StoreError> {
        let what = path.display().to_string();
        let io = |error| failed(&what, error);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let place = path.canonicalize().map_err(io)?.display().to_string();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { backend: BACKEND, by: Holder::of(&place), what });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let bytes = fs::read(path).map_err(io)?;
        let mut opened = Self { file, path: path.to_owned(), poison: None, _open: Claim::new(place) };
        if MAGIC.starts_with(&bytes) {
            opened.begin().map_err(io)?;
            return Ok((opened, Vec::new()));
        }
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(StoreError::UnsupportedFormat { what, found: "unknown".into(), newest: 1 });
        };
        let (records, whole) = opened.records(rest)?;
        let end = (MAGIC.len() + whole) as u64;
        opened.file.set_len(end).and_then(|()| opened.file.seek(SeekFrom::Start(end))).map_err(io)?;
        Ok((opened, records))
    }

    /// Makes an empty file ours, its name too.
    fn begin(&mut self) -> std::io::Result<()> {
        self.file.write_all(MAGIC)?;
        self.file.sync_all()?;
        fs::File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// The whole records, and how many bytes they take.
    fn records(&self, bytes: &[u8]) -> Result<(Vec<Vec<u8>>, usize), StoreError> {
        let (mut records, mut rest) = (Vec::new(), bytes);
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let (length, hash) = header.split_at(4);
            let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
            let Some((record, behind)) = behind.split_at_checked(length) else { break };
            if BodyDigest::of(record).0[..8] != *hash {
                match behind {
                    [] => break,
                    _ => return Err(self.corrupt(format!("record {} hashes to something else", records.len() + 1))),
                }
            }
            records.push(record.to_vec());
            rest = behind;
        }
        Ok((records, bytes.len() - rest.len()))
    }

    /// Whether records may be appended.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.poison.clone() {
            None => Ok(()),
            Some(why) => Err(StoreError::Poisoned { backend: BACKEND, why }),
        }
    }

    /// Appends a record, durably. After a failure nobody knows what the disk holds: then the file must be opened again.
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        let too_large = StoreError::TooLarge { what: "a commit", size: record.len(), max: u32::MAX as usize };
        let length = u32::try_from(record.len()).map_err(|_| too_large)?.to_be_bytes();
        let bytes = [&length[..], &BodyDigest::of(record).0[..8], record].concat();
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(|error| {
            self.poison = Some(error.to_string());
            failed(&self.path.display().to_string(), error)
        })
    }

    pub(crate) fn corrupt(&self, why: impl Display) -> StoreError {
        StoreError::Corrupt { backend: BACKEND, at: self.path.display().to_string(), why: why.to_string() }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A child process that is just being started may have inherited the file: closing alone would not end the lock.
        let _ = self.file.unlock();
    }
}

pub(crate) fn failed(what: &str, error: impl Display) -> StoreError {
    StoreError::Backend { backend: BACKEND, retry: Retry::Never, source: format!("{what}: {error}").into() }
}
