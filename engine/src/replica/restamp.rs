//! Computes the times that the unseen tail should have had, when the error of the device's clock is known.
//!
//! A bundle gets the time that the right clock showed when it was written: what the device's clock showed then, plus its error. If
//! this is unknown because the clock jumped in between, the bundle is placed right before the next bundle with a known time, or at now.
//! In any case it stays behind everything that its writer had read: the own bundles before it, and the foreign ones at earlier places
//! of the log.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Inner;
use super::heal::PeerClock;
use super::turn::Turn;
use crate::format::heads::Head;
use crate::format::time::{NTP64, Offset, after, is_set};
use crate::id::{Cursor, Position, ReplicaId, Seq};
use crate::store::{Limit, StoreError, StoredRun};

/// Log bytes read at a time.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

/// How a bundle's time is found, and what it is followed by in the log.
struct Placed {
    seq: Seq,
    /// The time that it has.
    time: NTP64,
    /// The largest foreign time at an earlier place.
    floor: NTP64,
    /// What the clock showed when it was written.
    reading: NTP64,
    /// When it was written, if that is known.
    written: Option<NTP64>,
}

/// A tail with the times that it should have had.
#[derive(Debug, Default)]
pub(super) struct Restamped {
    /// The new time of each bundle.
    pub(super) times: Vec<NTP64>,
    /// What the clock showed when each was written, if that is still of use.
    pub(super) readings: Vec<Option<NTP64>>,
    /// The first bundle whose time changes.
    pub(super) first: Option<Seq>,
    /// How many change.
    pub(super) count: u64,
}

impl Restamped {
    /// The times and readings of the last `count` bundles.
    pub(super) fn last(&self, count: u64) -> (&[NTP64], &[Option<NTP64>]) {
        let from = self.times.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        (&self.times[from..], &self.readings[from..])
    }
}

impl Turn<'_> {
    /// The times that the tail behind `from` should have had, by what the peer says of the clocks.
    pub(super) async fn right_times(
        &self,
        tail: &[StoredRun],
        from: Head,
        peer: PeerClock,
    ) -> Result<Restamped, StoreError> {
        let readings = self.readings().await?;
        let floors = Floors::read(self, tail).await?;
        let (by, shown) = (peer.off, self.inner.clock.uncorrected());
        let (now, drift) = (by.after(shown), self.inner.clock.max_drift());
        let mut reached = from.time;
        let mut placed: Vec<Placed> = Vec::new();
        for stored in tail {
            let floor = floors.before(stored.position);
            for bundle in stored.run.bundles() {
                let (seq, time) = (bundle.dot.seq, bundle.time);
                let read = readings.of(seq, time);
                let wrong = read.is_some() || is_of_wrong_clock(time, by, after(shown, drift), after(now, drift));
                let reading = read.unwrap_or(time);
                let written = if wrong { by.after(reading) } else { time };
                let earliest = reached.max(if read.is_some() { floor } else { NTP64(0) });
                let written = believable(written, (earliest, now), drift)
                    // It was written under a clock that was put right since.
                    .or_else(|| believable(time, (earliest, now), drift).filter(|_| is_set(written)));
                reached = reached.max(written.unwrap_or(NTP64(0)));
                placed.push(Placed { seq, time, floor, reading, written });
            }
        }
        Ok(restamped(&placed, from, now, (drift, after(peer.now, peer.allowed))))
    }

    /// The tail under other names, with the times that it has.
    pub(super) async fn kept_times(&self, tail: &[StoredRun]) -> Result<Restamped, StoreError> {
        let readings = self.readings().await?;
        let mut kept = Restamped { first: tail.first().map(|stored| stored.run.first()), ..Restamped::default() };
        for bundle in tail.iter().flat_map(|stored| stored.run.bundles()) {
            kept.times.push(bundle.time);
            kept.readings.push(readings.of(bundle.dot.seq, bundle.time));
            kept.count += 1;
        }
        Ok(kept)
    }
}

/// When a bundle was written, if it was at `written` by a clock that is believed now. A time after now was of another clock, and so was
/// one that was never set. One before what the writer knew is of a clock that was set since then, right or wrong: it was hardly later.
fn believable(written: NTP64, (earliest, now): (NTP64, NTP64), drift: Duration) -> Option<NTP64> {
    let (behind, late) = (after(written, drift) < earliest, written > after(now, drift));
    match is_set(written) {
        _ if late => None,
        true => Some(if behind { earliest } else { written }),
        false => Some(written).filter(|_| !behind && !is_set(now)),
    }
}

