//! The replica beside the servers, on their store: it makes snapshots of their log, and trims it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use syncline::archive::ArchiveError;
use syncline::replica::{Keep, SnapshotError};
use syncline::{Replica, ReplicaError, ReplicaId, StoreError};

use crate::archive::SimArchive;
use crate::clock::reader;
use crate::device::lacks_what_is_aside;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::finding::Law;
use crate::handle::{SimStore, Speed};
use crate::lock::locked;
use crate::stack::{Misuse, Stack};
use crate::stores::space;

/// It writes nothing, so its identity is in no log.
const ID: [u8; 16] = [0x5e; 16];

/// How often it folds what has come while it makes a snapshot.
const FOLLOWED: u32 = 5;

/// The replica, opened when it is needed.
pub(crate) struct Keeper {
    pub(crate) disk: Arc<Disk>,
    /// What it trims goes there.
    pub(crate) archive: Arc<SimArchive>,
    /// Its process has died before.
    has_died: AtomicBool,
    stack: Stack,
    speed: Speed,
    replica: Mutex<Option<Replica>>,
}

impl Keeper {
    pub(crate) fn new(disk: &Arc<Disk>, stack: &Stack, speed: Speed) -> Arc<Self> {
        let archive = Arc::new(SimArchive::new(disk.sim().clone(), stack.misuse));
        let (disk, stack, has_died) = (disk.clone(), stack.clone(), AtomicBool::new(false));
        Arc::new(Self { disk, archive, has_died, stack, speed, replica: Mutex::default() })
    }

    /// Its process has died.
    pub(crate) fn die(&self) {
        self.has_died.store(true, Ordering::Relaxed);
        locked(&self.replica).take();
    }

    /// Makes a snapshot, if the store lets it.
    pub(crate) async fn make_snapshot(self: Arc<Self>) {
        let Some(replica) = self.replica().await else { return };
        match replica.make_snapshot().await {
            Ok(made) => self.disk.sim().fault(Fault::SnapshotMade, || {
                format!(
                    "the servers make a snapshot of {} bundles, up to position {}",
                    made.bundles, made.covers.position
                )
            }),
            Err(SnapshotError::Replica(error)) => self.failed("a snapshot", &error),
            Err(error) if lacks_what_is_aside(&replica, &error).await => {
                self.disk.sim().tell(|| format!("beside the servers no snapshot is made: {error}"));
            }
            Err(error) => self.found(&format!("a snapshot is not made, without a cause: {error}")),
        }
    }

    /// Folds what comes, for a while.
    pub(crate) async fn follow(self: Arc<Self>) {
        let Some(replica) = self.replica().await else { return };
        for _ in 0..FOLLOWED {
            self.disk.sim().sleep(Duration::from_millis(1)).await;
            if let Err(error) = replica.catch_up().await {
                self.failed("a fold", &error);
            }
        }
    }

    /// Trims the log, if the store lets it.
    pub(crate) async fn trim(self: Arc<Self>, keep: Keep) {
        let Some(replica) = self.replica().await else { return };
        if let Err(error) = replica.trim(keep).await {
            self.failed("a trim", &error);
        }
    }

    /// Folds the first view again, from the archive on.
    pub(crate) async fn rebuild(self: Arc<Self>) {
        let Some(replica) = self.replica().await else { return };
        let Some(view) = self.stack.views_of(true).next() else { return };
        if let Err(error) = replica.rebuild(&view.id).await {
            self.failed("a rebuild", &error);
        }
    }

    async fn replica(&self) -> Option<Replica> {
        if let Some(replica) = locked(&self.replica).clone() {
            return Some(replica);
        }
        let store = Arc::new(SimStore::new(self.disk.clone(), self.speed));
        let compose = Replica::compose(space(), store).clock(reader(&self.disk.log.clock)).shared_with_service();
        let forgets = self.stack.misuse == Some(Misuse::TrimsUnarchived) && self.has_died.load(Ordering::Relaxed);
        let compose = if forgets { compose } else { compose.archive(self.archive.clone()) };
        let compose = self.stack.views_of(true).fold(compose, |compose, view| (view.compose)(compose));
        match compose.open(ReplicaId::from_bytes(ID).expect("it is not zero")).await {
            Ok(replica) => Some(locked(&self.replica).get_or_insert(replica).clone()),
            Err(error) => {
                self.failed("an opening", &error);
                None
            }
        }
    }

    /// The store has failed: a handle that stays unusable is opened again.
    fn failed(&self, what: &str, error: &ReplicaError) {
        self.disk.sim().tell(|| format!("beside the servers {what} fails: {error}"));
        match error {
            ReplicaError::Store(error) if matches!(**error, StoreError::Backend { .. }) => {}
            ReplicaError::Store(error) if matches!(**error, StoreError::Poisoned { .. }) => self.die(),
            ReplicaError::Archive(error) if matches!(**error, ArchiveError::Unavailable { .. }) => {}
            // What an archive has lost is told by its own law.
            ReplicaError::Archive(error) => {
                self.disk.sim().found(Law::HistoryIsKept, format!("{what} fails: {error}"));
            }
            error => self.found(&format!("{what} fails without a cause: {error}")),
        }
    }

    fn found(&self, detail: &str) {
        self.disk.sim().found(Law::ComesToRest, format!("beside the servers {detail}"));
    }
}
