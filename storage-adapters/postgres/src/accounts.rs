//! Users, devices, tokens and grants, in the same schema as the logs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use syncline::authority::accounts::{Accounts, AccountsError, Listing, Token, TokenHash};
use syncline::authority::{Authority, AuthorityError, Name, Principal, Role};
use syncline::{NTP64, PhysicalClock, ReplicaId, SpaceId, StoreError};

use crate::database::Database;
use crate::error::Fault;
use crate::pool::Lease;

mod ask;
mod change;
mod list;

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
    pub(crate) fn new(database: Arc<Database>, clock: Arc<dyn PhysicalClock>) -> Self {
        Self { database, clock }
    }

    /// Changes something, even if the future is dropped.
    async fn change(
        &self,
        change: impl for<'c> FnOnce(&'c mut PgConnection) -> Changing<'c> + Send + 'static,
    ) -> Result<(), AccountsError> {
        let database = self.database.clone();
        let changing = async move {
            let mut lease =
                database.pool.lease().await.map_err(|error| backend(Fault::from(error).unchanged(DURING)))?;
            let done = change(&mut lease).await;
            finish(lease, done)
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

    async fn may_supply(&self, principal: &Principal, origin: ReplicaId) -> Result<bool, AuthorityError> {
        let supplier = self.database.ask(ask::Supplier(origin)).await.map_err(authority_error)?;
        match supplier {
            Some(supplier) => Ok(supplier == *principal),
            None => {
                self.database.ask(change::Claim { asker: principal.clone(), origin }).await.map_err(authority_error)
            }
        }
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

    async fn list(&self) -> Result<Listing, AccountsError> {
        let listing = self.database.ask(list::List { now: self.clock.now() }).await;
        listing.map_err(backend)
    }
}

/// A change that is being made.
type Changing<'c> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send + 'c>>;

/// Why a change did not happen.
#[derive(Debug)]
enum Trouble {
    Refused(AccountsError),
    Fault(Fault),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

fn finish(lease: Lease<'_>, done: Result<(), Trouble>) -> Result<(), AccountsError> {
    match done {
        Ok(()) => lease.give_back(),
        Err(Trouble::Refused(refusal)) => {
            lease.give_back();
            return Err(refusal);
        }
        Err(Trouble::Fault(fault)) => return Err(backend(fault.unknown(DURING))),
    }
    Ok(())
}
