//! Stores with one fault each: a sound store whose methods can be replaced one by one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use syncline::id::Revision;
use syncline::store::memory::MemoryStorage;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, Storage, StoreError,
    StoredRun, WriteBatch,
};
use syncline::{Cursor, ReplicaId, Seq, SpaceId, ViewId};
use syncline_conformance::{StoreHarness, new_log_id};

pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A method of a store, replaced.
type Method<I, O> = Box<dyn for<'a> Fn(&'a Handle, I) -> Answer<'a, O> + Send + Sync>;

type Open = Box<dyn for<'a> Fn(&'a dyn Storage, SpaceId) -> Answer<'a, Arc<dyn EventStore>> + Send + Sync>;
type Spaces = Box<dyn for<'a> Fn(&'a dyn Storage) -> Answer<'a, Vec<SpaceId>> + Send + Sync>;
type Ready = Box<dyn for<'a> Fn(&'a dyn Storage) -> Answer<'a, ()> + Send + Sync>;
type Check = Box<dyn for<'a> Fn(&'a dyn Storage) -> Answer<'a, String> + Send + Sync>;
type Beside = Box<dyn Fn(&Faulty) -> Result<Faulty, StoreError> + Send + Sync>;
type Reopen = Box<dyn for<'a> Fn(&'a Faulty) -> BoxFuture<'a, Faulty> + Send + Sync>;

/// A handle to the sound store beneath.
pub(crate) struct Handle {
    pub(crate) store: Arc<dyn EventStore>,
    /// All of its storage.
    pub(crate) storage: Arc<dyn Storage>,
    /// The revision that a commit through this handle made last.
    pub(crate) committed: AtomicU64,
    /// For faults that remember.
    pub(crate) status: Mutex<Option<LogStatus>>,
}

/// How a storage behaves. All of it is sound but what a fault replaces.
pub(crate) struct Fault {
    pub(crate) status: Method<(), LogStatus>,
    pub(crate) read: Method<(Cursor, Limit), Page>,
    pub(crate) read_origin: Method<(ReplicaId, Seq, Limit), Vec<StoredRun>>,
    pub(crate) load: Method<Vec<RowKey>, Vec<Option<Bytes>>>,
    pub(crate) scan: Method<(ViewId, RowRange, Limit), Vec<Row>>,
    pub(crate) commit: Method<WriteBatch, Committed>,
    pub(crate) commit_folded: Method<(WriteBatch, RowFold), Option<Committed>>,
    pub(crate) changed: Method<Revision, Revision>,
    pub(crate) open: Open,
    pub(crate) spaces: Spaces,
    pub(crate) ready: Ready,
    pub(crate) check: Check,
    pub(crate) durability: Durability,
    pub(crate) fresh: fn() -> Arc<dyn Storage>,
    /// What becomes of the storage and its fault over a restart.
    pub(crate) reopen: Reopen,
    /// What a second process gets.
    pub(crate) beside: Beside,
}

/// No fault: a store in memory that outlives its handles.
pub(crate) fn sound() -> Fault {
    Fault {
        status: Box::new(|handle, ()| handle.store.status()),
        read: Box::new(|handle, (after, limit)| handle.store.read(after, limit)),
        read_origin: Box::new(|handle, (origin, after, limit)| handle.store.read_origin(origin, after, limit)),
        load: Box::new(|handle, keys| Box::pin(async move { handle.store.load(&keys).await })),
        scan: Box::new(|handle, (view, range, limit)| {
            Box::pin(async move { handle.store.scan(&view, range, limit).await })
        }),
        commit: Box::new(|handle, batch| handle.store.commit(batch)),
        commit_folded: Box::new(|handle, (batch, fold)| handle.store.commit_folded(batch, fold)),
        changed: Box::new(|handle, since| handle.store.changed(since)),
        open: Box::new(|storage, space| Box::pin(async move { storage.open(&space).await })),
        spaces: Box::new(|storage| storage.spaces()),
        ready: Box::new(|storage| storage.ready()),
        check: Box::new(|storage| storage.check()),
        durability: Durability::Process,
        fresh: || Arc::new(MemoryStorage::new(new_log_id)),
        reopen: Box::new(|before| Box::pin(async { before.clone() })),
        beside: Box::new(|first| Ok(first.clone())),
    }
}

/// A storage with a fault.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) fault: Arc<Fault>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.storage.fmt(f)
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let store = (self.fault.open)(&*self.storage, space.clone()).await?;
        let (committed, status) = (AtomicU64::new(0), Mutex::new(None));
        let handle = Handle { store, storage: self.storage.clone(), committed, status };
        Ok(Arc::new(FaultyStore { handle, fault: self.fault.clone() }))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        (self.fault.spaces)(&*self.storage).await
    }

    fn durability(&self) -> Durability {
        self.fault.durability
    }

    async fn ready(&self) -> Result<(), StoreError> {
        (self.fault.ready)(&*self.storage).await
    }

    async fn check(&self) -> Result<String, StoreError> {
        (self.fault.check)(&*self.storage).await
    }
}

struct FaultyStore {
    handle: Handle,
    fault: Arc<Fault>,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.store.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for FaultyStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        (self.fault.status)(&self.handle, ()).await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        (self.fault.read)(&self.handle, (after, limit)).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        (self.fault.read_origin)(&self.handle, (origin, after, limit)).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        (self.fault.load)(&self.handle, keys.to_vec()).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        (self.fault.scan)(&self.handle, (view.clone(), range, limit)).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let committed = (self.fault.commit)(&self.handle, batch).await?;
        self.handle.committed.store(committed.revision.get(), Ordering::SeqCst);
        Ok(committed)
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        (self.fault.commit_folded)(&self.handle, (batch, fold)).await
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        (self.fault.changed)(&self.handle, since).await
    }
}

/// Gives the kit storages with one fault.
pub(crate) struct Twin {
    fault: Arc<Fault>,
    last: Mutex<Option<Faulty>>,
}

impl Twin {
    pub(crate) fn with(fault: Arc<Fault>) -> Self {
        Self { fault, last: Mutex::new(None) }
    }
}

#[async_trait]
impl StoreHarness for Twin {
    async fn fresh(&self) -> Arc<dyn Storage> {
        let faulty = Faulty { storage: (self.fault.fresh)(), fault: self.fault.clone() };
        *self.last.lock().unwrap() = Some(faulty.clone());
        Arc::new(faulty)
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        let before = self.last.lock().unwrap().clone().unwrap();
        let after = (before.fault.reopen)(&before).await;
        *self.last.lock().unwrap() = Some(after.clone());
        Some(Arc::new(after))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        let first = self.last.lock().unwrap().clone().unwrap();
        let second = (first.fault.beside)(&first);
        Some(second.map(|second| Arc::new(second) as Arc<dyn Storage>))
    }
}
