//! If two devices with right clocks edit one row, the later edit wins, whatever a third clock shows.
//!
//! So each such edit must be found under its true time, but for the drift that is allowed, unless a report has named a correction. And
//! every correction must have evidence: this file knows the truth and all logs, and looks at each that a report names.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline::clock::MAX_DRIFT;
use syncline::format::time::{Offset, after, before, is_set};
use syncline::replica::{CORRECTION_MAX, SyncReport};
use syncline::{LogId, NTP64, PhysicalClock};

use crate::clock::SOON;
use crate::device::Device;
use crate::disk::Disk;
use crate::finding::{Finding, Law};
use crate::ledger::Name;
use crate::world::World;

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
    pub(crate) fn wrote(&mut self, device: &Device, name: Name, from: NTP64) {
        if self.devices.entry(device.index).or_default().corrected {
            return;
        }
        let now = device.clock.truth();
        // What the device itself has written under a fast clock comes before it, and is believed if its time has come before
        // anybody looks: the clock was a little fast, or its correction was a little wrong.
        let drift = MAX_DRIFT.max(device.clock.a_little_fast());
        let own = largest(&device.disk, after(now, SOON), true);
        let until = after(now, drift).max(latest(&device.disk)).max(own);
        self.edits.push(Edit { name, device: device.index, from, until });
    }

    /// A device has died, perhaps in the middle of a sync: what that has corrected nobody will say.
    pub(crate) fn died(&mut self, device: usize) {
        self.edits.retain(|edit| edit.device != device);
        self.devices.entry(device).or_default().corrected = false;
    }

    /// A sync begins. If it comes to no end, the device may keep in mind that the peer shows another time now, so it no longer counts
    /// that both agreed.
    pub(crate) fn begins(&mut self, device: &Device, peer: &Disk) -> Began {
        let truth = device.clock.truth();
        let proven = proven([&device.disk, peer], truth);
        let log = peer.with_image(|image| image.log);
        let known = self.devices.entry(device.index).or_default();
        known.syncs += 1;
        let agreed = known.agreed.remove(&log);
        Began { sync: known.syncs, shown: device.clock.now(), settings: device.clock.settings(), proven, agreed }
    }

    /// A sync has come to its end.
    pub(crate) fn synced(
        &mut self,
        (device, peer): (&Device, &Disk),
        report: &SyncReport,
        Began { sync, shown: began, settings, proven, agreed }: Began,
    ) -> Result<(), Finding> {
        let (shown, truth) = (device.clock.now(), device.clock.truth());
        let log = peer.with_image(|image| image.log);
        let known = self.devices.entry(device.index).or_default();
        // Another sync that began or ended in between may have come first.
        let agreed = agreed.filter(|_| known.syncs == sync);
        known.syncs += 1;
        let was_corrected = std::mem::replace(&mut known.corrected, report.clock_corrected_ms.is_some());
        // Only the last contact with each peer is remembered.
        let agree = report.skew_ms.unsigned_abs() <= 60_000 && report.clock_doubt.is_none() && !known.corrected;
        if agree {
            known.agreed.insert(log, began);
        } else {
            known.agreed.remove(&log);
        }
        // Two clocks that are wrong together count as right, and what was written under the right one gets their time. If a clock is
        // set in the middle of a sync, nobody can say what it showed.
        let steady = device.clock.settings() == settings;
        let together = agree && Offset::between(shown, truth).size() > MAX_DRIFT;
        if (report.restamped > 0 && (together || !steady)) || report.clock_corrected_ms.is_some() {
            self.edits.retain(|edit| edit.device != device.index);
        }
        let Some(by_ms) = report.clock_corrected_ms else { return Ok(()) };
        if !steady {
            // It was set in the middle of the sync.
            return Ok(());
        }
        let by = Duration::from_millis(by_ms.unsigned_abs());
        let corrected = if by_ms < 0 { before(shown, by) } else { after(shown, by) };
        let fresh = agreed.is_some_and(|then| Offset::between(shown, then).size() <= CONTACT);
        let proof = [&*device.disk, peer].map(latest).into_iter().max().unwrap_or(NTP64(0));
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
        let detail = format!("device {} corrects its clock by {by_ms} ms as {} says, {why}", device.index, peer.name);
        Err(Finding { law: Law::CorrectionsHaveEvidence, detail })
    }

    /// Whether every edit under a right clock has its time in the end.
    pub(crate) fn check(&self, world: &World) -> Result<(), Finding> {
        let fast = world.servers.iter().any(|server| server.clock.was_fast());
        for Edit { name, device, from, until } in &self.edits {
            let homes = world.witness.ledger().homes(*name);
            let disks = world.disks();
            let found = disks.iter().find_map(|disk| {
                disk.with_image(|image| {
                    homes.iter().rev().find_map(|home| {
                        image.entry(home.0).filter(|entry| entry.chain == home.1).map(|entry| entry.time)
                    })
                })
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
fn latest(disk: &Disk) -> NTP64 {
    largest(disk, NTP64(u64::MAX), false)
}

/// The largest last time of an origin in these logs that is no later than `truth`, but for those of each log's own device: heads tell no
/// others.
fn proven(disks: [&Disk; 2], truth: NTP64) -> NTP64 {
    let mut last = BTreeMap::new();
    for disk in disks {
        disk.with_image(|image| {
            let foreign = image.origins.iter().filter(|(origin, _)| !image.identities.contains(origin));
            for (origin, entries) in foreign {
                let time = entries.last().map_or(NTP64(0), |entry| entry.time);
                last.entry(*origin).and_modify(|known: &mut NTP64| *known = time.max(*known)).or_insert(time);
            }
        });
    }
    last.into_values().filter(|time| *time <= truth).max().unwrap_or(NTP64(0))
}

/// The largest time up to `most` in a log, of what its own device has written or of what others have.
fn largest(disk: &Disk, most: NTP64, own: bool) -> NTP64 {
    disk.with_image(|image| {
        let writers = image.origins.iter().filter(|(origin, _)| image.identities.contains(origin) == own);
        let near = |entries: &Vec<crate::image::Entry>| {
            entries.iter().rev().map(|entry| entry.time).find(|time| *time <= most)
        };
        writers.filter_map(|(_, entries)| near(entries)).max().unwrap_or(NTP64(0))
    })
}
