//! What became of a bundle.

use super::{Replica, ReplicaError, locked};
use crate::event::{Event, Events};
use crate::id::{Dot, Seq};
use crate::protocol::Refusal;
use crate::reserved::{self, DEAD_LETTERS, DeadLetterRow, MOVED};
use crate::store::{Limit, RowKey, RowRange, RowWrite, StoreError};
use crate::time::NTP64;

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Durable here; no peer has answered for it yet.
    Pending,
    /// A peer has stored it durably, or it came from one.
    Stored,
    /// A peer has refused it. Its events are kept as a dead letter.
    Refused(Refusal),
    /// The replica has taken a new identity, and the bundle is now this one.
    Superseded(Dot),
    /// This replica has no such bundle.
    Unknown,
}

/// A refused bundle's events, kept until the application has dealt with them: write them again in another form, or forget them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The bundle, now a void.
    pub dot: Dot,
    /// Why it was refused.
    pub refusal: Refusal,
    /// What it said.
    pub events: Vec<Event>,
}

impl Replica {
    /// What became of a bundle.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn outcome(&self, dot: Dot) -> Result<Outcome, ReplicaError> {
        let (own, head) = {
            let turn = self.inner.turn.lock().await;
            (turn.id, turn.status.heads.get(dot.origin).seq)
        };
        let keys = [MOVED, DEAD_LETTERS].map(|view| RowKey::new(reserved::view(view), reserved::dot_key(dot)));
        let rows = self.inner.store.load(&keys).await?;
        if let Some(row) = &rows[0] {
            return Ok(Outcome::Superseded(reserved::get(MOVED, row)?));
        }
        if let Some(row) = &rows[1] {
            return Ok(Outcome::Refused(reserved::get::<DeadLetterRow>(DEAD_LETTERS, row)?.refusal));
        }
        if dot.seq == Seq::ZERO || dot.seq > head {
            return Ok(Outcome::Unknown);
        }
        let pending = dot.origin == own && dot.seq > locked(&self.inner.peers).acked();
        Ok(if pending { Outcome::Pending } else { Outcome::Stored })
    }

    /// Waits until a peer has answered for an own bundle, and returns what became of it. Somebody has to sync meanwhile.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// Dropping the future stops waiting and changes nothing.
    pub async fn settled(&self, dot: Dot) -> Result<Outcome, ReplicaError> {
        loop {
            // Listen first, look then: an answer that comes in between is not missed.
            let answered = self.inner.answered.listen();
            match self.outcome(dot).await? {
                Outcome::Pending => answered.await,
                outcome => return Ok(outcome),
            }
        }
    }

    /// The refused bundles that the application has not dealt with yet, in the order they were written.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, ReplicaError> {
        let rows =
            self.inner.store.scan(&reserved::view(DEAD_LETTERS), RowRange::all(), Limit::items(u32::MAX)).await?;
        Ok(rows.iter().map(|row| dead_letter(&row.key, &row.value)).collect::<Result<_, _>>()?)
    }

    /// Forgets a dead letter: the application has dealt with it. Its bundle stays a void.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn forget_dead_letter(&self, dot: Dot) -> Result<(), ReplicaError> {
        let key = RowKey::new(reserved::view(DEAD_LETTERS), reserved::dot_key(dot));
        self.inner.commit_rows(vec![RowWrite { key, value: None }]).await?;
        Ok(())
    }
}

fn dead_letter(key: &[u8], value: &[u8]) -> Result<DeadLetter, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { backend: "engine", at: format!("a row of {DEAD_LETTERS}"), why };
    let dot = reserved::key_dot(key).ok_or_else(|| corrupt("its key is no bundle's name".into()))?;
    let DeadLetterRow { refusal, body } = reserved::get(DEAD_LETTERS, value)?;
    let events = Events::new(&body, dot, NTP64(0)).map(|event| {
        let event = event.map_err(|error| corrupt(error.to_string()))?;
        Ok(Event::new(event.kind(), event.payload.to_vec()))
    });
    Ok(DeadLetter { dot, refusal, events: events.collect::<Result<_, StoreError>>()? })
}
