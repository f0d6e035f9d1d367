//! How a file is opened.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use syncline::store::Durability;

/// Which file to open, and how.
///
/// ```
/// use syncline::store::Durability;
/// use syncline_sqlite::SqliteOptions;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("notes.sqlite");
/// let storage = SqliteOptions::new(path).durability(Durability::Process).open()?;
/// # Ok::<(), syncline::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) cache_bytes: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: NonZeroUsize,
}

impl SqliteOptions {
    /// The file at `path`, which is created if it does not exist; its directory must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Synced,
            cache_bytes: 64 * 1024 * 1024,
            busy_timeout: Duration::from_secs(5),
            readers: NonZeroUsize::new(2).expect("two is not zero"),
        }
    }

    /// What a returned commit survives. [`Durability::Synced`] by default: SQLite's `synchronous = FULL`.
    /// [`Durability::Process`] is `synchronous = NORMAL`: many times faster for single commits, and after a power cut the
    /// last ones may be gone, in order and whole. There is nothing to gain below that: [`Durability::Volatile`] is taken as
    /// `Process`.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability: durability.max(Durability::Process), ..self }
    }

    /// Bytes of pages that the writer keeps in memory, at most. Each reader keeps a quarter of that. 64 MiB by default.
    #[must_use]
    pub fn cache_bytes(self, bytes: usize) -> Self {
        Self { cache_bytes: bytes, ..self }
    }

    /// How long a commit waits for a write transaction of another program, such as a shell, before it fails. Five seconds
    /// by default.
    #[must_use]
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        Self { busy_timeout: timeout, ..self }
    }

    /// How many threads read. Two by default.
    #[must_use]
    pub fn readers(self, threads: NonZeroUsize) -> Self {
        Self { readers: threads, ..self }
    }
}
