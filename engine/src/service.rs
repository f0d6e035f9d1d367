//! The server side: answers a peer's requests from any storage, under an authority and the application's policy.
//!
//! It has no state except the open stores of the spaces that were asked for lately. Any number of services may share one storage, if the
//! storage allows it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;

use crate::authority::{Authority, AuthorityError, Policy, Principal, Role};
use crate::caught::{caught, caught_in};
use crate::clock::{MAX_DRIFT, PhysicalClock};
use crate::format::run::RUN_VERSION;
use crate::id::{Cursor, ReplicaId, SpaceId};
use crate::limits::{FRAME_BYTES_MAX, HEADS_MAX};
use crate::protocol::{Answer, Code, Hello, PeerHeads, Problem, Reply, Request};
use crate::protocol::{DIGEST_VERSION, PROTOCOL_VERSION, SNAPSHOT_VERSION};
use crate::store::{EventStore, LogStatus, Retry, Storage, StoreError};

mod clock;
mod compare;
mod devices;
mod entered;
mod open;
mod owner;
mod pull;
mod push;
mod snapshots;
mod watch;

use clock::Proven;
use devices::{Devices, Told, read_by};
use open::OpenStores;
use watch::News;

pub use entered::Entered;

/// How long a peer shall wait while the storage cannot serve.
const RETRY_AFTER_MS: u64 = 5_000;

/// Answers requests over a storage. Transports put it on the wire.
pub struct Service {
    storage: Arc<dyn Storage>,
    authority: Arc<dyn Authority>,
    policy: Option<Arc<dyn Policy>>,
    clock: Arc<dyn PhysicalClock>,
    max_drift: Duration,
    origins_max: usize,
    proven: Proven,
    devices: Option<Devices>,
    open: OpenStores,
    watched: Mutex<BTreeMap<SpaceId, Arc<News>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { storage, authority, policy, max_drift, .. } = self;
        let mut debug = f.debug_struct("Service");
        debug.field("storage", storage).field("authority", authority).field("policy", policy);
        debug.field("max_drift", max_drift).finish_non_exhaustive()
    }
}

/// Why a request was not answered.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The request is at fault. Tell the peer.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The storage is at fault. Log it; the peer gets [`Code::Internal`].
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The accounts are at fault. Log it; the peer gets [`Code::Internal`].
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The application's code has panicked, with this message: its policy, its authority, its clock or its storage. Log it and correct that
    /// code; the peer gets [`Code::Internal`] and tries again.
    #[error("code of the application panicked while a request was answered: {0}")]
    Panicked(String),
}

impl ServiceError {
    /// The answer for the peer: problems as they are. Of other failures it says only whether waiting may help.
    pub fn to_problem(&self) -> Problem {
        const LATER: &str = "the server cannot store or read now: its store is away, or its disk is full; a push may or may not have \
            been stored, and repeating it is safe: try again later";
        const FAILED: &str =
            "the server failed; a push may or may not have been stored, and repeating it is safe: try again later";
        match self {
            Self::Problem(problem) => problem.clone(),
            Self::Store(error) if is_away(error) => Problem::new(Code::Busy { retry_after_ms: RETRY_AFTER_MS }, LATER),
            Self::Authority(AuthorityError(error)) if error.downcast_ref().is_some_and(is_away) => {
                Problem::new(Code::Busy { retry_after_ms: RETRY_AFTER_MS }, LATER)
            }
            _ => Problem::new(Code::Internal, FAILED),
        }
    }
}

/// Whether the store fails because of what passes: nobody can reach it, or it has no room.
fn is_away(error: &StoreError) -> bool {
    match error {
        // Lost while it committed.
        StoreError::Backend { retry, .. } => *retry != Retry::Never,
        error => error.retry() == Retry::Later,
    }
}

impl Service {
    /// A service that accepts every bundle, and times up to [`MAX_DRIFT`] ahead of `clock`.
    pub fn new(storage: Arc<dyn Storage>, authority: Arc<dyn Authority>, clock: Arc<dyn PhysicalClock>) -> Self {
        Self {
            storage,
            authority,
            policy: None,
            clock,
            max_drift: MAX_DRIFT,
            origins_max: HEADS_MAX,
            proven: Proven::default(),
            devices: None,
            open: OpenStores::default(),
            watched: Mutex::default(),
        }
    }

    /// Asks `policy` about every new bundle.
    #[must_use]
    pub fn with_policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Accepts times up to this far ahead of the clock.
    #[must_use]
    pub fn with_max_drift(mut self, max_drift: Duration) -> Self {
        self.max_drift = max_drift;
        self
    }

    /// Accepts bundles of at most this many origins into each log, [`HEADS_MAX`] at most. Every replica id that ever wrote to a space
    /// counts, including those of lost devices, and identities given up after a fork. Logs that already have more are served, and
    /// accept bundles of the origins that they have.
    #[must_use]
    pub fn with_origins_max(mut self, origins: usize) -> Self {
        self.origins_max = origins.min(HEADS_MAX);
        self
    }

    /// Notes how far each device has read, in the space's store, for [trims](crate::Replica::trim) that leave what devices still need.
    #[must_use]
    pub fn with_devices_noted(mut self) -> Self {
        self.devices = Some(Devices::default());
        self
    }

    /// Who decides about identity and roles.
    pub fn authority(&self) -> &Arc<dyn Authority> {
        &self.authority
    }

