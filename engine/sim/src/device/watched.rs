//! What a device's application sees of times if they are watched: when it writes, and what reports say of its clock.

use syncline::replica::{SyncError, SyncReport, Written};
use syncline::{NTP64, Replica, Transport};

use super::Device;
use crate::stack::Misuse;
use crate::watched_log::WatchedLog;

impl Device {
    /// The true time, if the clock shows it.
    pub(super) fn right_time(&self) -> Option<NTP64> {
        self.clock.is_right().then(|| self.clock.truth())
    }

    /// A write has returned that began at this true time.
    pub(super) fn wrote(&self, written: Written, begun: Option<NTP64>) {
        self.acknowledge(written);
        let Some(mut times) = self.witness.times() else { return };
        let entry = self.disk.with_image(|image| image.entry(written.dot));
        if let (Some(entry), Some(from), true) = (entry, begun, self.clock.is_right()) {
            times.wrote(self.index, &self.disk.log, (written.dot, entry.chain), from);
        }
    }

    /// Syncs, and looks at what the report says of the clock.
    pub(super) async fn watched_sync(
        &self,
        replica: &Replica,
        way: &dyn Transport,
        peer: &WatchedLog,
    ) -> Result<SyncReport, SyncError> {
        let Some(began) = self.witness.times().map(|mut times| times.begins(self.index, &self.disk.log, peer)) else {
            return replica.sync(way).await;
        };
        let mut report = replica.sync(way).await?;
        if self.stack.misuse == Some(Misuse::HidesCorrections) {
            report.clock_corrected_ms = None;
        }
        let checked =
            self.witness.times().map(|mut times| times.synced(self.index, (&self.disk.log, peer), &report, began));
        if let Some(Err(finding)) = checked {
            self.sim().found(finding.law, finding.detail);
        }
        Ok(report)
    }
}
