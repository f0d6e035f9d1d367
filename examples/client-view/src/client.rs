//! One device: a replica with its store, its copies, and its way to the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use syncline::replica::{Compose, DeadLetter, ReplicaStatus};
use syncline::store::{Durability, Storage};
use syncline::{EventStore, Replica, ReplicaId, SpaceId, Transport};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, watch};

use crate::local::Key;
use crate::views::{Conflicts, Entries, History, Names};

mod copies;
mod device;
mod digest;
mod edit;
mod error;
mod link;
mod read;

mod trouble;

pub use copies::SavedCopy;
pub use digest::Digest;
pub use error::ClientError;
pub use link::{Heard, Mode, PeerLog};
pub(crate) use read::changes;
pub use read::{EntryPage, Filter, LogPage, Past, TOLD_MAX, Waiting};
pub use trouble::Trouble;

use device::Device;
use link::{Link, locked};

/// What a client view is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where it keeps everything: its store, its copies, the key of its page.
    pub folder: PathBuf,
    /// The space that it shares with others.
    pub space: SpaceId,
    /// What the device is called, as "Ann's laptop".
    pub name: String,
    /// Who is the author of what is added here.
    pub author: String,
    /// Another store than the SQLite file `client.sqlite` in the folder. Copies and clones are made of that file alone.
    pub storage: Option<Arc<dyn Storage>>,
    /// The origin, as `http://127.0.0.1:8080`, whose pages may show this one in a frame. None may unless it is named.
    pub framed_by: Option<String>,
}

impl Setup {
    /// A device of this name, with its data in `folder`, which is made if it is not there.
    pub fn new(folder: impl Into<PathBuf>, space: SpaceId, name: impl Into<String>) -> Self {
        let name = name.into();
        let author = name.split_once("'s ").map_or(&*name, |(owner, _)| owner).to_owned();
        Self { folder: folder.into(), space, name, author, storage: None, framed_by: None }
    }
}

/// Composes a replica with all views of the application.
pub fn compose(space: SpaceId, store: Arc<dyn EventStore>) -> Compose {
    let stack = Replica::compose(space, store);
    stack.projection(Entries).projection(History).projection(Conflicts).projection(Names)
}

/// One device. It is a handle: clones share everything.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    setup: Setup,
    key: Key,
    /// Milliseconds that the device's clock is ahead of the machine's.
    skew: Arc<AtomicI64>,
    link: Arc<Link>,
    /// Empty while an old copy is put in place, and if the store could not be opened again after that.
    device: RwLock<Result<Device, Trouble>>,
    /// Who makes or restores copies waits here for the one before. Nobody else waits for it.
    copying: Mutex<()>,
    clones: std::sync::Mutex<Vec<RunningClone>>,
}

/// A clone of this device that runs in the same process.
#[derive(Debug)]
struct RunningClone {
    client: Client,
    serving: crate::Serving,
}

impl Client {
    /// Opens the store, or makes it. It talks to nobody until [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`ClientError::Store`] if the store is of a newer version, is in use, or cannot be read; [`ClientError::Files`] if the folder
    /// cannot be made or read.
    pub async fn open(setup: Setup) -> Result<Self, ClientError> {
        Self::open_named(setup, None).await
    }

    async fn open_named(setup: Setup, named: Option<ReplicaId>) -> Result<Self, ClientError> {
        device::make_folder(&setup.folder)?;
        let key = device::key(&setup.folder)?;
        let skew = Arc::<AtomicI64>::default();
        let link = Arc::new(Link::new(setup.name.clone(), named));
        let device = Device::open(&setup, &skew, &link).await?;
        let (device, copying, clones) = (RwLock::new(Ok(device)), Mutex::default(), std::sync::Mutex::default());
        Ok(Self { inner: Arc::new(Inner { setup, key, skew, link, device, copying, clones }) })
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        &self.inner.setup.name
    }

    /// The space that it is a copy of.
    pub fn space(&self) -> &SpaceId {
        &self.inner.setup.space
    }

    /// The key in the address of its page.
    pub fn key(&self) -> &Key {
        &self.inner.key
    }

    /// Its page, with everything below `/{key}/`.
    pub fn router(&self) -> Router {
        crate::local::guard(crate::routes::pages(self), self.key(), self.inner.setup.framed_by.as_deref())
    }

    /// Talks to this server from now on, as [`set_mode`](Self::set_mode) says.
    pub fn connect(&self, server: Arc<dyn Transport>) {
        self.inner.link.change(|way| way.server = Some(server));
    }

    /// When it syncs. [`Mode::Live`] unless told otherwise.
    pub fn set_mode(&self, mode: Mode) {
        self.inner.link.change(|way| way.mode = mode);
    }

    /// When it syncs.
    pub fn mode(&self) -> Mode {
        self.inner.link.way().mode
    }

    /// Takes the device off the network, or puts it back.
    pub fn set_offline(&self, offline: bool) {
        self.inner.link.change(|way| way.offline = offline);
    }

    /// Whether it is off the network.
    pub fn is_offline(&self) -> bool {
        self.inner.link.way().offline
    }

    /// Syncs now, whatever the mode.
    ///
    /// # Errors
    /// The [`Trouble`]: the device is offline, has no server, or the sync did not come to its end.
    pub async fn sync_now(&self) -> Result<syncline::replica::SyncReport, Trouble> {
        self.inner.link.ask().await
    }

    /// What the last sync came to, and what is known of the server's log.
    pub fn heard(&self) -> Heard {
        self.inner.link.heard()
    }

    /// Sets the device's clock so many milliseconds ahead of the machine's; behind if negative.
    pub fn set_skew(&self, millis: i64) {
        self.inner.skew.store(millis, Ordering::Relaxed);
        self.inner.link.tell();
    }

    /// How many milliseconds its clock is ahead of the machine's.
    pub fn skew(&self) -> i64 {
        self.inner.skew.load(Ordering::Relaxed)
    }

    /// Where its replica stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<ReplicaStatus, ClientError> {
        Ok(self.device().await?.replica.status().await?)
    }

    /// The changes that the server has refused.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, ClientError> {
        Ok(self.device().await?.replica.dead_letters().await?)
    }

    /// What it has in its log and shows in its views: equal on all devices that are in sync.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn digest(&self) -> Result<Digest, ClientError> {
        Digest::of(&self.device().await?.replica).await
    }

    /// Follows everything that a page shows: the number moves on whenever something has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.link.changes()
    }

    /// What a saved change survives.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn durability(&self) -> Result<Durability, ClientError> {
        Ok(self.device().await?.durability)
    }

    /// Ends syncing and closes the store, of clones, too. Whatever is asked of it afterwards says that it is closed.
    pub async fn close(&self) {
        let clones = std::mem::take(&mut *locked(&self.inner.clones));
        for RunningClone { client, serving } in clones {
            serving.end().await;
            Box::pin(client.close()).await;
        }
        if let Ok(device) = std::mem::replace(&mut *self.inner.device.write().await, Err(Trouble::closed())) {
            device.close().await;
        }
    }

    /// The device, for one look or one write. A restore waits until nobody holds it: so keep what is read from it no longer than it, and
    /// wait for nobody outside meanwhile.
    async fn device(&self) -> Result<RwLockReadGuard<'_, Device>, ClientError> {
        let device = self.inner.device.read().await;
        RwLockReadGuard::try_map(device, |device| device.as_ref().ok()).map_err(|device| match &*device {
            Ok(_) => unreachable!("an open device is mapped"),
            Err(trouble) => ClientError::Closed(trouble.clone()),
        })
    }
}
