//! How a device waits between attempts to stay in sync.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline::replica::{Pause, Schedule, SyncReport};

use crate::device::Device;
use crate::stack::Misuse;
use crate::transport::Door;

/// So many syncs in a row leave something out, or find nothing, until a device waits for a word.
const PATIENT: u32 = 16;

/// Waits longer with each failure.
pub(crate) struct Patience(pub(crate) Arc<Device>, pub(crate) Arc<Door>);

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
