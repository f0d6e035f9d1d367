//! Trimming: the first bundles of the log go, and what they have made of the rows stays.
//!
//! What may go is computed and never guessed. Each [`Hold`] names what still needs bundles, and from which place on. The log is trimmed up
//! to the least of these places. After that, rows can be folded again from the checkpoint on, and no longer from the log's start.

use super::turn::Turn;
use super::{Inner, Replica, ReplicaError, locked};
use crate::id::{Dot, Position, Seq};
use crate::projection::{Aside, Cause};
use crate::reserved::{self, UNREADABLE};
use crate::store::{Limit, StoreError, ViewId, WriteBatch};

mod hold;
mod shared;

pub use hold::{Hold, Keep, TrimBound, TrimPlan};

/// Bundles that go in one commit, at most. A store may have a record for each, and writers wait meanwhile.
const STEP: u64 = 4_096;

impl Replica {
    /// Says how far [`trim`](Self::trim) would go, and deletes nothing.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn plan_trim(&self, keep: impl Into<Keep>) -> Result<TrimPlan, ReplicaError> {
        let mut turn = self.inner.turn().await;
        turn.settle().await;
        turn.refresh().await?;
        Ok(turn.trim_plan(keep.into()).await?)
    }

    /// Deletes the first bundles of the log, as many as nothing needs, and keeps at least what `keep` says. Moves the
    /// [checkpoint](Self::checkpoint) first, if it can be moved. Rows, outcomes and dead letters stay, and the replica goes on as
    /// before. Bundles go some at a time, so that writers get in between. Gives what was done, and what holds the rest.
    ///
    /// Think before: what has been trimmed can be had from other copies of the log alone. After a trim
    ///
    /// - [`state_at`](super::View::state_at) and [`rebuild`](Self::rebuild) fail with [`ReplicaError::NeedsHistory`], and a new view
    ///   [waits](super::ReplicaStatus::views_without_history) for a snapshot that has it, unless an [archive](super::Compose::archive) has
    ///   what they need;
    /// - a peer that lacks bundles from before does not get them from this replica, see [`SyncReport::trimmed_here`](super::SyncReport);
    /// - a second peer's refusal of a bundle up to the checkpoint is told in the report, and the bundle stays as it is;
    /// - a fork from before the checkpoint is not healed: the sync fails with [`SyncError::Forked`](super::SyncError::Forked).
    ///
    /// # Errors
    /// [`ReplicaError::Archive`] if the archive does not take what is to go: then it stays. [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// What was trimmed stays so.
    pub async fn trim(&self, keep: impl Into<Keep>) -> Result<TrimPlan, ReplicaError> {
        {
            let mut turn = self.inner.turn().await;
            turn.settle().await;
            turn.refresh().await?;
            turn.move_checkpoint().await?;
        }
        self.inner.trim(keep.into()).await
    }
}

