//! One device's copy of a space: writes offline, folds rows, and syncs with peers.
//!
//! The composition of a store, a clock and projections. A [`Replica`] is a handle: clones share everything.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event as Signal;
use futures_util::lock::Mutex as AsyncMutex;

use crate::archive::Archive;
use crate::clock::{HybridClock, MAX_DRIFT, PhysicalClock};
use crate::id::{InvalidId, ReplicaId, SpaceId};
use crate::limits::{OWN_ROW_BYTES_MAX, ROW_BYTES_MAX};
use crate::projection::Projection;
use crate::projection::fold::Projections;
use crate::store::EventStore;

mod archived;
mod attributes;
mod beside;
mod catch_up;
mod checkpoint;
mod dead_letter;
mod error;
mod fold;
mod heal;
mod history;
mod import;
mod ingest;
mod kept;
mod leave;
mod live;
mod log;
mod old_views;
mod outcome;
mod peers;
mod pending;
mod queue;
mod readings;
mod recent;
mod refuse;
mod restamp;
mod sent;
mod since;
mod snapshot;
mod status;
mod sync;
mod trim;
mod turn;
mod unreadable;
mod view;
mod watch;
mod without_history;
mod write;

pub use crate::trust::{CORRECTION_MAX, ClockDoubt};
pub use dead_letter::DeadLetter;
pub use error::ReplicaError;
pub use import::Bootstrap;
pub use live::{Pause, Schedule};
pub use log::LoggedBundle;
pub use outcome::{AckLevel, Outcome};
pub use pending::PendingBundle;
pub use queue::Written;
pub use since::{Mark, Since};
pub use snapshot::SnapshotError;
pub use status::{PeerStatus, ReplicaStatus};
pub use sync::{Bootstrapped, Held, Oversized, SyncError, SyncReport, WaitCause, Waiting};
pub use trim::{Hold, Keep, TrimBound, TrimPlan};
pub use view::View;
pub use watch::{Changed, Changes};

use peers::Peers;
use queue::Pending;
use sync::{Holdings, Sizes};
use turn::LogState;
use watch::Watchers;
use without_history::WithoutHistory;

/// After how many bundles a sync moves the checkpoint if nothing else is said.
pub const CHECKPOINT_BUNDLES: u64 = 4_096;

/// One device's copy of a space. It is a handle: clones share everything.
///
/// Five calls do the everyday work:
///
/// | call | what it does |
/// |---|---|
/// | [`compose`](Self::compose) … [`open`](Compose::open) | puts a store, a clock and projections together |
/// | [`write`](Self::write) | records events as one bundle; it is durable when the call returns, with or without a network |
/// | [`view`](Self::view), [`attributes`](Self::attributes) | read the rows that a projection has folded, and watch them |
/// | [`sync`](Self::sync), [`live`](Self::live) | exchange logs with a peer once, or for as long as the application runs |
/// | [`status`](Self::status) | says what is pending, refused or unreadable, and whether this replica and its peer are in sync |
///
/// If something was refused, [`dead_letters`](Self::dead_letters) keeps it. You can edit or drop it.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

struct Inner {
    space: SpaceId,
    store: Arc<dyn EventStore>,
    clock: HybridClock,
    projections: Projections,
    /// Locked by [`turn`](Self::turn) alone: only the holder of the turn may commit. Everybody may read.
    log: AsyncMutex<LogState>,
    /// One sync at a time.
    syncing: AsyncMutex<()>,
    /// Writes that wait for a turn: the next one takes them all along.
    queue: Mutex<Vec<Pending>>,
    peers: Mutex<Peers>,
    sizes: Mutex<Sizes>,
    holdings: Mutex<Holdings>,
    watchers: Arc<Watchers>,
    without_history: Mutex<WithoutHistory>,
    /// Rung after every own write.
    written: Signal,
    /// Rung when a peer has answered for own bundles.
    answered: Signal,
    /// Mints the identity that a forked replica takes.
    new_id: Option<Box<dyn Fn() -> ReplicaId + Send + Sync>>,
    /// Others read this store, so that nothing in it counts as unseen.
    shared: bool,
    /// Bytes up to which an own write may let a row grow.
    row_bytes_max: usize,
    /// Larger rows are kept in pieces of so many bytes.
    piece_bytes: usize,
    /// After so many bundles a sync moves the checkpoint.
    checkpoint_every: u64,
    /// A sync that moves the checkpoint trims the log, and keeps so many bundles.
    keep: Option<u64>,
    /// Syncs take no snapshot of a log in the place of its bundles.
    whole_log: bool,
    /// Where bundles go before they are trimmed.
    archive: Option<Arc<dyn Archive>>,
    /// One snapshot is made at a time.
    making: AsyncMutex<()>,
    /// One snapshot is handed over at a time.
    uploading: AsyncMutex<()>,
    /// The checkpoint must not move: rows at it are being read.
    pinned: AtomicBool,
    /// How far this replica is with a snapshot that it takes.
    bootstrap: Mutex<Option<Bootstrap>>,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { space, store, clock, projections, .. } = &*self.inner;
        let mut debug = f.debug_struct("Replica");
        debug.field("space", space).field("store", store).field("clock", clock).field("projections", projections);
        debug.finish_non_exhaustive()
    }
}

