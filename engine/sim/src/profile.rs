//! Which faults come together, and how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::action::{Action, Machine, Shape};
use crate::handle::Speed;
use crate::net::Rates;
use crate::rng::Rng;

mod deed;

use deed::{Deed, Drawn};

/// Twice the bound of clocks, and more.
const CATCH_UP: Duration = Duration::from_secs(200);

/// A kind of weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// No trouble but concurrency.
    Calm,
    /// A network that loses, delays, repeats and reorders.
    Flaky,
    /// Nodes that cannot reach each other for a while.
    Partition,
    /// Processes that die, power that goes, disks that fail or are full.
    Crash,
    /// Clocks that are years off, jump, stand still or drift.
    Clock,
    /// Devices and servers that go back to backups, or are cloned.
    Restore,
    /// Refusals, revoked users, forged pushes, unknown kinds.
    Hostile,
    /// Some of everything.
    Mixed,
    /// Devices that stay in sync by themselves, over connections that are cut: nobody syncs by hand, and healing is left to them.
    Live,
    /// Two servers that do not know of each other: devices carry what each has to the other.
    Twins,
    /// Clocks of servers and devices that are wrong for a while: slow, fast, never set, beyond the end of time.
    Times,
    /// Devices that are away, each time for longer, and come back to many pages.
    Offline,
    /// Rows that outgrow every limit: they are kept in many pieces, and own writes that would let them grow further are refused.
    Large,
    /// Two servers that do not know of each other, clocks that are far off, lost answers and restarts: what may have been sent?
    Doubt,
    /// Proxies on the way: foreign answers, bounds on messages, streams held back. Nobody syncs by hand.
    Proxied,
    /// Servers with accounts, in which origins belong to devices, that go back to backups and lose their claims.
    Owned,
    /// A server that makes snapshots and trims its log, devices that join late, devices from beyond the horizon, and devices that get a new
    /// view when their logs were trimmed. (The server goes back to no backup: a trimmed log that has lost bundles cannot be told from
    /// another's.)
    Folded,
}

impl Profile {
    /// All profiles.
    pub const ALL: &[Self] = &[
        Self::Calm,
        Self::Flaky,
        Self::Partition,
        Self::Crash,
        Self::Clock,
        Self::Restore,
        Self::Hostile,
        Self::Mixed,
        Self::Live,
        Self::Twins,
        Self::Offline,
        Self::Large,
        Self::Times,
        Self::Doubt,
        Self::Proxied,
        Self::Owned,
        Self::Folded,
    ];

    /// Its name, as the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Flaky => "flaky",
            Self::Partition => "partition",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::Restore => "restore",
            Self::Hostile => "hostile",
            Self::Mixed => "mixed",
            Self::Live => "live",
            Self::Twins => "twins",
            Self::Offline => "offline",
            Self::Large => "large",
            Self::Times => "times",
            Self::Doubt => "doubt",
            Self::Proxied => "proxied",
            Self::Owned => "owned",
            Self::Folded => "folded",
        }
    }

    /// Whether devices may trim their logs: no server loses what it has acknowledged, and none depends on what devices carry to it.
    pub(crate) fn lets_trim(self) -> bool {
        use Profile::{Calm, Flaky, Folded, Hostile, Live, Offline, Partition, Proxied};
        matches!(self, Calm | Flaky | Partition | Hostile | Live | Offline | Proxied | Folded)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|profile| profile.name() == name);
        found.copied().ok_or_else(|| format!("there is no profile `{name}`; there are {}", known()))
    }
}

/// What one history is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) rates: Rates,
    pub(crate) speed: Speed,
    pub(crate) shapes: Vec<(u32, Shape)>,
    /// Microseconds between two steps at most.
    pub(crate) gap_max: u64,
    /// This many of a thousand devices sync by themselves, lose what is not flushed, or start with an old version.
    pub(crate) live: u32,
    pub(crate) unsynced: u32,
    pub(crate) old: u32,
    /// Nobody syncs by hand.
    pub(crate) alone: bool,
    /// Limits of rows, if they are others than the engine's.
    pub(crate) rows: Option<RowLimits>,
    /// After this time without faults, clocks that were a little fast are right again.
    pub(crate) catch_up: Duration,
    /// Every edit's time is compared with the truth.
    pub(crate) watches_times: bool,
    /// Servers have accounts, in which origins belong to devices.
    pub(crate) owned: bool,
    /// A replica beside the servers makes snapshots and trims their log.
    pub(crate) folds: bool,
    weights: Vec<(u32, Deed)>,
}

/// Limits of rows that are small enough to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowLimits {
    /// Rows of more bytes are kept in pieces of this size.
    pub(crate) piece: usize,
    /// Bytes up to which own writes may let a row of the lab's own views grow.
    pub(crate) own: usize,
}

const FLAKY: Rates =
    Rates { request_lost: 60, answer_lost: 80, duplicated: 60, delayed: 600, delay_max: 30_000, ..Rates::NONE };
