//! One world: devices, servers, the network between them, and the plan that happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline::store::Durability;
use syncline::{LogId, ReplicaId, Service, Transport, ViewId};

use crate::access::{Access, Taster, principal};
use crate::accounts::Accounts;
use crate::action::Shape;
use crate::clock::{NodeClock, reader};
use crate::device::{Device, Parts, UNBOUNDED};
use crate::disk::Disk;
use crate::executor::{Executor, Spins, TaskId};
use crate::handle::SimStorage;
use crate::keeper::Keeper;
use crate::net::Net;
use crate::plan::Plan;
use crate::rng::mix;
use crate::sim::{Node, Sim};
use crate::stack::{Misuse, Stack, ViewUnderTest};
use crate::stores::{InMemory, Stores};
use crate::touched::Touched;
use crate::trace::Moment;
use crate::transport::{Door, SimTransport};
use crate::witness::Witness;
use crate::workload::Lists;

mod act;
mod crash;
mod fold;
mod forge;
mod owners;
mod upgrade;

/// The node of the first server.
const SERVER: u8 = 32;
/// The node of the servers' first store.
const DATABASE: u8 = 56;

/// What belongs to no node, and never dies.
pub(crate) const WORLD: Node = Node(63);

/// A history under way.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) stack: Stack,
    pub(crate) sim: Arc<Sim>,
    pub(crate) exec: Executor,
    pub(crate) witness: Arc<Witness>,
    pub(crate) net: Arc<Net>,
    pub(crate) access: Arc<Access>,
    pub(crate) places: Vec<Place>,
    pub(crate) servers: Vec<Server>,
    /// The servers' stores: one for all, or one each.
    pub(crate) databases: Vec<Arc<Disk>>,
    /// The accounts in these, in the same order, if origins belong to devices in this history.
    pub(crate) accounts: Vec<Arc<Accounts>>,
    /// The replica beside the servers, if it makes snapshots and trims their log.
    pub(crate) keeper: Option<Arc<Keeper>>,
    stores: Arc<dyn Stores>,
    /// Ids given out so far.
    ids: u64,
    /// Steps taken.
    pub(crate) steps: u64,
    /// Rounds of syncs that healing took, and whether an application had to help.
    pub(crate) rounds_taken: u32,
    pub(crate) helped: bool,
    /// How events have touched the user's views, once it has healed.
    pub(crate) touched: BTreeMap<ViewId, Touched>,
    /// When which devices are upgraded, if not by steps of the plan.
    upgrades: Vec<(Moment, usize)>,
}

/// One device and what surrounds it.
pub(crate) struct Place {
    pub(crate) device: Arc<Device>,
    /// Where it answers its neighbours, if it does.
    pub(crate) door: Option<Arc<Door>>,
    /// What it has under way.
    pub(crate) running: Vec<TaskId>,
    pub(crate) left: bool,
    /// It stays in sync by itself.
    pub(crate) live: bool,
    /// The identities under which it wrote before it continued in a fresh store.
    pub(crate) identities: BTreeSet<ReplicaId>,
    /// The task that keeps it so.
    living: Option<TaskId>,
}

/// One server process.
pub(crate) struct Server {
    pub(crate) door: Arc<Door>,
    pub(crate) clock: Arc<NodeClock>,
}

impl Drop for World {
    fn drop(&mut self) {
        // Replicas and tasks hold the simulation, which holds tasks: nothing of a history may outlive it.
        self.places.iter().for_each(|place| place.device.die());
        self.keeper.iter().for_each(|keeper| keeper.die());
        drop(self.sim.take_spawned());
    }
}

impl World {
    pub(crate) fn new(plan: Plan, mut stack: Stack, with_story: bool) -> Self {
        if stack.own_views && plan.mix.rows.is_some() {
            stack.views.push(ViewUnderTest::new(Lists, false));
        }
        let sim = Sim::new(plan.seed, with_story);
        let stores =
            stack.stores.as_ref().map_or_else(|| Arc::new(InMemory::default()) as Arc<dyn Stores>, |make| make());
        let mut world = Self {
            exec: Executor::new(sim.clone(), plan.seed),
            witness: Witness::new(sim.clone(), plan.mix.watches_times),
            net: Arc::new(Net::new(plan.mix.rates)),
            access: Arc::default(),
            places: Vec::new(),
            servers: Vec::new(),
            databases: Vec::new(),
            accounts: Vec::new(),
            keeper: None,
            ids: 0,
            steps: 0,
            rounds_taken: 0,
            helped: false,
            touched: BTreeMap::new(),
            upgrades: Vec::new(),
            sim,
            stores,
            stack,
            plan,
        };
        world.build();
        world
    }

