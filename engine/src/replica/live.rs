//! Staying in sync: own writes are pushed as they are written, the peer's log is followed as it grows.

use std::fmt::Debug;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use futures_util::stream::StreamExt;

use super::{Replica, SyncError, SyncReport, locked};
use crate::id::Cursor;
use crate::transport::Transport;

/// Waits between attempts, and hears what came of each. The engine has no timer: pass one in, with jitter and a cap.
#[async_trait]
pub trait Pace: Debug + Send + Sync {
    /// Called after each sync that came to its end.
    async fn synced(&self, report: &SyncReport);

    /// Called after each failure, with how many there were in a row; returns when it is time to try again.
    async fn pause(&self, error: &SyncError, failures: u32);
}

impl Replica {
    /// Syncs with the peer, and again whenever this replica has written or the peer's log has moved. After a failure it waits as
    /// `pace` says and goes on.
    ///
    /// # Errors
    /// Only those that waiting does not mend: a fork, a divergence, a store that failed, a peer that refuses for good.
    ///
    /// # Cancel
    /// Runs until dropped. Dropping ends it between two commits.
    pub async fn live(&self, peer: &dyn Transport, pace: &dyn Pace) -> Result<std::convert::Infallible, SyncError> {
        let mut failures = 0;
        loop {
            match self.follow(peer, pace, &mut failures).await {
                Err(error) if is_passing(&error) => {
                    failures += 1;
                    pace.pause(&error, failures).await;
                }
                Err(error) => return Err(error),
                // The peer ended the stream in order: watch again.
                Ok(()) => {}
            }
        }
    }

    /// Syncs and watches until the watch ends.
    async fn follow(&self, peer: &dyn Transport, pace: &dyn Pace, failures: &mut u32) -> Result<(), SyncError> {
        let mut written = self.inner.written.listen();
        pace.synced(&self.sync(peer).await?).await;
        let Some(mut cursor) = self.peer_cursor() else { return Ok(()) };
        let mut notices = peer.watch(self.space(), cursor).await?;
        *failures = 0;
        loop {
            let notice = match select(notices.next(), &mut written).await {
                Either::Left((notice, _)) => Some(notice),
                Either::Right(_) => None,
            };
            match notice {
                Some(None) => return Ok(()),
                Some(Some(notice)) if notice.as_ref().is_ok_and(|notice| notice.head == cursor) => continue,
                Some(Some(notice)) => drop(notice?),
                None => {}
            }
            written = self.inner.written.listen();
            pace.synced(&self.sync(peer).await?).await;
            cursor = self.peer_cursor().unwrap_or(cursor);
        }
    }

    /// How far the log of the peer spoken to last is read.
    fn peer_cursor(&self) -> Option<Cursor> {
        let peers = locked(&self.inner.peers);
        Some(peers.known(peers.heard()?.log)?.cursor)
    }
}

/// Whether waiting may mend it.
fn is_passing(error: &SyncError) -> bool {
    match error {
        SyncError::Transport(error) => error.retry_after().is_some(),
        SyncError::Replaced => true,
        _ => false,
    }
}
