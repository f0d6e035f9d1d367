//! Looking at a device's status, which must be true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syncline::ReplicaError;

use super::Device;
use crate::fault::Fault;
use crate::invariants::status;
use crate::stack::ViewUnderTest;
use crate::stores::finish;

impl Device {
    /// Nothing is under way: its newest handle has synced last, and has looked at all that it was told.
    pub(crate) fn is_at_rest(&self) {
        self.two_handles.store(false, Ordering::Relaxed);
        self.witness.keep_last(self.index);
    }

    /// It has been opened with these views. Some may have no history: then the next sync takes a snapshot.
    pub(super) fn note_history(&self, upgraded: bool) {
        let Ok(status) = finish(self.disk.peek().status()) else { return };
        let folded = |view: &ViewUnderTest| status.views.get(&view.id).copied().unwrap_or_default();
        if self.stack.views_of(upgraded).any(|view| folded(view) < status.base) {
            self.sim().fault(Fault::WithoutHistory, || format!("device {} has a view without history", self.index));
        }
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
