//! An [`Archive`] in a folder, or in anything that the crate [`object_store`] reaches: S3, Google Cloud Storage, Azure.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::{LogId, MemoryStore, Replica, SpaceId};
//! use syncline_archive::ObjectArchive;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let archive = ObjectArchive::folder(folder).unwrap();
//! # let store = Arc::new(MemoryStore::new(LogId::from_bytes([1; 16]).expect("not zero")));
//! let replica = Replica::compose(SpaceId::new("notes").unwrap(), store).archive(Arc::new(archive));
//! ```
//!
//! Each space has a folder of its own name, and each segment a file there, `<after>-<last>-<log>.seg`. Files of other names are left alone.
//! For an object store, add `object_store` with the feature of its kind to your program, and give the store to [`ObjectArchive::new`].

use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};
use syncline::SpaceId;
use syncline::archive::{Archive, SegmentName};
use syncline::store::BoxError;

/// What the file of a segment ends with.
const SUFFIX: &str = ".seg";

/// An archive in an object store, below a prefix.
#[derive(Debug, Clone)]
pub struct ObjectArchive {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ObjectArchive {
    /// An archive below `prefix` in an object store. A segment must be durable when the store's `put` returns, and there must be no
    /// rule that deletes it.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: impl Into<Path>) -> Self {
        Self { store, prefix: prefix.into() }
    }

    /// An archive in a folder, which is created if it is not there. Files and their folder are flushed to the disk before a
    /// trim goes on. Needs a runtime of tokio, as the file system of [`object_store`] does.
    ///
    /// # Errors
    /// The folder cannot be created or is none.
    pub fn folder(folder: impl AsRef<FilePath>) -> Result<Self, BoxError> {
        std::fs::create_dir_all(folder.as_ref())?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self::new(Arc::new(store), Path::default()))
    }

    /// The spaces that have segments, in the order of their names.
    ///
    /// # Errors
    /// The object store's own.
    pub async fn spaces(&self) -> Result<Vec<SpaceId>, BoxError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse().ok());
        let mut spaces: Vec<SpaceId> = names.collect();
        spaces.sort();
        Ok(spaces)
    }

    fn space(&self, space: &SpaceId) -> Path {
        self.prefix.clone().join(space.as_str())
    }

    fn segment(&self, space: &SpaceId, name: SegmentName) -> Path {
        self.space(space).join(format!("{name}{SUFFIX}"))
    }
}

#[async_trait]
impl Archive for ObjectArchive {
    async fn list(&self, space: &SpaceId) -> Result<Vec<SegmentName>, BoxError> {
        let name = |location: Path| location.filename()?.strip_suffix(SUFFIX)?.parse().ok();
        let objects: Vec<_> = self.store.list(Some(&self.space(space))).try_collect().await?;
        Ok(objects.into_iter().filter_map(|object| name(object.location)).collect())
    }

    async fn get(&self, space: &SpaceId, name: SegmentName) -> Result<Option<Bytes>, BoxError> {
        match self.store.get(&self.segment(space, name)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, space: &SpaceId, name: SegmentName, bytes: Bytes) -> Result<(), BoxError> {
        self.store.put(&self.segment(space, name), bytes.into()).await?;
        Ok(())
    }
}
