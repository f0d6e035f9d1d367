//! What can be done to a world, and how its devices reach each other.

use std::fmt;

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
    /// The replica beside the servers makes a snapshot of their log.
    Snapshot,
    /// The replica beside the servers trims their log.
    TrimServer {
        /// How many bundles it keeps at least.
        keep: u8,
        /// It also keeps what devices lack that were there within so many milliseconds.
        millis: u16,
    },
    /// A device makes a snapshot and hands it to a peer.
    Upload {
        /// Which device.
        device: u8,
        /// Which of its peers.
        peer: u8,
    },
    /// A new device joins.
    Join,
    /// A device that takes a snapshot at this moment dies, or its power goes.
    Interrupt {
        /// Whether the power goes.
        power: bool,
        /// For how long, in milliseconds.
        millis: u16,
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
