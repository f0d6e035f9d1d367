//! The peer of the space whose log is replaced: a service in memory that has trimmed its log and hands out a snapshot.
//!
//! It dies with the process. The next one has what the store had by then, which follows from the script, and is a little ahead.

use std::sync::Arc;

use async_trait::async_trait;
use rand::Rng as _;
use syncline::authority::{AllowAll, Name, Principal};
use syncline::format::{Heads, VerifiedRun};
use syncline::replica::{Compose, SnapshotError};
use syncline::store::{Durability, EventStore, Storage, WriteBatch};
use syncline::{LogId, MemoryStore, Replica, ReplicaError, ReplicaId, Seq, Service, SpaceId, StoreError};
use syncline_memory::MemoryTransport;

use crate::chance::Chance;
use crate::script::{self, PEER, REPLACED, Script};

/// The replica of the space, which folds and takes snapshots, and writes nothing.
pub fn compose(script: Script, store: Arc<dyn EventStore>) -> Compose {
    let composed = Replica::compose(script.space(REPLACED), store).clock(move || script.end());
    script::noted().into_iter().fold(composed, Compose::projection)
}

/// The identity that the replica takes in a new store.
pub fn id(script: Script) -> ReplicaId {
    script.origin(REPLACED, PEER + 1)
}

/// The peer.
#[derive(Debug)]
pub struct Peer {
    script: Script,
    store: Arc<MemoryStore>,
    keeper: Replica,
    transport: MemoryTransport,
}

impl Peer {
    /// A peer that has all bundles up to these heads. `chance` makes its log another one than those before.
    ///
    /// # Errors
    /// [`ReplicaError`] if its replica cannot be opened.
    pub async fn new(script: Script, heads: &Heads, chance: &mut Chance) -> Result<Self, ReplicaError> {
        let mut log = [1; 16];
        chance.fill_bytes(&mut log[1..]);
        let store = Arc::new(MemoryStore::new(LogId::from_bytes(log).expect("the first byte is set")));
        for (origin, head) in heads.iter() {
            for run in script.until(origin, head.seq) {
                append(&store, run).await?;
            }
        }
        let keeper = compose(script, store.clone()).shared_with_service().open(script.origin(REPLACED, PEER + 2));
        let keeper = keeper.await?;
        let service = Service::new(Arc::new(One(store.clone())), Arc::new(AllowAll), Arc::new(move || script.end()));
        let name = |text| Name::new(text).expect("the name is well formed");
        let principal = Principal { user: name("rig"), device: name("crash") };
        let transport = MemoryTransport::trusted(Arc::new(service), principal);
        Ok(Self { script, store, keeper, transport })
    }

    /// Writes so many bundles, makes a snapshot, and trims the whole log. Returns the last bundle.
    ///
    /// # Errors
    /// [`SnapshotError`] if the snapshot cannot be made.
    pub async fn advance(&self, count: u64) -> Result<Seq, SnapshotError> {
        let origin = self.script.origin(REPLACED, PEER);
        let next = self.script.next(origin, self.store.status().await?.heads.get(origin), count);
        let last = next.head().seq;
        append(&self.store, next).await?;
        self.keeper.make_snapshot().await?;
        let trim = Some(self.store.status().await?.head);
        self.store.commit(WriteBatch { trim, ..WriteBatch::default() }).await?;
        Ok(last)
    }

    /// The way to it.
    pub fn transport(&self) -> &MemoryTransport {
        &self.transport
    }
}

async fn append(store: &MemoryStore, run: VerifiedRun) -> Result<(), StoreError> {
    store.commit(WriteBatch { clock: run.head().time, runs: vec![run], ..WriteBatch::default() }).await.map(drop)
}

/// One store for every space.
#[derive(Debug)]
struct One(Arc<MemoryStore>);

#[async_trait]
impl Storage for One {
    async fn open(&self, _: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(self.0.clone())
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(Vec::new())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}
