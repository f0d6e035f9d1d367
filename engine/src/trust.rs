//! Decides which clock is wrong if a device's and a peer's show different times. Pure: evidence in, verdict out.
//!
//! No single foreign clock is believed without bound (law 14). The first of these rules that applies decides:
//!
//! 1. A peer that shows 2100 or later, or zero, says nothing of the time. Nor does one that was never set ([`is_set`]), if the device's
//!    clock is set or once was.
//! 2. Clocks that differ by no more than the allowed drift agree.
//! 3. A peer behind a time that *two* clocks stand for is wrong: the device that wrote such a bundle and the server that took it.
//! 4. A device whose clock was never set believes a peer whose clock was.
//! 5. A device is behind only if such a bundle proves it. A peer that is ahead of a device proves nothing.
//! 6. A device is ahead if the peer says so and nothing speaks for the device: the peer itself has not agreed with it during the last
//!    day, as far as is kept in mind, and of the other peers no more agree with the device than with this peer.
//! 7. No correction on a peer's word is larger than [`CORRECTION_MAX`].

use std::time::Duration;

use thiserror::Error;

use crate::format::time::{NTP64, Offset, TIMES_END, after, is_set};

/// How much a peer may correct a clock that has been set: 366 days.
pub const CORRECTION_MAX: Duration = Duration::from_secs(366 * 86_400);
/// How long what a peer said about the time speaks for or against another: one day.
const CONTACT_LIFETIME: Duration = Duration::from_secs(86_400);

/// What a device and a peer showed when they met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) theirs: NTP64,
    pub(crate) ours: NTP64,
}

impl Contact {
    /// How far the peer's clock is ahead of the device's.
    pub(crate) fn offset(self) -> Offset {
        Offset::between(self.theirs, self.ours)
    }

    /// Whether this contact was so shortly before `now` that it can speak for the device: if the device's clock is right, how long ago it
    /// was is what that clock says.
    fn is_fresh(self, now: Self) -> bool {
        Offset::between(now.ours, self.ours).size() <= CONTACT_LIFETIME
    }

    /// Whether a device that keeps this contact in mind should keep `now` in its place: it says something else, or is much younger.
    pub(crate) fn is_outdated(self, now: Self, drift: Duration) -> bool {
        let agrees = |contact: Self| contact.offset().size() <= drift;
        let same = near(self.offset(), now.offset(), drift) && agrees(self) == agrees(now);
        !same || Offset::between(now.ours, self.ours).size() > CONTACT_LIFETIME / 2
    }
}

/// What speaks for and against two clocks.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// What both show now.
    pub(crate) now: Contact,
    /// How far apart honest clocks may be.
    pub(crate) drift: Duration,
    /// The largest time that two clocks stand for.
    pub(crate) proven: NTP64,
    /// The largest time in the device's log, its own bundles among them.
    pub(crate) latest: NTP64,
    /// The last contact with this peer.
    pub(crate) before: Option<Contact>,
    /// The last contact with each other peer.
    pub(crate) others: &'a [Contact],
}

/// What is made of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both clocks show the same.
    Agree,
    /// The device's clock is wrong: this is to be added to it.
    Off(Offset),
    /// The peer's clock is not believed.
    Doubt(ClockDoubt),
}

/// Why a device does not correct its clock by a peer's that shows another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClockDoubt {
    /// The peer shows a year before 2020 or after 2099, and the device does not; or the peer knows that its clock is wrong.
    #[error("the peer's clock was never set, or is known to be wrong; set it")]
    NotSet,
    /// The peer's clock is behind bundles that servers have taken already.
    #[error("the peer's clock is behind the bundles in its own log; set it")]
    BehindTheLog,
    /// The peer is ahead, and no bundle proves that this device is behind.
    #[error("the peer's clock is ahead of this device's, and no bundle proves which is right; check both")]
    Unproven,
    /// They differ by more than [`CORRECTION_MAX`].
    #[error("the clocks of the peer and of this device are more than a year apart; set the one that is wrong")]
    TooFar,
    /// The peer agreed with this device less than a day ago, by this device's clock. If it says the same at the next sync, it is believed.
    #[error("the peer's clock or this device's has jumped since they last met; the next sync decides, or check both")]
    Changed,
    /// Other peers agree with this device.
    #[error("other peers agree with this device's clock and not with this peer's; set the peer's clock")]
    Outvoted,
}