/// Composes a replica.
///
/// ```
/// use std::sync::Arc;
/// use syncline::{Event, EventType, LogId, MemoryStore, NTP64, Replica, ReplicaId, SpaceId};
///
/// # futures_executor::block_on(async {
/// let store = Arc::new(MemoryStore::new(LogId::from_bytes([1; 16]).expect("not zero")));
/// let id = ReplicaId::from_bytes([2; 16]).expect("not zero");
/// let replica = Replica::compose(SpaceId::new("notes").unwrap(), store)
///     .clock(|| NTP64(1 << 32))
///     .open(id)
///     .await
///     .unwrap();
/// let written = replica.write(&[Event::new(EventType::new("note.taken", 1), "buy milk")]).await.unwrap();
/// assert_eq!(written.dot.seq.get(), 1);
/// # });
/// ```
#[must_use]
pub struct Compose {
    space: SpaceId,
    store: Arc<dyn EventStore>,
    clock: Option<Arc<dyn PhysicalClock>>,
    max_drift: Duration,
    projections: Projections,
    new_id: Option<Box<dyn Fn() -> ReplicaId + Send + Sync>>,
    shared: bool,
    row_bytes_max: usize,
    piece_bytes: usize,
    checkpoint_every: u64,
    keep: Option<u64>,
    whole_log: bool,
    archive: Option<Arc<dyn Archive>>,
    refused: Option<InvalidId>,
}

impl fmt::Debug for Compose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compose").field("space", &self.space).field("store", &self.store).finish_non_exhaustive()
    }
}

