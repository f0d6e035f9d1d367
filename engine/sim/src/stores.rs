//! Where a history's logs are kept: in memory, or in stores of the user's own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use syncline::store::{Durability, StoreError};
use syncline::{EventStore, LogId, MemoryStore, SpaceId};

/// How a store's holder died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crash {
    /// The process: what was handed to the operating system stays.
    Process,
    /// The power: what was not synced may go.
    Power,
}

/// Makes the stores of one history: implement it to have your own under test. [`on_disk`](crate::on_disk) is one for every
/// [`Storage`](syncline::store::Storage) that keeps its data in a folder.
///
/// A store may use threads; the lab waits for each call, so that one seed stays one history.
pub trait Stores: Debug + Send + Sync {
    /// Opens the store of this name, as it was left. If there is none, creates it with the identity `log`.
    ///
    /// # Errors
    /// [`StoreError`] of the store. The lab reports it as it is, with the name of the store.
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError>;

    /// The holder of this store has died. The lab has dropped every handle that [`open`](Self::open) gave out, and opens the store
    /// again next.
    fn crash(&self, name: &str, crash: Crash) {
        let _ = (name, crash);
    }

    /// What a returned commit survives.
    fn durability(&self) -> Durability {
        Durability::Process
    }
}

/// Stores in memory that outlive their holders.
#[derive(Debug, Default)]
pub(crate) struct InMemory(Mutex<BTreeMap<String, Arc<MemoryStore>>>);

impl Stores for InMemory {
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(stores.entry(name.to_owned()).or_insert_with(|| Arc::new(MemoryStore::new(log))).clone())
    }
}

/// The one space of a history.
pub(crate) fn space() -> SpaceId {
    SpaceId::new("lab").expect("the name is well formed")
}

/// Runs a store's call to its end. Stores in memory need one poll; others are waited for.
pub(crate) fn finish<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => futures_executor::block_on(call),
    }
}
