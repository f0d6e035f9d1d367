//! What a group of commits is about to make of a space.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline::store::check::{check_append, check_row};
use syncline::store::rewrite::check_rewrite;
use syncline::store::{Committed, Rewrite, RowWrite, StoreError, StoredRun, WriteBatch};
use syncline::{Append, Dot, Head, Position, ReplicaId, Seq, ViewId};

use crate::backend::Snapshot;
use crate::changes::Pending;
use crate::error::Result;
use crate::keys::ViewKey;
use crate::pack::Tail;
use crate::record::{Status, View, encode_head};
use crate::space::{Place, Space};
use crate::{log, rows};

/// A space as it is committed, and over it what the group has changed so far.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    space: Arc<Space>,
    status: Status,
    /// The heads that moved. `None` where the log has nothing of the origin any more.
    heads: BTreeMap<ReplicaId, Option<Head>>,
    tail: Tail,
    packed_bytes: usize,
}

impl Draft {
    /// The space as it is committed. Small runs are packed to this size.
    pub(crate) fn new(space: Arc<Space>, packed_bytes: usize) -> Self {
        let state = space.state();
        let (status, tail) = (state.status.clone(), state.tail);
        drop(state);
        Self { space, status, heads: BTreeMap::new(), tail, packed_bytes }
    }