impl Evidence<'_> {
    /// Which of the two clocks is to be believed.
    pub(crate) fn weigh(&self) -> Verdict {
        let (Contact { theirs, ours }, by) = (self.now, self.now.offset());
        let behind = |time| after(time, self.drift) < self.proven;
        let silent = theirs >= TIMES_END || (theirs == NTP64(0) && ours != theirs);
        if silent || (!is_set(theirs) && (is_set(ours) || is_set(self.latest))) {
            return Verdict::Doubt(ClockDoubt::NotSet);
        }
        if by.size() <= self.drift {
            return Verdict::Agree;
        }
        if behind(theirs) {
            return Verdict::Doubt(ClockDoubt::BehindTheLog);
        }
        if !is_set(ours) && (is_set(theirs) || ours >= TIMES_END) {
            return Verdict::Off(by);
        }
        let doubt = if by > Offset::ZERO { self.doubt_ahead(behind(ours)) } else { self.doubt_behind(by) };
        doubt.map_or(Verdict::Off(by), Verdict::Doubt)
    }

    /// Why a peer that is ahead is not believed.
    fn doubt_ahead(&self, proven: bool) -> Option<ClockDoubt> {
        let Contact { theirs, ours } = self.now;
        let from = if is_set(ours) { ours } else { self.proven };
        match proven {
            false => Some(ClockDoubt::Unproven),
            true => (theirs > after(from, CORRECTION_MAX)).then_some(ClockDoubt::TooFar),
        }
    }

    /// Why a peer that is behind by so much is not believed.
    fn doubt_behind(&self, by: Offset) -> Option<ClockDoubt> {
        let said = |contact: &Contact, offset| near(contact.offset(), offset, self.drift);
        let changed = self.before.is_some_and(|before| before.is_fresh(self.now) && said(&before, Offset::ZERO));
        let fresh = || self.others.iter().filter(|other| other.is_fresh(self.now));
        let for_peer = fresh().filter(|other| said(other, by)).count();
        let for_device = fresh().filter(|other| said(other, Offset::ZERO)).count();
        let doubts = [
            (by.size() > CORRECTION_MAX, ClockDoubt::TooFar),
            (changed, ClockDoubt::Changed),
            (for_device > for_peer, ClockDoubt::Outvoted),
        ];
        doubts.into_iter().find_map(|(holds, doubt)| holds.then_some(doubt))
    }
}

/// What the last times of the origins in a log prove: the largest of them. If both clocks are behind that one by more than the drift, and
/// both were set, it is the odd one out, and the largest counts that is not; but never less than the second largest.
///
/// `latest` is the largest of them. It almost always counts, and then no other is looked at.
pub(crate) fn proven<I>(latest: NTP64, times: impl FnOnce() -> I, now: Contact, drift: Duration) -> NTP64
where
    I: IntoIterator<Item = NTP64>,
{
    let contradicts = |clock: NTP64, time| (is_set(clock) || !is_set(time)) && after(clock, drift) < time;
    let is_odd = |time| contradicts(now.theirs, time) && contradicts(now.ours, time);
    let latest = latest.min(TIMES_END);
    if !is_odd(latest) {
        return latest;
    }
    let (mut first, mut second, mut reached) = (NTP64(0), NTP64(0), NTP64(0));
    for time in times().into_iter().map(|time| time.min(TIMES_END)) {
        (first, second) = (first.max(time), second.max(first.min(time)));
        reached = if is_odd(time) { reached } else { reached.max(time) };
    }
    second.max(reached)
}

