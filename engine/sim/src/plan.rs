//! A history before it happens: who is there, what is done to them and when.

use std::fmt;

use crate::case::Case;
use crate::profile::{Mix, Profile};
use crate::rng::Rng;

/// This many of a thousand histories have short pages.
const SHORT_PAGES: u32 = 300;

/// This many of a thousand devices start with the old version of a user's program, in every profile, if there is a newer one.
const OLD_OF_OWN: u32 = 600;

/// How devices reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// All devices sync with one server.
    Star,
    /// Devices sync with any of several servers, which share one store.
    Cluster,
    /// Devices sync with any of two servers, which have a store each and do not know of each other.
    Twins,
    /// Every device serves its two neighbours.
    Chain,
    /// Every device serves every other.
    Mesh,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Star => "one server",
            Self::Cluster => "servers on one store",
            Self::Twins => "servers that do not know of each other",
            Self::Chain => "a chain of devices",
            Self::Mesh => "a mesh of devices",
        })
    }
}

/// Something with a clock and a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// A device.
    Device(u8),
    /// A server, or its store; a device if there is no server.
    Server(u8),
}

/// One thing done to the world. Numbers of devices and servers count round, so that every plan fits every world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// A device writes so many bundles at once.
    Write {
        /// Which device.
        device: u8,
        /// How many writers write at the same time.
        count: u8,
        /// Chance for what is written.
        seed: u32,
        /// Whether the bundle is one that the policy refuses.
        poison: bool,
    },
    /// A device syncs with one of its peers.
    Sync {
        /// Which device.
        device: u8,
        /// Which of its peers.
        peer: u8,
    },
    /// What a device does is dropped where it stands, but not the device.
    Cancel {
        /// Which device.
        device: u8,
    },
    /// A device's process dies, or its power goes.
    Crash {
        /// Which device.
        device: u8,
        /// Whether the power goes.
        power: bool,
        /// For how long, in milliseconds.
        millis: u16,
    },
    /// A server process dies, or the power of the database goes.
    CrashServer {
        /// Which server.
        server: u8,
        /// Whether the power of its store goes.
        power: bool,
        /// For how long, in milliseconds.
        millis: u16,
    },
    /// A wall between the nodes whose bits are set and all others.
    Part {
        /// The nodes on one side.
        side: u32,
        /// For how long, in milliseconds.
        millis: u16,
    },
    /// A node's connections are cut once.
    Cut {
        /// Which device.
        device: u8,
    },
    /// A disk fails some calls.
    Fail {
        /// Whose disk.
        disk: Machine,
        /// How many calls.
        calls: u8,
        /// Whether commits have their effect all the same.
        after: bool,
    },
    /// A disk is full for a while.
    Fill {
        /// Whose disk.
        disk: Machine,
        /// For how long, in milliseconds.
        millis: u16,
    },
    /// A clock is set forward or back.
    Jump {
        /// Whose clock.
        clock: Machine,
        /// By how many seconds.
        seconds: i64,
    },
    /// A clock is set to the beginning of a year, as a clock without a battery is.
    SetYear {
        /// Whose clock.
        clock: Machine,
        /// The year.
        year: u16,
    },
    /// A clock is set right.
    SetRight {
        /// Whose clock.
        clock: Machine,
    },
    /// A clock runs at another rate.
    Drift {
        /// Whose clock.
        clock: Machine,
        /// Parts per million of true time; zero: it stands still.
        rate: i32,
    },
    /// A disk is backed up.
    BackUp {
        /// Whose disk.
        disk: Machine,
    },
    /// A device goes back to its backup.
    RestoreDevice {
        /// Which device.
        device: u8,
    },
    /// A device's data is put on a new device, and both continue.
    CloneDevice {
        /// Which device.
        device: u8,
    },
    /// The servers' store goes back to its backup.
    RestoreServer {
        /// Whether the log keeps its identity, as a careless restore does.
        same_log: bool,
    },
    /// A device leaves for ever.
    Leave {
        /// Which device.
        device: u8,
    },
    /// A view is rebuilt.
    Rebuild {
        /// Which device.
        device: u8,
    },
    /// A device is upgraded to a version with more views.
    Upgrade {
        /// Which device.
        device: u8,
    },
    /// A device's grant is taken away for a while.
    Revoke {
        /// Which device.
        device: u8,
        /// For how long, in milliseconds.
        millis: u16,
    },
    /// A device's status and rows are looked at.
    Look {
        /// Which device.
        device: u8,
    },
    /// Somebody with a valid token pushes what it should not.
    Forge {
        /// Whose token.
        device: u8,
        /// Chance for what is forged.
        seed: u32,
    },
}

