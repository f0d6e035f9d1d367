//! Compares the peer's history of this replica with the one here, and finds up to which bundle they are the same.

use super::{Session, SyncError};
use crate::format::heads::{ChainHash, Head};
use crate::format::time::NTP64;
use crate::id::{Dot, Seq};
use crate::protocol::{Have, Pull, Refusal, RefusedBundle, Reply, Request};
use crate::store::{Limit, StoreError};

impl Session<'_> {
    /// Compares the peer's head of this replica with the chain hash here at the same bundle. What the peer has may be what an earlier
    /// life of this replica has sent, before it went back to a backup.
    pub(super) async fn check_own_history(&self) -> Result<(), SyncError> {
        let theirs = self.theirs.heads.get(self.own);
        let ours = self.inner.turn().await.status.heads.get(self.own);
        let chain = if theirs.seq == Seq::ZERO {
            ChainHash::GENESIS
        } else if theirs.seq >= ours.seq {
            ours.chain
        } else {
            match self.inner.store.read_origin(self.own, theirs.seq, Limit::items(1)).await {
                // What has been trimmed cannot be compared.
                Err(StoreError::Trimmed { .. }) => theirs.chain,
                next => next?.first().map_or(theirs.chain, |stored| stored.previous),
            }
        };
        if theirs.seq <= ours.seq && chain != theirs.chain {
            return Err(SyncError::Forked { at: Dot { origin: self.own, seq: theirs.seq } });
        }
        Ok(self.inner.found_elsewhere(self.own, theirs.seq.min(ours.seq)).await?)
    }

    /// The last own bundle up to which the peer's history of this replica is the same as here. Bundles of it that are voids there are
    /// made voids here, since nobody will push them again and so be told.
    pub(super) async fn common_history(&self) -> Result<Seq, SyncError> {
        // An acknowledgement may be older than what the peer has lost since: it must be proved.
        let acked = self.row.acked.min(self.theirs.heads.get(self.own).seq);
        let common = match self.compare_from(acked).await? {
            Some(common) => common,
            None => self.compare_from(Seq::ZERO).await?.unwrap_or_default(),
        };
        if !common.voids.is_empty() {
            let refusal =
                Refusal::new("refused-elsewhere", "the peer has refused this bundle; its reason is not known here");
            let refused = |seq| RefusedBundle { origin: self.own, seq, refusal: refusal.clone() };
            self.inner.refuse(&common.voids.into_iter().map(refused).collect::<Vec<_>>(), self.known()).await?;
        }
        Ok(common.seq)
    }

    /// Asks the peer for its bundles of this replica behind `from`, and compares hash by hash. `None` if the histories differ at
    /// `from` already.
    async fn compare_from(&self, from: Seq) -> Result<Option<Common>, SyncError> {
        let (ours, start) = {
            let turn = self.inner.turn().await;
            let ours = turn.own_tail(from).await?;
            let start = turn.head_at(from, &ours).await?;
            (ours, start)
        };
        if start.seq != from {
            return Ok(None);
        }
        let (theirs, start) = (self.theirs.heads.get(self.own), start.chain);
        let mut common = Common { seq: from, voids: Vec::new() };
        let (mut chain, mut proved) = (start, theirs.seq == from && theirs.chain == start);
        let mut ours = ours.iter().flat_map(|stored| stored.run.bundles());
        // Everything but the own origin counts as known, so that nothing else is sent.
        let mut known = self.theirs.heads.clone();
        known.set(self.own, Head { seq: from, chain, time: NTP64(0) });
        let mut have = Have::Heads(known);
        loop {
            let pull = Pull { have, without: None, limit: self.pull_limit() };
            let answer = self.peer.call(Request::Pull(self.inner.space.clone(), pull)).await?;
            let Reply::Pull(page) = answer.reply else { return Err(SyncError::Unexpected) };
            for run in page.runs.iter().filter(|run| run.origin() == self.own) {
                let whole = run.bundles().fold(chain, |chain, bundle| bundle.chain_after(chain));
                if !proved && whole.check() != run.check() {
                    return Ok(None);
                }
                proved = true;
                for theirs in run.bundles() {
                    let Some(our) = ours.next() else { return Ok(Some(common)) };
                    let after = our.chain_after(chain);
                    if theirs.chain_after(chain) != after {
                        return Ok(Some(common));
                    }
                    (common.seq, chain) = (our.dot.seq, after);
                    common.voids.extend((theirs.is_void() && !our.is_void()).then_some(our.dot.seq));
                }
            }
            if page.next.position >= page.head {
                return Ok(proved.then_some(common));
            }
            have = Have::Cursor(page.next);
        }
    }
}

/// The common part of two histories of one replica.
#[derive(Debug, Default)]
struct Common {
    /// The last bundle of it.
    seq: Seq,
    /// Bundles of it that are voids at the peer and not here.
    voids: Vec<Seq>,
}
