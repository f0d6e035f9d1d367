//! The tables as one transaction sees them.

use bytes::Bytes;
use rusqlite::{Connection, params};
use syncline::id::Revision;
use syncline::store::{RowKey, RowRange};
use syncline::{Position, ReplicaId, Seq, SpaceId, ViewId};
use syncline_embedded::{At, EachRow, EachRun};

use crate::error::{Fault, Result, corrupt};
use crate::number::from_integer;
use crate::space::{Place, SpaceRow, log_id};
use crate::{log, rows};

/// A connection within a transaction.
#[derive(Debug)]
pub(crate) struct Session<'a>(pub(crate) &'a Connection);

impl syncline_embedded::Session for Session<'_> {
    type Key = SpaceRow;
    type Fault = Fault;

    fn at(&self, space: &Place) -> Result<At> {
        let mut select = self.0.prepare_cached("SELECT revision, head, base, log FROM spaces WHERE id = ?1")?;
        let (revision, head, base, log) =
            select.query_row([space.key.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let position = |what, value| from_integer(what, value).map(Position::new);
        let revision = Revision::new(from_integer("revision", revision)?);
        Ok(At {
            log: log_id(&space.name, log)?,
            revision,
            head: position("head", head)?,
            base: position("base", base)?,
        })
    }

    fn spaces(&self) -> Result<Vec<SpaceId>> {
        let mut select = self.0.prepare_cached("SELECT name FROM spaces ORDER BY name")?;
        let names = select.query_map([], |row| row.get::<_, String>(0))?;
        let space = |name: rusqlite::Result<String>| {
            SpaceId::new(&name?).map_err(|error| corrupt("the table of spaces".into(), error).into())
        };
        names.map(space).collect()
    }

    fn runs(&self, space: &Place, after: Position, each: &mut EachRun<'_>) -> Result<()> {
        log::runs(self.0, space, after, each)
    }

    fn runs_of(&self, space: &Place, origin: ReplicaId, first: Seq, each: &mut EachRun<'_>) -> Result<()> {
        match self.head_id(space, origin)? {
            Some(head_id) => log::runs_of(self.0, log::Origin { space, origin, head_id }, first, each),
            None => Ok(()),
        }
    }

    fn head_of(&self, space: &Place, origin: ReplicaId) -> Result<Seq> {
        match self.head_id(space, origin)? {
            Some(head_id) => log::head_of(self.0, log::Origin { space, origin, head_id }),
            None => Ok(Seq::ZERO),
        }
    }

    fn load(&self, space: &Place, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>> {
        rows::load(self.0, space, keys)
    }

    fn rows(&self, space: &Place, view: &ViewId, range: &RowRange, each: &mut EachRow<'_>) -> Result<()> {
        match rows::view_id(self.0, space, view)? {
            Some(view) => rows::each(self.0, view, range, each),
            None => Ok(()),
        }
    }
}

impl Session<'_> {
    /// The id of an origin's head row. What is known needs no index, which may be damaged. A commit may be in the file before it is
    /// known here. A moment begins with its first statement, so it has every row whose id was known before.
    fn head_id(&self, space: &Place, origin: ReplicaId) -> Result<Option<i64>> {
        let known = space.key.ids().heads.get(&origin).copied();
        known.map_or_else(|| log::head_id(self.0, space, origin), |id| Ok(Some(id)))
    }
}

/// Reads from one moment: all that `ask` sees was true at the same time.
pub(crate) fn at_one_moment<T>(db: &Connection, ask: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    roll_back(db)?; // what an earlier reading left that panicked
    db.prepare_cached("BEGIN")?.execute([])?;
    let answer = ask(&Session(db));
    roll_back(db)?;
    answer
}

/// Some failures have ended the transaction already.
fn roll_back(db: &Connection) -> Result<()> {
    if !db.is_autocommit() {
        db.prepare_cached("ROLLBACK")?.execute(params![])?;
    }
    Ok(())
}
