//! Writing an origin's tail anew, in its place.

use rusqlite::Connection;
use syncline::store::rewrite::{Emptied, check_rewrite};
use syncline::store::{Rewrite, StoredRun};

use super::Draft;
use crate::error::Result;
use crate::log::{self, Found};
use crate::pack::Tail;

impl Draft {
    /// The runs of the origin that reach beyond what stays of it.
    pub(super) fn rewritten(&self, db: &Connection, rewrite: &Rewrite) -> Result<Vec<Found>> {
        match self.origin(rewrite.origin) {
            Some(origin) => log::read_tail(db, origin, rewrite.after.seq.plus(1)),
            None => Ok(Vec::new()),
        }
    }

    /// Puts the new runs in the places of the old. The rewrite has been checked.
    pub(super) fn rewrite(&mut self, db: &Connection, rewrite: &Rewrite) -> Result<()> {
        let old = self.rewritten(db, rewrite)?;
        let stored: Vec<StoredRun> = old.iter().map(|found| found.stored.clone()).collect();
        let Emptied { kept, .. } = check_rewrite(rewrite, &stored, self.head(rewrite.origin))?;
        old.iter().try_for_each(|found| log::remove(db, found.id))?;
        if let (Some(kept), Some(head_id)) = (kept, self.known_head_id(rewrite.origin)) {
            log::insert(db, self.space.key, head_id, &kept)?;
        }
        self.heads.insert(rewrite.origin, rewrite.after);
        for (position, append) in &rewrite.runs {
            let head_id = self.head_id(db, append.run().origin())?;
            let (previous, run) = (append.previous(), append.run().clone());
            log::insert(db, self.space.key, head_id, &StoredRun { position: *position, previous, run })?;
            self.heads.insert(append.run().origin(), append.head());
        }
        // What lay small at the end of the log may be another origin's now.
        self.tail = Tail::default();
        Ok(())
    }
}