const STEADY: Rates = Rates { delayed: 300, delay_max: 4_000, ..Rates::NONE };
/// A way with a proxy on it that answers itself now and then, holds streams back, and takes no large messages.
const PROXIED: Rates = Rates { foreign: 60, deaf: 300, room: 1_100, ..STEADY };
const CRASHES: &[(u32, Deed)] = &[
    (25, Deed::Crash),
    (15, Deed::Power),
    (12, Deed::CrashServer),
    (8, Deed::PowerServer),
    (20, Deed::Fail),
    (10, Deed::Fill),
    (15, Deed::Cancel),
];
const CLOCKS: &[(u32, Deed)] = &[(20, Deed::Skew), (20, Deed::Jump), (30, Deed::Drift)];
const RESTORES: &[(u32, Deed)] = &[
    (30, Deed::BackUp),
    (14, Deed::RestoreDevice),
    (6, Deed::CloneDevice),
    (10, Deed::RestoreServer),
    (2, Deed::Leave),
];
const HOSTILE: &[(u32, Deed)] =
    &[(40, Deed::Poison), (15, Deed::Revoke), (20, Deed::Forge), (10, Deed::Upgrade), (10, Deed::Rebuild)];
const FOLDS: &[(u32, Deed)] =
    &[(40, Deed::Snapshot), (40, Deed::TrimServer), (40, Deed::Upload), (6, Deed::Join), (100, Deed::Interrupt)];
const PARTITIONS: &[(u32, Deed)] = &[(25, Deed::Part), (25, Deed::Cut)];

impl Profile {
    /// What a history of this profile is made of.
    pub(crate) fn mix(self, rng: &mut Rng) -> Mix {
        let mut mix = Mix::calm();
        match self {
            Self::Calm => {}
            Self::Flaky => mix.rates = FLAKY,
            Self::Partition => mix.add(PARTITIONS),
            Self::Crash => mix.crashing(rng),
            Self::Clock => {
                mix.add(CLOCKS);
                mix.served();
            }
            Self::Restore => {
                mix.add(RESTORES);
                mix.served();
            }
            Self::Hostile => {
                mix.add(HOSTILE);
                mix.old = 400;
                mix.served();
            }
            Self::Mixed => mix.mixed(rng),
            Self::Live => mix.lives(),
            Self::Twins => mix.twins(),
            Self::Offline => mix.offline(),
            Self::Large => mix.large(rng),
            Self::Times => mix.times(rng),
            Self::Doubt => mix.doubt(),
            Self::Proxied => mix.proxied(),
            Self::Owned => mix.owned(),
            Self::Folded => mix.folded(),
        }
        mix
    }
}

impl Mix {
    fn calm() -> Self {
        Self {
            rates: STEADY,
            speed: Speed { slow: 300, yields: 100, poisons: 0, page: u32::MAX, scans: 0 },
            shapes: vec![(5, Shape::Star), (3, Shape::Cluster), (1, Shape::Chain), (1, Shape::Mesh)],
            gap_max: 6_000,
            live: 150,
            unsynced: 0,
            old: 0,
            alone: false,
            rows: None,
            catch_up: CATCH_UP,
            watches_times: false,
            owned: false,
            folds: false,
            weights: vec![(300, Deed::Write), (200, Deed::Sync), (15, Deed::Look), (2, Deed::Rebuild)],
        }
    }

    fn add(&mut self, deeds: &[(u32, Deed)]) {
        self.weights.extend_from_slice(deeds);
    }

    /// Servers only: devices that serve each other would vouch for their own clocks, and have no policy.
    fn served(&mut self) {
        self.shapes = vec![(5, Shape::Star), (3, Shape::Cluster)];
    }

    fn crashing(&mut self, rng: &mut Rng) {
        self.add(CRASHES);
        self.unsynced = 250;
        self.speed = Speed { slow: 500, yields: 200, poisons: if rng.chance(300) { 500 } else { 0 }, ..self.speed };
    }

    fn mixed(&mut self, rng: &mut Rng) {
        if rng.chance(500) {
            self.rates = FLAKY;
        }
        if rng.chance(500) {
            self.add(PARTITIONS);
        }
        if rng.chance(500) {
            self.crashing(rng);
        }
        let served = [CLOCKS, RESTORES, HOSTILE].map(|deeds| (rng.chance(400), deeds));
        if served.iter().any(|(chosen, _)| *chosen) {
            self.served();
        }
        served.into_iter().filter(|(chosen, _)| *chosen).for_each(|(_, deeds)| self.add(deeds));
        self.old = 200;
    }

    fn lives(&mut self) {
        self.served();
        (self.live, self.alone) = (1_000, true);
        self.rates = Rates { request_lost: 10, answer_lost: 10, duplicated: 10, ..STEADY };
        self.weights.retain(|(_, deed)| *deed != Deed::Sync);
        self.add(PARTITIONS);
        self.add(&[(8, Deed::Crash), (4, Deed::CrashServer), (10, Deed::Poison)]);
    }

