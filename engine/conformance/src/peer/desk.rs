//! Accounts that the kit can take away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use syncline::authority::{Authority, AuthorityError, Claim, Name, Principal, Role};
use syncline::{ReplicaId, SpaceId};

use super::{OWNER, READER, STRANGER, WRITER};

/// Knows the tokens of the kit, and nobody else. The token is the user's name.
#[derive(Debug, Default)]
pub struct Desk {
    gone: Mutex<BTreeSet<String>>,
    claimed: Mutex<BTreeSet<ReplicaId>>,
}

impl Desk {
    /// The origin that belongs to somebody else.
    pub const FOREIGN: u8 = 0xee;
    /// The space that nobody may enter, though it may exist.
    pub const HIDDEN: &'static str = "hidden";

    /// Whose token this is.
    pub fn principal(token: &str) -> Option<Principal> {
        let name = |text: &str| Name::new(text).expect("the kit's names keep the rule");
        let known = [OWNER, WRITER, READER, STRANGER].contains(&token);
        known.then(|| Principal { user: name(token), device: name("device") })
    }

    /// The origins that pushes have claimed.
    pub fn claimed(&self) -> BTreeSet<ReplicaId> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes away all roles of a user.
    pub fn revoke(&self, user: &str) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned());
    }
}

#[async_trait]
impl Authority for Desk {
    async fn authenticate(&self, credential: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(Self::principal(credential))
    }

    async fn role(&self, principal: &Principal, space: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        let user = principal.user.as_str();
        let is_gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner).contains(user);
        Ok(match user {
            _ if is_gone || space.as_str() == Self::HIDDEN => None,
            OWNER => Some(Role::Owner),
            WRITER => Some(Role::Writer),
            READER => Some(Role::Reader),
            _ => None,
        })
    }

    async fn owners(&self, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        let stranger = Self::principal(STRANGER).expect("it is one of the kit's");
        let foreign = origins.iter().filter(|origin| origin.to_bytes() == [Self::FOREIGN; 16]);
        Ok(foreign.map(|origin| (*origin, stranger.clone())).collect())
    }

    async fn claim(&self, _: &Principal, origin: ReplicaId) -> Result<Claim, AuthorityError> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(origin);
        Ok(Claim::Held)
    }
}