impl Inner {
    /// Trims as far as nothing holds, step by step. What goes is archived first.
    pub(super) async fn trim(&self, keep: Keep) -> Result<TrimPlan, ReplicaError> {
        let mut begun = None;
        loop {
            let plan = self.turn().await.trim_plan(keep).await?;
            let base = *begun.get_or_insert(plan.base);
            if plan.bundles() == 0 {
                return Ok(TrimPlan { base, ..plan });
            }
            let step = |plan: &TrimPlan| plan.to.min(plan.base.plus(STEP));
            let archived = match &self.archive {
                Some(archive) => Some(self.archive_some(&**archive, plan.base, step(&plan)).await?),
                None => None,
            };
            let mut turn = self.turn().await;
            // Others may have had their turn since, or another handle has trimmed the log.
            let plan = turn.trim_plan(keep).await?;
            let to = match archived {
                None => step(&plan),
                Some(Some(segment)) if plan.to >= segment.last() && turn.still_has(&segment).await? => segment.last(),
                Some(_) => {
                    turn.reload().await?;
                    continue;
                }
            };
            let (expected, trim) = (Some(turn.status.revision), Some(to));
            match turn.commit(WriteBatch { expected, trim, ..WriteBatch::default() }).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Turn<'_> {
    async fn trim_plan(&mut self, keep: Keep) -> Result<TrimPlan, StoreError> {
        loop {
            match self.plan_as_known(keep).await {
                Err(StoreError::CursorGone { .. }) if self.is_cut_by_others().await? => {}
                plan => return plan,
            }
        }
    }

    /// The plan, unless another handle on this store has trimmed the log since the turn last read its status.
    async fn plan_as_known(&self, keep: Keep) -> Result<TrimPlan, StoreError> {
        let (base, head) = (self.status.base, self.status.head);
        let mut bounds = vec![
            TrimBound { hold: Hold::Kept, at: Position::new(head.get().saturating_sub(keep.bundles)) },
            TrimBound { hold: Hold::Checkpoint, at: self.checkpoint.position().unwrap_or(Position::ZERO) },
        ];
        if self.inner.shared {
            bounds.extend(self.bounds_of_others(keep.window).await?);
        }
        let behind = self.views().filter(|(view, at)| *at < head && !self.lacks_history(view));
        bounds.extend(behind.map(|(view, at)| TrimBound { hold: Hold::View(view.clone()), at }));
        bounds.extend(self.own_bound().await?);
        if let Some(aside) = self.first_unread().await? {
            // The view has to be folded again, which takes the whole log, or what lies behind the checkpoint.
            bounds.push(TrimBound { hold: Hold::Unread(Box::new(aside)), at: base });
        }
        bounds.sort_by_key(|bound| bound.at);
        if let Some(age) = keep.age {
            let to = bounds.first().map_or(base, |bound| bound.at);
            bounds.push(self.bound_of_age(age, to).await?);
            bounds.sort_by_key(|bound| bound.at);
        }
        let to = bounds.first().map_or(base, |bound| bound.at).max(base);
        Ok(TrimPlan { base, head, to, bounds })
    }

    /// The views that are maintained here, and all others that have rows.
    fn views(&self) -> impl Iterator<Item = (&ViewId, Position)> {
        let stored = self.status.views.keys().filter(|view| !view.is_reserved());
        let new = self.inner.projections.views().filter(|view| !self.status.views.contains_key(view));
        stored.chain(new).map(|view| (view, self.folded(view)))
    }

    /// What follows the last own bundle that a peer has answered for has to be pushed, and gets a later time than that one.
    async fn own_bound(&self) -> Result<Option<TrimBound>, StoreError> {
        let pushes = !self.inner.shared || locked(&self.inner.peers).all().next().is_some();
        if self.status.heads.get(self.id).seq == Seq::ZERO || !pushes {
            return Ok(None);
        }
        let seq = locked(&self.inner.peers).acked().max(Seq::new(1));
        let dot = Dot { origin: self.id, seq };
        let stored = self.inner.store.read_origin(self.id, Seq::new(seq.get() - 1), Limit::items(1)).await;
        let at = match stored {
            Ok(stored) => stored.first().map_or(self.status.base, |stored| Position::new(stored.position.get() - 1)),
            Err(StoreError::Trimmed { base, .. }) => base,
            Err(error) => return Err(error),
        };
        Ok(Some(TrimBound { hold: Hold::Own(dot), at }))
    }

    /// The first event that a later version of this program may read.
    pub(super) async fn first_unread(&self) -> Result<Option<Aside>, StoreError> {
        let lacks_history = |view: &Option<&ViewId>| view.is_some_and(|view| self.lacks_history(view));
        for view in self.inner.noted().filter(|view| !lacks_history(view)) {
            let mut range = reserved::notes(view);
            loop {
                let rows = self.inner.store.scan(&reserved::view(UNREADABLE), range.clone(), Limit::PAGE).await?;
                let Some(last) = rows.last() else { break };
                range = range.after(last.key.clone());
                for row in &rows {
                    let aside = reserved::read_note(row)?;
                    if matches!(aside.cause, Cause::OtherVersion { .. } | Cause::Malformed(_)) {
                        return Ok(Some(aside));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Bundles up to here cannot be taken back or moved any more: the rows without them cannot be folded. Zero unless the log was trimmed.
    pub(super) fn settled(&self) -> Position {
        match self.status.base {
            Position::ZERO => Position::ZERO,
            _ => self.checkpoint.position().unwrap_or(self.status.head),
        }
    }
}
