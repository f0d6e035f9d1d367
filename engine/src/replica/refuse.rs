//! What a refusal changes: the bundle becomes a void, its events become a dead letter, and the rows they had touched are folded
//! again without them. Nothing behind it waits.

use std::collections::BTreeSet;

use super::checkpoint::Start;
use super::peers::Known;
use super::turn::Turn;
use super::{Inner, locked};
use crate::format::run::Body;
use crate::id::Seq;
use crate::protocol::RefusedBundle;
use crate::reserved::{self, DEAD_LETTERS, DeadLetterRow};
use crate::store::{Limit, RowKey, RowWrite, StoreError, StoredRun, WriteBatch};

impl Inner {
    /// Notes which own bundles a peer has refused, together with the peer's row, in one transaction.
    pub(super) async fn refuse(&self, refused: &[RefusedBundle], known: Known) -> Result<(), StoreError> {
        let mut turn = self.turn().await;
        loop {
            while turn.catch_up_some().await? {}
            let own = refused.iter().filter(|refused| refused.origin == turn.id).cloned().collect::<Vec<_>>();
            let row = locked(&self.peers).row_for(turn.id, known);
            let batch = match turn.refusal_batch(&own, known.rows(&row)).await {
                Err(StoreError::CursorGone { .. }) if turn.is_cut_by_others().await? => continue,
                batch => batch?,
            };
            match turn.commit(batch).await {
                Ok(_) => locked(&self.peers).note_met(row, known.met),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

impl Turn<'_> {
    async fn refusal_batch(
        &self,
        refused: &[RefusedBundle],
        rows: impl Iterator<Item = RowWrite>,
    ) -> Result<WriteBatch, StoreError> {
        let clear = self.foreign_views();
        let mut batch = WriteBatch { expected: Some(self.status.revision), clear, ..WriteBatch::default() };
        let (mut runs, mut first) = (Vec::new(), self.status.head);
        for RefusedBundle { origin, seq, refusal } in refused {
            let stored = self.inner.store.read_origin(*origin, Seq::new(seq.get() - 1), Limit::items(1)).await;
            let stored = match stored {
                Err(StoreError::Trimmed { .. }) => continue,
                stored => stored?,
            };
            let Some(stored) = stored.into_iter().next() else { continue };
            // Another peer has stored it, and the rows without it cannot be had any more.
            if stored.position <= self.settled() {
                continue;
            }
            let Some(bundle) = stored.run.bundles().next() else { continue };
            // A void here: it was taken note of before, and the acknowledgement was lost.
            let Body::Full(body) = bundle.body else { continue };
            let letter = DeadLetterRow { refusal: refusal.clone(), body: body.to_vec() };
            batch.rows.push(reserved::put(DEAD_LETTERS, reserved::dot_key(bundle.dot), &letter));
            batch.rows.extend(self.notes_gone(bundle.dot.origin, bundle.dot.seq, bundle.dot.seq).await?);
            batch.voids.push(bundle.dot);
            first = first.min(stored.position);
            runs.push(stored.run.clone());
        }
        let touched: BTreeSet<RowKey> = self.folded_projections().plan(&runs).rows().into_iter().collect();
        let start = self.start(&touched, first).await?;
        batch.clear.extend(start.clear.clone());
        let seqs: Vec<_> = batch.voids.iter().map(|dot| dot.seq).collect();
        batch.rows.extend(self.refold_without(touched, start, &seqs).await?);
        batch.rows.extend(rows);
        Ok(batch)
    }

    /// Folds touched rows again from `start` on, without the own bundles `seqs`.
    async fn refold_without(
        &self,
        touched: BTreeSet<RowKey>,
        mut start: Start,
        seqs: &[Seq],
    ) -> Result<Vec<RowWrite>, StoreError> {
        if touched.is_empty() {
            return Ok(Vec::new());
        }
        let own = self.id;
        let seen = |stored: &StoredRun| {
            let run = &stored.run;
            let hit = run.origin() == own && seqs.iter().any(|seq| (run.first()..=run.last()).contains(seq));
            Some(if hit { run.with_voids(seqs, stored.previous) } else { run.clone() })
        };
        let wanted = |view: &crate::store::ViewId, key: &[u8]| {
            touched.contains(&RowKey::new(view.clone(), bytes::Bytes::copy_from_slice(key)))
        };
        let mut writes = std::mem::take(&mut start.pre_images);
        let (rows, _) = self.inner.refold(start, &self.folded_projections(), seen, |_| true, wanted, &[]).await?;
        writes.extend(self.refolded(touched, rows).await?);
        Ok(writes)
    }
}
