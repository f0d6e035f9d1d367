//! The steps of a plan, as they happen.

use std::sync::Arc;
use std::time::Duration;

use syncline::Event;

use super::{SERVER, World};
use crate::disk::{Disk, Failure};
use crate::executor::Spins;
use crate::fault::Fault;
use crate::invariants::log;
use crate::plan::{Action, Step};
use crate::rng::Rng;
use crate::trace::shown;
use crate::workload::POISON;

/// Devices that a world has at most.
const DEVICES_MAX: usize = 8;

impl World {
    /// Runs until the step is due, and takes it.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), Spins> {
        self.pass(Duration::from_micros(step.gap.into()))?;
        self.steps += 1;
        self.act(step.action);
        Ok(())
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Write { device, count, seed, poison } => self.write(device, count, seed, poison),
            Action::Sync { device, peer } => self.sync(self.index(device), peer.into()),
            Action::Cancel { device } => self.cancel(device),
            Action::Crash { device, power, millis } => self.crash_device(device, power, millis),
            Action::CrashServer { server, power, millis } => self.crash_server(server, power, millis),
            Action::Part { side, millis } => self.part(side, millis),
            Action::Cut { device } => self.net.cut(self.places[self.index(device)].device.node),
            Action::Fail { disk, calls, after } => {
                let failure = if after { Failure::After } else { Failure::Before };
                self.disk_of(disk).fail(&vec![failure; calls.into()]);
            }
            Action::Fill { disk, millis } => {
                let until = self.sim.now().after(Duration::from_millis(millis.into()));
                self.disk_of(disk).fill(until);
            }
            Action::Jump { clock, seconds } => self.jump(clock, seconds),
            Action::Drift { clock, rate } => self.drift(clock, rate),
            Action::BackUp { disk } => self.disk_of(disk).back_up(),
            Action::RestoreDevice { device } => self.restore_device(device),
            Action::CloneDevice { device } => self.clone_device(device),
            Action::RestoreServer { same_log } => self.restore_server(same_log),
            Action::Leave { device } => self.leave(device),
            Action::Rebuild { device } => {
                let view = self.stack.views[0].id.clone();
                self.run(device, |device| device.rebuild(view));
            }
            Action::Upgrade { device } => drop(self.upgrade(self.index(device))),
            Action::Revoke { device, millis } => self.revoke(device, millis),
            Action::Look { device } => self.look(device),
            Action::Forge { device, seed } => self.forge(device, seed),
        }
    }

    /// The device with this number, counted round over those that have not left.
    pub(crate) fn index(&self, device: u8) -> usize {
        let here: Vec<usize> = (0..self.places.len()).filter(|index| !self.places[*index].left).collect();
        here[usize::from(device) % here.len()]
    }

    fn disk_of(&self, disk: u8) -> Arc<Disk> {
        let disks = self.disks();
        disks[usize::from(disk) % disks.len()].clone()
    }

    /// Starts something on a device.
    fn run<F>(&mut self, device: u8, task: impl FnOnce(Arc<crate::device::Device>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let index = self.index(device);
        let place = &mut self.places[index];
        let task = task(place.device.clone());
        place.running.push(self.exec.start(place.device.node, Box::pin(task)));
        if place.running.len() > 12 {
            place.running.remove(0);
        }
    }

    fn write(&mut self, device: u8, count: u8, seed: u32, poison: bool) {
        let mut rng = Rng::stream(self.plan.seed, u64::from(seed) << 8);
        for _ in 0..count {
            let mut events = (self.stack.writes)(&mut rng);
            if poison {
                events.push(Event::new(POISON, "poison"));
            }
            self.sim.tell(|| format!("device {} writes {}", self.index(device), described(&events)));
            self.run(device, |device| device.write(events));
        }
    }

    pub(crate) fn sync(&mut self, index: usize, peer: usize) {
        if self.doors(index).is_empty() {
            return;
        }
        let way = self.way(index, peer);
        let place = &mut self.places[index];
        let task = place.device.clone().sync(way);
        place.running.push(self.exec.start(place.device.node, Box::pin(task)));
        if place.running.len() > 12 {
            place.running.remove(0);
        }
    }

    fn look(&mut self, device: u8) {
        let disk = self.places[self.index(device)].device.disk.clone();
        if let Err(finding) = log::status(&disk) {
            self.sim.found(finding.law, format!("{}: {}", disk.name, finding.detail));
        }
        self.run(device, |device| device.look());
    }

    fn cancel(&mut self, device: u8) {
        let index = self.index(device);
        let Some(task) = self.places[index].running.pop() else { return };
        if self.exec.cancel(task) {
            self.sim.fault(Fault::Cancelled, || format!("device {index} drops what it is doing"));
        }
    }

    fn part(&mut self, side: u32, millis: u16) {
        let nodes = u64::from(side & 0xffff) | u64::from(side >> 16) << SERVER;
        let until = self.sim.now().after(Duration::from_millis(millis.into()));
        self.sim.tell(|| format!("for {millis} ms a wall stands around {side:08x}"));
        self.net.part(nodes, until);
    }

    fn jump(&mut self, clock: u8, seconds: i64) {
        let index = usize::from(clock) % (self.places.len() + self.servers.len());
        let clock = match self.places.get(index) {
            Some(place) => &place.device.clock,
            None => &self.servers[index - self.places.len()].clock,
        };
        clock.jump(seconds);
        self.sim.fault(Fault::ClockJumped, || format!("clock {index} jumps by {seconds} s"));
    }

    fn drift(&mut self, clock: u8, rate: i32) {
        let index = usize::from(clock) % (self.places.len() + self.servers.len());
        let clock = match self.places.get(index) {
            Some(place) => &place.device.clock,
            None => &self.servers[index - self.places.len()].clock,
        };
        clock.run_at(rate.into());
        let fault = if rate == 0 { Fault::ClockFroze } else { Fault::ClockDrifted };
        self.sim.fault(fault, || format!("clock {index} runs at {rate} ppm"));
    }

    fn revoke(&mut self, device: u8, millis: u16) {
        let index = self.index(device);
        let principal = self.places[index].device.principal.clone();
        self.access.revoke(&principal);
        self.sim.fault(Fault::Revoked, || format!("device {index} loses its grant for {millis} ms"));
        let (sim, access) = (self.sim.clone(), self.access.clone());
        self.sim.spawn(super::WORLD, async move {
            sim.sleep(Duration::from_millis(millis.into())).await;
            access.grant(&principal);
        });
    }

    fn clone_device(&mut self, device: u8) {
        let index = self.index(device);
        if self.places.len() >= DEVICES_MAX {
            return;
        }
        if let Some(id) = self.places[index].device.disk.with_image(|image| image.identity) {
            self.witness.ledger().clone_of(id);
        }
        let new = self.places.len();
        self.sim.fault(Fault::DeviceCloned, || format!("device {index} is cloned: device {new}"));
        self.add_device(Some(index));
    }

    /// Opens a device with all views, while what it has under way goes on with the old ones. Returns whether it was old.
    pub(crate) fn upgrade(&mut self, index: usize) -> bool {
        let device = &self.places[index].device;
        let was_old = device.upgrade();
        if was_old {
            self.sim.fault(Fault::Upgraded, || format!("device {index} is upgraded"));
            if device.disk.with_image(|image| image.head()) > 0 {
                self.sim.count(Fault::UnknownKind);
            }
            device.open_after(Duration::ZERO);
            self.live(index);
        }
        was_old
    }
}

/// Events for people: their kinds and payloads.
fn described(events: &[Event]) -> String {
    let event = |event: &Event| format!("{} {}", event.kind, shown(&event.payload));
    events.iter().map(event).collect::<Vec<_>>().join(" and ")
}
