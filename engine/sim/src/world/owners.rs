//! The owners of origins, as the servers' accounts know them.

use std::sync::Arc;

use syncline::authority::Authority;

use super::World;
use crate::accounts::Accounts;
use crate::disk::Disk;
use crate::fault::Fault;

impl World {
    /// The accounts of a servers' store, if the history has any.
    fn accounts_of(&self, disk: &Arc<Disk>) -> Option<&Arc<Accounts>> {
        let index = self.databases.iter().position(|database| Arc::ptr_eq(database, disk))?;
        self.accounts.get(index)
    }

    /// Who decides behind a door to this log.
    pub(super) fn authority(&self, disk: &Arc<Disk>) -> Arc<dyn Authority> {
        match self.accounts_of(disk) {
            Some(accounts) => accounts.clone(),
            None => self.access.clone(),
        }
    }

    pub(super) fn back_up(&self, disk: &Arc<Disk>) {
        disk.back_up();
        self.accounts_of(disk).into_iter().for_each(|accounts| accounts.back_up());
    }

    /// The claims go back with their log. With an import under a new identity they may be lost, as with files that have none.
    pub(super) fn restore_claims(&self, disk: &Arc<Disk>, same_log: bool) {
        let Some(accounts) = self.accounts_of(disk) else { return };
        let with_claims = same_log || self.steps.is_multiple_of(2);
        accounts.restore(with_claims);
        if !with_claims {
            self.sim.fault(Fault::ClaimsLost, || format!("{} comes back without claims", disk.log.name));
        }
    }

    /// Nobody waits for devices that have left for ever.
    pub(crate) fn release_claims(&self) {
        for place in self.places.iter().filter(|place| place.left) {
            self.accounts.iter().for_each(|accounts| accounts.release(&place.device.principal));
        }
    }
}
