//! A store as somebody else would write it: one file that only grows, read into memory when it is opened.
//!
//! Every change is one record at the file's end, synced before anybody sees it. `tests/conformance.rs` holds it to every law.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Replacement, Row, RowKey, RowRange, Storage, StoreError,
    StoredRun, ViewId, WriteBatch,
};
use syncline::{Cursor, LogId, MemoryStore, ReplicaId, Seq, SpaceId};
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;

mod file;
mod record;

use file::File;
use record::Record;

/// One file, open.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Who reads holds it, too, so that nobody sees a commit before it is on the disk.
    file: Arc<RwLock<(File, Spaces)>>,
    mint: fn() -> LogId,
}

type Spaces = BTreeMap<SpaceId, Arc<MemoryStore>>;

impl Journal {
    /// Opens the file at `path`, which is created if it does not exist. `mint` must give out random ids. Blocks, and needs
    /// a tokio runtime around it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if it is open already; [`StoreError::UnsupportedFormat`], [`StoreError::Corrupt`] or
    /// [`StoreError::Backend`] if it cannot be used.
    pub async fn open(path: &Path, mint: fn() -> LogId) -> Result<Self, StoreError> {
        let (file, records) = File::open(path)?;
        let mut spaces = Spaces::new();
        for bytes in records {
            let (space, batch, trim, replace) = match Record::decode(&bytes).map_err(|why| file.corrupt(why))? {
                Record::Space(space, log) => {
                    spaces.insert(space, Arc::new(MemoryStore::new(log)));
                    continue;
                }
                Record::Commit(space, batch) => (space, batch, None, None),
                Record::Trim(space, batch, base) => (space, batch, Some(base), None),
                Record::Replace(space, batch, trim, log, heads) => {
                    (space, batch, trim, Some(Replacement { log, heads }))
                }
            };
            let store = spaces.get(&space).ok_or_else(|| file.corrupt("a commit comes before its space"))?;
            let batch = batch.restore(trim, replace).map_err(|why| file.corrupt(why))?;
            store.commit(batch).await.map_err(|error| file.corrupt(error))?;
        }
        Ok(Self { file: Arc::new(RwLock::new((file, spaces))), mint })
    }
}

#[async_trait]
impl Storage for Journal {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let (journal, name) = (self.clone(), space.clone());
        let found = unless_dropped(move || {
            let (file, spaces) = &mut *journal.file.blocking_write();
            if let Some(store) = spaces.get(&name) {
                return Ok(store.clone());
            }
            let log = (journal.mint)();
            file.append(&Record::Space(name.clone(), log).encode())?;
            Ok(spaces.entry(name).or_insert(Arc::new(MemoryStore::new(log))).clone())
        });
        Ok(Arc::new(Space { journal: self.clone(), name: space.clone(), store: found.await? }))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        let journal = self.clone();
        unless_dropped(move || Ok(journal.file.blocking_read().1.keys().cloned().collect())).await
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

/// One space of a journal.
#[derive(Debug, Clone)]
struct Space {
    journal: Journal,
    name: SpaceId,
    store: Arc<MemoryStore>,
}

impl Space {
    /// Looks at what is on the disk. The lock is not held by the caller's own future: one that is left half polled would keep
    /// the file from the next commit.
    async fn look<T: Send + 'static>(
        &self,
        look: impl AsyncFnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (space, memory) = (self.clone(), Handle::current());
        unless_dropped(move || {
            let _synced = space.journal.file.blocking_read();
            memory.block_on(look(&space.store))
        })
        .await
    }
}

#[async_trait]
impl EventStore for Space {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.look(async |store| store.status().await).await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        self.look(async move |store| store.read(after, limit).await).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.look(async move |store| store.read_origin(origin, after, limit).await).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = keys.to_vec();
        self.look(async move |store| store.load(&keys).await).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let view = view.clone();
        self.look(async move |store| store.scan(&view, range, limit).await).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let (space, memory) = (self.clone(), Handle::current());
        unless_dropped(move || {
            let (file, _) = &mut *space.journal.file.blocking_write();
            file.check()?;
            let record = Record::of(space.name, &batch).encode();
            let committed = memory.block_on(space.store.commit(batch))?;
            file.append(&record)?;
            Ok(committed)
        })
        .await
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        let revision = self.store.changed(since).await?;
        self.look(async move |_| Ok(revision)).await
    }
}

/// Does something that blocks, and does it to its end even if nobody waits for it any more.
async fn unless_dropped<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(act).await.map_err(|panic| file::failed("the journal", panic))?
}
