//! The accounts of one servers' store: they lie in its database, so they go back to its backup with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::authority::{Authority, AuthorityError, Claim, Principal, Role};
use syncline::{ReplicaId, SpaceId};

use crate::access::Access;
use crate::finding::Law;
use crate::lock::locked;
use crate::stack::Misuse;
use crate::witness::Witness;

type Claims = BTreeMap<ReplicaId, Principal>;

/// Everybody's roles, and this store's claims.
pub(crate) struct Accounts {
    access: Arc<Access>,
    witness: Arc<Witness>,
    misuse: Option<Misuse>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    claims: Claims,
    backup: Claims,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

impl Accounts {
    pub(crate) fn new(access: &Arc<Access>, witness: &Arc<Witness>, misuse: Option<Misuse>) -> Arc<Self> {
        let (access, witness) = (access.clone(), witness.clone());
        Arc::new(Self { access, witness, misuse, state: Mutex::default() })
    }

    pub(crate) fn back_up(&self) {
        let mut state = locked(&self.state);
        state.backup = state.claims.clone();
    }

    /// Goes back to the backup, or, as with the import of a file of an earlier version, to no claims at all.
    pub(crate) fn restore(&self, with_claims: bool) {
        let mut state = locked(&self.state);
        state.claims = if with_claims { state.backup.clone() } else { Claims::new() };
    }

    /// What an operator does if a device is lost for good: others may bring back what it had written.
    pub(crate) fn release(&self, owner: &Principal) {
        locked(&self.state).claims.retain(|_, claimed| claimed != owner);
    }
}

#[async_trait]
impl Authority for Accounts {
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        self.access.authenticate(credential).await
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        self.access.role(principal, space).await
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<Claims, AuthorityError> {
        let claims = &locked(&self.state).claims;
        let first = claims.values().next().filter(|_| self.misuse == Some(Misuse::MixesOwners));
        let owner = |origin: &ReplicaId| claims.get(origin).map(|owner| (*origin, first.unwrap_or(owner).clone()));
        Ok(origins.iter().filter_map(owner).collect())
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        let mut state = locked(&self.state);
        let owner = state.claims.entry(origin).or_insert_with(|| principal.clone());
        if let Some(writer) = self.witness.ledger().writer(origin).filter(|writer| writer != owner) {
            let detail = format!("origin {origin} of {writer} belongs to {owner}");
            self.witness.sim.found(Law::OriginsStay, detail);
        }
        Ok(if owner == principal { Claim::Held } else { Claim::Taken })
    }
}
