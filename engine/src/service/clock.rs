//! What a service knows of its own clock: it is wrong if the service's own logs prove that it was later already.
//!
//! A bundle's time and its being taken are the word of two clocks, that of the device that wrote it and that of the server that took it.
//! One device's bundle may still come from both having been wrong at once, or from a replica that serves its own log. So what counts as
//! proven is the second latest time among a space's origins, less the allowed drift. A service whose clock is behind that tells nobody
//! what it shows, and takes bundles up to the second latest time. Nobody can push that mark on, since none beyond it is taken.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Service, ServiceError};
use crate::clock::ClockDrift;
use crate::format::heads::Heads;
use crate::format::run::{Bundle, Run};
use crate::format::time::{NTP64, TIMES_END, after, ahead, before, is_set};
use crate::protocol::{Code, Problem};

/// How many spaces are asked for what they prove, once, when a bundle seems to be too far ahead.
const SPACES_MAX: usize = 256;
/// How long a peer shall wait for the clock to be set.
const RETRY_AFTER_MS: u64 = 30_000;

/// What the logs seen so far prove about the time.
#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    /// The time is not earlier than this.
    latest: NTP64,
    /// The other spaces have been asked.
    asked: bool,
}

impl Proven {
    /// Notes what a log proves.
    pub(super) fn note(&self, heads: &Heads, drift: Duration) {
        let [_, second] = heads.latest();
        let mut marks = self.marks();
        marks.latest = marks.latest.max(before(second.min(TIMES_END), drift));
    }

    fn latest(&self) -> NTP64 {
        self.marks().latest
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// What the service tells peers of the time: what its clock shows, or nothing if it knows better.
    pub(super) fn told(&self) -> NTP64 {
        let reading = self.reading();
        if reading < self.proven.latest() { NTP64(0) } else { reading }
    }

    /// What the clock shows, or what the logs prove if that is later.
    fn now(&self) -> NTP64 {
        self.reading().max(self.proven.latest())
    }

    /// What the clock shows. Beyond 2099 it shows nothing.
    fn reading(&self) -> NTP64 {
        Some(self.clock.now()).filter(|reading| *reading < TIMES_END).unwrap_or(NTP64(0))
    }

    /// Notes what a space proves about the time.
    pub(super) fn note_times(&self, heads: &Heads) {
        self.proven.note(heads, self.max_drift);
    }

    /// Refuses a run with a bundle too far ahead. If the service knows that its own clock is wrong it does not say that the device's is.
    pub(super) async fn check_times(&self, run: &Run, heads: &Heads) -> Result<(), ServiceError> {
        if run.last_time() <= after(self.now(), self.max_drift) {
            return Ok(());
        }
        self.note_times(heads);
        self.ask_other_spaces().await?;
        let now = self.now();
        let bound = after(now, self.max_drift);
        match run.bundles().find(|bundle| bundle.time > bound) {
            Some(bundle) => Err(self.too_far_ahead(&bundle, now).into()),
            None => Ok(()),
        }
    }

    /// Asks other spaces of the storage what they prove, once in a service's life: a new space has nothing of its own to go by. That is
    /// when a bundle seems to be too far ahead, and at a hello, with which devices begin before they believe the clock.
    pub(super) async fn ask_other_spaces(&self) -> Result<(), ServiceError> {
        if std::mem::replace(&mut self.proven.marks().asked, true) {
            return Ok(());
        }
        for space in self.storage.spaces().await?.into_iter().take(SPACES_MAX) {
            // A space that cannot be read proves nothing, and is no reason to refuse a bundle of another.
            let Ok(store) = self.storage.open(&space).await else { continue };
            if let Ok(status) = store.status().await {
                self.note_times(&status.heads);
            }
        }
        Ok(())
    }

    fn too_far_ahead(&self, bundle: &Bundle<'_>, now: NTP64) -> Problem {
        let (ahead, allowed, reading) = (ahead(bundle.time, now), self.max_drift, self.reading());
        let unset = is_set(bundle.time) && !is_set(reading);
        if reading < now || unset {
            let detail = format!(
                "bundle {} is later than this server's clock allows, and the clock is wrong: it shows {} s after 1970, which is behind \
                 what the server's logs prove, or was never set; set it, the bundle is taken then",
                bundle.dot,
                self.clock.now().as_secs()
            );
            return Problem::new(Code::Busy { retry_after_ms: RETRY_AFTER_MS }, detail);
        }
        Problem::clock_ahead(bundle.dot, ClockDrift { ahead, allowed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::heads::{ChainHash, Head};
    use crate::id::{ReplicaId, Seq};

    fn heads(times: &[u64]) -> Heads {
        let mut heads = Heads::new();
        for (number, seconds) in (1..).zip(times) {
            let origin = ReplicaId::from_bytes([number; 16]).unwrap();
            heads.set(origin, Head { seq: Seq::new(1), chain: ChainHash::GENESIS, time: NTP64(seconds << 32) });
        }
        heads
    }

    #[test]
    fn one_device_alone_proves_nothing_and_two_prove_the_earlier_of_their_times() {
        let drift = Duration::from_secs(60);
        for (times, proven) in [(&[][..], 0), (&[5_000], 0), (&[5_000, 900, 700], 840), (&[700, 9_000, 8_000], 7_940)] {
            let found = Proven::default();
            found.note(&heads(times), drift);
            assert_eq!(found.latest(), NTP64(proven << 32), "{times:?}");
        }
    }

    #[test]
    fn what_was_proven_once_stays() {
        let proven = Proven::default();
        proven.note(&heads(&[5_000, 4_000]), Duration::ZERO);
        proven.note(&heads(&[1]), Duration::ZERO);
        assert_eq!(proven.latest(), NTP64(4_000 << 32));
    }
}