    /// Adds a batch to what is pending.
    ///
    /// # Errors
    /// The batch is refused, or data that it needs is damaged. Then this draft and `pending` hold a part of it: both are to
    /// be dropped.
    pub(crate) fn apply(&mut self, pending: &mut Pending<impl Snapshot>, batch: &WriteBatch) -> Result<Committed> {
        let found = self.status.revision;
        if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { expected, found }.into());
        }
        if let Some(rewrite) = &batch.rewrite {
            self.rewrite(pending, rewrite)?;
        }
        for append in &batch.runs {
            self.append(pending, append)?;
        }
        self.make_voids(pending, &batch.voids)?;
        batch.rows.iter().try_for_each(|row| check_row(&row.key, row.value.as_ref()))?;
        batch.clear.iter().try_for_each(|view| self.clear(pending, view))?;
        batch.rows.chunk_by(|a, b| a.key.view == b.key.view).for_each(|rows| self.write(pending, rows));
        batch.views.iter().for_each(|(view, position)| self.view(view).folded = Some(*position));
        self.status.clock = if batch.rewrite.is_some() { batch.clock } else { batch.clock.max(self.status.clock) };
        self.status.revision = found.plus(1);
        Ok(Committed { revision: self.status.revision, head: self.status.head })
    }

    fn rewrite(&mut self, pending: &mut Pending<impl Snapshot>, rewrite: &Rewrite) -> Result<()> {
        let Rewrite { origin, after, ref runs } = *rewrite;
        let tail = log::tail(pending, self.place(), origin, after.seq)?;
        let kept = check_rewrite(rewrite, &tail, self.head(origin))?.kept;
        tail.iter().for_each(|stored| log::remove(pending, self.place(), stored));
        kept.into_iter().for_each(|stored| log::put(pending, self.place(), stored));
        self.set_head(origin, Some(after).filter(|after| after.seq > Seq::ZERO));
        // It may have begun within a run that is cut otherwise now.
        self.tail = Tail::default();
        for (position, append) in runs {
            let stored = self.take(*position, append)?;
            log::put(pending, self.place(), stored);
        }
        Ok(())
    }

    fn append(&mut self, pending: &mut Pending<impl Snapshot>, append: &Append) -> Result<()> {
        let stored = self.take(self.status.head.plus(1), append)?;
        self.status.head = stored.end();
        let ripe = self.tail.note(&stored, self.packed_bytes);
        log::put(pending, self.place(), stored);
        ripe.map_or(Ok(()), |tail| tail.pack(pending, self.place(), self.status.head))
    }

    /// Moves an origin's head to the end of a run that follows it.
    fn take(&mut self, position: Position, append: &Append) -> Result<StoredRun> {
        let (run, previous) = (append.run().clone(), append.previous());
        check_append(append, self.head(run.origin()))?;
        self.set_head(run.origin(), Some(append.head()));
        Ok(StoredRun { position, previous, run })
    }

    fn make_voids(&self, pending: &mut Pending<impl Snapshot>, dots: &[Dot]) -> Result<()> {
        let unknown = |dot: &&Dot| dot.seq == Seq::ZERO || dot.seq > self.head(dot.origin).seq;
        if let Some(dot) = dots.iter().find(unknown) {
            return Err(StoreError::NoSuchBundle { dot: *dot }.into());
        }
        let mut dots = dots.to_vec();
        dots.sort_unstable();
        // Each run once, however many of its bundles go.
        let mut rest = &dots[..];
        while let Some(first) = rest.first() {
            let mut stored = log::find(pending, self.place(), *first)?;
            let last = stored.run.last();
            let within = rest.iter().take_while(|dot| dot.origin == first.origin && dot.seq <= last);
            let seqs: Vec<Seq> = within.map(|dot| dot.seq).collect();
            rest = &rest[seqs.len()..];
            stored.run = stored.run.with_voids(&seqs, stored.previous);
            log::put(pending, self.place(), stored);
        }
        Ok(())
    }

    fn clear(&mut self, pending: &mut Pending<impl Snapshot>, view: &ViewId) -> Result<()> {
        if let Some(view) = self.status.views.get_mut(view) {
            view.folded = None;
            rows::keys_of(pending, &self.space.place, *view)?.into_iter().for_each(|key| pending.delete(key));
        }
        Ok(())
    }

    /// Writes rows of one view.
    fn write(&mut self, pending: &mut Pending<impl Snapshot>, rows: &[RowWrite]) {
        let view = &rows[0].key.view;
        if rows.iter().all(|row| row.value.is_none()) && !self.status.views.contains_key(view) {
            return;
        }
        let (space, view) = (self.place().key, self.view(view).key);
        for RowWrite { key, value } in rows {
            let key = space.row(view, &key.key);
            match value {
                Some(value) => pending.put(key, &[value]),
                None => pending.delete(key),
            }
        }
    }

    /// A view, which gets a number where it has none.
    fn view(&mut self, view: &ViewId) -> &mut View {
        // Views keep their numbers for ever, so that the next one is free.
        let next = u32::try_from(self.status.views.len()).expect("views are few") + 1;
        self.status.views.entry(view.clone()).or_insert(View { key: ViewKey(next), folded: None })
    }

    fn head(&self, origin: ReplicaId) -> Head {
        match self.heads.get(&origin) {
            Some(head) => head.unwrap_or(Head::NONE),
            None => self.space.state().heads.get(origin),
        }
    }

    fn set_head(&mut self, origin: ReplicaId, head: Option<Head>) {
        let (before, after) = (self.head(origin).seq > Seq::ZERO, head.is_some());
        self.status.heads = self.status.heads + u32::from(after) - u32::from(before);
        self.heads.insert(origin, head);
    }

    fn place(&self) -> &Place {
        &self.space.place
    }

    /// Adds what all batches of the group together made of the space's own values.
    pub(crate) fn save(&self, pending: &mut Pending<impl Snapshot>) {
        let key = self.place().key;
        for (origin, head) in &self.heads {
            match head {
                Some(head) => pending.put(key.head(*origin), &[&encode_head(*head)]),
                None => pending.delete(key.head(*origin)),
            }
        }
        pending.put(key.status(), &[&self.status.encode()]);
    }

    /// Makes the written group known.
    pub(crate) fn publish(self) {
        let mut state = self.space.state();
        state.status = self.status;
        state.tail = self.tail;
        for (origin, head) in self.heads {
            match head {
                Some(head) => state.heads.set(origin, head),
                None => state.heads.remove(origin),
            }
        }
        drop(state);
        self.space.wake();
    }
}