    fn build(&mut self) {
        let databases = match self.plan.shape {
            Shape::Twins => self.plan.servers,
            Shape::Star | Shape::Cluster => 1,
            Shape::Chain | Shape::Mesh => 0,
        };
        for index in 0..databases {
            let clock = NodeClock::new(self.sim.clone());
            let name =
                if databases == 1 { "the servers' store".into() } else { format!("the store of server {index}") };
            let unsynced = self.plan.unsynced >> (31 - index) & 1 == 1;
            let database = self.disk(&name, Node(DATABASE + index), clock, unsynced);
            self.databases.push(database);
            if self.plan.mix.owned {
                self.accounts.push(Accounts::new(&self.access, &self.witness, self.stack.misuse));
            }
        }
        self.keeper = self
            .databases
            .first()
            .filter(|_| self.plan.mix.folds)
            .map(|disk| Keeper::new(disk, &self.stack, self.plan.mix.speed));
        for index in 0..self.plan.servers {
            let database = self.databases[usize::from(index) % self.databases.len()].clone();
            self.add_server(index, &database);
        }
        for _ in 0..self.plan.devices {
            self.add_device(None);
        }
        self.plan_upgrades();
    }

    fn add_server(&mut self, index: u8, database: &Arc<Disk>) {
        let clock = NodeClock::new(self.sim.clone());
        self.witness.vouches(&clock);
        let door = Door::new(format!("server {index}"), Node(SERVER + index), database.clone());
        let server = Server { door, clock };
        self.serve_after(&server.door, &server.clock, Duration::ZERO, self.has_policy(index.into()));
        self.servers.push(server);
    }

    /// Adds a device, on a disk of its own or on this one.
    pub(crate) fn add_device(&mut self, clone_of: Option<usize>) -> usize {
        let index = self.places.len();
        let node = Node(index as u8);
        let bit = |bits: u32| bits >> (index % 31) & 1 == 1;
        let clock = NodeClock::new(self.sim.clone());
        let disk = self.disk(&format!("device {index}"), node, clock.clone(), bit(self.plan.unsynced));
        if let Some(other) = clone_of {
            disk.copy_from(&self.places[other].device.disk);
        }
        let serves = self.plan.servers == 0;
        let device = Device::new(Parts {
            index,
            node,
            disk: disk.clone(),
            principal: principal(clone_of.unwrap_or(index)),
            witness: self.witness.clone(),
            stack: self.stack.clone(),
            speed: self.plan.mix.speed,
            rows: self.plan.mix.rows,
            fresh: self.fresh_id(),
            seed: self.plan.seed,
            old: bit(self.old()),
            served: serves,
            may_trim: self.may_trim(bit(self.old())),
        });
        let door = serves.then(|| Door::new(format!("device {index}"), node, disk));
        if serves {
            self.witness.vouches(&clock);
        }
        self.places.push(Place {
            device,
            door,
            running: Vec::new(),
            left: false,
            live: bit(self.plan.live),
            identities: BTreeSet::new(),
            living: None,
        });
        self.start(index, Duration::ZERO);
        index
    }

    /// Puts a device with an empty store and a new identity in a device's place.
    pub(crate) fn replace_device(&mut self, index: usize) {
        self.kill_device(index);
        let (node, clock) = (self.places[index].device.node, self.places[index].device.clock.clone());
        let (principal, fresh) = (self.places[index].device.principal.clone(), self.fresh_id());
        let disk = self.disk(&format!("device {index}, moved ({})", self.ids), node, clock, false);
        let (witness, stack, speed) = (self.witness.clone(), self.stack.clone(), self.plan.mix.speed);
        let (seed, served) = (mix(self.plan.seed ^ self.ids), self.places[index].door.is_some());
        let parts = Parts {
            index,
            node,
            disk: disk.clone(),
            principal,
            witness,
            stack,
            speed,
            rows: self.plan.mix.rows,
            fresh,
            seed,
            old: false,
            served,
            may_trim: self.may_trim(false),
        };
        self.places[index].device = Device::new(parts);
        if self.places[index].door.is_some() {
            self.places[index].door = Some(Door::new(format!("device {index}"), node, disk));
        }
        self.start(index, Duration::ZERO);
    }

    /// Starts a device's process after so long.
    pub(crate) fn start(&mut self, index: usize, span: Duration) {
        let place = &self.places[index];
        place.device.open_after(span);
        if let Some(door) = &place.door {
            self.serve_after(door, &place.device.clock, span, false);
        }
        self.live(index);
    }

