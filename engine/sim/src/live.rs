//! A device that stays in sync by itself, and how it waits between attempts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline::Transport;
use syncline::replica::{Pause, Schedule, SyncError, SyncReport};

use crate::device::Device;
use crate::fault::Fault;
use crate::finding::Law;
use crate::stack::Misuse;
use crate::transport::Door;

/// So many syncs in a row leave something out, or find nothing, until a device waits for a word.
const PATIENT: u32 = 16;

impl Device {
    /// Stays in sync until it fails for good.
    pub(crate) async fn live(self: Arc<Self>, way: Arc<dyn Transport>, door: Arc<Door>) {
        let schedule = Patience(self.clone(), door);
        while !self.is_wedged() {
            // An upgraded program continues with the new version alone. (Of the lab's own views both versions continue side by side.)
            let waits = self.stack.has_own_upgrade() && self.is_opening();
            if let Some(replica) = self.replica().filter(|_| !waits) {
                let Err(error) = replica.live(&*way, &schedule).await;
                self.live_ended(&error);
                self.sync_failed(&error, &schedule.1);
            }
            self.sim().sleep(Duration::from_millis(40)).await;
        }
    }

    /// The way and the peer fail in passing only, unless a grant is taken away.
    fn live_ended(&self, error: &SyncError) {
        let passes = matches!(error, SyncError::Transport(_) | SyncError::Replaced | SyncError::Unexpected);
        if passes && self.sim().state().tally.get(Fault::Revoked) == 0 {
            let detail = format!("device {}: its live sync has ended: {error}", self.index);
            self.sim().found(Law::LiveGoesOn, detail);
        }
    }
}

/// Waits longer with each failure.
struct Patience(Arc<Device>, Arc<Door>);

impl std::fmt::Debug for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Patience").field(&self.0.index).finish()
    }
}

#[async_trait]
impl Schedule for Patience {
    async fn synced(&self, report: &SyncReport) {
        self.0.synced(report, &self.1);
    }

    async fn pause(&self, why: Pause<'_>) {
        let millis = match why {
            Pause::Failed { error, times } => {
                self.0.sync_failed(error, &self.1);
                5 << times.min(5)
            }
            Pause::Incomplete { .. } if self.0.stack.misuse == Some(Misuse::ForgetsLeftOut) => {
                return std::future::pending().await;
            }
            Pause::Polling { .. } if self.0.stack.misuse == Some(Misuse::NeverPolls) => {
                return std::future::pending().await;
            }
            // A watch that was lost is begun again, however long it was quiet before.
            Pause::Polling { error: Some(_), times } => 5 << times.min(9),
            Pause::Incomplete { times, .. } | Pause::Polling { times, .. } if times < PATIENT => 5 << times.min(9),
            // A history comes to rest only if nobody waits for time any more.
            _ => return std::future::pending().await,
        };
        self.0.sim().sleep(Duration::from_millis(millis)).await;
    }
}
