//! What was refused, and how the application deals with it: it writes the events again in another form, or forgets them.

use super::queue::Written;
use super::{Replica, ReplicaError};
use crate::format::event::{Event, Events, encode_body};
use crate::format::time::NTP64;
use crate::id::Dot;
use crate::protocol::Refusal;
use crate::reserved::{self, DEAD_LETTERS, DeadLetterRow, MOVED, REFUSED};
use crate::store::{EventStore, Limit, RowKey, RowRange, RowWrite, StoreError};
use crate::typed::ToEvents;

/// A refused bundle's events, kept until the application has dealt with them.
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
    /// The refused bundles that the application has not dealt with yet, in the order they were written.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, ReplicaError> {
        let rows =
            self.inner.store.scan(&reserved::view(DEAD_LETTERS), RowRange::all(), Limit::items(u32::MAX)).await?;
        Ok(rows.iter().map(|row| dead_letter(&row.key, &row.value)).collect::<Result<_, _>>()?)
    }

    /// Writes these events in place of a dead letter's, as a new bundle at the end of the log, and forgets the letter: both in one
    /// commit. What became of the refused bundle is then [`Superseded`](super::Outcome::Superseded) by the new one.
    ///
    /// # Errors
    /// [`ReplicaError::NoDeadLetter`] if there is none, or no longer one; otherwise as [`Replica::write`]. Nothing was written
    /// then, and the letter is still there.
    ///
    /// # Cancel
    /// The bundle may still be written, by the next turn at the latest, and the letter forgotten with it.
    pub async fn rewrite_dead_letter<E: ToEvents>(&self, dot: Dot, events: &[E]) -> Result<Written, ReplicaError> {
        let body = encode_body(&E::to_events(events)?)?;
        let mut turn = self.inner.turn().await;
        // A rewriting that was given up half way comes first, so that no letter is written twice.
        turn.settle().await;
        load(&*self.inner.store, dot).await?;
        turn.write(body.into(), Some(dot)).await
    }

    /// Forgets a dead letter, because the application does not need it. Its bundle stays a void, and its outcome stays the refusal.
    ///
    /// # Errors
    /// [`ReplicaError::NoDeadLetter`] if there is none, or no longer one; [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// The letter may be forgotten, or not.
    pub async fn forget_dead_letter(&self, dot: Dot) -> Result<(), ReplicaError> {
        let refusal = load(&*self.inner.store, dot).await?.refusal;
        let rows = vec![forgotten(dot), reserved::put(REFUSED, reserved::dot_key(dot), &refusal)];
        Ok(self.inner.turn().await.commit_rows(rows).await?)
    }
}

/// The rows that change when `letter` is written again as `written`.
pub(super) fn rewritten(letter: Dot, written: Written) -> [RowWrite; 2] {
    [forgotten(letter), reserved::put(MOVED, reserved::dot_key(letter), &written.dot)]
}

fn forgotten(dot: Dot) -> RowWrite {
    RowWrite { key: row_key(dot), value: None }
}

fn row_key(dot: Dot) -> RowKey {
    RowKey::new(reserved::view(DEAD_LETTERS), reserved::dot_key(dot))
}

async fn load(store: &dyn EventStore, dot: Dot) -> Result<DeadLetterRow, ReplicaError> {
    let row = store.load(&[row_key(dot)]).await?.remove(0).ok_or(ReplicaError::NoDeadLetter { dot })?;
    Ok(reserved::get(DEAD_LETTERS, &row)?)
}

fn dead_letter(key: &[u8], value: &[u8]) -> Result<DeadLetter, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { backend: "engine", at: format!("a row of {DEAD_LETTERS}"), why };
    let dot = reserved::key_dot(key).ok_or_else(|| corrupt("its key is no bundle's name".into()))?;
    let DeadLetterRow { refusal, body } = reserved::get(DEAD_LETTERS, value)?;
    let events = Events::new(&body, dot, NTP64(0)).map(|event| {
        let event = event.map_err(|error| corrupt(error.to_string()))?;
        Ok(Event::new(event.event_type(), event.payload.to_vec()))
    });
    Ok(DeadLetter { dot, refusal, events: events.collect::<Result<_, StoreError>>()? })
}
