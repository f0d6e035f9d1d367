//! Reading the log as an application shows it: who wrote what, when, and what became of it.

use super::{Outcome, Replica, ReplicaError};
use crate::format::event::Event;
use crate::format::run::Bundle;
use crate::format::time::NTP64;
use crate::format::wire::DecodeError;
use crate::id::{Cursor, Dot, Position};
use crate::store::Limit;

/// A bundle in this replica's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedBundle {
    /// Its place in this copy of the log. Other copies have it in another place.
    pub position: Position,
    /// Its name; `dot.origin` is the replica that wrote it.
    pub dot: Dot,
    /// Its time.
    pub time: NTP64,
    /// What it says. Empty if it is void, because it was refused: then its events are a dead letter at the replica that wrote it. An error
    /// if its body does not read as events.
    pub events: Result<Vec<Event>, DecodeError>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Replica {
    /// The bundles behind `after` in the order of this log, at most `limit`, but at least one if there is one. Empty at the end. To read a
    /// log from its newest bundle backwards, start so many positions before [`ReplicaStatus::head`](super::ReplicaStatus::head).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use syncline::{Event, EventType, LogId, MemoryStore, Position, Replica, ReplicaId, SpaceId};
    /// # use syncline::{replica::Outcome, store::Limit};
    /// # futures_executor::block_on(async {
    /// # let store = Arc::new(MemoryStore::new(LogId::from_bytes([1; 16]).expect("not zero")));
    /// # let id = ReplicaId::from_bytes([2; 16]).expect("not zero");
    /// # let replica = Replica::compose(SpaceId::new("notes").unwrap(), store).open(id).await.unwrap();
    /// replica.write(&[Event::new(EventType::new("note.taken", 1), "buy milk")]).await?;
    /// let log = replica.log(Position::ZERO, Limit::items(50)).await?;
    /// assert_eq!((log[0].dot.origin, &log[0].outcome), (id, &Outcome::Pending));
    /// # Ok::<(), syncline::replica::ReplicaError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn log(&self, after: Position, limit: Limit) -> Result<Vec<LoggedBundle>, ReplicaError> {
        let status = self.inner.store.status().await?;
        if after >= status.head {
            return Ok(Vec::new());
        }
        let page = self.inner.store.read(Cursor { log: status.log, position: after }, limit).await?;
        let bundles = || page.runs.iter().flat_map(|stored| stored.run.bundles());
        let dots: Vec<_> = bundles().map(|bundle| bundle.dot).collect();
        let outcomes = self.outcomes(&dots).await?;
        // What a log holds lies without a hole.
        let numbered = (after.get() + 1..).map(Position::new).zip(bundles().zip(outcomes));
        Ok(numbered.map(|(position, (bundle, outcome))| logged(position, &bundle, outcome)).collect())
    }
}

fn logged(position: Position, bundle: &Bundle<'_>, outcome: Outcome) -> LoggedBundle {
    let event = |event: Result<crate::EventRef<'_>, _>| {
        event.map(|event| Event::new(event.event_type(), event.payload.to_vec()))
    };
    let (dot, time) = (bundle.dot, bundle.time);
    LoggedBundle { position, dot, time, events: bundle.events().map(event).collect(), outcome }
}
