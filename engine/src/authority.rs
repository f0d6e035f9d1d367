//! Who may do what: principals, roles, and the application's policy.
//!
//! A service asks an [`Authority`] before it looks at a request's content, and a [`Policy`] before it takes a bundle.
//!
//! # Who owns an origin
//!
//! A device writes under its own origins, and nobody else may write under them. So an origin is *claimed* for a device, by the first
//! push in which the device names the origin as its own and brings a new bundle of it. From then on the service
//! accepts bundles of this origin from this device alone.
//!
//! Supplying is not owning. A device may bring bundles of others that the log lacks, because a restored log gets back what it lost
//! in this way. It may do so for origins that nobody has claimed. This claims nothing. Known bundles claim nothing either.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::format::run::Bundle;
use crate::id::{InvalidId, ReplicaId, SpaceId, is_name};
use crate::limits::NAME_BYTES_MAX;
use crate::protocol::Refusal;
use crate::store::BoxError;

pub mod accounts;

/// A name that people choose, for a user or a device: 1 to 64 of `a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`InvalidId`] if it breaks the rule.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidId> {
        let name = name.into();
        if is_name(&name, NAME_BYTES_MAX) {
            return Ok(Self(name));
        }
        Err(InvalidId::new("name", &name, "it takes 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidId;

    fn try_from(name: String) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// The caller: a device of a user, as a token or the host application has established it. It never comes from a request's content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The user.
    pub user: Name,
    /// The user's device.
    pub device: Name,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.device)
    }
}

/// What a user may do in a space. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pull and watch.
    Reader,
    /// Push, too.
    Writer,
    /// Grant and revoke, too.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        })
    }
}

/// Answers who somebody is and what they may do.
#[async_trait]
pub trait Authority: fmt::Debug + Send + Sync + 'static {
    /// Who holds this credential (over HTTP: the bearer token). `None` if it is unknown, expired or revoked.
    ///
    /// # Errors
    /// [`AuthorityError`] if that cannot be found out.
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError>;

    /// The principal's role in a space. `None` if there is no such space or no grant: the two look the same outside.
    ///
    /// # Errors
    /// [`AuthorityError`] if that cannot be found out.
    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError>;

    /// Which devices have claimed these origins. An origin that nobody has claimed is left out. Asking changes nothing.
    ///
    /// # Errors
    /// [`AuthorityError`] if that cannot be found out.
    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError>;

    /// Claims an origin for the principal's device, unless somebody has claimed it already. From then on the service takes the
    /// bundles of this origin from this device alone. The service asks this last, when nothing else speaks against a push.
    /// A claim is durable when this returns. If several devices ask at once, one of them gets it.
    ///
    /// # Errors
    /// [`AuthorityError`] if that cannot be found out or stored.
    ///
    /// # Cancel
    /// The claim may have been made. Asking again is safe.
    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError>;

    /// Checks whether it would answer now. Must be fast enough for one call per second. The default says yes.
    ///
    /// # Errors
    /// [`AuthorityError`] with the obstacle. If it holds a [`StoreError`](crate::StoreError), peers get the same answer as for that
    /// store error.
    async fn ready(&self) -> Result<(), AuthorityError> {
        Ok(())
    }
}

/// The result of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The origin belongs to the device, since now or since before.
    Held,
    /// It belongs to another device.
    Taken,
    /// The device has claimed [`CLAIMS_MAX`](crate::limits::CLAIMS_MAX) origins already.
    Full,
    /// There is no account of this device, because another program vouches for it.
    NoDevice,
}

/// The authority's store failed.
#[derive(Debug, Error)]
#[error("accounts cannot be read: {0}")]
pub struct AuthorityError(#[source] pub BoxError);

/// The application's own rules for bundles.
#[async_trait]
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Whether the space takes this bundle. Asked for each new bundle, in order, and again if another push of its origin came first;
    /// the answer that is stored is final. A panic decides nothing: the push fails, and its device tries again.
    ///
    /// # Errors
    /// [`Refusal`]: the bundle becomes a void, its writer learns why, and the policy is asked about the next bundles as usual.
    async fn admit(&self, principal: &Principal, space: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal>;
}

/// Lets everybody do everything, in one process or in tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

#[async_trait]
impl Authority for AllowAll {
    async fn authenticate(&self, _: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(Some(Principal { user: Name("anyone".into()), device: Name("any".into()) }))
    }

    async fn role(&self, _: &Principal, _: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok(Some(Role::Owner))
    }

    async fn owners(&self, _: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        Ok(BTreeMap::new())
    }

    async fn claim(&self, _: &Principal, _: ReplicaId) -> Result<Claim, AuthorityError> {
        Ok(Claim::Held)
    }
}

#[async_trait]
impl Policy for AllowAll {
    async fn admit(&self, _: &Principal, _: &SpaceId, _: &Bundle<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}
