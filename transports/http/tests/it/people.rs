//! An authority for tests: a few people with tokens and grants that can be taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use syncline::authority::{Authority, AuthorityError, Claim, Name, Principal, Role};
use syncline::{ReplicaId, SpaceId};
use syncline_conformance::space;

/// The owner's token.
pub(crate) const ANN: &str = "slt_ann";
/// A reader's token.
pub(crate) const BEN: &str = "slt_ben";
/// The token of somebody who has other spaces.
pub(crate) const EVE: &str = "slt_eve";
/// A token that was valid once.
pub(crate) const EXPIRED: &str = "slt_expired";
/// A token that the accounts fail on.
pub(crate) const BROKEN: &str = "slt_broken";
/// The space of these tests.
pub(crate) const SPACE: &str = "notes";

/// Who may do what.
#[derive(Debug)]
pub(crate) struct People(Mutex<State>);

#[derive(Debug)]
struct State {
    tokens: BTreeMap<&'static str, Principal>,
    roles: BTreeMap<(Name, SpaceId), Role>,
    origins: BTreeMap<ReplicaId, Principal>,
    failing: BTreeSet<&'static str>,
}

/// The person with this name, at their phone.
pub(crate) fn person(name: &str) -> Principal {
    Principal { user: Name::new(name).unwrap(), device: Name::new("phone").unwrap() }
}

impl Default for People {
    fn default() -> Self {
        let name = |name| Name::new(name).unwrap();
        let tokens = [(ANN, person("ann")), (BEN, person("ben")), (EVE, person("eve"))].into_iter().collect();
        let roles = [
            ((name("ann"), space(SPACE)), Role::Owner),
            ((name("ben"), space(SPACE)), Role::Reader),
            ((name("eve"), space("elsewhere")), Role::Owner),
        ];
        let roles = roles.into_iter().collect();
        Self(Mutex::new(State { tokens, roles, origins: BTreeMap::new(), failing: [BROKEN].into() }))
    }
}

impl People {
    /// Makes a token invalid.
    pub(crate) fn revoke_token(&self, token: &str) {
        self.state().tokens.remove(token);
    }

    /// Takes a grant away.
    pub(crate) fn revoke_grant(&self, user: &str) {
        self.state().roles.remove(&(Name::new(user).unwrap(), space(SPACE)));
    }

    /// Lets somebody read again.
    pub(crate) fn grant_reader(&self, user: &str) {
        self.state().roles.insert((Name::new(user).unwrap(), space(SPACE)), Role::Reader);
    }

    /// Lets the accounts fail on a token that has been fine.
    pub(crate) fn break_token(&self, token: &'static str) {
        self.state().failing.insert(token);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Authority for People {
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        let state = self.state();
        if state.failing.contains(credential) {
            return Err(AuthorityError("the accounts' disk is gone".into()));
        }
        Ok(state.tokens.get(credential).cloned())
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok(self.state().roles.get(&(principal.user.clone(), space.clone())).copied())
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        let state = self.state();
        Ok(origins.iter().filter_map(|origin| Some((*origin, state.origins.get(origin)?.clone()))).collect())
    }

    async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        let mut state = self.state();
        let owner = state.origins.entry(origin).or_insert_with(|| principal.clone());
        Ok(if owner == principal { Claim::Held } else { Claim::Taken })
    }
}
