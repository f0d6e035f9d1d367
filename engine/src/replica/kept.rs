//! What of a log is kept when a snapshot takes its place: every bundle that the snapshot does not cover.

use super::locked;
use super::turn::Turn;
use crate::format::heads::{Difference, Head};
use crate::format::run::{Run, Unchained, VerifiedRun};
use crate::id::{Dot, Position, ReplicaId, Seq};
use crate::snapshot::Manifest;
use crate::store::{Limit, StoreError};

/// Why a replica does not take a snapshot.
pub(super) enum Unfit {
    /// A bundle behind the snapshot has been trimmed here. It would be missing.
    Trimmed,
    /// The snapshot is of another history of this origin.
    Differs(Dot),
    /// Bundles here do not continue the snapshot.
    Unchained(Unchained),
    /// Another handle on this store has taken a snapshot meanwhile, has given up this one, or has written what it covers.
    Overtaken,
    /// The snapshot may be of another history of this replica: it has own bundles of which only the names are known to be in it.
    Unproven(Dot),
}

/// Where a run that is kept comes in the new log: those from the peer, in its order, come before those that this log still has.
type Place = (Position, usize);

impl Turn<'_> {
    /// The bundles of this log that a snapshot does not cover, each proved to follow it. The peer has the own bundles up to `proven` as
    /// they are here. What has been trimmed here is taken from `again`: runs that the peer has behind the snapshot, in the order of its
    /// log.
    pub(super) async fn kept_beside(
        &self,
        manifest: &Manifest,
        proven: Seq,
        again: &[Run],
    ) -> Result<Result<Vec<VerifiedRun>, Unfit>, StoreError> {
        let acked = locked(&self.inner.peers).acked();
        let mut kept = Vec::new();
        for Difference { origin, ours, theirs } in self.status.heads.differences(&manifest.heads) {
            if ours.seq == theirs.seq {
                return Ok(Err(Unfit::Differs(Dot { origin, seq: theirs.seq })));
            }
            if ours.seq < theirs.seq && origin == self.id && ours.seq > acked.max(proven) {
                return Ok(Err(Unfit::Unproven(Dot { origin, seq: ours.seq })));
            }
            if ours.seq > theirs.seq {
                match self.kept_of(origin, (theirs, ours), again).await? {
                    Ok(runs) => kept.extend(runs),
                    Err(unfit) => return Ok(Err(unfit)),
                }
            }
        }
        kept.sort_by_key(|(place, _)| *place);
        Ok(Ok(kept.into_iter().map(|(_, verified)| verified).collect()))
    }

    /// An origin's bundles behind the head `from`, up to the head `to`.
    async fn kept_of(
        &self,
        origin: ReplicaId,
        (from, to): (Head, Head),
        again: &[Run],
    ) -> Result<Result<Vec<(Place, VerifiedRun)>, Unfit>, StoreError> {
        let (mut kept, mut head) = (Vec::new(), from);
        while head.seq < to.seq {
            let differs = Unfit::Differs(Dot { origin, seq: head.seq });
            let page: Vec<(Place, Run)> = match self.inner.store.read_origin(origin, head.seq, Limit::PAGE).await {
                Ok(stored) if stored.first().is_some_and(|first| first.previous != head.chain) => {
                    return Ok(Err(differs));
                }
                Ok(stored) => stored.into_iter().map(|stored| ((stored.position, 0), stored.run)).collect(),
                Err(StoreError::Trimmed { .. }) => match next_in(again, origin, head, to.seq) {
                    Some(next) => vec![next],
                    None => return Ok(Err(Unfit::Trimmed)),
                },
                Err(error) => return Err(error),
            };
            for (place, run) in page {
                let verified = match VerifiedRun::verify(run, head) {
                    Ok(verified) => verified,
                    Err(unchained) => return Ok(Err(Unfit::Unchained(unchained))),
                };
                head = verified.head();
                kept.push((place, verified));
            }
        }
        // What a peer hands over under the same names may be another history. (Another handle on this store may have written more.)
        if head.seq == to.seq && head.chain != to.chain {
            return Ok(Err(Unfit::Differs(Dot { origin, seq: to.seq })));
        }
        Ok(Ok(kept))
    }
}

/// The next bundles of an origin behind `head`, up to `last`, among runs of the peer.
fn next_in(again: &[Run], origin: ReplicaId, head: Head, last: Seq) -> Option<(Place, Run)> {
    let next = head.seq.plus(1);
    let of_origin = again.iter().enumerate().filter(|(_, run)| run.origin() == origin);
    let mut behind = of_origin.filter_map(|(index, run)| Some((index, run.since(next)?)));
    let (index, run) = behind.find(|(_, run)| run.first() == next)?;
    Some(((Position::ZERO, index), run.until(last, head.chain)?))
}
