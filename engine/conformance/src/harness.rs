//! What an adapter gives to the kit.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use syncline::store::{Storage, StoreError};
use syncline::{Service, Transport, TransportError};
use tempfile::TempDir;

/// Gives the kit storages of one adapter. Each law makes a harness of its own, so laws run side by side.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// A new, empty storage, apart from all others.
    async fn fresh(&self) -> Arc<dyn Storage>;

    /// Opens the last storage of [`fresh`](Self::fresh) again, as a new process would; `None` if it does not outlive its
    /// handles. The kit has dropped every handle to it.
    async fn reopen(&self) -> Option<Arc<dyn Storage>>;

    /// Opens the last storage of [`fresh`](Self::fresh) a second time while the first is open, as another process would: with
    /// its own connections and memory. If a backend accepts one process at a time, this returns the error of the second
    /// process, which must be [`StoreError::InUse`]. The default is `None`: no other process can reach the data, because it
    /// is in memory. A durable storage must override it.
    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        None
    }
}

/// Gives the kit connections of one transport. Each law makes a harness of its own, so laws run side by side.
#[async_trait]
pub trait TransportHarness: Send + Sync {
    /// Serves this service if it is not served yet, and connects to it with this token. Everything that it starts ends with the
    /// harness.
    ///
    /// Connections try once. If a law needs a repeated call, it repeats the call itself.
    ///
    /// # Errors
    /// [`TransportError::Refused`] if the transport finds out about an unknown token when it connects.
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError>;

    /// Ends all services at once, as a crash of the peer would. `false` if the peer lives and dies with its caller.
    async fn crash(&self) -> bool;

    /// Cuts the connection to the peer, as a network does: every connection breaks and none can be made until [`mend`](Self::mend).
    /// The peer keeps running. Returns when all are broken. A [`Relay`](crate::Relay) does this for a transport over TCP.
    ///
    /// `false` if there is no connection to cut, because the peer is in the same process. Its laws then print `does not
    /// apply` and their name; they fail if the same peer can [`crash`](Self::crash).
    async fn cut(&self) -> bool;

    /// Ends the cut. Connections can be made again. Those that broke stay broken.
    async fn mend(&self);
}

/// A directory for a storage on disk, deleted with the harness.
#[derive(Debug, Default)]
pub struct Scratch(Mutex<Option<TempDir>>);

impl Scratch {
    /// A new, empty directory. The one before it is deleted.
    ///
    /// # Panics
    /// If no directory can be made.
    pub fn renew(&self) -> PathBuf {
        let dir = TempDir::with_prefix("syncline-").expect("a temporary directory can be made");
        let path = dir.path().to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(dir);
        path
    }

    /// The directory made last.
    ///
    /// # Panics
    /// If none was made.
    pub fn path(&self) -> PathBuf {
        let dir = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dir.as_ref().expect("`renew` comes before `path`").path().to_owned()
    }
}
