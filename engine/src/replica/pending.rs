//! Own bundles that no peer has answered for.

use super::{Replica, ReplicaError, locked};
use crate::format::event::Event;
use crate::format::run::Bundle;
use crate::format::time::NTP64;
use crate::id::{Dot, Seq};
use crate::store::{Limit, StoreError};

/// An own bundle that no peer has answered for. The next sync hands it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingBundle {
    /// Its name. A sync may still give it another, see [`Outcome::Superseded`](super::Outcome::Superseded).
    pub dot: Dot,
    /// Its time.
    pub time: NTP64,
    /// What it says.
    pub events: Vec<Event>,
}

impl Replica {
    /// The own bundles that no peer has answered for, in the order they were written: at most `limit`, beginning after `after`, the
    /// last one of the previous page. Empty at the end.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn pending(&self, after: Option<Dot>, limit: Limit) -> Result<Vec<PendingBundle>, ReplicaError> {
        let (own, acked) = {
            let mut turn = self.inner.turn().await;
            turn.settle().await;
            turn.refresh().await?;
            (turn.id, locked(&self.inner.peers).acked())
        };
        let after = after.filter(|after| after.origin == own).map_or(Seq::ZERO, |after| after.seq);
        let mut from = acked.max(after);
        loop {
            let stored = self.inner.store.read_origin(own, from, limit).await?;
            let Some(last) = stored.last() else { return Ok(Vec::new()) };
            from = last.run.last();
            let bundles = stored.iter().flat_map(|stored| stored.run.bundles()).filter(|bundle| !bundle.is_void());
            let pending: Vec<_> = bundles.map(|bundle| pending(&bundle)).collect::<Result<_, _>>()?;
            // A page of voids alone is not the end.
            if !pending.is_empty() {
                return Ok(pending);
            }
        }
    }
}

fn pending(bundle: &Bundle<'_>) -> Result<PendingBundle, StoreError> {
    let events = bundle.events().map(|event| event.map(|event| Event::new(event.event_type(), event.payload.to_vec())));
    let events = events.collect::<Result<_, _>>().map_err(|error| StoreError::Corrupt {
        backend: "engine",
        at: format!("bundle {}", bundle.dot),
        why: error.to_string(),
    })?;
    Ok(PendingBundle { dot: bundle.dot, time: bundle.time, events })
}
