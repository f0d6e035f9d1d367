//! What became of a bundle.

use super::{Replica, ReplicaError, locked};
use crate::id::{Dot, Seq};
use crate::protocol::Refusal;
use crate::reserved::{self, DEAD_LETTERS, DeadLetterRow, MOVED, REFUSED};
use crate::store::RowKey;

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Durable here; no peer has answered for it yet.
    Pending,
    /// A peer has stored it durably, or it came from one.
    Stored,
    /// A peer has refused it. Its events are kept as a dead letter until the application has dealt with them.
    Refused(Refusal),
    /// This bundle stands for it now: the replica has taken a new identity, or the application has written the events of a dead
    /// letter again in another form.
    Superseded(Dot),
    /// This replica has no such bundle.
    Unknown,
}

/// How far a bundle has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Into this replica's own store, as durable as that is.
    Local,
    /// To a peer, which has stored it durably or refused it.
    Peer,
}

impl Replica {
    /// What became of a bundle.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn outcome(&self, dot: Dot) -> Result<Outcome, ReplicaError> {
        let (own, head) = {
            let mut turn = self.inner.turn.lock().await;
            self.inner.refresh(&mut turn).await?;
            (turn.id, turn.status.heads.get(dot.origin).seq)
        };
        let keys = [MOVED, DEAD_LETTERS, REFUSED].map(|view| RowKey::new(reserved::view(view), reserved::dot_key(dot)));
        let rows = self.inner.store.load(&keys).await?;
        if let Some(row) = &rows[0] {
            return Ok(Outcome::Superseded(reserved::get(MOVED, row)?));
        }
        if let Some(row) = &rows[1] {
            return Ok(Outcome::Refused(reserved::get::<DeadLetterRow>(DEAD_LETTERS, row)?.refusal));
        }
        if let Some(row) = &rows[2] {
            return Ok(Outcome::Refused(reserved::get(REFUSED, row)?));
        }
        if dot.seq == Seq::ZERO || dot.seq > head {
            return Ok(Outcome::Unknown);
        }
        let pending = dot.origin == own && dot.seq > locked(&self.inner.peers).acked();
        Ok(if pending { Outcome::Pending } else { Outcome::Stored })
    }

    /// Waits until a bundle of this replica's own has come so far, and returns what became of it. For a peer's answer somebody has
    /// to sync meanwhile; a write whose future was dropped is committed or known not to be once this returns.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// Dropping the future stops waiting and changes nothing.
    pub async fn wait_for(&self, dot: Dot, tier: Tier) -> Result<Outcome, ReplicaError> {
        self.inner.settle(&mut *self.inner.turn.lock().await).await;
        loop {
            // Listen first, look then: an answer that comes in between is not missed.
            let answered = self.inner.answered.listen();
            match self.outcome(dot).await? {
                Outcome::Pending if tier == Tier::Peer => answered.await,
                outcome => return Ok(outcome),
            }
        }
    }
}
