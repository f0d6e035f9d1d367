//! The hybrid logical clock: physical time where it moves on, a counter where it does not.
//!
//! The algorithm is that of Kulkarni et al., "Logical Physical Clocks" (2014), on the types of `uhlc`. `uhlc`'s own
//! clock forgets its last time at a restart, and nobody can set it. This one resumes from the stored high-water mark.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::caught::caught;
use crate::format::time::{NTP64, Offset, TIMES_END, after, ahead};

/// The lowest four bits of a time count; physical time fills the others.
const COUNTER_MASK: u64 = 0xf;

/// How far a foreign time may be ahead of physical time by default: 60 seconds.
pub const MAX_DRIFT: Duration = Duration::from_secs(60);

/// How long a correction holds unless it is made again: one day, by the clock that it corrects.
pub const CORRECTION_LIFETIME: Duration = Duration::from_secs(86_400);

/// The source of physical time. It may stand still, jump, go back or panic: the hybrid clock tolerates it.
pub trait PhysicalClock: Send + Sync + 'static {
    /// The time now, by this clock.
    fn now(&self) -> NTP64;
}

impl<F: Fn() -> NTP64 + Send + Sync + 'static> PhysicalClock for F {
    fn now(&self) -> NTP64 {
        self()
    }
}

/// A time too far ahead to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a time is {} ahead of this clock, {} are allowed; set the clock of the device that wrote it",
    human(*.ahead), human(*.allowed)
)]
pub struct ClockDrift {
    /// How far ahead the time is.
    pub ahead: Duration,
    /// How far ahead it may be.
    pub allowed: Duration,
}

/// All 64 bits of time are used up: the log holds a bundle from the end of the year 2106. No clock leads there, because a clock
/// that shows 2100 or later is ignored. Logs of earlier versions may hold such a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the log holds a bundle from the end of time (year 2106), and no later time is left; \
     set the device's clock and sync: bundles that no peer has seen then get the times they should have had"
)]
pub struct ClockExhausted;

/// Issues times that only rise, whatever the physical clock does.
pub struct HybridClock {
    source: Arc<dyn PhysicalClock>,
    max_drift: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// The largest time issued or noted.
    last: NTP64,
    correction: Option<Correction>,
}

/// What is added to what the physical clock shows.
#[derive(Debug, Clone, Copy)]
struct Correction {
    by: Offset,
    /// What the clock showed when the correction was made.
    since: NTP64,
    /// What it showed when it was looked at last.
    seen: NTP64,
}

impl Correction {
    /// The correction as it is when the clock shows `reading`; none if it has ended. It ends when the clock may have been set since it was
    /// looked at last: it went back, or it has moved on by about as much as it was behind. If it only stood idle so long the next sync
    /// corrects it again, and what was written in the meantime.
    fn at(self, reading: NTP64, slack: Duration) -> Option<Self> {
        let Self { by, since, seen } = self;
        let set_back = after(reading, slack) < seen;
        let least = by.size() - by.size() / 8;
        let set_right = by > Offset::ZERO && ahead(reading, seen) >= least;
        let expired = reading > after(since, CORRECTION_LIFETIME);
        (!set_back && !set_right && !expired).then_some(Self { by, since, seen: reading })
    }
}

impl HybridClock {
    /// A clock that never issues a time at or below `high_water`, the largest time already stored.
    pub fn resume(source: Arc<dyn PhysicalClock>, max_drift: Duration, high_water: NTP64) -> Self {
        Self { source, max_drift, state: Mutex::new(State { last: high_water, correction: None }) }
    }

    /// Issues the next time: what the corrected clock shows, or one more than the last time if that is larger.
    ///
    /// # Errors
    /// [`ClockExhausted`] at the end of time.
    pub fn tick(&self) -> Result<NTP64, ClockExhausted> {
        let physical = self.physical().0 & !COUNTER_MASK;
        let mut state = self.state();
        let next =
            if physical > state.last.0 { physical } else { state.last.0.checked_add(1).ok_or(ClockExhausted)? };
        state.last = NTP64(next);
        Ok(NTP64(next))
    }

    /// Notes a stored time, so that later ticks are above it. Never refuses, because the time is already stored.
    pub fn advance(&self, stored: NTP64) {
        let mut state = self.state();
        state.last = stored.max(state.last);
    }