/// One action, and how long after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Microseconds since the step before.
    pub gap: u32,
    /// What happens.
    pub action: Action,
}

/// A history before it happens. Its `Debug` is the history's name and a line for each step; [`Lab::check`](crate::Lab::check) tells
/// what happens in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// How devices reach each other.
    pub shape: Shape,
    /// How many devices there are at first.
    pub devices: u8,
    /// How many servers there are; none if devices serve each other.
    pub servers: u8,
    /// Devices that stay in sync by themselves, a set of bits.
    pub live: u32,
    /// Devices whose disks lose what was not flushed when the power goes, a set of bits.
    pub unsynced: u32,
    /// Devices that start with fewer views, a set of bits.
    pub old: u32,
    /// Devices that also start so, if the user has brought a newer version of the program.
    pub newer: u32,
    /// What happens, in order.
    pub steps: Vec<Step>,
    pub(crate) mix: Mix,
    /// The name under which it comes again.
    pub(crate) case: Case,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, shape, devices, servers, steps, .. } = self;
        write!(f, "{case} ({shape}; devices: {devices}, servers: {servers}, steps: {})", steps.len())?;
        let mut micros = 0;
        steps.iter().try_for_each(|step| {
            micros += u64::from(step.gap);
            write!(f, "\n{:>12.3} ms  {:?}", micros as f64 / 1e3, step.action)
        })
    }
}

impl Plan {
    /// The plan of a seed: at least `steps` steps of trouble as `profile` has it.
    pub fn new(seed: u64, profile: Profile, steps: usize) -> Self {
        let mut rng = Rng::stream(seed, 0);
        let mut mix = profile.mix(&mut rng);
        let shape = *rng.weighted(&mix.shapes).expect("a mix has a shape");
        let devices = 2 + rng.below(3) as u8;
        let servers = match shape {
            Shape::Star => 1,
            Shape::Twins => 2,
            Shape::Cluster => 2 + rng.below(2) as u8,
            Shape::Chain | Shape::Mesh => 0,
        };
        let some =
            |rng: &mut Rng, per_mille| (0..32).fold(0, |bits, bit| bits | u32::from(rng.chance(per_mille)) << bit);
        let live = some(&mut rng, mix.live);
        let unsynced = some(&mut rng, mix.unsynced);
        let old = some(&mut rng, mix.old);
        let step = |number| Step { gap: rng.below(mix.gap_max) as u32, action: mix.action(&mut rng, devices, number) };
        let steps: Vec<Step> = (0..steps).map(step).collect();
        let mut rng = Rng::stream(seed, 4);
        if rng.chance(SHORT_PAGES) {
            mix.speed.page = rng.between(1, 12) as u32;
        }
        let case = Case::new(profile, seed, steps.len());
        let newer = some(&mut Rng::stream(seed, 5), OLD_OF_OWN);
        Self { seed, shape, devices, servers, live, unsynced, old, newer, steps, mix, case }
    }

    /// Leaves out all steps but these, which are given in order. Those that stay happen when they would have happened.
    pub fn keep(&mut self, keep: &[usize]) {
        let (mut kept, mut waited) = (Vec::new(), 0u32);
        for (number, step) in self.steps.iter().enumerate() {
            waited = waited.saturating_add(step.gap);
            if keep.binary_search(&number).is_ok() {
                kept.push(Step { gap: std::mem::take(&mut waited), ..*step });
            }
        }
        self.steps = kept;
    }
}
