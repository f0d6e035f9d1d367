//! One node's physical clock: off, fast, slow, jumping or standing still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline::clock::MAX_DRIFT;
use syncline::format::time::TIMES_END;
use syncline::{NTP64, PhysicalClock};

use crate::sim::Sim;
use crate::trace::Moment;

/// The true time when a history begins: 2030-01-01, so that ten years of skew cross 2038, where 32 signed bits end.
const BEGINNING: i128 = 1_893_456_000 * NANOS;
const NANOS: i128 = 1_000_000_000;
/// Parts per million of a clock that runs true.
const TRUE_RATE: i64 = 1_000_000;

/// A clock that can be tampered with.
#[derive(Debug)]
pub(crate) struct NodeClock {
    sim: Arc<Sim>,
    setting: Mutex<Setting>,
    /// The largest time it has shown.
    largest: AtomicU64,
    /// Seconds by which it has been set forward, all in all.
    set_forward: AtomicU64,
    /// How often it was set.
    settings: AtomicU64,
    /// It was once further ahead of the truth than the bound allows.
    was_fast: AtomicBool,
    /// The largest number of seconds that it was ahead, among the times that come soon.
    a_little_fast: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    /// Since when it runs at this rate.
    since: Moment,
    /// What it showed then, in nanoseconds since 1970.
    shown: i128,
    /// Its parts per million of true time.
    rate: i64,
}

impl NodeClock {
    pub(crate) fn new(sim: Arc<Sim>) -> Arc<Self> {
        let setting = Setting { since: Moment(0), shown: BEGINNING, rate: TRUE_RATE };
        Arc::new(Self {
            sim,
            setting: Mutex::new(setting),
            largest: AtomicU64::new(0),
            set_forward: AtomicU64::new(0),
            settings: AtomicU64::new(0),
            was_fast: AtomicBool::new(false),
            a_little_fast: AtomicU64::new(0),
        })
    }

    /// Sets the clock forward or back by so many seconds.
    pub(crate) fn jump(&self, seconds: i64) {
        self.set(|shown, rate| (shown + i128::from(seconds) * NANOS, rate));
    }

    /// Lets it run at this rate, in parts per million of true time. Zero: it stands still.
    pub(crate) fn run_at(&self, rate: i64) {
        self.set(|shown, _| (shown, rate));
    }

    /// Sets it right.
    pub(crate) fn correct(&self) {
        let right = self.right();
        self.set(|_, _| (right, TRUE_RATE));
    }

    /// Sets the clock to the beginning of a year.
    pub(crate) fn set_year(&self, year: u16) {
        let shown = i128::from(years(i64::from(year) - 1970)) * NANOS;
        self.set(|_, rate| (shown, rate));
    }

    /// The true time in nanoseconds since 1970.
    fn right(&self) -> i128 {
        BEGINNING + i128::from(self.sim.now().0)
    }

    /// The true time.
    pub(crate) fn truth(&self) -> NTP64 {
        ntp(self.right())
    }

    /// Whether it shows the true time, but for less than a second.
    pub(crate) fn is_right(&self) -> bool {
        let setting = *self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        (setting.shown_at(self.sim.now()) - self.right()).abs() < NANOS
    }

    /// Whether it was ever further ahead of the truth than the bound allows.
    pub(crate) fn was_fast(&self) -> bool {
        self.was_fast.load(Ordering::Relaxed)
    }

    /// The largest time it has shown.
    pub(crate) fn largest(&self) -> NTP64 {
        NTP64(self.largest.load(Ordering::Relaxed))
    }

    /// By how much it has been set forward, all in all: so far a device that corrects it may lead itself astray until it syncs.
    pub(crate) fn set_forward(&self) -> Duration {
        Duration::from_secs(self.set_forward.load(Ordering::Relaxed))
    }

    /// How often it was set.
    pub(crate) fn settings(&self) -> u64 {
        self.settings.load(Ordering::Relaxed)
    }

    /// By how much it was ahead of the truth at most, leaving out what does not come [`SOON`].
    pub(crate) fn a_little_fast(&self) -> Duration {
        Duration::from_secs(self.a_little_fast.load(Ordering::Relaxed))
    }

    /// Takes over what another clock has shown and how it was set: its log is copied to this node.
    pub(crate) fn has_shown(&self, other: &Self) {
        self.largest.fetch_max(other.largest().0, Ordering::Relaxed);
        self.set_forward.fetch_max(other.set_forward().as_secs(), Ordering::Relaxed);
        self.a_little_fast.fetch_max(other.a_little_fast().as_secs(), Ordering::Relaxed);
    }

    fn set(&self, change: impl FnOnce(i128, i64) -> (i128, i64)) {
        let now = self.sim.now();
        let mut setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = setting.shown_at(now);
        let (shown, rate) = change(before, setting.rate);
        let seconds = u64::try_from((shown - before) / NANOS + 1).unwrap_or(0);
        self.set_forward.fetch_add(seconds, Ordering::Relaxed);
        self.settings.fetch_add(1, Ordering::Relaxed);
        let bound = self.right() + i128::try_from(MAX_DRIFT.as_nanos()).unwrap_or(0);
        self.was_fast.fetch_or(shown > bound, Ordering::Relaxed);
        let ahead = u64::try_from((shown - self.right()) / NANOS + 1).unwrap_or(0);
        if ahead <= SOON.as_secs() {
            self.a_little_fast.fetch_max(ahead, Ordering::Relaxed);
        }
        *setting = Setting { since: now, shown: shown.max(0), rate };
    }
}

impl Setting {
    fn shown_at(self, now: Moment) -> i128 {
        self.shown + i128::from(now.0 - self.since.0) * i128::from(self.rate) / i128::from(TRUE_RATE)
    }
}

impl PhysicalClock for NodeClock {
    fn now(&self) -> NTP64 {
        let now = self.sim.now();
        let nanos = self.setting.lock().unwrap_or_else(PoisonError::into_inner).shown_at(now);
        let time = ntp(nanos);
        if time < TIMES_END {
            self.largest.fetch_max(time.0, Ordering::Relaxed);
        }
        time
    }
}

/// So many nanoseconds since 1970, at most to the end of time.
fn ntp(nanos: i128) -> NTP64 {
    let seconds = u64::try_from(nanos / NANOS).unwrap_or(0).min(u64::from(u32::MAX));
    let fraction = (u64::try_from(nanos % NANOS).unwrap_or(0) << 32) / 1_000_000_000;
    NTP64(seconds << 32 | fraction)
}

/// Hands a shared clock to the engine.
pub(crate) fn reader(clock: &Arc<NodeClock>) -> impl PhysicalClock + use<> {
    let clock = clock.clone();
    move || clock.now()
}

/// After this time without faults everybody has synced, and times up to then are believed.
pub(crate) const SOON: Duration = Duration::from_secs(7_200);

/// Seconds in so many years, leap days apart.
pub(crate) const fn years(count: i64) -> i64 {
    count * 365 * 86_400
}

/// How much later than a clock's largest reading a time may be that counts bundles of one instant: far more than any history
/// writes.
pub(crate) const COUNTING: Duration = Duration::from_millis(1);
