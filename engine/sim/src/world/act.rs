//! The steps of a plan, as they happen.

use std::sync::Arc;
use std::time::Duration;

use syncline::Event;
use syncline::replica::Keep;

use super::{SERVER, World};
use crate::action::{Action, Machine, Step};
use crate::clock::NodeClock;
use crate::disk::{Disk, Failure};
use crate::executor::Spins;
use crate::fault::Fault;
use crate::invariants::log;
use crate::keeper::Keeper;
use crate::rng::Rng;
use crate::rows::Rows;
use crate::tell;
use crate::workload::POISON;

/// Devices that a world has at most.
const DEVICES_MAX: usize = 8;

impl World {
    /// Runs until the step is due, and takes it.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), Spins> {
        self.pass(Duration::from_micros(step.gap.into()))?;
        self.steps += 1;
        self.upgrade_those_due();
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
            Action::SetYear { clock, year } => self.set_year(clock, year),
            Action::SetRight { clock } => self.set_right(clock),
            Action::Drift { clock, rate } => self.drift(clock, rate),
            Action::BackUp { disk } => self.back_up(&self.disk_of(disk)),
            Action::RestoreDevice { device } => self.restore_device(device),
            Action::CloneDevice { device } => self.clone_device(device),
            Action::RestoreServer { same_log } => self.restore_server(same_log),
            Action::Leave { device } => self.leave(device),
            Action::Rebuild { device } => {
                let upgraded = self.places[self.index(device)].device.is_upgraded();
                let view = self.stack.views_of(upgraded).next().map(|view| view.id.clone());
                if let Some(view) = view {
                    self.run(device, |device| device.rebuild(view));
                }
            }
            Action::Upgrade { device } => drop(self.upgrade(self.index(device))),
            Action::Revoke { device, millis } => self.revoke(device, millis),
            Action::Look { device } => self.look(device),
            Action::Forge { device, seed } => self.forge(device, seed),
            Action::Snapshot => {
                self.keep(Keeper::make_snapshot);
                self.keep(Keeper::follow);
            }
            Action::TrimServer { keep, millis } => {
                let window = Duration::from_millis(millis.into());
                self.keep(|keeper| keeper.trim(Keep { window, ..u64::from(keep).into() }));
            }
            Action::Upload { device, peer } => self.upload(device, peer.into()),
            Action::Join if self.places.len() < DEVICES_MAX => self.join(),
            Action::Join => {}
            Action::Interrupt { power, millis } => self.interrupt(power, millis),
        }
    }

    /// The device with this number, counted round over those that have not left.
    pub(crate) fn index(&self, device: u8) -> usize {
        let here: Vec<usize> = (0..self.places.len()).filter(|index| !self.places[*index].left).collect();
        here[usize::from(device) % here.len()]
    }

    fn disk_of(&self, machine: Machine) -> Arc<Disk> {
        match machine {
            Machine::Server(server) if !self.databases.is_empty() => {
                self.databases[usize::from(server) % self.databases.len()].clone()
            }
            Machine::Server(device) | Machine::Device(device) => self.places[self.index(device)].device.disk.clone(),
        }
    }

    /// A machine's clock, and what the machine is called.
    fn clock_of(&self, machine: Machine) -> (Arc<NodeClock>, String) {
        match machine {
            Machine::Server(server) if !self.servers.is_empty() => {
                let server = &self.servers[usize::from(server) % self.servers.len()];
                (server.clock.clone(), server.door.name.clone())
            }
            Machine::Server(device) | Machine::Device(device) => {
                let index = self.index(device);
                (self.places[index].device.clock.clone(), format!("device {index}"))
            }
        }
    }

    /// Starts something on a device.
    pub(super) fn run<F>(&mut self, device: u8, task: impl FnOnce(Arc<crate::device::Device>) -> F)
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
        let index = self.index(device);
        for _ in 0..count {
            let rows = self.rows_of(index);
            let mut events = (self.stack.writes)(&mut rng, &rows);
            drop(rows);
            if poison {
                events.push(Event::new(POISON, "poison"));
            }
            self.sim.tell(|| format!("device {index} writes {}", tell::events(self.stack.tell.as_ref(), &events)));
            self.run(device, |device| device.write(events));
        }
    }

    /// The rows of a device as they are now.
    fn rows_of(&self, index: usize) -> Rows {
        let (device, has_newer) = (&self.places[index].device, self.stack.views.iter().any(|view| view.newer));
        Rows::new(index, device.is_upgraded() || !has_newer, device.disk.peek())
    }

    pub(crate) fn sync(&mut self, index: usize, peer: usize) {
        let doors = self.doors(index);
        if doors.is_empty() {
            return;
        }
        let door = &doors[peer % doors.len()];
        let way = self.way_to(index, door);
        let place = &mut self.places[index];
        let task = place.device.clone().sync(way, door.clone());
        place.running.push(self.exec.start(place.device.node, Box::pin(task)));
        if place.running.len() > 12 {
            place.running.remove(0);
        }
    }

    fn look(&mut self, device: u8) {
        let disk = self.places[self.index(device)].device.disk.clone();
        if let Err(finding) = log::status(&disk) {
            self.sim.found(finding.law, format!("{}: {}", disk.log.name, finding.detail));
        }
        self.run(device, |device| device.look());
    }

    /// Looks at the status of every device that is here, one after the other. All have synced, and nothing is under way.
    pub(crate) fn look_at_all(&mut self) -> Result<(), Spins> {
        let here = self.places.iter().filter(|place| !place.left).count();
        for device in 0..u8::try_from(here).unwrap_or(u8::MAX) {
            self.places[self.index(device)].device.is_at_rest();
            self.look(device);
            self.rest()?;
        }
        Ok(())
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
        self.sim.tell(|| match self.names(nodes) {
            names if names.is_empty() => format!("a wall stands around nobody for {millis} ms"),
            names => format!("a wall stands around {} for {millis} ms", names.join(" and ")),
        });
        self.net.part(nodes, until);
    }

    /// What the nodes of a set of bits are called.
    fn names(&self, nodes: u64) -> Vec<String> {
        let devices = self.places.iter().enumerate().filter(|(_, place)| !place.left);
        let devices = devices.map(|(index, place)| (place.device.node, format!("device {index}")));
        let servers = self.servers.iter().map(|server| (server.door.node, server.door.name.clone()));
        devices.chain(servers).filter(|(node, _)| nodes >> node.0 & 1 == 1).map(|(_, name)| name).collect()
    }

    fn jump(&mut self, machine: Machine, seconds: i64) {
        let (clock, whose) = self.clock_of(machine);
        clock.jump(seconds);
        self.sim.fault(Fault::ClockJumped, || {
            let way = if seconds < 0 { "back" } else { "forward" };
            format!("the clock of {whose} is set {way} by {}", span(seconds.unsigned_abs()))
        });
    }

    fn set_year(&mut self, machine: Machine, year: u16) {
        let (clock, whose) = self.clock_of(machine);
        clock.set_year(year);
        self.sim.fault(Fault::ClockJumped, || format!("the clock of {whose} is set to {year}"));
    }

    fn set_right(&mut self, machine: Machine) {
        let (clock, whose) = self.clock_of(machine);
        if !clock.is_right() {
            clock.correct();
            self.sim.fault(Fault::ClockSetRight, || format!("the clock of {whose} is right again"));
        }
    }

    fn drift(&mut self, machine: Machine, rate: i32) {
        let (clock, whose) = self.clock_of(machine);
        clock.run_at(rate.into());
        let fault = if rate == 0 { Fault::ClockFroze } else { Fault::ClockDrifted };
        self.sim.fault(fault, || match rate {
            0 => format!("the clock of {whose} stands still"),
            rate => format!("the clock of {whose} runs {} times as fast as it should", f64::from(rate) / 1e6),
        });
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
}

/// A span for people, in its two largest units.
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let parts = UNITS.into_iter().filter_map(|(unit, name)| {
        let count = left / unit;
        left %= unit;
        (count > 0).then(|| format!("{count} {name}"))
    });
    let parts: Vec<_> = parts.take(2).collect();
    if parts.is_empty() { "no time".into() } else { parts.join(" ") }
}
