//! Users, devices, tokens and grants, in the same schema as the logs.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::authority::accounts::{Accounts, AccountsError, Listing, Token, TokenHash};
use syncline::authority::{Authority, AuthorityError, Claim, Name, Principal, Role};
use syncline::{NTP64, PhysicalClock, ReplicaId, SpaceId, StoreError};

use crate::connection::Connection;
use crate::database::Database;
use crate::pool::Lease;
use crate::work::Work;

mod ask;
mod change;
mod claim;
mod list;
mod schema;
mod trouble;

use trouble::Trouble;

/// What a failed change was doing.
const DURING: &str = "changing accounts";

/// The accounts of a server. [`PostgresStorage::accounts`](crate::PostgresStorage::accounts) gives them.
///
/// Tokens are stored as hashes only. A token is valid until its time has come by the clock given, or until it is revoked;
/// a revoked one stays known and cannot be added again. Every change is durable, as the storage is, when it returns, and
/// effective for the next request of every process. It happens even if its future is dropped.
#[derive(Clone)]
pub struct PostgresAccounts {
    database: Arc<Database>,
    clock: Arc<dyn PhysicalClock>,
}

impl PostgresAccounts {
    /// The accounts in a schema, which need not have any yet.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote them; those of a commit.
    pub(crate) async fn open(database: Arc<Database>, clock: Arc<dyn PhysicalClock>) -> Result<Self, StoreError> {
        if database.ask(schema::Version).await? < schema::NEWEST {
            database.ask(schema::Migrate).await?;
        }
        Ok(Self { database, clock })
    }

    /// The accounts in a schema, `None` if it has none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn find(
        database: Arc<Database>,
        clock: Arc<dyn PhysicalClock>,
    ) -> Result<Option<Self>, StoreError> {
        match database.ask(schema::Version).await? {
            0 => Ok(None),
            _ => Self::open(database, clock).await.map(Some),
        }
    }

    /// Changes something, even if the future is dropped.
    async fn change<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut Connection) -> Changing<'c, T> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let database = self.database.clone();
        let changing = async move {
            let mut lease = database.pool.lease().await.map_err(|fault| backend(fault.unchanged(DURING)))?;
            lease.start(Work::Transaction).await.map_err(|fault| backend(fault.unchanged(DURING)))?;
            let done = change(&mut lease).await;
            finish(lease, done).await
        };
        self.database.apart(DURING, changing).await.map_err(backend)?
    }
}

fn backend(error: StoreError) -> AccountsError {
    AccountsError::Backend(error.into())
}

impl fmt::Debug for PostgresAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAccounts").finish_non_exhaustive()
    }
}

#[async_trait]
impl Authority for PostgresAccounts {
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        let Ok(token) = credential.parse::<Token>() else { return Ok(None) };
        self.database.ask(ask::Holder { token: token.hash(), now: self.clock.now() }).await.map_err(authority_error)
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        self.database
            .ask(ask::RoleOf { user: principal.user.clone(), space: space.clone() })
            .await
            .map_err(authority_error)
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        self.database.ask(ask::Owners(origins.to_vec())).await.map_err(authority_error)
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        self.database.ask(claim::Claiming { asker: principal.clone(), origin }).await.map_err(authority_error)
    }
}

fn authority_error(error: StoreError) -> AuthorityError {
    AuthorityError(error.into())
}

#[async_trait]
impl Accounts for PostgresAccounts {
    async fn add_user(&self, user: &Name) -> Result<(), AccountsError> {
        let user = user.clone();
        self.change(move |db| Box::pin(async move { change::add_user(db, &user).await })).await
    }

    async fn add_device(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let (user, device) = (user.clone(), device.clone());
        self.change(move |db| Box::pin(async move { change::add_device(db, &user, &device).await })).await
    }

    async fn add_token(
        &self,
        user: &Name,
        device: &Name,
        token: &TokenHash,
        expires: Option<NTP64>,
    ) -> Result<(), AccountsError> {
        let (user, device, token) = (user.clone(), device.clone(), *token);
        self.change(move |db| Box::pin(async move { change::add_token(db, (&user, &device), &token, expires).await }))
            .await
    }

    async fn revoke_tokens(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let (user, device) = (user.clone(), device.clone());
        self.change(move |db| Box::pin(async move { change::revoke_tokens(db, &user, &device).await })).await
    }

    async fn add_space(&self, space: &SpaceId, owner: &Name) -> Result<(), AccountsError> {
        let (space, owner) = (space.clone(), owner.clone());
        self.change(move |db| Box::pin(async move { change::add_space(db, &space, &owner).await })).await
    }

    async fn grant(&self, space: &SpaceId, user: &Name, role: Role) -> Result<(), AccountsError> {
        let (space, user) = (space.clone(), user.clone());
        self.change(move |db| Box::pin(async move { change::grant(db, &space, &user, role).await })).await
    }

    async fn revoke(&self, space: &SpaceId, user: &Name) -> Result<(), AccountsError> {
        let (space, user) = (space.clone(), user.clone());
        self.change(move |db| Box::pin(async move { change::revoke(db, &space, &user).await })).await
    }

    async fn add_claims(&self, claims: &[(ReplicaId, Principal)]) -> Result<Vec<ReplicaId>, AccountsError> {
        let claims = claims.to_vec();
        self.change(move |db| Box::pin(async move { claim::add(db, &claims).await })).await
    }

    async fn release_claim(&self, origin: ReplicaId) -> Result<Principal, AccountsError> {
        self.change(move |db| Box::pin(async move { claim::release(db, origin).await })).await
    }

    async fn move_claim(&self, origin: ReplicaId, to: &Principal) -> Result<Option<Principal>, AccountsError> {
        let to = to.clone();
        self.change(move |db| Box::pin(async move { claim::relocate(db, origin, &to).await })).await
    }

    async fn list(&self) -> Result<Listing, AccountsError> {
        let listing = self.database.ask(list::List { now: self.clock.now() }).await;
        listing.map_err(backend)
    }
}

/// A change that is being made.
type Changing<'c, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'c>>;

/// Ends a change. A refused one has changed nothing.
async fn finish<T>(mut lease: Lease<'_>, done: Result<T, Trouble>) -> Result<T, AccountsError> {
    let ended = match &done {
        Err(Trouble::Fault(_)) => Ok(()),
        Err(Trouble::Refused(_)) => lease.abandon().await,
        Ok(_) => lease.end().await,
    };
    match ended.map_err(Trouble::from).and(done) {
        Ok(done) => {
            lease.give_back();
            Ok(done)
        }
        Err(Trouble::Refused(refusal)) => {
            lease.give_back();
            Err(refusal)
        }
        Err(Trouble::Fault(fault)) => Err(backend(fault.unknown(DURING))),
    }
}
