//! The way to the server: when to sync, and what came of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use syncline::format::Heads;
use syncline::protocol::{Reply, Request};
use syncline::replica::{Pause, ReplicaError, Schedule, SyncError, SyncReport};
use syncline::{Position, Replica, ReplicaId, Transport};
use syncline_http::Backoff;
use tokio::sync::{Notify, oneshot, watch};

use super::Trouble;
use crate::Change;
use crate::views::Names;

/// Nobody waits longer than this for news while a server is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// When a device syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When somebody asks for it.
    OnDemand,
    /// After each such pause.
    Every(Duration),
    /// As soon as something has changed, here or at the server.
    Live,
}

/// What a sync came to, and what is known of the server.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// When, by the machine's clock, the last sync ended, and how.
    pub last: Option<(SystemTime, Result<SyncReport, Trouble>)>,
    /// The last sync that told something of this device's clock, fork or refusals: such a report is soon followed by others.
    pub notable: Option<(SystemTime, SyncReport)>,
    /// The server's log, when it was last asked.
    pub peer: Option<PeerLog>,
    /// How many syncs have ended.
    pub syncs: u64,
}

/// How far the server's log reached.
#[derive(Debug, Clone)]
pub struct PeerLog {
    /// When, by the machine's clock.
    pub at: SystemTime,
    /// Bundles in its log.
    pub head: Position,
    /// Per origin the last bundle, of its first origins, which are all of them as a rule.
    pub heads: Heads,
}

/// Which server, and when.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) server: Option<Arc<dyn Transport>>,
    pub(super) offline: bool,
    pub(super) mode: Mode,
}

/// Outlives the device's store: a restored device keeps its way to the server.
pub(super) struct Link {
    name: String,
    /// The identity that bears the name in the log.
    named: Mutex<Option<ReplicaId>>,
    way: watch::Sender<Way>,
    heard: Mutex<Heard>,
    /// Who waits for a sync.
    asking: Mutex<Vec<oneshot::Sender<Result<SyncReport, Trouble>>>>,
    asked: Notify,
    changed: watch::Sender<u64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Link {
    /// The link of a device of this name. `named` is an identity that needs no name from it: a clone shares that of another device.
    pub(super) fn new(name: String, named: Option<ReplicaId>) -> Self {
        let named = Mutex::new(named);
        let way = Way { server: None, offline: false, mode: Mode::Live };
        let (way, changed) = (watch::Sender::new(way), watch::Sender::new(0));
        Self { name, named, way, heard: Mutex::default(), asking: Mutex::default(), asked: Notify::new(), changed }
    }

    pub(super) fn way(&self) -> Way {
        self.way.borrow().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Way)) {
        self.way.send_modify(change);
        self.tell();
    }

    pub(super) fn heard(&self) -> Heard {
        locked(&self.heard).clone()
    }

    /// Tells pages that something has changed.
    pub(super) fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Asks for a sync, and waits for its end.
    pub(super) async fn ask(&self) -> Result<SyncReport, Trouble> {
        let (answer, answered) = oneshot::channel();
        locked(&self.asking).push(answer);
        self.asked.notify_one();
        answered.await.unwrap_or_else(|_| Err(Trouble::interrupted()))
    }

    /// Writes what the device is called, once for each identity that it takes.
    pub(super) async fn announce(&self, replica: &Replica) -> Result<(), ReplicaError> {
        let id = replica.id().await;
        if *locked(&self.named) == Some(id) {
            return Ok(());
        }
        let devices = replica.view(Names)?.get(Names::KEY).await?.unwrap_or_default();
        if devices.get(id) != Some(&self.name) {
            replica.write(&[Change::Named { name: self.name.clone() }]).await?;
        }
        *locked(&self.named) = Some(id);
        Ok(())
    }

    /// Returns when somebody waits for a sync.
    async fn asked(&self) {
        while locked(&self.asking).is_empty() {
            self.asked.notified().await;
        }
    }

    fn answer(asking: Vec<oneshot::Sender<Result<SyncReport, Trouble>>>, result: &Result<SyncReport, Trouble>) {
        for answer in asking {
            // Who has gone away is not interested any more.
            let _ = answer.send(result.clone());
        }
    }

    fn taken(&self) -> Vec<oneshot::Sender<Result<SyncReport, Trouble>>> {
        std::mem::take(&mut *locked(&self.asking))
    }

