//! If two devices with right clocks edit one row, the later edit wins, whatever a third clock shows.
//!
//! So each such edit must be found under its true time, but for the drift that is allowed, unless a report has named a correction. And
//! every correction must have evidence: this file knows the truth and all logs, and looks at each that a report names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline::clock::MAX_DRIFT;
use syncline::format::time::{Offset, after, before, is_set};
use syncline::replica::{CORRECTION_MAX, SyncReport};
use syncline::{LogId, NTP64, PhysicalClock};

use crate::clock::SOON;
use crate::finding::{Finding, Law};
use crate::image::Entry;
use crate::ledger::{Ledger, Name};
use crate::watched_log::WatchedLog;

/// Clocks are compared with each other a few steps late.
const SLACK: Duration = Duration::from_secs(1);
/// How long a peer that has agreed speaks for a device.
const CONTACT: Duration = Duration::from_secs(86_400);

/// What is known of the times of edits.
#[derive(Debug, Default)]
pub(crate) struct Times {
    edits: Vec<Edit>,
    devices: BTreeMap<usize, Known>,
}

/// An edit by a device whose clock was right.
#[derive(Debug, Clone, Copy)]
struct Edit {
    name: Name,
    device: usize,
    /// Its time must not be before this, nor after that.
    from: NTP64,
    until: NTP64,
}

/// What is known of one device.
#[derive(Debug, Default)]
struct Known {
    /// Its clock is corrected, and a report has said so.
    corrected: bool,
    /// How often a sync of it has begun or ended.
    syncs: u64,
    /// Per peer's log what the device's clock showed when both agreed last.
    agreed: BTreeMap<LogId, NTP64>,
}

/// What is known when a sync begins.
#[derive(Debug)]
pub(crate) struct Began {
    /// How often a sync of the device had begun or ended.
    sync: u64,
    /// What the device's clock shows.
    shown: NTP64,
    /// How often it has been set.
    settings: u64,
    /// The largest true time that is the last of a foreign origin, in the device's log or the peer's.
    proven: NTP64,
    /// What the device's clock showed when both agreed last.
    agreed: Option<NTP64>,
}

impl Times {
    /// A device has written under a right clock, at `from` or a little later.
    pub(crate) fn wrote(&mut self, device: usize, log: &WatchedLog, name: Name, from: NTP64) {
        if self.devices.entry(device).or_default().corrected {
            return;
        }
        let now = log.clock.truth();
        // What the device itself has written under a fast clock comes before it, and is believed if its time has come before
        // anybody looks: the clock was a little fast, or its correction was a little wrong.
        let drift = MAX_DRIFT.max(log.clock.a_little_fast());
        let own = largest(log, after(now, SOON), true);
        let until = after(now, drift).max(latest(log)).max(own);
        self.edits.push(Edit { name, device, from, until });
    }

    /// A device has died, perhaps in the middle of a sync: what that has corrected nobody will say.
    pub(crate) fn died(&mut self, device: usize) {
        self.edits.retain(|edit| edit.device != device);
        self.devices.entry(device).or_default().corrected = false;
    }

    /// A sync begins. If it comes to no end, the device may keep in mind that the peer shows another time now, so it no longer counts
    /// that both agreed.
    pub(crate) fn begins(&mut self, device: usize, log: &WatchedLog, peer: &WatchedLog) -> Began {
        let proven = proven([log, peer], log.clock.truth());
        let known = self.devices.entry(device).or_default();
        known.syncs += 1;
        let agreed = known.agreed.remove(&peer.image().log);
        Began { sync: known.syncs, shown: log.clock.now(), settings: log.clock.settings(), proven, agreed }
    }

