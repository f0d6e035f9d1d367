//! What an application does if the engine needs help: a device that holds another history than its peers, of a third or, where
//! it serves others, of its own, continues in a fresh store, under a new identity, and writes again what nobody has of its own.

use syncline::Event;
use syncline::replica::ReplicaError;
use syncline::store::Limit;

use crate::disk::Disk;
use crate::executor::Spins;
use crate::invariants::log;
use crate::ledger::Name;
use crate::stack::Misuse;
use crate::world::{Place, World};

impl World {
    /// Helps every device that cannot continue alone. Returns whether there was one.
    pub(crate) fn respond(&mut self) -> Result<bool, Spins> {
        let wedged =
            |place: &Place| !place.left && place.device.is_wedged() && self.stack.misuse != Some(Misuse::LeavesForks);
        let helped: Vec<usize> = (0..self.places.len()).filter(|index| wedged(&self.places[*index])).collect();
        let old: Vec<_> = helped.iter().map(|index| self.places[*index].device.disk.clone()).collect();
        for index in &helped {
            self.sim.tell(|| format!("device {index} continues under a new identity, in a fresh store"));
            let place = &mut self.places[*index];
            place.identities.extend(place.device.disk.with_image(|image| image.identities.clone()));
            self.replace_device(*index);
        }
        if helped.is_empty() || !self.rest()? {
            return Ok(false);
        }
        // If two neighbours hold two histories of a third, one must win everywhere: that of the first neighbour.
        for index in &helped {
            self.sync(*index, 0);
            if !self.rest()? {
                return Ok(false);
            }
        }
        // What anybody has of the old log comes back first.
        for _ in 0..self.rounds() {
            self.round()?;
        }
        for (index, old) in helped.into_iter().zip(old) {
            if self.stack.misuse != Some(Misuse::ForgetsPending) {
                self.write_again(index, &old)?;
            }
        }
        Ok(true)
    }

    /// Writes what an old log had of its own and nobody has.
    fn write_again(&mut self, index: usize, old: &Disk) -> Result<(), Spins> {
        let device = self.places[index].device.clone();
        for (name, events) in self.bundles(index, old) {
            let homes = self.witness.ledger().homes(name);
            let all = self.stack.misuse == Some(Misuse::WritesAllAgain);
            let known = !all && device.disk.with_image(|image| homes.iter().any(|home| image.holds(*home)));
            if known || events.is_empty() {
                continue;
            }
            let Some(replica) = device.replica() else { return Ok(()) };
            let written = match self.drive(async move { replica.write(&events).await })? {
                Some(Ok(written)) => written,
                // The application is told that its row has no room for it.
                Some(Err(ReplicaError::RowTooLarge { .. })) => {
                    self.witness.ledger().give_up(name);
                    continue;
                }
                _ => return Ok(()),
            };
            device.acknowledge(written);
            if let Some(entry) = device.disk.with_image(|image| image.entry(written.dot)) {
                self.witness.ledger().rehome(name, (written.dot, entry.chain));
            }
        }
        Ok(())
    }

    /// The bundles in a log that the device has written under any of its identities, with their events.
    fn bundles(&self, index: usize, disk: &Disk) -> Vec<(Name, Vec<Event>)> {
        let own = &self.places[index].identities;
        let runs = log::runs(&*disk.peek(), Limit::PAGE).unwrap_or_default();
        let bundles = runs.iter().filter(|run| own.contains(&run.origin())).flat_map(|run| run.bundles());
        bundles
            .filter_map(|bundle| {
                let chain = disk.with_image(|image| image.entry(bundle.dot))?.chain;
                let events =
                    bundle.events().flatten().map(|event| Event::new(event.event_type(), event.payload.to_vec()));
                Some(((bundle.dot, chain), events.collect()))
            })
            .collect()
    }
}
