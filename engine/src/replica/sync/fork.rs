//! Whether the peer's history of this replica is the one here, and up to where.

use super::{PULL, Session, SyncError};
use crate::heads::{ChainHash, Head};
use crate::id::{Dot, Seq};
use crate::protocol::{Have, Pull, Reply, Request};
use crate::run::Run;
use crate::store::Limit;
use crate::time::NTP64;

impl Session<'_> {
    /// Compares the peer's head of this replica with the chain hash here at the same bundle.
    pub(super) async fn check_own_history(&self) -> Result<(), SyncError> {
        let theirs = self.theirs.heads.get(self.own);
        let ours = self.inner.turn.lock().await.status.heads.get(self.own);
        let chain = if theirs.seq == Seq::ZERO {
            ChainHash::GENESIS
        } else if theirs.seq >= ours.seq {
            ours.chain
        } else {
            let next = self.inner.store.read_origin(self.own, theirs.seq, Limit::items(1)).await?;
            next.first().map_or(theirs.chain, |stored| stored.previous)
        };
        if theirs.seq <= ours.seq && chain != theirs.chain {
            return Err(SyncError::Forked { at: Dot { origin: self.own, seq: theirs.seq } });
        }
        Ok(())
    }

    /// The last own bundle up to which the peer's history of this replica is the same as here. Asks the peer for its own-origin
    /// bundles behind the last that it has acknowledged, and compares hash by hash.
    pub(super) async fn common_history(&self) -> Result<Seq, SyncError> {
        let mut common = self.row.acked;
        let ours = self.inner.own_tail(&*self.inner.turn.lock().await, common).await?;
        let Some(mut chain) = ours.first().map(|stored| stored.previous) else { return Ok(common) };
        let mut ours = ours.iter().flat_map(|stored| stored.run.bundles());
        // Everything but the own origin counts as known, so that nothing else is sent.
        let mut known = self.theirs.heads.clone();
        known.set(self.own, Head { seq: common, chain, time: NTP64(0) });
        let mut have = Have::Heads(known.clone());
        loop {
            let pull = Pull { have, without: None, limit: PULL };
            let answer = self.peer.call(Request::Pull(self.inner.space.clone(), pull)).await?;
            let Reply::Pull(page) = answer.reply else { return Err(SyncError::Unexpected) };
            for theirs in page.runs.iter().filter(|run| run.origin() == self.own).flat_map(Run::bundles) {
                let Some(our) = ours.next() else { return Ok(common) };
                let after = our.chain_after(chain);
                if theirs.chain_after(chain) != after {
                    return Ok(common);
                }
                (common, chain) = (our.dot.seq, after);
            }
            if page.next.position >= page.head {
                return Ok(common);
            }
            have = Have::Cursor(page.next);
        }
    }
}
