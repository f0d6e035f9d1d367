//! What the clock showed when own bundles were written. It is stored only if it differs from their time.
//!
//! A bundle's time cannot follow a clock that is behind the log's last time, shows nothing, or is being corrected. Later, when a peer's
//! clock is heard, the replica knows which time was wrong. Then the bundle gets the time that it should have had ([`super::restamp`]).

use std::time::Duration;

use super::turn::Turn;
use crate::format::run::Run;
use crate::format::time::{NTP64, Offset};
use crate::id::{Dot, ReplicaId, Seq};
use crate::reserved::{self, READINGS, ReadingRow};
use crate::store::{Limit, RowKey, RowWrite, StoreError};

/// Bundles whose times are as far from what the clock showed, but for this, share a row.
const SAME: Duration = Duration::from_millis(1);

/// The readings of one origin's bundles.
#[derive(Debug, Default)]
pub(super) struct Readings(Vec<(Seq, ReadingRow)>);

impl Readings {
    /// What the clock showed when the bundle with this time was written, if that is not its time.
    pub(super) fn of(&self, seq: Seq, time: NTP64) -> Option<NTP64> {
        let next = self.0.partition_point(|(first, _)| *first <= seq);
        let (_, row) = self.0.get(next.checked_sub(1)?)?;
        (seq <= row.through).then(|| Offset::between(NTP64(row.reading), NTP64(row.time)).after(time))
    }

    /// Whether there is one of a bundle behind this.
    pub(super) fn reach_beyond(&self, seq: Seq) -> bool {
        self.0.last().is_some_and(|(_, row)| row.through > seq)
    }

    /// Forgets those of bundles up to `seq`.
    pub(super) fn forget_through(&self, origin: ReplicaId, seq: Seq) -> Vec<RowWrite> {
        let gone = self.0.iter().filter(|(_, row)| row.through <= seq);
        gone.map(|(first, _)| RowWrite { key: key(origin, *first), value: None }).collect()
    }

    /// Forgets those of bundles behind `seq`.
    pub(super) fn forget_behind(&self, origin: ReplicaId, seq: Seq) -> Vec<RowWrite> {
        let beyond = self.0.iter().filter(|(_, row)| row.through > seq);
        let cut = |(first, row): &(Seq, ReadingRow)| match *first <= seq {
            true => reading_row(Dot { origin, seq: *first }, &ReadingRow { through: seq, ..*row }),
            false => RowWrite { key: key(origin, *first), value: None },
        };
        beyond.map(cut).collect()
    }
}

impl Turn<'_> {
    /// All readings of own bundles that are kept.
    pub(super) async fn readings(&self) -> Result<Readings, StoreError> {
        let range = reserved::dot_range(self.id, Seq::ZERO, Seq::new(u64::MAX));
        let rows = self.inner.store.scan(&reserved::view(READINGS), range, Limit::items(u32::MAX)).await?;
        let read = |row: crate::store::Row| {
            let first = reserved::key_dot(&row.key).map_or(Seq::ZERO, |dot| dot.seq);
            Ok((first, reserved::get(READINGS, &row.value)?))
        };
        Ok(Readings(rows.into_iter().map(read).collect::<Result<_, StoreError>>()?))
    }

    /// The row to store with a run just packed, if its times are not those that the clock shows.
    pub(super) fn reading_of(&self, run: &Run) -> Option<RowWrite> {
        let reading = self.inner.clock.uncorrected();
        // The times of one run are a count apart at most, or all follow the clock.
        let strays = Offset::between(run.last_time(), reading).size() > self.inner.clock.max_drift();
        let row = ReadingRow { through: run.last(), time: run.last_time().0, reading: reading.0 };
        strays.then(|| reading_row(Dot { origin: run.origin(), seq: run.first() }, &row))
    }
}

/// The rows that keep these readings of bundles with these names and times: one for all that follow each other and are as far from
/// what the clock showed.
pub(super) fn reading_rows(
    bundles: impl Iterator<Item = (Dot, NTP64, Option<NTP64>)>,
    drift: Duration,
) -> Vec<RowWrite> {
    let mut rows: Vec<(Dot, ReadingRow)> = Vec::new();
    let strays = |(_, time, reading): &(Dot, NTP64, NTP64)| Offset::between(*time, *reading).size() > drift;
    let kept = bundles.filter_map(|(dot, time, reading)| Some((dot, time, reading?))).filter(strays);
    for (dot, time, reading) in kept {
        if let Some((_, row)) = rows.last_mut().filter(|(_, row)| row.through.plus(1) == dot.seq) {
            let off = Offset::between(NTP64(row.time), NTP64(row.reading));
            if off.from(Offset::between(time, reading)).size() <= SAME {
                row.through = dot.seq;
                continue;
            }
        }
        rows.push((dot, ReadingRow { through: dot.seq, time: time.0, reading: reading.0 }));
    }
    rows.iter().map(|(first, row)| reading_row(*first, row)).collect()
}

fn reading_row(first: Dot, row: &ReadingRow) -> RowWrite {
    reserved::put(READINGS, reserved::dot_key(first), row)
}

fn key(origin: ReplicaId, seq: Seq) -> RowKey {
    RowKey::new(reserved::view(READINGS), reserved::dot_key(Dot { origin, seq }))
}
