//! A small world for tests: a service and replicas with clocks set by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use syncline::authority::{AllowAll, Authority, AuthorityError, Claim, Name, Policy, Principal, Role};
use syncline::format::{Bundle, Stamp};
use syncline::projection::{Keys, Reads};
use syncline::protocol::{Answer, Refusal, Request};
use syncline::replica::Compose;
use syncline::store::{Committed, Durability, EventStore, RowFold, Storage, StoreError, WriteBatch, forward};
use syncline::transport::forward_watch;
use syncline::{
    Event, EventRef, EventType, LogId, MemoryStorage, MemoryStore, NTP64, Projection, Replica, ReplicaId, Service,
    SpaceId, Transport, TransportError, Unreadable, ViewId,
};
use syncline_memory::MemoryTransport;

pub use futures_executor::block_on;

pub const SET: EventType = EventType::new("pair.set", 1);

/// The last value set per key, with the set of all stamps: shows lost, repeated and misordered events alike.
pub struct Pairs;

#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pair {
    pub stamps: BTreeSet<Stamp>,
    pub value: String,
}

impl Projection for Pairs {
    type State = Pair;

    fn view(&self) -> ViewId {
        ViewId::new("pairs@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([SET])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some(at) = event.payload.iter().position(|byte| *byte == b'=') {
            keys.push(&event.payload[..at]);
        }
    }

    fn apply(&self, key: &[u8], row: &mut Pair, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let value = std::str::from_utf8(&event.payload[key.len() + 1..]);
        let value = value.map_err(|_| Unreadable::new("the value is not UTF-8"))?;
        if row.stamps.last().is_none_or(|last| event.stamp > *last) {
            row.value = value.to_owned();
        }
        row.stamps.insert(event.stamp);
        Ok(())
    }
}

/// How often each key was set: no event may be missing, and none may be there twice.
#[derive(Clone, Copy)]
pub struct Counts;

impl Projection for Counts {
    type State = u64;

    fn view(&self) -> ViewId {
        ViewId::new("counts@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Pairs.reads()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        Pairs.keys(event, keys);
    }

    fn apply(&self, _: &[u8], row: &mut u64, _: &EventRef<'_>) -> Result<(), Unreadable> {
        *row += 1;
        Ok(())
    }
}

/// A clock set by hand, in seconds.
#[derive(Debug, Clone)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    pub fn reader(&self) -> impl Fn() -> NTP64 + Send + Sync + 'static {
        let seconds = self.0.clone();
        move || NTP64(seconds.load(Ordering::Relaxed) << 32)
    }
}

pub fn space() -> SpaceId {
    SpaceId::new("team").unwrap()
}

pub fn id(byte: u8) -> ReplicaId {
    ReplicaId::from_bytes([byte; 16]).unwrap()
}

pub fn memory() -> Arc<MemoryStore> {
    static LOGS: AtomicU64 = AtomicU64::new(1);
    Arc::new(MemoryStore::new(log(LOGS.fetch_add(1, Ordering::Relaxed))))
}

fn log(number: u64) -> LogId {
    let mut bytes = [0xee; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    LogId::from_bytes(bytes).unwrap()
}

pub fn storage() -> Arc<MemoryStorage> {
    static LOGS: AtomicU64 = AtomicU64::new(1 << 32);
    Arc::new(MemoryStorage::new(|| log(LOGS.fetch_add(1, Ordering::Relaxed))))
}

pub fn set(key: &str, value: &str) -> Event {
    Event::new(SET, format!("{key}={value}"))
}

pub fn compose(store: Arc<dyn EventStore>, clock: &Hand) -> Compose {
    Replica::compose(space(), store).clock(clock.reader()).projection(Pairs)
}

pub fn replica(byte: u8, clock: &Hand) -> Replica {
    block_on(compose(memory(), clock).open(id(byte))).unwrap()
}

pub fn service(clock: &Hand) -> Arc<Service> {
    Arc::new(Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader())))
}

pub fn principal() -> Principal {
    Principal { user: Name::new("ann").unwrap(), device: Name::new("phone").unwrap() }
}

pub fn way(service: &Arc<Service>) -> MemoryTransport {
    MemoryTransport::trusted(service.clone(), principal())
}

/// All pairs of a replica with their values.
pub fn pairs(replica: &Replica) -> BTreeMap<String, String> {
    let rows = block_on(replica.view(Pairs).unwrap().all(syncline::store::RowRange::all())).unwrap();
    rows.into_iter().map(|(key, row)| (String::from_utf8(key.to_vec()).unwrap(), row.value)).collect()
}

/// Loses the answers of the requests that `lost` picks: the peer acts, the caller does not learn of it.
#[derive(Debug)]
pub struct LosesAnswers<T>(pub T, pub fn(&Request) -> bool);

#[async_trait]
impl<T: Transport> Transport for LosesAnswers<T> {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let lost = (self.1)(&request);
        let answer = self.0.call(request).await?;
        if lost { Err(TransportError::Interrupted("the answer is lost".into())) } else { Ok(answer) }
    }

    forward_watch!(self.0);
}

/// Takes from each device the bundles of one replica alone.
#[derive(Debug)]
pub struct OwnOnly(pub ReplicaId);

#[async_trait]
impl Authority for OwnOnly {
    async fn authenticate(&self, _: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(Some(principal()))
    }

    async fn role(&self, _: &Principal, _: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok(Some(Role::Writer))
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        let other = Principal { device: Name::new("another").unwrap(), ..principal() };
        Ok(origins.iter().filter(|origin| **origin != self.0).map(|origin| (*origin, other.clone())).collect())
    }

    async fn claim(&self, _: &Principal, _: ReplicaId) -> Result<Claim, AuthorityError> {
        Ok(Claim::Held)
    }
}

/// Refuses bundles that say a word.
#[derive(Debug)]
pub struct Forbids(pub &'static str);

#[async_trait]
impl Policy for Forbids {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        let says = |event: EventRef<'_>| String::from_utf8_lossy(event.payload).contains(self.0);
        if bundle.events().flatten().any(says) {
            return Err(Refusal::new("forbidden-word", format!("`{}` is not wanted here", self.0)));
        }
        Ok(())
    }
}

/// A storage with one given store for every space: to swap a server's log under its clients.
#[derive(Debug)]
pub struct Swapped(pub Arc<dyn EventStore>);

#[async_trait]
impl Storage for Swapped {
    async fn open(&self, _: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(self.0.clone())
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(vec![space()])
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

/// A store whose commits take a while: they yield once before and once after.
#[derive(Debug)]
pub struct Yields(pub Arc<MemoryStore>);

/// Lets everybody else run once.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Yields {
    forward!(self.0: status, read, read_origin, load, scan, changed);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        yield_once().await;
        let committed = self.0.commit(batch).await;
        yield_once().await;
        committed
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        yield_once().await;
        let committed = self.0.commit_folded(batch, fold).await;
        yield_once().await;
        committed
    }
}
