//! How a directory is opened.

use std::path::PathBuf;

use syncline::store::Durability;

/// Which directory to open, and how.
///
/// ```
/// use syncline_sled::SledOptions;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("notes");
/// let storage = SledOptions::new(path).cache_bytes(8 * 1024 * 1024).open()?;
/// # Ok::<(), syncline::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SledOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) cache_bytes: u64,
}

impl SledOptions {
    /// The directory at `path`, which is created if it does not exist; the one above must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), durability: Durability::Synced, cache_bytes: 64 * 1024 * 1024 }
    }

    /// What a returned commit survives. [`Durability::Synced`] by default: sled's flush, and then a sync of its
    /// files. [`Durability::Process`] leaves the sync out: after a power cut the directory may not even open. [`Durability::Volatile`] is
    /// taken as `Process`.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability: durability.max(Durability::Process), ..self }
    }

    /// Bytes of pages kept in memory, about. 64 MiB by default.
    #[must_use]
    pub fn cache_bytes(self, bytes: u64) -> Self {
        Self { cache_bytes: bytes, ..self }
    }
}