    /// Syncs as the way says, until dropped.
    pub(super) async fn run(&self, replica: &Replica) {
        let mut ways = self.way.subscribe();
        loop {
            let way = ways.borrow_and_update().clone();
            tokio::select! {
                // First: who goes online and asks for a sync must not be told that the device is offline.
                biased;
                _ = ways.changed() => {}
                () = self.go(replica, way) => {}
            }
        }
    }

    /// Goes one way, until dropped.
    async fn go(&self, replica: &Replica, Way { server, offline, mode }: Way) {
        let Some(server) = server.filter(|_| !offline) else {
            let trouble = if offline { Trouble::offline() } else { Trouble::no_server() };
            loop {
                self.asked().await;
                Self::answer(self.taken(), &Err(trouble.clone()));
            }
        };
        loop {
            match mode {
                Mode::OnDemand => self.asked().await,
                Mode::Every(pause) => {
                    self.sync(replica, &*server).await;
                    // Whoever asks meanwhile gets a sync at once.
                    let _ = tokio::time::timeout(pause, self.asked()).await;
                    continue;
                }
                Mode::Live => tokio::select! {
                    () = self.live(replica, &*server) => self.asked().await,
                    () = self.asked() => {}
                },
            }
            self.sync(replica, &*server).await;
        }
    }

    async fn sync(&self, replica: &Replica, server: &dyn Transport) {
        let asking = self.taken();
        let result = match replica.sync(server).await {
            Err(SyncError::NotOwner { report, .. }) => Ok(*report),
            result => result,
        };
        let result = result.map_err(|error| Trouble::of_sync(&error));
        self.ended(replica, server, result.clone()).await;
        Self::answer(asking, &result);
    }

    /// Stays in sync until something is in the way that waiting does not mend.
    async fn live(&self, replica: &Replica, server: &dyn Transport) {
        let backoff = Backoff { most: PAUSE_MAX, ..Backoff::default() };
        let Err(error) = replica.live(server, &Noting { link: self, replica, server, backoff }).await;
        self.note(Err(Trouble::of_sync(&error)));
    }

    /// Notes a sync's end. After one that went well, it asks how far the server's log reaches, and tells the device's name if it
    /// has taken a new identity.
    async fn ended(&self, replica: &Replica, server: &dyn Transport, result: Result<SyncReport, Trouble>) {
        if result.is_ok() {
            // Both are extras: what fails here shows at the next sync.
            if let Ok(answer) = server.call(Request::Heads(replica.space().clone())).await
                && let Reply::Heads(peer) = answer.reply
            {
                let (at, head, heads) = (SystemTime::now(), peer.head.position, peer.heads);
                locked(&self.heard).peer = Some(PeerLog { at, head, heads });
            }
            let _ = self.announce(replica).await;
        }
        self.note(result);
    }

    fn note(&self, result: Result<SyncReport, Trouble>) {
        let mut heard = locked(&self.heard);
        if let Ok(report) = &result
            && is_notable(report)
        {
            heard.notable = Some((SystemTime::now(), report.clone()));
        }
        heard.last = Some((SystemTime::now(), result));
        heard.syncs += 1;
        drop(heard);
        self.tell();
    }
}

/// Whether a report tells of a clock, a fork or a refusal.
fn is_notable(report: &SyncReport) -> bool {
    let SyncReport { restamped, moved, rehomed, refused, clock_corrected_ms, .. } = report;
    *restamped + *moved + *rehomed > 0 || !refused.is_empty() || clock_corrected_ms.is_some()
}

/// Notes what comes of each sync of a live one.
struct Noting<'a> {
    link: &'a Link,
    replica: &'a Replica,
    server: &'a dyn Transport,
    backoff: Backoff,
}

impl fmt::Debug for Noting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noting").field("link", self.link).finish_non_exhaustive()
    }
}

#[async_trait]
impl Schedule for Noting<'_> {
    async fn synced(&self, report: &SyncReport) {
        self.link.ended(self.replica, self.server, Ok(report.clone())).await;
        self.backoff.synced(report).await;
    }

    async fn pause(&self, why: Pause<'_>) {
        if let Pause::Failed { error, .. } = why {
            self.link.note(Err(Trouble::of_sync(error)));
        }
        self.backoff.pause(why).await;
    }
}

/// Locks a plain mutex; a panic elsewhere has not left its value half changed.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
