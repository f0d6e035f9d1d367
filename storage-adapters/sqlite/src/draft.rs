//! What a transaction is about to make of a space.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use syncline::store::check::{check_append, check_row};
use syncline::store::rewrite::check_rewrite;
use syncline::store::{Committed, StoreError, StoredRun, WriteBatch};
use syncline::{Append, Dot, Head, NTP64, Position, ReplicaId, Revision, Seq, ViewId};

use crate::error::{Fault, Result, corrupt};
use crate::log::{self, Found};
use crate::number::{check_position, to_blob, to_integer};
use crate::pack::{Tail, pack};
use crate::rows;
use crate::space::{Space, print_folded};

mod rewrite;

/// A batch's own outcome: applied, or refused without a trace.
pub(crate) type Outcome = std::result::Result<Committed, StoreError>;

/// A space within a transaction: what is committed, and over it what the transaction has changed so far. Dropped where the
/// transaction fails; then nothing has happened.
#[derive(Debug)]
pub(crate) struct Draft {
    space: Arc<Space>,
    revision: Revision,
    head: Position,
    clock: NTP64,
    /// The heads that moved.
    heads: BTreeMap<ReplicaId, Head>,
    /// The progress of all views, where any changed.
    folded: Option<BTreeMap<ViewId, Position>>,
    /// The origins and views that are new.
    head_ids: BTreeMap<ReplicaId, i64>,
    view_ids: BTreeMap<ViewId, i64>,
    tail: Tail,
    changed: bool,
}

impl Draft {
    /// The space as it is committed.
    pub(crate) fn new(space: Arc<Space>) -> Self {
        let state = space.state();
        let (revision, head, clock) = (state.status.revision, state.status.head, state.status.clock);
        let tail = state.tail;
        drop(state);
        let (heads, head_ids, view_ids) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { space, revision, head, clock, heads, folded: None, head_ids, view_ids, tail, changed: false }
    }

    /// Checks the whole batch, then writes it: what is refused leaves no trace, and only the file itself can still fail.
    ///
    /// # Errors
    /// The transaction cannot go on.
    pub(crate) fn apply(&mut self, db: &Connection, batch: &WriteBatch) -> Result<Outcome> {
        match self.check(db, batch) {
            Err(Fault::Store(refusal)) => return Ok(Err(refusal)),
            checked => checked?,
        }
        if let Some(rewrite) = &batch.rewrite {
            self.rewrite(db, rewrite)?;
        }
        batch.runs.iter().try_for_each(|append| self.append(db, append))?;
        self.make_voids(db, &batch.voids)?;
        batch.clear.iter().try_for_each(|view| self.clear(db, view))?;
        for rows in batch.rows.chunk_by(|a, b| a.key.view == b.key.view) {
            rows::write(db, self.view_id(db, &rows[0].key.view)?, rows)?;
        }
        if !batch.views.is_empty() {
            self.folded().extend(batch.views.iter().cloned());
        }
        self.clock = if batch.rewrite.is_some() { batch.clock } else { self.clock.max(batch.clock) };
        self.revision = self.revision.plus(1);
        self.changed = true;
        Ok(Ok(Committed { revision: self.revision, head: self.head }))
    }

