//! Who owns the origins of a push, and which origin it claims.

use std::collections::{BTreeMap, BTreeSet};

use super::{Service, ServiceError};
use crate::authority::{Claim, Principal};
use crate::format::heads::Heads;
use crate::format::run::Run;
use crate::id::{ReplicaId, Seq};
use crate::limits::{CLAIMS_MAX, FOREIGN_ORIGINS_MAX};
use crate::protocol::{Code, Problem, Push};

/// The origins of a push, and the devices that have claimed them.
#[derive(Debug)]
pub(super) struct Owners {
    origins: BTreeSet<ReplicaId>,
    claimed: BTreeMap<ReplicaId, Principal>,
}

impl Service {
    /// Refuses a push with bundles of origins that belong to other devices. Claims nothing.
    pub(super) async fn check_owners(&self, principal: &Principal, push: &Push) -> Result<Owners, ServiceError> {
        let origins: BTreeSet<_> = push.runs.iter().map(Run::origin).collect();
        let claimed = self.authority.owners(&origins.iter().copied().collect::<Vec<_>>()).await?;
        let foreign = claimed.iter().filter(|(_, owner)| *owner != principal).map(|(origin, _)| *origin);
        let foreign: Vec<_> = foreign.take(FOREIGN_ORIGINS_MAX).collect();
        match foreign.first() {
            Some(first) => Err(taken(principal, *first, foreign).into()),
            None => Ok(Owners { origins, claimed }),
        }
    }

    /// Claims the origin for the device.
    pub(super) async fn claim(&self, principal: &Principal, origin: ReplicaId) -> Result<(), ServiceError> {
        let refused = |why: String| Err(Problem::new(Code::Forbidden { origins: vec![origin] }, why).into());
        match self.authority.claim(principal, origin).await? {
            Claim::Held => Ok(()),
            Claim::Taken => Err(taken(principal, origin, vec![origin]).into()),
            Claim::Full => refused(format!(
                "device {principal} has {CLAIMS_MAX} replicas, the most that a device may have, and {origin} is one more; have those \
                 that are not used any more released"
            )),
            Claim::NoDevice => refused(format!(
                "replica {origin} cannot be noted as that of device {principal}, since there is no such device; have it added"
            )),
        }
    }
}

impl Owners {
    /// The origin that the push claims if it brings a new bundle of it. `heads` are those before the push.
    pub(super) fn claimable(&self, own: Option<ReplicaId>, heads: &Heads) -> Option<ReplicaId> {
        // A sender of an earlier version does not name its own. It may be supplying to a restored log what that has lost of others. So
        // several origins claim nothing, and neither does one that the log knows.
        let alone = || self.origins.first().copied().filter(|_| self.origins.len() == 1);
        let unnamed = || alone().filter(|origin| heads.get(*origin).seq == Seq::ZERO);
        own.or_else(unnamed).filter(|origin| !self.claimed.contains_key(origin))
    }
}

fn taken(principal: &Principal, origin: ReplicaId, origins: Vec<ReplicaId>) -> Problem {
    let detail = format!(
        "replica {origin} belongs to another device than {principal}; push only bundles of own replicas. If it is one, have the server's \
         operator move it: claim move {origin} {} {}",
        principal.user, principal.device
    );
    Problem::new(Code::Forbidden { origins }, detail)
}
