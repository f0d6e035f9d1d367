//! Takes snapshots in the place of a log, again and again, while others append to it.

use std::sync::Arc;

use async_trait::async_trait;
use rand::RngExt as _;
use syncline::replica::{SnapshotError, SyncReport};
use syncline::store::{Committed, EventStore, StoreError, WriteBatch, forward};
use syncline::{Position, Replica, ReplicaError, Seq, SyncError};
use thiserror::Error;
use tokio::sync::{Mutex, OwnedRwLockWriteGuard, RwLock};

use super::pipe::Pipe;
use crate::chance::Chance;
use crate::message::{Message, now};
use crate::peer::{self, Peer};
use crate::record::{Intended, Replaced, Replacing};
use crate::script::{PEER, REPLACED, Script};

/// Bundles by which the peer is ahead, at most.
const AHEAD_MAX: u64 = 60;

/// Why no snapshot was taken.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The replica or its store has failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The peer has made no snapshot.
    #[error("the peer has made no snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The replica and the peer have not synced.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// They have synced, and the snapshot was not taken.
    #[error("the snapshot was left alone: {0:?}")]
    LeftAlone(Box<SyncReport>),
}

/// The replica of the space, and its peer.
pub(super) struct Importer {
    store: Arc<Told>,
    replica: Replica,
    peer: Peer,
    /// The last bundle of the peer that its newest snapshot covers.
    last: Seq,
    chance: Chance,
}

impl Importer {
    /// Opens the replica, and makes its peer.
    pub(super) async fn open(
        script: Script,
        store: Arc<dyn EventStore>,
        mut chance: Chance,
        pipe: Pipe,
    ) -> Result<Self, ImportError> {
        let heads = store.status().await.map_err(ReplicaError::from)?.heads;
        let store = Arc::new(Told { script, store, gate: Arc::default(), alone: Mutex::default(), pipe });
        let replica = peer::compose(script, store.clone()).open(peer::id(script)).await?;
        let peer = Peer::new(script, &heads, &mut chance).await?;
        let last = peer.advance(chance.random_range(1..=AHEAD_MAX)).await?;
        Ok(Self { store, replica, peer, last, chance })
    }

    /// Those who append pass it together.
    pub(super) fn gate(&self) -> Arc<RwLock<()>> {
        self.store.gate.clone()
    }

    /// Takes snapshots until that fails, and says so.
    pub(super) async fn run(&mut self) {
        while self.import().await.is_ok() {}
    }

    /// Takes a snapshot that is ahead of the log. If that fails, says so.
    pub(super) async fn import(&mut self) -> Result<(), ImportError> {
        let done = self.try_import().await;
        self.store.alone.lock().await.take();
        // If nobody listens any more, nobody is to be told.
        done.inspect_err(|error| _ = self.store.pipe.say(&Message::Failed(error.to_string())))
    }

    async fn try_import(&mut self) -> Result<(), ImportError> {
        let intended = Intended { space: REPLACED, writer: PEER, last: self.last };
        self.store.say(&Message::Intended(intended)).map_err(ReplicaError::from)?;
        // Writers that never pause append faster than a replica catches up. They append between two imports.
        self.store.go_alone(&mut *self.store.alone.lock().await).await;
        let report = self.replica.sync(self.peer.transport()).await?;
        if report.bootstrapped.is_none() {
            return Err(ImportError::LeftAlone(Box::new(report)));
        }
        self.replica.catch_up().await?;
        self.last = self.peer.advance(self.chance.random_range(1..=AHEAD_MAX)).await?;
        Ok(())
    }
}

/// The store as the replica has it. It tells of replacements. Once a commit has lost a race, others append only after the import.
#[derive(Debug)]
struct Told {
    script: Script,
    store: Arc<dyn EventStore>,
    gate: Arc<RwLock<()>>,
    alone: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
    pipe: Pipe,
}

impl Told {
    fn say(&self, message: &Message) -> Result<(), StoreError> {
        self.pipe.say(message).map_err(|error| crate::control::failed("pipe", error))
    }

    /// Nobody appends from now on, until the import ends.
    async fn go_alone(&self, alone: &mut Option<OwnedRwLockWriteGuard<()>>) {
        if alone.is_none() {
            *alone = Some(self.gate.clone().write_owned().await);
        }
    }

    fn replacing(&self, batch: &WriteBatch) -> Option<Replacing> {
        let replace = batch.replace.as_ref()?;
        let base = Position::new(u64::try_from(replace.heads.bundles()).expect("the script is not that long"));
        let last = replace.heads.get(self.script.origin(REPLACED, PEER)).seq;
        Some(Replacing { space: REPLACED, log: replace.log, base, last })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Told {
    forward!(self.store: status, read, read_origin, load, scan, changed, commit_folded);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let mut alone = self.alone.lock().await;
        let replacing = self.replacing(&batch);
        if let Some(replacing) = replacing {
            // What is told before is of the old log, and what is told after it of the new one.
            self.go_alone(&mut alone).await;
            self.say(&Message::Replacing(replacing))?;
        }
        let committed = self.store.commit(batch).await;
        match (&committed, replacing) {
            (Ok(done), Some(replacing)) => {
                self.say(&Message::Replaced(Replaced { replacing, revision: done.revision, when: now() }))?;
            }
            (Err(StoreError::Conflict { .. }), _) => self.go_alone(&mut alone).await,
            _ => {}
        }
        committed
    }
}