    /// Lets a device stay in sync by itself, if it does so, from now on as it is opened now.
    pub(crate) fn live(&mut self, index: usize) {
        if !self.places[index].live || self.plan.servers == 0 {
            return;
        }
        let Some(door) = self.doors(index).into_iter().next() else { return };
        let way = self.way_to(index, &door);
        let place = &mut self.places[index];
        if let Some(task) = place.living.take() {
            self.exec.cancel(task);
        }
        let device = place.device.clone();
        place.living = Some(self.exec.start(device.node, Box::pin(device.live(way, door))));
    }

    /// Whether a server refuses anything.
    pub(crate) fn has_policy(&self, server: usize) -> bool {
        self.stack.misuse != Some(Misuse::TwoPolicies) || server == 0
    }

    /// Opens a door after so long.
    pub(crate) fn serve_after(&self, door: &Arc<Door>, clock: &Arc<NodeClock>, span: Duration, with_policy: bool) {
        let storage = SimStorage { disk: door.disk.clone(), speed: self.plan.mix.speed };
        let mut service = Service::new(Arc::new(storage), self.authority(&door.disk), Arc::new(reader(clock)));
        if self.stack.misuse == Some(Misuse::NoBound) {
            service = service.with_max_drift(UNBOUNDED);
        }
        if self.plan.mix.folds {
            service = service.with_devices_noted();
        }
        if with_policy {
            service = service.with_policy(Arc::new(Taster(self.witness.clone())));
        }
        let (sim, door) = (self.sim.clone(), door.clone());
        self.sim.spawn(door.node, async move {
            sim.sleep(span).await;
            sim.tell(|| format!("{} answers", door.name));
            door.open(Arc::new(service));
        });
    }

    /// The doors that a device can go to.
    pub(crate) fn doors(&self, index: usize) -> Vec<Arc<Door>> {
        if self.plan.servers > 0 {
            return self.servers.iter().map(|server| server.door.clone()).collect();
        }
        let near = |other: usize| match self.plan.shape {
            Shape::Chain => other.abs_diff(index) == 1,
            _ => other != index,
        };
        let others = self.places.iter().enumerate().filter(|(other, place)| near(*other) && !place.left);
        others.filter_map(|(_, place)| place.door.clone()).collect()
    }

    /// The way to one of a device's doors for somebody who has its token.
    pub(crate) fn forged_way(&self, index: usize, peer: usize) -> Arc<dyn Transport> {
        let doors = self.doors(index);
        self.way_of(index, &doors[peer % doors.len()], false)
    }

    /// A device's way to a door.
    pub(crate) fn way_to(&self, index: usize, door: &Arc<Door>) -> Arc<dyn Transport> {
        self.way_of(index, door, true)
    }

    fn way_of(&self, index: usize, door: &Arc<Door>, honest: bool) -> Arc<dyn Transport> {
        let device = &self.places[index].device;
        let way = Arc::new(SimTransport {
            witness: self.witness.clone(),
            net: self.net.clone(),
            device: index,
            from: device.node,
            disk: device.disk.clone(),
            principal: device.principal.clone(),
            door: door.clone(),
            honest,
        });
        match &self.stack.detour {
            Some(detour) => detour(way),
            None => way,
        }
    }

    /// A new disk with an empty log.
    pub(crate) fn disk(&mut self, name: &str, node: Node, clock: Arc<NodeClock>, unsynced: bool) -> Arc<Disk> {
        let log = self.fresh_log();
        let simulated = if unsynced { Durability::Process } else { Durability::Synced };
        let durability = self.stack.stores.is_none().then_some(simulated);
        let stores = (self.stores.clone(), durability);
        Disk::new((name.to_owned(), node), clock, &self.witness, stores, log)
    }

    fn fresh(&mut self) -> [u8; 16] {
        self.ids += 1;
        let (high, low) = (mix(self.plan.seed ^ mix(self.ids)), self.ids);
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    pub(crate) fn fresh_id(&mut self) -> ReplicaId {
        ReplicaId::from_bytes(self.fresh()).expect("ids count from one")
    }

    pub(crate) fn fresh_log(&mut self) -> LogId {
        LogId::from_bytes(self.fresh()).expect("ids count from one")
    }

    /// All disks with their holders: devices that have not left, then the servers' stores.
    pub(crate) fn disks(&self) -> Vec<Arc<Disk>> {
        let devices = self.places.iter().filter(|place| !place.left).map(|place| place.device.disk.clone());
        devices.chain(self.databases.iter().cloned()).collect()
    }

    /// Runs for so long.
    pub(crate) fn pass(&mut self, span: Duration) -> Result<(), Spins> {
        let until = self.sim.now().after(span);
        self.exec.run_until(until)
    }
}
