//! How a file is opened.

use std::path::PathBuf;

/// Which file to open, and how.
///
/// ```
/// use syncline_redb::RedbOptions;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("notes.redb");
/// let storage = RedbOptions::new(path).cache_bytes(8 * 1024 * 1024).open()?;
/// # Ok::<(), syncline::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RedbOptions {
    pub(crate) path: PathBuf,
    pub(crate) two_phase: bool,
    pub(crate) verify: bool,
    pub(crate) cache_bytes: usize,
    pub(crate) compact: bool,
}

impl RedbOptions {
    /// The file at `path`, which is created if it does not exist; its directory must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), two_phase: true, verify: true, cache_bytes: 64 * 1024 * 1024, compact: false }
    }

    /// Whether a commit waits for the disk twice: first for its data, then for the mark that makes them count. On by
    /// default.
    ///
    /// With one wait, a commit cut short is found out by its checksums, which somebody who chooses what is written and when
    /// the power goes could forge; and if the last commit is damaged later, the one before it is used in its place. A
    /// server keeps both; on a device of its owner's one wait does, and takes half the time or less.
    #[must_use]
    pub fn two_phase_commit(self, two_phase: bool) -> Self {
        Self { two_phase, ..self }
    }

    /// Whether opening reads the whole file and checks every page. On by default.
    ///
    /// It finds damage that nothing else would, a lost row for example, before it is used. It takes about a second per GiB of
    /// what the system has in memory, and the disk's time for the rest. Turn it off if that is too long: values still carry
    /// checksums that are checked whenever they are read.
    #[must_use]
    pub fn verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }

    /// Whether opening gives the free space in the file back, as there is after a trim. Off by default.
    ///
    /// redb fills free space again and never cuts it off by itself. Opening then moves what lies at the file's end to its free
    /// places, which takes about as long as writing that anew.
    #[must_use]
    pub fn compact(self, compact: bool) -> Self {
        Self { compact, ..self }
    }

    /// Bytes of pages kept in memory, at most. 64 MiB by default.
    #[must_use]
    pub fn cache_bytes(self, bytes: usize) -> Self {
        Self { cache_bytes: bytes, ..self }
    }
}