    /// Forgets issued times: `last` is the largest that remains.
    pub fn rewind(&self, last: NTP64) {
        self.state().last = last;
    }

    /// From now on `by` is added to what the physical clock shows; zero ends a correction. A correction ends by itself after
    /// [`CORRECTION_LIFETIME`], when the physical clock is set, and with the process.
    pub fn correct(&self, by: Offset) {
        let reading = self.uncorrected();
        let correction = Correction { by, since: reading, seen: reading };
        self.state().correction = Some(correction).filter(|_| by != Offset::ZERO);
    }

    /// The correction that is added to the physical clock, if there is one.
    pub fn correction(&self) -> Option<Offset> {
        let reading = self.uncorrected();
        let mut state = self.state();
        state.correction = state.correction.and_then(|correction| correction.at(reading, self.max_drift));
        state.correction.map(|correction| correction.by)
    }

    /// Checks a foreign time against physical time, or against `vouched`, the clock of the peer that sent it, if that is later. So a
    /// device whose own clock is slow can still read what a correct peer accepted. Changes nothing.
    ///
    /// # Errors
    /// [`ClockDrift`] says by how much the time is ahead.
    pub fn check(&self, time: NTP64, vouched: Option<NTP64>) -> Result<(), ClockDrift> {
        let vouched = vouched.filter(|vouched| *vouched < TIMES_END);
        let now = self.physical().max(vouched.unwrap_or(NTP64(0)));
        if time > after(now, self.max_drift) {
            return Err(ClockDrift { ahead: ahead(time, now), allowed: self.max_drift });
        }
        Ok(())
    }

    /// The largest time issued or noted.
    pub fn high_water(&self) -> NTP64 {
        self.state().last
    }

    /// Physical time now, corrected; 1970 if the clock shows nothing.
    pub fn physical(&self) -> NTP64 {
        let by = self.correction().unwrap_or_default();
        let physical = by.after(self.uncorrected());
        if physical < TIMES_END { physical } else { NTP64(0) }
    }

    /// Physical time now, as the device shows it; 1970 if reading it panics.
    pub fn uncorrected(&self) -> NTP64 {
        // A clock that panics shows nothing, like one that was never set.
        caught(|| self.source.now()).unwrap_or(NTP64(0))
    }

    /// How far ahead foreign times may lie.
    pub fn max_drift(&self) -> Duration {
        self.max_drift
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HybridClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HybridClock")
            .field("last", &self.high_water())
            .field("max_drift", &self.max_drift)
            .finish_non_exhaustive()
    }
}