    /// Where the logs are.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Checks whether storage and authority would serve now. Fast enough for one call per second.
    ///
    /// # Errors
    /// [`ServiceError::Store`] and [`ServiceError::Authority`], with the obstacle; [`ServiceError::Panicked`].
    pub async fn ready(&self) -> Result<(), ServiceError> {
        self.storage.ready().await?;
        Ok(self.authority.ready().await?)
    }

    /// Answers one request of an established principal.
    ///
    /// # Errors
    /// [`ServiceError`], every variant. Nothing has changed then, except that a push may have been stored if the storage failed.
    ///
    /// # Cancel
    /// A push may still be stored. It is safe to repeat it.
    pub async fn answer(&self, principal: &Principal, request: Request) -> Result<Answer, ServiceError> {
        let space = request.space().cloned();
        let result =
            caught_in(self.reply(principal, request)).await.unwrap_or_else(|why| Err(ServiceError::Panicked(why)));
        if let (Err(ServiceError::Store(StoreError::Poisoned { .. })), Some(space)) = (&result, space) {
            // The next request opens the space again.
            self.open.close(&space);
        }
        let reply = result?;
        Ok(Answer { clock: caught(|| self.told()).map_err(ServiceError::Panicked)?, reply })
    }

    async fn reply(&self, principal: &Principal, request: Request) -> Result<Reply, ServiceError> {
        Ok(match request {
            Request::Hello => {
                self.ask_other_spaces().await?;
                Reply::Hello(self.hello())
            }
            Request::Heads(space) => {
                let store = self.permitted_store(principal, &space, Role::Reader).await?;
                let status = store.status().await?;
                self.note_times(&status.heads);
                Reply::Heads(page_of_heads(&status, None))
            }
            Request::HeadsAfter(space, origin) => {
                let store = self.permitted_store(principal, &space, Role::Reader).await?;
                Reply::Heads(page_of_heads(&store.status().await?, Some(origin)))
            }
            Request::Pull(space, pull) => {
                let store = self.permitted_store(principal, &space, Role::Reader).await?;
                let reply = pull::pull(&*store, pull.clone()).await?;
                if let Some(read) = read_by(&pull, &reply) {
                    self.note_device(&space, &*store, principal, Told::Read(read)).await;
                }
                reply
            }
            Request::Compare(space, asked) => {
                let store = self.permitted_store(principal, &space, Role::Reader).await?;
                let status = store.status().await?;
                self.note_times(&status.heads);
                Reply::Compare(compare::compare(&*store, &status, asked).await?)
            }
            Request::Push(space, own, push) => {
                let store = self.permitted_store(principal, &space, Role::Writer).await?;
                let pushed = self.push(principal, &space, &*store, own, push).await?;
                if let Some(own) = own {
                    self.note_device(&space, &*store, principal, Told::Pushes(own)).await;
                }
                Reply::Push(pushed)
            }
            Request::Snapshot(space, asked) => {
                let store = self.permitted_store(principal, &space, Role::Reader).await?;
                snapshots::tell(&*store, asked).await?
            }
            Request::Supply(space, supply) => {
                let store = self.permitted_store(principal, &space, Role::Owner).await?;
                snapshots::take(&space, &*store, supply).await?
            }
        })
    }

    fn hello(&self) -> Hello {
        Hello {
            versions: vec![PROTOCOL_VERSION, DIGEST_VERSION, SNAPSHOT_VERSION],
            run_versions: vec![RUN_VERSION],
            frame_bytes_max: FRAME_BYTES_MAX as u32,
            drift_ms_max: u64::try_from(self.max_drift.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The space's store, for a principal with at least this role.
    async fn permitted_store(
        &self,
        principal: &Principal,
        space: &SpaceId,
        needed: Role,
    ) -> Result<Arc<dyn EventStore>, ServiceError> {
        self.permit(principal, space, needed).await?;
        Ok(self.store(space).await?)
    }

    /// Makes sure that a principal has at least this role in a space. Every answer begins with this.
    async fn permit(&self, principal: &Principal, space: &SpaceId, needed: Role) -> Result<(), ServiceError> {
        match self.authority.role(principal, space).await? {
            Some(role) if role >= needed => Ok(()),
            Some(role) => {
                let detail = format!(
                    "{principal} is a {role} of space {space}, this takes a {needed}; ask an owner for a grant"
                );
                Err(Problem::new(Code::Forbidden { origins: Vec::new() }, detail).into())
            }
            None => {
                let detail = format!("{principal} has no space {space}; check its name, or ask an owner for a grant");
                Err(Problem::new(Code::UnknownSpace, detail).into())
            }
        }
    }

    async fn store(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        if let Some(store) = self.open.get(space) {
            return Ok(store);
        }
        let store = self.storage.open(space).await?;
        self.open.insert(space, store.clone());
        Ok(store)
    }
}

/// What one message tells of the heads.
fn page_of_heads(status: &LogStatus, after: Option<ReplicaId>) -> PeerHeads {
    PeerHeads { head: Cursor { log: status.log, position: status.head }, heads: status.heads.page(after) }
}

/// A store's refusal of a cursor is the request's problem; its other errors are its own.
fn gone(error: StoreError) -> ServiceError {
    match error {
        StoreError::CursorGone { cursor, .. } => Problem::new(Code::CursorGone { cursor }, error.to_string()).into(),
        StoreError::Trimmed { dot, .. } => Problem::new(Code::Trimmed { at: dot }, error.to_string()).into(),
        other => other.into(),
    }
}
