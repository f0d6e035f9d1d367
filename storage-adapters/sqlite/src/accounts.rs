//! Users, devices, tokens and grants, in the same file as the logs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use syncline::authority::accounts::{Accounts, AccountsError, Listing, Token, TokenHash};
use syncline::authority::{Authority, AuthorityError, Claim, Name, Principal, Role};
use syncline::{NTP64, PhysicalClock, ReplicaId, SpaceId, StoreError};
use syncline_embedded::Database;

use crate::backend::Sqlite;

mod ask;
mod change;
mod claim;
mod list;
mod schema;
mod trouble;

use trouble::Trouble;

/// The accounts of a server. [`SqliteStorage::accounts`](crate::SqliteStorage::accounts) gives them.
///
/// Tokens are stored as hashes only. A token is valid until its time has come by the clock given, or until it is revoked;
/// a revoked one stays known and cannot be added again. Every change is durable, as the file is opened, when it returns, and
/// happens even if its future is dropped.
#[derive(Clone)]
pub struct SqliteAccounts {
    database: Arc<Database<Sqlite>>,
    clock: Arc<dyn PhysicalClock>,
}

impl SqliteAccounts {
    /// The accounts in a file, which need not have any yet.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote them; those of a commit.
    pub(crate) async fn open(
        database: Arc<Database<Sqlite>>,
        clock: Arc<dyn PhysicalClock>,
    ) -> Result<Self, StoreError> {
        if version(&database).await? < schema::NEWEST {
            let path = database.backend().options.path.clone();
            database.write(move |session, _| schema::migrate(session.0, &path)).await?;
        }
        Ok(Self { database, clock })
    }

    /// The accounts in a file, `None` if it has none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn find(
        database: Arc<Database<Sqlite>>,
        clock: Arc<dyn PhysicalClock>,
    ) -> Result<Option<Self>, StoreError> {
        match version(&database).await? {
            0 => Ok(None),
            _ => Self::open(database, clock).await.map(Some),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> crate::error::Result<T> + Send + 'static,
    ) -> Result<T, AuthorityError> {
        self.database.read(move |session| ask(session.0)).await.map_err(|error| AuthorityError(error.into()))
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let refusable = move |db: &Connection| match change(db) {
            Ok(done) => Ok(Ok(done)),
            Err(Trouble::Refused(refusal)) => Ok(Err(refusal)),
            Err(Trouble::Fault(fault)) => Err(fault),
        };
        self.database
            .write(move |session, _| refusable(session.0))
            .await
            .map_err(|error| AccountsError::Backend(error.into()))?
    }
}

/// The version of the tables of accounts, 0 if there are none.
async fn version(database: &Database<Sqlite>) -> Result<u32, StoreError> {
    let path = database.backend().options.path.clone();
    database.read(move |session| schema::version(session.0, &path)).await
}

impl fmt::Debug for SqliteAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAccounts").field("database", &self.database).finish_non_exhaustive()
    }
}

#[async_trait]
impl Authority for SqliteAccounts {
    async fn ready(&self) -> Result<(), AuthorityError> {
        self.database.ready().await.map_err(|error| AuthorityError(error.into()))
    }

    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        let Ok(token) = credential.parse::<Token>() else { return Ok(None) };
        let (hash, now) = (token.hash(), self.clock.now());
        self.ask(move |db| ask::principal(db, &hash, now)).await
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        let (user, space) = (principal.user.clone(), space.clone());
        self.ask(move |db| ask::role(db, &user, &space)).await
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        let origins = origins.to_vec();
        self.ask(move |db| ask::owners(db, &origins)).await
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        let asker = principal.clone();
        let claim = self.database.write(move |session, _| claim::claim(session.0, &asker, origin));
        claim.await.map_err(|error| AuthorityError(error.into()))
    }
}

#[async_trait]
impl Accounts for SqliteAccounts {
    async fn add_user(&self, user: &Name) -> Result<(), AccountsError> {
        let user = user.clone();
        self.change(move |db| change::add_user(db, &user)).await
    }

    async fn add_device(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let (user, device) = (user.clone(), device.clone());
        self.change(move |db| change::add_device(db, &user, &device)).await
    }

    async fn add_token(
        &self,
        user: &Name,
        device: &Name,
        token: &TokenHash,
        expires: Option<NTP64>,
    ) -> Result<(), AccountsError> {
        let (user, device, token) = (user.clone(), device.clone(), *token);
        self.change(move |db| change::add_token(db, (&user, &device), &token, expires)).await
    }

    async fn revoke_tokens(&self, user: &Name, device: &Name) -> Result<(), AccountsError> {
        let (user, device) = (user.clone(), device.clone());
        self.change(move |db| change::revoke_tokens(db, &user, &device)).await
    }

    async fn add_space(&self, space: &SpaceId, owner: &Name) -> Result<(), AccountsError> {
        let (space, owner) = (space.clone(), owner.clone());
        self.change(move |db| change::add_space(db, &space, &owner)).await
    }

    async fn grant(&self, space: &SpaceId, user: &Name, role: Role) -> Result<(), AccountsError> {
        let (space, user) = (space.clone(), user.clone());
        self.change(move |db| change::grant(db, &space, &user, role)).await
    }

    async fn revoke(&self, space: &SpaceId, user: &Name) -> Result<(), AccountsError> {
        let (space, user) = (space.clone(), user.clone());
        self.change(move |db| change::revoke(db, &space, &user)).await
    }

    async fn add_claims(&self, claims: &[(ReplicaId, Principal)]) -> Result<Vec<ReplicaId>, AccountsError> {
        let claims = claims.to_vec();
        self.change(move |db| Ok(claim::add(db, &claims)?)).await
    }

    async fn release_claim(&self, origin: ReplicaId) -> Result<Principal, AccountsError> {
        self.change(move |db| claim::release(db, origin)).await
    }

    async fn move_claim(&self, origin: ReplicaId, to: &Principal) -> Result<Option<Principal>, AccountsError> {
        let to = to.clone();
        self.change(move |db| claim::relocate(db, origin, &to)).await
    }

    async fn list(&self) -> Result<Listing, AccountsError> {
        let now = self.clock.now();
        let listing = self.database.read(move |session| list::list(session.0, now));
        listing.await.map_err(|error| AccountsError::Backend(error.into()))
    }
}
