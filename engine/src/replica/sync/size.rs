//! Finds the largest message that passes: a proxy on the way may have a lower limit than the protocol.
//!
//! Nobody reports the limit reliably: a large body gets a foreign answer, or its connection is reset. So a
//! message that does not pass is sent again at half its size, if the way is open for small ones, and the size that passes is
//! kept for as long as the replica is open.

use std::collections::BTreeMap;

use super::{PULL, PUSH, Session, SyncError};
use crate::format::run::Run;
use crate::id::{Dot, LogId};
use crate::protocol::{Compare, Compared, PeerHeads, Reply, Request};
use crate::replica::locked;
use crate::store::Limit;
use crate::transport::TransportError;

/// What is smaller is not too large for anybody.
const LEAST: u32 = 1024;
/// This many messages must have passed before a larger one is tried.
const TRUST: u32 = 32;

/// The sizes that pass, by the peer's log.
pub(in crate::replica) type Sizes = BTreeMap<LogId, Both>;

/// Both directions of one way.
#[derive(Debug)]
pub(in crate::replica) struct Both {
    push: Size,
    pull: Size,
}

/// Bytes of runs in one message.
#[derive(Debug)]
struct Size {
    most: u32,
    now: u32,
    /// Messages that have passed at this size.
    passed: u32,
}

impl Size {
    fn new(most: Limit) -> Self {
        Self { most: most.bytes, now: most.bytes, passed: 0 }
    }

    /// Half of what did not pass, if that is not as small as it gets.
    fn shrink(&mut self, failed: u32) -> bool {
        let before = self.now.min(failed);
        let shrunk = (before / 2).max(LEAST);
        let shrinks = shrunk < before;
        if shrinks {
            (self.now, self.passed) = (shrunk, 0);
        }
        shrinks
    }

    fn pass(&mut self) {
        self.passed += 1;
        if self.passed >= TRUST {
            (self.now, self.passed) = (self.now.saturating_mul(2).min(self.most), 0);
        }
    }
}

/// A bundle that does not reach the peer, because somebody on the way accepts no message of this size. It waits, and what its replica
/// wrote later waits behind it; everything else is exchanged. It is sent again with every sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oversized {
    /// The bundle.
    pub dot: Dot,
    /// Bytes of the run that carries it alone, uncompressed.
    pub bytes: u64,
}

/// A push under way.
#[derive(Debug)]
pub(super) struct Sent {
    first: Dot,
    bundles: u64,
    bytes: u64,
}

impl Sent {
    pub(super) fn of(runs: &[Run]) -> Option<Self> {
        let first = runs.first()?;
        Some(Self {
            first: Dot { origin: first.origin(), seq: first.first() },
            bundles: runs.iter().map(Run::count).sum(),
            bytes: runs.iter().map(|run| run.as_bytes().len() as u64).sum(),
        })
    }
}

impl Session<'_> {
    /// Hands over what the peer lacks. If a push does not arrive that may be too large, what lies at the peer is fetched all the
    /// same; if the way is open, the push is made again in smaller parts.
    pub(super) async fn push_what_passes(&mut self) -> Result<(), SyncError> {
        loop {
            let error = match self.push().await {
                Err(SyncError::Transport(error)) if error.may_be_size() => error,
                pushed => return pushed,
            };
            let Some(sent) = self.sent.take().filter(|sent| sent.bytes > u64::from(LEAST)) else {
                return self.stop(error);
            };
            self.pull(Some(self.own)).await?;
            self.look().await?;
            if sent.bundles == 1 {
                self.report.oversized = Some(Oversized { dot: sent.first, bytes: sent.bytes });
                return Ok(());
            }
            if !self.shrink_pushes(&sent) {
                return self.stop(error);
            }
        }
    }

    /// Ends pushing: a refusal is told in the report, everything else fails the sync.
    fn stop(&mut self, error: TransportError) -> Result<(), SyncError> {
        match error {
            TransportError::Refused(problem) => self.report.stopped = Some(problem),
            error => return Err(error.into()),
        }
        Ok(())
    }

    /// Makes sure that the peer answers small questions.
    async fn look(&self) -> Result<(), SyncError> {
        let space = self.inner.space.clone();
        let request = if self.digests { Request::Compare(space, Compare::default()) } else { Request::Heads(space) };
        match self.peer.call(request).await?.reply {
            Reply::Heads(PeerHeads { head, .. }) | Reply::Compare(Compared { head, .. })
                if head.log == self.row.cursor.log =>
            {
                Ok(())
            }
            Reply::Heads(_) | Reply::Compare(_) => Err(SyncError::Replaced),
            _ => Err(SyncError::Unexpected),
        }
    }

    fn size<T>(&self, use_it: impl FnOnce(&mut Both) -> T) -> T {
        let mut sizes = locked(&self.inner.sizes);
        let new = || Both { push: Size::new(PUSH), pull: Size::new(PULL) };
        use_it(sizes.entry(self.row.cursor.log).or_insert_with(new))
    }

    fn shrink_pushes(&self, sent: &Sent) -> bool {
        self.size(|size| size.push.shrink(u32::try_from(sent.bytes).unwrap_or(u32::MAX)))
    }

    /// How much one push may carry.
    pub(super) fn push_limit(&self) -> Limit {
        Limit::bytes(self.size(|size| size.push.now))
    }

    /// Notes that a push was answered.
    pub(super) fn push_passed(&self) {
        self.size(|size| size.push.pass());
    }

    /// How much one pull may ask for.
    pub(super) fn pull_limit(&self) -> Limit {
        Limit::bytes(self.size(|size| size.pull.now))
    }

    /// Notes that a pull was answered.
    pub(super) fn pull_passed(&self) {
        self.size(|size| size.pull.pass());
    }

    /// Asks for smaller pages from now on, if the way is open. `false` if they are as small as it gets.
    pub(super) async fn shrink_pulls(&self) -> Result<bool, SyncError> {
        self.look().await?;
        Ok(self.size(|size| size.pull.shrink(u32::MAX)))
    }
}
