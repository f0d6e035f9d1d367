//! Deaths and restores: what is lost is noted, what was under way is dropped where it stands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use syncline::ReplicaId;
use syncline::tools::SentRow;

use super::World;
use crate::fault::Fault;
use crate::invariants::taken;
use crate::ledger::Name;
use crate::stores::Crash;

impl World {
    pub(crate) fn crash_device(&mut self, device: u8, power: bool, millis: u16) {
        let index = self.index(device);
        let crash = if power { Crash::Power } else { Crash::Process };
        let was_up = self.places[index].device.replica().is_some();
        self.kill_device(index);
        let fault = match (was_up, power) {
            (false, _) => Fault::CrashedInRecovery,
            (true, true) => Fault::PowerCut,
            (true, false) => Fault::Crashed,
        };
        self.sim.fault(fault, || match (was_up, power) {
            (false, _) => format!("device {index} dies again, before it has recovered"),
            (true, true) => format!("the power of device {index} goes, for {millis} ms"),
            (true, false) => format!("device {index} dies, for {millis} ms"),
        });
        let (identities, mark) = (self.identities(index), self.mark(index));
        let lost = self.places[index].device.disk.crash(crash);
        if !lost.is_empty() {
            self.sim.fault(Fault::SuffixLost, || format!("device {index} has lost {} bundles", lost.len()));
        }
        self.excuse(&identities, &lost, self.mark(index) != mark);
        self.start(index, Duration::from_millis(millis.into()));
    }

    /// Drops all that runs on a device.
    pub(crate) fn kill_device(&mut self, index: usize) {
        let place = &mut self.places[index];
        place.running.clear();
        let (node, device) = (place.device.node, place.device.clone());
        if let Some(door) = &place.door {
            door.close();
        }
        if taken::is_under_way(&device) {
            self.sim.fault(Fault::SnapshotInterrupted, || {
                format!("device {index} is interrupted while it takes a snapshot")
            });
        }
        if self.exec.kill(node) {
            self.sim.count(Fault::CrashedInCommit);
        }
        device.die();
        self.net.cut(node);
    }

    /// The identities under which a device may have written what a fault destroys.
    fn identities(&self, index: usize) -> BTreeSet<ReplicaId> {
        self.places[index].device.disk.with_image(|image| image.identities.clone())
    }

    /// Up to where a device's bundles may have been sent, as it knows it.
    fn mark(&self, index: usize) -> Option<SentRow> {
        self.places[index].device.disk.with_image(|image| image.mark)
    }

    /// A device's disk has lost these bundles, or what it knew of having sent others: it may write its numbers again.
    fn excuse(&self, identities: &BTreeSet<ReplicaId>, lost: &[Name], forgot: bool) {
        let mut ledger = self.witness.ledger();
        lost.iter().for_each(|name| ledger.excuse(*name));
        if forgot || !lost.is_empty() {
            identities.iter().for_each(|id| ledger.allow_fork(*id));
        }
    }

    pub(crate) fn crash_server(&mut self, server: u8, power: bool, millis: u16) {
        if self.servers.is_empty() {
            return self.crash_device(server, power, millis);
        }
        let span = Duration::from_millis(millis.into());
        if !power {
            let index = usize::from(server) % self.servers.len();
            self.sim.fault(Fault::Crashed, || format!("server {index} dies, for {millis} ms"));
            return self.restart_server(index, span);
        }
        let index = usize::from(server) % self.databases.len();
        let (database, node) = (self.databases[index].clone(), self.databases[index].node);
        self.sim.fault(Fault::PowerCut, || format!("the power of {} goes, for {millis} ms", database.log.name));
        self.exec.kill(node);
        self.keeper.iter().for_each(|keeper| keeper.die());
        let lost = database.crash(Crash::Power);
        if !lost.is_empty() {
            self.sim.fault(Fault::SuffixLost, || format!("{} has lost {} bundles", database.log.name, lost.len()));
        }
        lost.iter().for_each(|name| self.witness.ledger().excuse(*name));
        database.set_down(true);
        let sim = self.sim.clone();
        self.sim.spawn(node, async move {
            sim.sleep(span).await;
            database.set_down(false);
        });
    }

    /// A server's process dies and starts again after so long.
    pub(crate) fn restart_server(&mut self, index: usize, span: Duration) {
        let server = &self.servers[index];
        server.door.close();
        self.exec.kill(server.door.node);
        self.net.cut(server.door.node);
        self.serve_after(&server.door, &server.clock, span, self.has_policy(index));
    }

    pub(crate) fn restore_device(&mut self, device: u8) {
        let index = self.index(device);
        self.kill_device(index);
        let (identities, mark) = (self.identities(index), self.mark(index));
        if let Some(lost) = self.places[index].device.disk.restore(None) {
            let count = lost.len();
            self.sim
                .fault(Fault::DeviceRestored, || format!("device {index} goes back {count} bundles, to its backup"));
            self.excuse(&identities, &lost, self.mark(index) != mark);
        }
        self.start(index, Duration::from_millis(10));
    }

    pub(crate) fn restore_server(&mut self, same_log: bool) {
        if self.databases.is_empty() {
            return;
        }
        let database = self.databases[self.steps as usize % self.databases.len()].clone();
        let log = (!same_log).then(|| self.fresh_log());
        self.exec.kill(database.node);
        self.keeper.iter().for_each(|keeper| keeper.die());
        for index in 0..self.servers.len() {
            if Arc::ptr_eq(&self.servers[index].door.disk, &database) {
                self.restart_server(index, Duration::from_millis(10));
            }
        }
        database.set_down(false);
        if let Some(lost) = database.restore(log) {
            let fault = if same_log { Fault::ServerRewound } else { Fault::ServerRestored };
            self.sim.fault(fault, || format!("{} goes back {} bundles, to its backup", database.log.name, lost.len()));
            lost.iter().for_each(|name| self.witness.ledger().excuse(*name));
            self.restore_claims(&database, same_log);
        }
    }

    pub(crate) fn leave(&mut self, device: u8) {
        let here = self.places.iter().filter(|place| !place.left).count();
        if here <= 2 {
            return;
        }
        let index = self.index(device);
        self.kill_device(index);
        self.places[index].left = true;
        let names = self.places[index].device.disk.with_image(|image| image.names().collect::<Vec<_>>());
        names.into_iter().for_each(|name| self.witness.ledger().excuse(name));
        self.sim.fault(Fault::Left, || format!("device {index} leaves for ever"));
    }
}