/// Whether a time that a bundle has from the clock itself was read from it while it was as wrong as now. A clock that is ahead has led
/// into the future; times of a clock that is behind are not after what it shows.
fn is_of_wrong_clock(time: NTP64, by: Offset, shown: NTP64, now: NTP64) -> bool {
    if by > Offset::ZERO { time <= shown } else { time > now }
}

/// The new times: those known, the others right before the next known; all rising, and above what was read before. A time that is as good
/// as right stays, if the peer takes it: up to `bound`.
fn restamped(placed: &[Placed], from: Head, now: NTP64, (drift, bound): (Duration, NTP64)) -> Restamped {
    let (mut wished, mut limit) = (Vec::with_capacity(placed.len()), now);
    for Placed { written, .. } in placed.iter().rev() {
        limit = written.map_or(limit, |written| written.min(limit));
        wished.push(written.unwrap_or(limit));
    }
    let (mut restamped, mut last) = (Restamped::default(), from.time);
    for (Placed { seq, time, floor, reading, written }, wished) in placed.iter().zip(wished.into_iter().rev()) {
        let stays = Offset::between(wished, *time).size() <= drift && *time <= bound;
        let least = NTP64(last.max(*floor).0.saturating_add(1));
        last = if stays { *time } else { wished }.max(least);
        restamped.times.push(last);
        restamped.readings.push(written.map(|_| *reading));
        if last != *time {
            restamped.first.get_or_insert(*seq);
            restamped.count += 1;
        }
    }
    restamped
}

/// The largest foreign time before each place of the log, from the tail's first place on.
struct Floors {
    /// Before the tail's first place.
    start: NTP64,
    /// Behind it: the largest up to each place at which it rises.
    rises: BTreeMap<Position, NTP64>,
}

impl Floors {
    async fn read(turn: &Turn<'_>, tail: &[StoredRun]) -> Result<Self, StoreError> {
        let mut floors = Self { start: NTP64(0), rises: BTreeMap::new() };
        let Some(first) = tail.first() else { return Ok(floors) };
        let last = tail.last().map_or(first.position, |stored| stored.position);
        let mut cursor = Cursor { log: turn.status.log, position: Position::new(first.position.get() - 1) };
        let mut between: BTreeMap<ReplicaId, Seq> = BTreeMap::new();
        let mut largest = NTP64(0);
        while cursor.position < last {
            let page = turn.inner.store.read(cursor, CHUNK).await?;
            let foreign = page.runs.iter().filter(|stored| stored.run.origin() != turn.id && stored.position < last);
            for StoredRun { position, run, .. } in foreign {
                between.entry(run.origin()).or_insert(run.first());
                largest = largest.max(run.last_time());
                floors.rises.insert(*position, largest);
            }
            if page.is_last() {
                break;
            }
            cursor = page.next;
        }
        for (origin, head) in turn.status.heads.iter().filter(|(origin, _)| *origin != turn.id) {
            let time = match between.get(&origin) {
                None => head.time,
                Some(first) => turn.inner.time_before(origin, *first).await?,
            };
            floors.start = floors.start.max(time);
        }
        Ok(floors)
    }

    /// The largest foreign time before this place.
    fn before(&self, position: Position) -> NTP64 {
        self.rises.range(..position).next_back().map_or(self.start, |(_, time)| self.start.max(*time))
    }
}

impl Inner {
    /// The time of an origin's bundle before `seq`; zero if that is its first.
    async fn time_before(&self, origin: ReplicaId, seq: Seq) -> Result<NTP64, StoreError> {
        let Some(before) = seq.get().checked_sub(2) else { return Ok(NTP64(0)) };
        let runs = match self.store.read_origin(origin, Seq::new(before), Limit::items(1)).await {
            // It was trimmed. The time of the bundle itself is later, and so a floor as well.
            Err(StoreError::Trimmed { .. }) => {
                self.store.read_origin(origin, Seq::new(before + 1), Limit::items(1)).await?
            }
            runs => runs?,
        };
        Ok(runs.first().map_or(NTP64(0), |stored| stored.run.last_time()))
    }
}
