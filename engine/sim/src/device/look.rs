//! Looking at a device's status, which must be true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syncline::ReplicaError;

use super::Device;
use crate::invariants::status;

impl Device {
    /// Nothing is under way: its newest handle has synced last, and has looked at all that it was told.
    pub(crate) fn is_at_rest(&self) {
        self.two_handles.store(false, Ordering::Relaxed);
        self.witness.keep_last(self.index);
    }

    /// Looks at the status, which must be true.
    pub(crate) async fn look(self: Arc<Self>) {
        let Some(replica) = self.replica() else { return };
        match replica.status().await {
            Ok(status) => {
                self.sim().note(status.head.get() << 1 | u64::from(status.in_sync()));
                // What one handle was told the other does not know.
                let alone = !self.two_handles.load(Ordering::Relaxed);
                if let Some(finding) =
                    status::is_true(self.index, &self.disk.log, &self.witness, &status).err().filter(|_| alone)
                {
                    self.sim().found(finding.law, finding.detail);
                }
            }
            Err(ReplicaError::Store(error)) => self.failed("status", &error),
            Err(_) => {}
        }
    }
}
