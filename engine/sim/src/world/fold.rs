//! Servers whose log is folded into snapshots and trimmed, devices that hand in snapshots, and devices that join late.

use std::sync::Arc;
use std::time::Duration;

use syncline::replica::Keep;

use super::World;
use crate::executor::Spins;
use crate::fault::Fault;
use crate::invariants::taken;
use crate::keeper::Keeper;

impl World {
    /// Lets the replica beside the servers do something, if there is one.
    pub(super) fn keep<F>(&self, task: impl FnOnce(Arc<Keeper>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(keeper) = &self.keeper {
            self.sim.spawn(keeper.disk.node, task(keeper.clone()));
        }
    }

    /// Lets a device make a snapshot and hand it to one of its peers.
    pub(super) fn upload(&mut self, device: u8, peer: usize) {
        let index = self.index(device);
        let doors = self.doors(index);
        let Some(door) = doors.get(peer % doors.len().max(1)) else { return };
        let way = self.way_to(index, door);
        self.run(device, |device| device.upload_snapshot(way));
    }

    /// A new device joins.
    pub(super) fn join(&mut self) {
        let index = self.add_device(None);
        self.sim.fault(Fault::Joined, || format!("device {index} joins"));
    }

    /// A device that takes a snapshot dies, if one does so.
    pub(super) fn interrupt(&mut self, power: bool, millis: u16) {
        let mut here = self.places.iter().filter(|place| !place.left);
        if let Some(device) = here.position(|place| taken::is_under_way(&place.device)) {
            self.crash_device(u8::try_from(device).unwrap_or(u8::MAX), power, millis);
        }
    }

    /// When the faults have stopped, the log is folded once more and trimmed as far as nothing holds it, and a device joins. So every
    /// history ends with devices that have only snapshots to go by.
    pub(crate) fn fold_at_last(&mut self) -> Result<(), Spins> {
        if self.keeper.is_none() {
            return Ok(());
        }
        self.keep(Keeper::make_snapshot);
        self.rest()?;
        self.keep(|keeper| keeper.trim(Keep { window: Duration::ZERO, ..0.into() }));
        self.rest()?;
        // Whoever joins has the rows that were folded from the archive.
        self.keep(Keeper::rebuild);
        self.rest()?;
        self.keep(Keeper::make_snapshot);
        self.rest()?;
        self.join();
        // By now everybody has the newer program.
        self.upgrade(self.places.len() - 1);
        self.rest()?;
        Ok(())
    }
}
