//! What became of a bundle.

use bytes::Bytes;

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
    /// This bundle has replaced it: the replica has taken a new identity, or the application has written the events of a dead
    /// letter again in another form.
    Superseded(Dot),
    /// This replica has no such bundle.
    Unknown,
}

/// How far a bundle has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckLevel {
    /// Stored in this replica's own store, as durable as that store is.
    Local,
    /// Answered by a peer, which has stored it durably or refused it.
    Peer,
}

impl Replica {
    /// What became of a bundle.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn outcome(&self, dot: Dot) -> Result<Outcome, ReplicaError> {
        Ok(self.outcomes(&[dot]).await?.remove(0))
    }

    /// What became of some bundles, in the order asked.
    pub(super) async fn outcomes(&self, dots: &[Dot]) -> Result<Vec<Outcome>, ReplicaError> {
        let (own, heads) = {
            let mut turn = self.inner.turn().await;
            turn.refresh().await?;
            let heads: Vec<_> = dots.iter().map(|dot| turn.status.heads.get(dot.origin).seq).collect();
            (turn.id, heads)
        };
        let views = [MOVED, DEAD_LETTERS, REFUSED].map(reserved::view);
        let key = |dot: &Dot| views.clone().map(|view| RowKey::new(view, reserved::dot_key(*dot)));
        let keys: Vec<_> = dots.iter().flat_map(key).collect();
        let rows = self.inner.store.load(&keys).await?;
        let acked = locked(&self.inner.peers).acked();
        let outcome = |((dot, head), rows): ((&Dot, Seq), &[Option<Bytes>])| {
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
            Ok(if dot.origin == own && dot.seq > acked { Outcome::Pending } else { Outcome::Stored })
        };
        dots.iter().zip(heads).zip(rows.chunks(views.len())).map(outcome).collect()
    }

    /// Waits until an own bundle has come so far, and returns its outcome. For a peer's answer somebody has
    /// to sync in the meantime; a write whose future was dropped is committed or known not to be once this returns.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// Dropping the future stops waiting and changes nothing.
    pub async fn wait_for(&self, dot: Dot, level: AckLevel) -> Result<Outcome, ReplicaError> {
        self.inner.turn().await.settle().await;
        loop {
            // Listen first, look then: an answer that comes in between is not missed.
            let answered = self.inner.answered.listen();
            match self.outcome(dot).await? {
                Outcome::Pending if level == AckLevel::Peer => answered.await,
                outcome => return Ok(outcome),
            }
        }
    }
}