/// Whether two offsets are the same but for the drift.
fn near(one: Offset, other: Offset, drift: Duration) -> bool {
    one.from(other).size() <= drift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MAX_DRIFT;
    use proptest::prelude::*;

    const NOW: u64 = 1_900_000_000;
    const DAY: u64 = 86_400;

    fn met(theirs: u64, ours: u64) -> Contact {
        Contact { theirs: NTP64(theirs << 32), ours: NTP64(ours << 32) }
    }

    fn weigh(now: Contact, proven: u64, before: Option<Contact>, others: &[Contact]) -> Verdict {
        let (proven, latest) = (NTP64(proven << 32), NTP64(proven << 32));
        Evidence { now, drift: MAX_DRIFT, proven, latest, before, others }.weigh()
    }

    fn doubt(doubt: ClockDoubt) -> Verdict {
        Verdict::Doubt(doubt)
    }

    #[test]
    fn a_device_that_is_ahead_believes_a_peer_that_nothing_contradicts() {
        let now = met(NOW - 3_600, NOW);
        assert_eq!(weigh(now, 0, None, &[]), Verdict::Off(now.offset()));
        assert_eq!(weigh(now, NOW - 3_600, None, &[]), Verdict::Off(now.offset()));
        assert_eq!(weigh(met(NOW - 60, NOW), 0, None, &[]), Verdict::Agree);
    }

    #[test]
    fn a_peer_behind_its_own_log_is_not_believed() {
        let two_hours_old = NOW - 7_200;
        for peer in [1_600_000_000, NOW - 7_300] {
            assert_eq!(weigh(met(peer, NOW), two_hours_old, None, &[]), doubt(ClockDoubt::BehindTheLog));
        }
    }

    #[test]
    fn two_clocks_that_were_never_set_do_not_agree_about_a_log_that_knows_better() {
        assert_eq!(weigh(met(946_684_800, 946_684_800), NOW, None, &[]), doubt(ClockDoubt::NotSet));
        assert_eq!(weigh(met(946_684_800, 946_684_800), 946_684_800, None, &[]), Verdict::Agree);
    }

    #[test]
    fn a_peer_that_was_never_set_is_not_believed_and_a_device_that_was_never_set_believes() {
        let (peer, device) = (met(DAY, NOW), met(NOW, DAY));
        assert_eq!(weigh(peer, 0, None, &[]), doubt(ClockDoubt::NotSet));
        assert_eq!(weigh(device, 0, None, &[]), Verdict::Off(device.offset()));
        let beyond = met(NOW, u64::from(u32::MAX));
        assert_eq!(weigh(beyond, 0, None, &[]), Verdict::Off(beyond.offset()));
        for peer in [0, u64::from(u32::MAX)] {
            for device in [NOW, 10] {
                assert_eq!(weigh(met(peer, device), 0, None, &[]), doubt(ClockDoubt::NotSet));
            }
        }
    }

    #[test]
    fn a_peer_that_is_ahead_is_believed_only_if_bundles_prove_that_the_device_is_behind() {
        let now = met(NOW, NOW - 7_200);
        assert_eq!(weigh(now, NOW - 7_200, None, &[]), doubt(ClockDoubt::Unproven));
        assert_eq!(weigh(now, NOW - 3_600, None, &[]), Verdict::Off(now.offset()));
        let far = met(NOW + 400 * DAY, NOW);
        assert_eq!(weigh(far, NOW + 399 * DAY, None, &[]), doubt(ClockDoubt::TooFar));
    }

    #[test]
    fn a_peer_that_agreed_within_a_day_is_believed_the_second_time() {
        let now = met(NOW - 70, NOW);
        assert_eq!(weigh(now, 0, Some(met(NOW - DAY + 100, NOW - DAY + 100)), &[]), doubt(ClockDoubt::Changed));
        assert_eq!(weigh(now, 0, Some(met(NOW - 100, NOW - 30)), &[]), Verdict::Off(now.offset()));
        let long_ago = met(NOW - 2 * DAY, NOW - 2 * DAY);
        assert_eq!(weigh(now, 0, Some(long_ago), &[]), Verdict::Off(now.offset()));
    }

    #[test]
    fn of_two_peers_that_disagree_the_one_that_agrees_with_the_device_is_believed() {
        let now = met(NOW - 3_600, NOW);
        let (with, against) = (met(NOW - 10, NOW - 10), met(NOW - 3_610, NOW - 10));
        assert_eq!(weigh(now, 0, Some(against), &[with]), doubt(ClockDoubt::Outvoted));
        assert_eq!(weigh(now, 0, Some(against), &[with, against]), Verdict::Off(now.offset()));
    }

    #[test]
    fn a_peer_more_than_a_year_behind_is_not_believed() {
        assert_eq!(weigh(met(NOW - 367 * DAY, NOW), 0, None, &[]), doubt(ClockDoubt::TooFar));
    }

    #[test]
    fn a_time_that_both_clocks_contradict_proves_nothing_unless_another_does_as_well() {
        let found = |times: &[u64]| {
            let times: Vec<_> = times.iter().map(|seconds| NTP64(seconds << 32)).collect();
            let latest = times.iter().copied().max().unwrap_or(NTP64(0));
            proven(latest, || times, met(NOW, NOW - DAY), MAX_DRIFT).0 >> 32
        };
        assert_eq!(found(&[]), 0);
        assert_eq!(found(&[NOW + 60]), NOW + 60);
        assert_eq!(found(&[NOW + DAY, 5, NOW - DAY]), NOW - DAY);
        assert_eq!(found(&[NOW + DAY, NOW + 2 * DAY, 5]), NOW + DAY);
        for silent in [10, u64::from(u32::MAX)] {
            let time = NTP64(NOW << 32);
            assert_eq!(
                proven(time, || [time], met(NOW - 2 * DAY, silent), MAX_DRIFT),
                NTP64(NOW << 32),
                "a clock not set says nothing"
            );
        }
    }

    proptest! {
    /// Whatever a single peer says, however often: a device whose clock is right is never moved forward by it, never behind
        /// what two clocks stand for, and never by more than a year.
        #[test]
        fn a_right_clock_is_led_astray_by_one_peer_within_bounds_only(
            peer in 0..u64::from(u32::MAX), age in 0..400 * DAY, repeated in any::<bool>(), friend in any::<bool>(),
        ) {
            let (now, proven) = (met(peer, NOW), NOW - age);
            let others = if friend { vec![met(NOW - 5, NOW - 5)] } else { Vec::new() };
            if let Verdict::Off(by) = weigh(now, proven, repeated.then_some(now), &others) {
                prop_assert!(by < Offset::ZERO && by.size() <= CORRECTION_MAX && !friend);
                prop_assert!(after(by.after(NTP64(NOW << 32)), MAX_DRIFT) >= NTP64(proven << 32));
            }
        }
    }
}
