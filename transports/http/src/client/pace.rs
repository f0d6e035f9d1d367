//! Pauses of a replica that stays in sync.

use std::time::Duration;

use async_trait::async_trait;
use syncline::replica::{Pace, SyncError, SyncReport};

use super::retry::jittered;
use crate::random;

/// Waits longer after every failure in a row, with jitter and a cap, and logs what came of each attempt.
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
    /// The longest pause of all.
    pub most: Duration,
}

impl Default for Backoff {
    /// From 500 milliseconds up to one minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(60) }
    }
}

#[async_trait]
impl Pace for Backoff {
    async fn synced(&self, report: &SyncReport) {
        tracing::debug!(pushed = report.pushed, pulled = report.pulled, complete = report.is_complete(), "synced");
    }

    async fn pause(&self, error: &SyncError, failures: u32) {
        let asked = match error {
            SyncError::Transport(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let pause = jittered(self.first, self.most, failures, random::number()).max(asked.min(self.most));
        tracing::info!(error = %error, failures, ?pause, "the sync is tried again");
        tokio::time::sleep(pause).await;
    }
}