    /// A sync has come to its end.
    pub(crate) fn synced(
        &mut self,
        device: usize,
        (log, peer): (&WatchedLog, &WatchedLog),
        report: &SyncReport,
        Began { sync, shown: began, settings, proven, agreed }: Began,
    ) -> Result<(), Finding> {
        let (shown, truth) = (log.clock.now(), log.clock.truth());
        let theirs = peer.image().log;
        let known = self.devices.entry(device).or_default();
        // Another sync that began or ended in between may have come first.
        let agreed = agreed.filter(|_| known.syncs == sync);
        known.syncs += 1;
        let was_corrected = std::mem::replace(&mut known.corrected, report.clock_corrected_ms.is_some());
        // Only the last contact with each peer is remembered.
        let agree = report.skew_ms.unsigned_abs() <= 60_000 && report.clock_doubt.is_none() && !known.corrected;
        if agree {
            known.agreed.insert(theirs, began);
        } else {
            known.agreed.remove(&theirs);
        }
        // Two clocks that are wrong together count as right, and what was written under the right one gets their time. If a clock is
        // set in the middle of a sync, nobody can say what it showed.
        let steady = log.clock.settings() == settings;
        let together = agree && Offset::between(shown, truth).size() > MAX_DRIFT;
        if (report.restamped > 0 && (together || !steady)) || report.clock_corrected_ms.is_some() {
            self.edits.retain(|edit| edit.device != device);
        }
        let Some(by_ms) = report.clock_corrected_ms else { return Ok(()) };
        if !steady {
            // It was set in the middle of the sync.
            return Ok(());
        }
        let by = Duration::from_millis(by_ms.unsigned_abs());
        let corrected = if by_ms < 0 { before(shown, by) } else { after(shown, by) };
        let fresh = agreed.is_some_and(|then| Offset::between(shown, then).size() <= CONTACT);
        let proof = [log, peer].map(latest).into_iter().max().unwrap_or(NTP64(0));
        let why = if is_set(shown) && by > CORRECTION_MAX + SLACK {
            "by more than the bound"
        } else if by_ms < 0 && after(corrected, MAX_DRIFT + SLACK) < proven && proven <= after(shown, MAX_DRIFT) {
            "to before what two clocks have proven"
        } else if by_ms < 0 && is_set(shown) && fresh && !was_corrected {
            "by a peer that had agreed with it at the sync before"
        } else if by_ms > 0 && is_set(shown) && proof <= after(shown, MAX_DRIFT) {
            "forward, and nothing proves that it was behind"
        } else {
            return Ok(());
        };
        let detail = format!("device {device} corrects its clock by {by_ms} ms as {} says, {why}", peer.name);
        Err(Finding { law: Law::CorrectionsHaveEvidence, detail })
    }

    /// Whether every edit under a right clock has its time in the end. `fast` says whether the clock of a server was fast.
    pub(crate) fn check(&self, fast: bool, ledger: &Ledger, logs: &[Arc<WatchedLog>]) -> Result<(), Finding> {
        for Edit { name, device, from, until } in &self.edits {
            let homes = ledger.homes(*name);
            let found = logs.iter().find_map(|log| {
                let image = log.image();
                let home = |home: &Name| image.entry(home.0).filter(|entry| entry.chain == home.1);
                homes.iter().rev().find_map(home).map(|entry| entry.time)
            });
            let Some(time) = found else { continue };
            let early = after(time, SLACK) < *from;
            // A server that was fast has perhaps taken what a fast device wrote: two clocks that were wrong together.
            let late = !fast && time > after(*until, SLACK);
            if early || late {
                let off = Offset::between(time, *from).millis();
                let detail = format!(
                    "bundle {} of device {device}, whose clock was right, has a time {off} ms after it was written, \
                     and no report has named a correction",
                    name.0
                );
                return Err(Finding { law: Law::RightClocksCount, detail });
            }
        }
        Ok(())
    }
}

/// The largest time in a log, but for those of its own device.
fn latest(log: &WatchedLog) -> NTP64 {
    largest(log, NTP64(u64::MAX), false)
}

/// The largest last time of an origin in these logs that is no later than `truth`, but for those of each log's own device: heads tell no
/// others.
fn proven(logs: [&WatchedLog; 2], truth: NTP64) -> NTP64 {
    let mut last = BTreeMap::new();
    for log in logs {
        let image = log.image();
        let foreign = image.origins.iter().filter(|(origin, _)| !image.identities.contains(origin));
        for (origin, entries) in foreign {
            let time = entries.last().map_or(NTP64(0), |entry| entry.time);
            last.entry(*origin).and_modify(|known: &mut NTP64| *known = time.max(*known)).or_insert(time);
        }
    }
    last.into_values().filter(|time| *time <= truth).max().unwrap_or(NTP64(0))
}

/// The largest time up to `most` in a log, of what its own device has written or of what others have.
fn largest(log: &WatchedLog, most: NTP64, own: bool) -> NTP64 {
    let image = log.image();
    let writers = image.origins.iter().filter(|(origin, _)| image.identities.contains(origin) == own);
    let near = |entries: &Vec<Entry>| entries.iter().rev().map(|entry| entry.time).find(|time| *time <= most);
    writers.filter_map(|(_, entries)| near(entries)).max().unwrap_or(NTP64(0))
}