impl Compose {
    /// Where physical time comes from. Without one, times only count.
    pub fn clock(mut self, clock: impl PhysicalClock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// How far a foreign time may be ahead of this clock or the peer's.
    pub fn max_drift(mut self, max_drift: Duration) -> Self {
        self.max_drift = max_drift;
        self
    }

    /// Lets the replica take a new identity if a peer holds another history of this replica. `new_id` must make random ids. The replica was
    /// cloned then, or restored from a backup and written to. Its bundles that this peer has not stored move under the new identity. If
    /// another peer had stored some of them, they then exist under both. Without this, such a sync fails with
    /// [`SyncError::Forked`].
    pub fn on_fork(mut self, new_id: impl Fn() -> ReplicaId + Send + Sync + 'static) -> Self {
        self.new_id = Some(Box::new(new_id));
        self
    }

    /// Says that a [`Service`](crate::Service) serves this replica's store to others. Nobody acknowledges what they have read,
    /// so no bundle counts as unseen, and none is rewritten. A fork or a clock far ahead is then reported, and not healed.
    pub fn shared_with_service(mut self) -> Self {
        self.shared = true;
        self
    }

    /// How large an own write may let a row grow, in bytes: [`OWN_ROW_BYTES_MAX`] by default. A write that would let a
    /// row grow beyond it fails with [`ReplicaError::RowTooLarge`]. Events of others are folded, whatever size the row gets,
    /// so replicas with different limits have the same rows.
    pub fn row_bytes_max(mut self, bytes: usize) -> Self {
        self.row_bytes_max = bytes;
        self
    }

    /// Keeps rows of more than so many bytes in pieces of this size: [`ROW_BYTES_MAX`] by default, and at most that. For
    /// tests that need many small pieces.
    #[doc(hidden)]
    pub fn piece_bytes(mut self, bytes: usize) -> Self {
        self.piece_bytes = bytes.clamp(1, ROW_BYTES_MAX);
        self
    }

    /// After how many bundles a sync moves the [checkpoint](Replica::checkpoint): [`CHECKPOINT_BUNDLES`] by default. Rows are folded again
    /// from there if a bundle is refused or rewritten. A shorter distance makes a refusal cheaper. It also makes writes more expensive:
    /// the first change of a row behind a checkpoint stores the row as it was. 0: never.
    pub fn checkpoint_every(mut self, bundles: u64) -> Self {
        self.checkpoint_every = bundles;
        self
    }

    /// Lets syncs [trim](Replica::trim) the log: each one that moves the checkpoint keeps the `bundles` newest, and all that something
    /// needs. Without this, the log keeps everything. Read first what a replica cannot do after a trim.
    pub fn keep_bundles(mut self, bundles: u64) -> Self {
        self.keep = Some(bundles);
        self
    }

    /// Keeps the history of a trimmed log: each [trim](Replica::trim) writes bundles to this archive before it deletes them.
    /// [`state_at`](View::state_at), [`rebuild`](Replica::rebuild) and views that come later read them there. Give it from the first trim
    /// on: what was trimmed without it is missing in it.
    pub fn archive(mut self, archive: Arc<dyn Archive>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Never takes a snapshot in the place of the log's bundles. So the replica has the whole history, for
    /// [`state_at`](View::state_at) and for views that come later. It cannot get it from a peer that has trimmed its log:
    /// [`SyncReport::trimmed_there`] says so. If its own log was trimmed nevertheless, a view that comes later waits for as long as this
    /// is said.
    pub fn whole_log(mut self) -> Self {
        self.whole_log = true;
        self
    }

    /// Maintains this projection's view.
    pub fn projection(mut self, projection: impl Projection) -> Self {
        if let Err(refused) = self.projections.add(Arc::new(projection)) {
            self.refused = Some(refused);
        }
        self
    }

    /// Opens the replica. A new store gets the identity `fresh`, which must be random. Otherwise the stored identity
    /// stays. Views that are behind the log, new ones for example, are folded before this returns. So is a view that had put
    /// events aside because of their version, if its projection reads that version now.
    ///
    /// If the log was [trimmed](Replica::trim), a view that the store has not got cannot be folded. It waits, and everything else works:
    /// [`ReplicaStatus::views_without_history`] names it, and reading it fails with [`ReplicaError::NeedsHistory`]. The next sync with a
    /// peer that has a snapshot with all views of this replica brings its rows.
    ///
    /// # Errors
    /// [`ReplicaError::View`] if two projections have one view; [`ReplicaError::Store`] if the store refused or failed.
    ///
    /// # Cancel
    /// What was folded stays; opening again continues from there.
    pub async fn open(self, fresh: ReplicaId) -> Result<Replica, ReplicaError> {
        if let Some(refused) = self.refused {
            return Err(ReplicaError::View(refused));
        }
        let log = LogState::begin(&*self.store, fresh).await?;
        let source = self.clock.unwrap_or_else(|| Arc::new(|| crate::format::time::NTP64(0)));
        let clock = HybridClock::resume(source, self.max_drift, log.status.high_water());
        let inner = Inner {
            space: self.space,
            clock,
            projections: self.projections,
            log: AsyncMutex::new(log),
            syncing: AsyncMutex::default(),
            queue: Mutex::default(),
            peers: Mutex::new(Peers::load(&*self.store).await?),
            sizes: Mutex::default(),
            holdings: Mutex::default(),
            watchers: Arc::default(),
            without_history: Mutex::default(),
            written: Signal::new(),
            answered: Signal::new(),
            new_id: self.new_id.filter(|_| !self.shared),
            shared: self.shared,
            row_bytes_max: self.row_bytes_max,
            piece_bytes: self.piece_bytes,
            checkpoint_every: self.checkpoint_every,
            keep: self.keep,
            whole_log: self.whole_log,
            archive: self.archive,
            making: AsyncMutex::default(),
            uploading: AsyncMutex::default(),
            pinned: AtomicBool::new(false),
            bootstrap: Mutex::default(),
            store: self.store,
        };
        let replica = Replica { inner: Arc::new(inner) };
        replica.inner.fill_rows().await?;
        {
            let mut turn = replica.inner.turn().await;
            turn.tell_history();
            turn.renew_outdated().await?;
        }
        replica.inner.catch_up().await?;
        Ok(replica)
    }
}

impl Replica {
    /// Composes a replica of `space` on `store`.
    pub fn compose(space: SpaceId, store: Arc<dyn EventStore>) -> Compose {
        Compose {
            space,
            store,
            clock: None,
            max_drift: MAX_DRIFT,
            projections: Projections::none(),
            new_id: None,
            shared: false,
            row_bytes_max: OWN_ROW_BYTES_MAX,
            piece_bytes: ROW_BYTES_MAX,
            checkpoint_every: CHECKPOINT_BUNDLES,
            keep: None,
            whole_log: false,
            archive: None,
            refused: None,
        }
    }

    /// The space it is a copy of.
    pub fn space(&self) -> &SpaceId {
        &self.inner.space
    }

    /// The store with its log and rows. Use it to read the log. Only the replica may commit to it.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.inner.store
    }

    /// The replica's identity: the origin of what it writes.
    pub async fn id(&self) -> ReplicaId {
        self.inner.turn().await.id
    }
}

/// Locks a plain mutex; a panic elsewhere has not left its value half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
