//! Users, devices, tokens and grants, in the same schema as the logs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
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
/// effective for the next request of every process.
#[derive(Clone)]
pub struct PostgresAccounts {
    database: Arc<Database>,
    clock: Arc<dyn PhysicalClock>,
}

impl PostgresAccounts {
    pub(crate) fn new(database: Arc<Database>, clock: Arc<dyn PhysicalClock>) -> Self {
        Self { database, clock }
    }

    async fn lease(&self) -> Result<Lease<'_>, AccountsError> {
        let lease = self.database.pool.lease().await;
        lease.map_err(|error| AccountsError::Backend(Fault::from(error).unchanged(DURING).into()))
    }
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
        self.database.ask(ask::RoleOf { user: &principal.user, space }).await.map_err(authority_error)
    }

    async fn may_supply(&self, principal: &Principal, origin: ReplicaId) -> Result<bool, AuthorityError> {
        let supplier = self.database.ask(ask::Supplier(origin)).await.map_err(authority_error)?;
        match supplier {
            Some(supplier) => Ok(supplier == *principal),
            None => self.database.ask(change::Claim { asker: principal, origin }).await.map_err(authority_error),
        }
    }
}

fn authority_error(error: StoreError) -> AuthorityError {
    AuthorityError(error.into())
}

#[async_trait]
impl Accounts for PostgresAccounts {
    async fn add_user(&self, user: &Name) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::add_user(&mut lease, user).await;
        finish(lease, done)
    }

    async fn add_device(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::add_device(&mut lease, user, device).await;
        finish(lease, done)
    }

    async fn add_token(
        &self,
        user: &Name,
        device: &Name,
        token: &TokenHash,
        expires: Option<NTP64>,
    ) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::add_token(&mut lease, (user, device), token, expires).await;
        finish(lease, done)
    }

    async fn revoke_tokens(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::revoke_tokens(&mut lease, user, device).await;
        finish(lease, done)
    }

    async fn add_space(&self, space: &SpaceId, owner: &Name) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::add_space(&mut lease, space, owner).await;
        finish(lease, done)
    }

    async fn grant(&self, space: &SpaceId, user: &Name, role: Role) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::grant(&mut lease, space, user, role).await;
        finish(lease, done)
    }

    async fn revoke(&self, space: &SpaceId, user: &Name) -> Result<(), AccountsError> {
        let mut lease = self.lease().await?;
        let done = change::revoke(&mut lease, space, user).await;
        finish(lease, done)
    }

    async fn list(&self) -> Result<Listing, AccountsError> {
        let listing = self.database.ask(list::List { now: self.clock.now() }).await;
        listing.map_err(|error| AccountsError::Backend(error.into()))
    }
}

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
        Err(Trouble::Fault(fault)) => return Err(AccountsError::Backend(fault.unknown(DURING).into())),
    }
    Ok(())
}