/// A span in words, in its two largest units.
fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.3} s", span.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone, Default)]
    struct Hand(Arc<AtomicU64>);

    impl Hand {
        fn set(&self, time: u64) {
            self.0.store(time, Ordering::Relaxed);
        }
    }

    impl PhysicalClock for Hand {
        fn now(&self) -> NTP64 {
            NTP64(self.0.load(Ordering::Relaxed))
        }
    }

    fn clock(hand: &Hand, high_water: NTP64) -> HybridClock {
        HybridClock::resume(Arc::new(hand.clone()), MAX_DRIFT, high_water)
    }

    proptest! {
        #[test]
        fn times_rise_over_jumps_and_restarts(steps in prop::collection::vec((any::<u32>(), any::<bool>()), 1..200)) {
            let hand = Hand::default();
            let mut clock = clock(&hand, NTP64(0));
            let mut last = NTP64(0);
            for (physical, restart) in steps {
                hand.set(u64::from(physical) << 20);
                if restart {
                    clock = HybridClock::resume(Arc::new(hand.clone()), MAX_DRIFT, clock.high_water());
                }
                let next = clock.tick().unwrap();
                prop_assert!(next > last);
                last = next;
            }
        }
    }

    #[test]
    fn a_moving_clock_issues_what_uhlc_issues() {
        static NOW: AtomicU64 = AtomicU64::new(0);
        let theirs =
            uhlc::HLCBuilder::new().with_clock(|| NTP64(NOW.load(Ordering::Relaxed))).with_max_delta(MAX_DRIFT).build();
        let ours = HybridClock::resume(Arc::new(|| NTP64(NOW.load(Ordering::Relaxed))), MAX_DRIFT, NTP64(0));
        for step in [1u64 << 32, 0, 3, 16, 1 << 20, 0, 0, 5, 1 << 33] {
            NOW.fetch_add(step, Ordering::Relaxed);
            assert_eq!(ours.tick().unwrap(), *theirs.new_timestamp().get_time());
        }
    }

    #[test]
    fn a_million_times_under_a_standing_clock_stay_ordered_and_within_the_bound() {
        let hand = Hand::default();
        hand.set(1 << 40);
        let clock = clock(&hand, NTP64(0));
        let last = (0..1_000_000).map(|_| clock.tick().unwrap()).last().unwrap();
        assert!(ahead(last, NTP64(1 << 40)) < Duration::from_millis(1));
    }

    #[test]
    fn a_far_future_time_is_refused_with_its_distance_and_moves_nothing() {
        let hand = Hand::default();
        hand.set(1 << 40);
        let clock = clock(&hand, NTP64(5));
        let drift = clock.check(after(NTP64(1 << 40), Duration::from_secs(3_600)), None).unwrap_err();
        assert_eq!((drift.ahead.as_secs(), drift.allowed), (3_600, MAX_DRIFT));
        assert!(drift.to_string().contains("60 min 0 s ahead"), "{drift}");
        assert_eq!(clock.high_water(), NTP64(5));
    }

    #[test]
    fn a_peer_vouches_for_times_that_a_slow_clock_would_refuse() {
        let hand = Hand::default();
        let clock = clock(&hand, NTP64(0));
        let peer = NTP64(1 << 50);
        assert!(clock.check(peer, None).is_err());
        assert!(clock.check(peer, Some(peer)).is_ok());
    }

    fn by(seconds: i64) -> Offset {
        let (theirs, ours) = if seconds < 0 { (0, seconds.unsigned_abs()) } else { (seconds.unsigned_abs(), 0) };
        Offset::between(NTP64(theirs << 32), NTP64(ours << 32))
    }

    #[test]
    fn a_corrected_clock_goes_on_from_what_remains() {
        let hand = Hand::default();
        hand.set(5_000 << 32);
        let clock = clock(&hand, NTP64(0));
        clock.tick().unwrap();
        clock.correct(by(-4_000));
        clock.rewind(NTP64(900 << 32));
        assert_eq!(clock.tick().unwrap(), NTP64(1_000 << 32));
        assert!(clock.tick().unwrap() > NTP64(1_000 << 32));
        clock.correct(Offset::ZERO);
        assert_eq!(clock.tick().unwrap(), NTP64(5_000 << 32));
    }

    #[test]
    fn a_correction_ends_after_a_day_and_when_the_clock_is_set() {
        let hand = Hand::default();
        let clock = clock(&hand, NTP64(0));
        for (seconds, looks, holds) in [
            (-3_600, &[86_400][..], true),
            (-3_600, &[86_401], false),
            (-3_600, &[7_200, 7_150], true),
            (-3_600, &[7_200, 3_600], false),
            (3_600, &[1_800, 3_600, 5_400], true),
            (3_600, &[10, 3_610], false),
            (3_600, &[10, 8_000], false),
        ] {
            hand.set(100_000 << 32);
            clock.correct(by(seconds));
            for look in looks {
                hand.set((100_000 + look) << 32);
                clock.correction();
            }
            assert_eq!(clock.correction().is_some(), holds, "{seconds} {looks:?}");
        }
    }

    #[test]
    fn a_clock_beyond_2100_shows_nothing_and_a_million_writes_go_on_from_the_last_time() {
        let hand = Hand::default();
        for reading in [u64::MAX, TIMES_END.0] {
            hand.set(reading);
            let clock = clock(&hand, NTP64(1 << 50));
            let last = (0..1_000_000).map(|_| clock.tick().unwrap()).last().unwrap();
            assert_eq!(last, NTP64((1 << 50) + 1_000_000));
            assert!(clock.check(TIMES_END, Some(NTP64(u64::MAX))).is_err(), "nor does such a clock vouch for anything");
        }
    }

    #[test]
    fn the_end_of_time_is_an_error_and_not_a_restart() {
        let clock = clock(&Hand::default(), NTP64(u64::MAX));
        assert_eq!(clock.tick(), Err(ClockExhausted));
    }
}
