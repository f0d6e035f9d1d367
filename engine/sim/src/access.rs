//! Who may do what in a history, and what its policy refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::authority::{Authority, AuthorityError, Claim, Name, Policy, Principal, Role};
use syncline::format::Bundle;
use syncline::protocol::Refusal;
use syncline::{ReplicaId, SpaceId};

use crate::fault::Fault;
use crate::lock::locked;
use crate::witness::Witness;
use crate::workload::POISON;

/// The principal of one device.
pub(crate) fn principal(device: usize) -> Principal {
    let name = |text: String| Name::new(text).expect("the name is made of letters and digits");
    Principal { user: name(format!("user-{device}")), device: name(format!("device-{device}")) }
}

/// Everybody may write, and hand in snapshots, but those whose grant was taken away.
#[derive(Debug, Default)]
pub(crate) struct Access {
    revoked: Mutex<BTreeSet<Name>>,
}

impl Access {
    pub(crate) fn revoke(&self, principal: &Principal) {
        locked(&self.revoked).insert(principal.user.clone());
    }

    pub(crate) fn grant(&self, principal: &Principal) {
        locked(&self.revoked).remove(&principal.user);
    }

    pub(crate) fn grant_all(&self) {
        locked(&self.revoked).clear();
    }
}

#[async_trait]
impl Authority for Access {
    async fn authenticate(&self, _: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(None)
    }

    async fn role(&self, principal: &Principal, _: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok((!locked(&self.revoked).contains(&principal.user)).then_some(Role::Owner))
    }

    async fn owners(&self, _: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        Ok(BTreeMap::new())
    }

    async fn claim(&self, _: &Principal, _: ReplicaId) -> Result<Claim, AuthorityError> {
        Ok(Claim::Held)
    }
}

/// Refuses bundles with a poison event.
pub(crate) struct Taster(pub(crate) Arc<Witness>);

impl std::fmt::Debug for Taster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taster")
    }
}

#[async_trait]
impl Policy for Taster {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        if !bundle.events().flatten().any(|event| event.is(&POISON)) {
            return Ok(());
        }
        self.0.sim.fault(Fault::Refused, || format!("the policy refuses bundle {}", bundle.dot));
        self.0.ledger().refuse(bundle.dot);
        Err(Refusal::new("poison", "the bundle has a poison event"))
    }
}
