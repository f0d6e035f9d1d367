//! Takes bundles from a peer: drops the known ones, checks and folds the others, and commits them with the cursor.

use super::fold::{Folding, Whose};
use super::peers::Known;
use super::sent::sent_row;
use super::sync::{Held, SyncError};
use super::turn::Turn;
use super::{Inner, locked};
use crate::format::run::{Run, Unchained, VerifiedRun};
use crate::format::time::NTP64;
use crate::id::{Dot, Seq};
use crate::store::StoreError;

/// What came of some runs.
#[derive(Debug, Default)]
pub(super) struct Ingested {
    /// Bundles that were new.
    pub(super) bundles: u64,
    /// The bundle at which it stopped, its time being too far ahead. The cursor was left where it was.
    pub(super) held: Option<Held>,
}

impl Inner {
    /// Commits what of `runs` is new, with the peer's row, in one transaction. A bundle from too far in the future is held: what
    /// precedes it is committed, the peer's cursor stays, and the next sync asks for it again.
    pub(super) async fn ingest(&self, runs: &[Run], known: Known, vouched: NTP64) -> Result<Ingested, SyncError> {
        let mut turn = self.turn().await;
        loop {
            // Somebody else may have committed without these views, as a service on the same store does.
            turn.catch_up_some().await?;
            let (appends, held) = turn.select(runs, vouched)?;
            let bundles = appends.iter().map(|verified| verified.run().count()).sum();
            let plan = turn.plan(&appends);
            let mut batch = turn.append_batch(appends);
            let row = locked(&self.peers).row_for(turn.id, known);
            if held.is_none() {
                batch.rows.extend(known.rows(&row));
            }
            // Own bundles that come back are the peer's, too, whatever this store knows of having sent them.
            let own = batch.runs.iter().rfind(|verified| verified.run().origin() == turn.id);
            let returned = own.map(|verified| verified.head().seq);
            let sent = returned.map(|last| turn.sent.with_returned(last));
            batch.rows.extend(sent.iter().map(sent_row));
            match turn.commit_folded(plan, batch, Whose::Anyones).await {
                Ok(Folding::Committed) if held.is_none() => locked(&self.peers).note_met(row, known.met),
                Ok(Folding::Committed) => {}
                Ok(_) | Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            sent.into_iter().zip(returned).for_each(|(sent, last)| turn.sent.has_returned(sent, last));
            return Ok(Ingested { bundles, held });
        }
    }
}

impl Turn<'_> {
    /// Drops known bundles, proves the others to follow, and cuts before the first from too far in the future.
    fn select(&self, runs: &[Run], vouched: NTP64) -> Result<(Vec<VerifiedRun>, Option<Held>), Unchained> {
        let mut heads = self.status.heads.clone();
        let mut appends = Vec::with_capacity(runs.len());
        for run in runs {
            let head = heads.get(run.origin());
            let Some(new) = run.since(head.seq.plus(1)) else { continue };
            let held = self.first_ahead(&new, vouched);
            let verified = VerifiedRun::verify(new, head)?;
            if let Some(held) = held {
                let last = Seq::new(held.dot.seq.get() - 1);
                let before = verified.run().until(last, verified.previous()).filter(|_| last > head.seq);
                appends.extend(before.map(|before| VerifiedRun::verify(before, head)).transpose()?);
                return Ok((appends, Some(held)));
            }
            heads.set(run.origin(), verified.head());
            appends.push(verified);
        }
        Ok((appends, None))
    }

    fn first_ahead(&self, run: &Run, vouched: NTP64) -> Option<Held> {
        // Times rise within a run: if its last is near enough, all are.
        self.inner.clock.check(run.last_time(), Some(vouched)).err()?;
        run.bundles().find_map(|bundle| {
            let drift = self.inner.clock.check(bundle.time, Some(vouched)).err()?;
            let dot = Dot { origin: run.origin(), seq: bundle.dot.seq };
            Some(Held { dot, drift })
        })
    }
}
