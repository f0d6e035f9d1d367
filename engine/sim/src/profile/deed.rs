//! What is done, and with which numbers.

use crate::action::{Action, Machine};
use crate::rng::Rng;
use crate::skew::{ASTRAY, FAST, RATES, YEARS, skew};

/// What an action is about, before its numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Write,
    Poison,
    Sync,
    Look,
    Cancel,
    Crash,
    Power,
    CrashServer,
    PowerServer,
    Part,
    Away,
    Cut,
    Fail,
    Fill,
    Skew,
    Jump,
    Apart,
    Drift,
    BackUp,
    RestoreDevice,
    CloneDevice,
    RestoreServer,
    Leave,
    Rebuild,
    Upgrade,
    Revoke,
    Forge,
    Astray,
    Fast,
    Ahead,
    Slow,
    Year,
    Right,
    Snapshot,
    TrimServer,
    Upload,
    Join,
    Interrupt,
}

/// What is drawn for every action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub(super) device: u8,
    /// A device, or a server.
    pub(super) any: Machine,
    pub(super) millis: u16,
    /// The action's number.
    pub(super) number: usize,
}

impl Deed {
    /// Draws the numbers of an action of this kind.
    pub(super) fn action(self, rng: &mut Rng, drawn: Drawn) -> Action {
        let Drawn { device, any, millis, number } = drawn;
        match self {
            Self::Write => {
                let count = if rng.chance(100) { rng.between(2, 6) as u8 } else { 1 };
                Action::Write { device, count, seed: rng.bits() as u32, poison: false }
            }
            Self::Poison => Action::Write { device, count: 1, seed: rng.bits() as u32, poison: true },
            Self::Sync => Action::Sync { device, peer: rng.below(8) as u8 },
            Self::Look => Action::Look { device },
            Self::Cancel => Action::Cancel { device },
            Self::Crash => Action::Crash { device, power: false, millis },
            Self::Power => Action::Crash { device, power: true, millis },
            Self::CrashServer => Action::CrashServer { server: rng.below(4) as u8, power: false, millis },
            Self::PowerServer => Action::CrashServer { server: rng.below(4) as u8, power: true, millis },
            Self::Part => Action::Part { side: rng.bits() as u32, millis: millis * 3 },
            Self::Away => {
                let millis = usize::from(millis).saturating_mul(1 + number / 10);
                Action::Part { side: 1 << device, millis: u16::try_from(millis).unwrap_or(u16::MAX) }
            }
            Self::Cut => Action::Cut { device },
            Self::Fail => Action::Fail { disk: any, calls: rng.between(1, 3) as u8, after: rng.chance(500) },
            Self::Fill => Action::Fill { disk: any, millis },
            Self::Skew => Action::Jump { clock: Machine::Device(device), seconds: skew(rng) },
            Self::Jump => Action::Jump { clock: any, seconds: rng.between(0, 50) as i64 - 25 },
            Self::Apart => {
                let seconds = rng.between(30, 240) as i64;
                let clock = Machine::Server(rng.below(4) as u8);
                Action::Jump { clock, seconds: if rng.chance(500) { seconds } else { -seconds } }
            }
            Self::Drift => Action::Drift { clock: any, rate: *rng.weighted(RATES).expect("there are rates") },
            Self::BackUp => Action::BackUp { disk: any },
            Self::RestoreDevice => Action::RestoreDevice { device },
            Self::CloneDevice => Action::CloneDevice { device },
            Self::RestoreServer => Action::RestoreServer { same_log: rng.chance(400) },
            Self::Leave => Action::Leave { device },
            Self::Rebuild => Action::Rebuild { device },
            Self::Upgrade => Action::Upgrade { device },
            Self::Revoke => Action::Revoke { device, millis },
            Self::Forge => Action::Forge { device, seed: rng.bits() as u32 },
            Self::Astray | Self::Fast => {
                let spans = if self == Self::Astray { ASTRAY } else { FAST };
                let seconds = *rng.weighted(spans).expect("there are spans");
                Action::Jump { clock: Machine::Server(rng.below(4) as u8), seconds }
            }
            Self::Ahead => Action::Jump { clock: Machine::Device(device), seconds: skew(rng).abs() },
            Self::Slow => Action::Jump { clock: Machine::Device(device), seconds: -skew(rng).abs() },
            Self::Year => Action::SetYear { clock: any, year: *rng.weighted(YEARS).expect("there are years") },
            Self::Right => Action::SetRight { clock: any },
            Self::Snapshot => Action::Snapshot,
            Self::TrimServer => {
                let millis = if rng.chance(300) { millis } else { 0 };
                Action::TrimServer { keep: rng.below(4) as u8, millis }
            }
            Self::Upload => Action::Upload { device, peer: rng.below(8) as u8 },
            Self::Join => Action::Join,
            Self::Interrupt => Action::Interrupt { power: rng.chance(400), millis },
        }
    }
}