    fn proxied(&mut self) {
        self.lives();
        self.rates = PROXIED;
        self.add(&[(12, Deed::Fail), (8, Deed::Fill)]);
    }

    /// No device goes back to a backup: what it has lost and a server, too, only others have, and its server does not take it from them.
    fn owned(&mut self) {
        self.served();
        self.owned = true;
        self.rates = Rates { request_lost: 20, answer_lost: 40, duplicated: 20, ..STEADY };
        self.add(&[
            (30, Deed::BackUp),
            (20, Deed::RestoreServer),
            (8, Deed::CrashServer),
            (3, Deed::Leave),
            (10, Deed::Poison),
        ]);
    }

    fn folded(&mut self) {
        self.served();
        self.folds = true;
        self.rates =
            Rates { request_lost: 20, answer_lost: 40, duplicated: 20, delayed: 500, delay_max: 20_000, ..Rates::NONE };
        self.speed = Speed { slow: 500, yields: 200, scans: 300, ..self.speed };
        self.add(FOLDS);
        self.add(&[
            (30, Deed::BackUp),
            (10, Deed::RestoreDevice),
            (60, Deed::Away),
            (10, Deed::Cut),
            (10, Deed::Poison),
        ]);
        self.add(&[(20, Deed::Crash), (10, Deed::Power), (8, Deed::CrashServer), (5, Deed::PowerServer)]);
        self.add(&[(10, Deed::Fail), (5, Deed::Fill), (10, Deed::Cancel)]);
    }

    fn twins(&mut self) {
        self.add(PARTITIONS);
        self.add(&[(15, Deed::Poison), (10, Deed::Crash), (6, Deed::CrashServer), (6, Deed::Fail), (6, Deed::Cancel)]);
        // No restores: servers that hold two histories of one device have nobody to decide between them. Clocks far off: see `doubt`.
        self.shapes = vec![(1, Shape::Twins)];
    }

    fn doubt(&mut self) {
        self.rates = Rates { request_lost: 40, answer_lost: 150, ..FLAKY };
        self.add(CLOCKS);
        self.add(&[(25, Deed::Crash), (10, Deed::CrashServer), (10, Deed::PowerServer), (10, Deed::Cancel)]);
        self.add(&[(10, Deed::Fail), (5, Deed::Fill), (5, Deed::Poison), (20, Deed::Cut), (30, Deed::Apart)]);
        // Servers lose their last commits when the power goes; devices, which could then write a number twice, keep theirs.
        // Nobody syncs alone: a device that waits for a clock would not come to rest.
        (self.unsynced, self.live) = (300, 0);
        // The servers' clocks go apart by minutes, again and again.
        self.catch_up = CATCH_UP * 20;
        self.shapes = vec![(1, Shape::Twins)];
    }

    fn offline(&mut self) {
        self.speed.page = 3;
        self.old = 200;
        self.add(&[(60, Deed::Away), (10, Deed::Crash), (15, Deed::Poison), (4, Deed::Upgrade)]);
        self.served();
    }

    fn large(&mut self, rng: &mut Rng) {
        self.rows = Some(RowLimits { piece: rng.between(1, 100) as usize, own: 300 });
        self.old = 200;
        self.add(&[(40, Deed::Poison), (10, Deed::Rebuild), (8, Deed::Upgrade), (40, Deed::Away)]);
        match rng.below(3) {
            0 => self.crashing(rng),
            1 => self.add(CLOCKS),
            _ => self.add(RESTORES),
        }
        self.served();
    }

    fn times(&mut self, rng: &mut Rng) {
        self.shapes = vec![(4, Shape::Star), (2, Shape::Cluster), (3, Shape::Twins)];
        // What two clocks that are wrong together have agreed on others take only when its time has come: so while servers are fast
        // devices are right.
        if rng.chance(250) {
            self.add(&[(20, Deed::Fast), (40, Deed::Right), (6, Deed::Crash)]);
        } else {
            let devices = [(10, Deed::Ahead), (5, Deed::Slow), (8, Deed::Year)];
            self.add(&[(15, Deed::Astray), (40, Deed::Right), (6, Deed::Crash)]);
            self.add(&devices);
        }
        // Syncs by hand, over ways that lose nothing: every sync has a report.
        (self.live, self.watches_times) = (0, true);
        // What was sent under a clock that is up to an hour fast waits until its time has come.
        self.catch_up = CATCH_UP * 20;
    }

    /// Draws the next action, the one with this number.
    pub(crate) fn action(&self, rng: &mut Rng, devices: u8, number: usize) -> Action {
        let device = rng.below(u64::from(devices)) as u8;
        let any = rng.below(u64::from(devices) + 1) as u8;
        let millis = rng.between(1, 120) as u16;
        let any = if any < devices { Machine::Device(any) } else { Machine::Server((millis % 4) as u8) };
        self.weights_choice(rng).action(rng, Drawn { device, any, millis, number })
    }

    fn weights_choice(&self, rng: &mut Rng) -> Deed {
        *rng.weighted(&self.weights).expect("a mix has deeds")
    }
}
