//! Pauses of a replica that stays in sync.

use std::time::Duration;

use async_trait::async_trait;
use syncline::replica::{Pause, Schedule, SyncReport};

use super::retry::jittered;
use crate::random;

/// Waits longer after every failure in a row, with jitter and a maximum, and logs the result of each attempt. News from the peer is
/// never later than the maximum, even if all notices are lost. If the peer or a gateway asks for a longer pause, it gets it, up
/// to an hour.
///
/// ```no_run
/// # async fn example(replica: syncline::Replica) -> Result<(), Box<dyn std::error::Error>> {
/// use syncline_http::{Backoff, HttpTransport};
///
/// let server = HttpTransport::builder("https://sync.example.org", "a token").build()?;
/// // Until the task is dropped, or something fails that waiting does not mend.
/// let failed = replica.live(&server, &Backoff::default()).await;
/// # drop(failed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest pause after a first failure.
    pub first: Duration,
    /// The longest pause that nobody has asked for.
    pub most: Duration,
}

impl Default for Backoff {
    /// From 500 milliseconds up to one minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(60) }
    }
}

#[async_trait]
impl Schedule for Backoff {
    async fn synced(&self, report: &SyncReport) {
        tracing::debug!(pushed = report.pushed, pulled = report.pulled, complete = report.is_complete(), "synced");
    }

    async fn pause(&self, why: Pause<'_>) {
        let times = match why {
            Pause::Failed { error, times } => {
                tracing::info!(%error, times, "the sync failed; it is tried again");
                times
            }
            Pause::Incomplete { report, times } => {
                let SyncReport { stopped, held, oversized, .. } = report;
                tracing::info!(
                    ?stopped,
                    ?held,
                    ?oversized,
                    times,
                    "not everything could be exchanged; it is tried again"
                );
                times
            }
            Pause::Polling { error, times } => {
                tracing::debug!(?error, times, "the peer is not watched; it is asked for news");
                times.saturating_add(1)
            }
            _ => u32::MAX,
        };
        let random = random::number();
        let asked = why.asked();
        let pause = jittered(self.first, self.most, times, random).max(asked + jittered(asked / 8, asked, 1, random));
        tokio::time::sleep(pause).await;
    }
}