    fn check(&self, db: &Connection, batch: &WriteBatch) -> Result<()> {
        let found = self.revision;
        if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { expected, found }.into());
        }
        let mut heads = BTreeMap::new();
        let mut end = self.head;
        if let Some(rewrite) = &batch.rewrite {
            let old: Vec<StoredRun> = self.rewritten(db, rewrite)?.into_iter().map(|found| found.stored).collect();
            check_rewrite(rewrite, &old, self.head(rewrite.origin))?;
            heads.insert(rewrite.origin, rewrite.after);
            for (_, append) in &rewrite.runs {
                let head = heads.entry(append.run().origin()).or_insert_with(|| self.head(append.run().origin()));
                check_append(append, *head)?;
                *head = append.head();
            }
        }
        for append in &batch.runs {
            let origin = append.run().origin();
            let head = heads.entry(origin).or_insert_with(|| self.head(origin));
            check_append(append, *head)?;
            to_integer("seq", append.run().last().get())?;
            *head = append.head();
            end = end.plus(append.run().count());
        }
        check_position(end)?;
        let mut stored = Vec::new();
        for dot in &batch.voids {
            let known = self.head(dot.origin).seq;
            let head = heads.get(&dot.origin).map_or(known, |head| head.seq);
            if dot.seq == Seq::ZERO || dot.seq > head {
                return Err(StoreError::NoSuchBundle { dot: *dot }.into());
            }
            stored.extend((dot.seq <= known).then_some(*dot));
        }
        self.for_each_run(db, &stored, |_, _| Ok(()))?;
        Ok(batch.rows.iter().try_for_each(|row| check_row(&row.key, row.value.as_ref()))?)
    }

    fn append(&mut self, db: &Connection, append: &Append) -> Result<()> {
        let run = append.run().clone();
        let (origin, position) = (run.origin(), self.head.plus(1));
        let head_id = self.head_id(db, origin)?;
        self.head = self.head.plus(run.count());
        self.heads.insert(origin, append.head());
        let stored = StoredRun { position, previous: append.previous(), run };
        log::insert(db, self.space.key, head_id, &stored)?;
        match self.tail.push(&stored) {
            Some(tail) => pack(db, (&self.space.name, self.space.key), head_id, tail, self.head),
            None => Ok(()),
        }
    }

    fn make_voids(&self, db: &Connection, dots: &[Dot]) -> Result<()> {
        self.for_each_run(db, dots, |Found { id, mut stored }, seqs| {
            let head_id = self.known_head_id(stored.run.origin()).expect("its run was found by it");
            stored.run = stored.run.with_voids(seqs, stored.previous);
            log::replace(db, self.space.key, head_id, id, stored)
        })
    }

    /// Finds each run that holds some of these bundles, once.
    fn for_each_run(
        &self,
        db: &Connection,
        dots: &[Dot],
        mut act: impl FnMut(Found, &[Seq]) -> Result<()>,
    ) -> Result<()> {
        let mut dots = dots.to_vec();
        dots.sort_unstable();
        let mut rest = &dots[..];
        while let Some(first) = rest.first() {
            let found = self.find(db, *first)?;
            let last = found.stored.run.last();
            let same_run = |dot: &&Dot| dot.origin == first.origin && dot.seq <= last;
            let seqs: Vec<Seq> = rest.iter().take_while(same_run).map(|dot| dot.seq).collect();
            act(found, &seqs)?;
            rest = &rest[seqs.len()..];
        }
        Ok(())
    }

    /// The run that holds a bundle that must be there.
    fn find(&self, db: &Connection, dot: Dot) -> Result<Found> {
        let found = match self.origin(dot.origin) {
            Some(origin) => log::find(db, origin, dot.seq)?,
            None => None,
        };
        let missing = || corrupt(format!("space {}, bundle {dot}", self.space.name), "the bundle is not there");
        Ok(found.ok_or_else(missing)?)
    }

    fn clear(&mut self, db: &Connection, view: &ViewId) -> Result<()> {
        let id = self.view_id(db, view)?;
        rows::clear(db, id)?;
        self.folded().remove(view);
        Ok(())
    }

    fn head(&self, origin: ReplicaId) -> Head {
        self.heads.get(&origin).copied().unwrap_or_else(|| self.space.state().status.heads.get(origin))
    }

    fn folded(&mut self) -> &mut BTreeMap<ViewId, Position> {
        self.folded.get_or_insert_with(|| self.space.state().status.views.clone())
    }

    fn known_head_id(&self, origin: ReplicaId) -> Option<i64> {
        self.head_ids.get(&origin).copied().or_else(|| self.space.state().head_ids.get(&origin).copied())
    }

    fn origin(&self, origin: ReplicaId) -> Option<log::Origin<'_>> {
        Some(log::Origin { space: &self.space.name, origin, head_id: self.known_head_id(origin)? })
    }

    fn head_id(&mut self, db: &Connection, origin: ReplicaId) -> Result<i64> {
        if let Some(id) = self.known_head_id(origin) {
            return Ok(id);
        }
        let insert =
            "INSERT INTO heads (space, origin, seq, chain, time) VALUES (?1, ?2, 0, zeroblob(32), zeroblob(8))";
        db.prepare_cached(insert)?.execute(params![self.space.key.0, origin.to_bytes()])?;
        self.head_ids.insert(origin, db.last_insert_rowid());
        Ok(db.last_insert_rowid())
    }

    fn view_id(&mut self, db: &Connection, view: &ViewId) -> Result<i64> {
        let known = self.view_ids.get(view).copied().or_else(|| self.space.state().view_ids.get(view).copied());
        if let Some(id) = known {
            return Ok(id);
        }
        let id = rows::add_view(db, self.space.key, view)?;
        self.view_ids.insert(view.clone(), id);
        Ok(id)
    }

    /// Writes what all batches of the transaction together made of the space's own rows.
    pub(crate) fn save(&self, db: &Connection) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let mut head = db.prepare_cached("UPDATE heads SET seq = ?2, chain = ?3, time = ?4 WHERE id = ?1")?;
        for (origin, Head { seq, chain, time }) in &self.heads {
            let id = self.known_head_id(*origin);
            head.execute(params![id, to_integer("seq", seq.get())?, chain.to_bytes(), to_blob(*time)])?;
        }
        let update =
            "UPDATE spaces SET revision = ?2, head = ?3, clock = ?4, folded = ifnull(?5, folded) WHERE id = ?1";
        db.prepare_cached(update)?.execute(params![
            self.space.key.0,
            to_integer("revision", self.revision.get())?,
            to_integer("position", self.head.get())?,
            to_blob(self.clock),
            self.folded.as_ref().map(print_folded),
        ])?;
        Ok(())
    }

    /// Tells that the transaction may be seen in the file from now on, before it is known here.
    pub(crate) fn announce(&self) {
        self.space.set_committing(self.changed);
    }

    /// Makes the committed transaction known.
    pub(crate) fn publish(mut self) {
        if !self.changed {
            return;
        }
        let mut state = self.space.state();
        let status = &mut state.status;
        (status.revision, status.head, status.clock) = (self.revision, self.head, self.clock);
        for (origin, head) in std::mem::take(&mut self.heads) {
            match head.seq {
                // A rewrite has moved all its bundles to another origin.
                Seq::ZERO => status.heads.remove(origin),
                _ => status.heads.set(origin, head),
            }
        }
        status.views = self.folded.take().unwrap_or_else(|| std::mem::take(&mut status.views));
        state.head_ids.append(&mut self.head_ids);
        state.view_ids.append(&mut self.view_ids);
        state.tail = self.tail;
        drop(state);
        self.space.set_committing(false);
        self.space.changed.notify(usize::MAX);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.space.set_committing(false);
    }
}
