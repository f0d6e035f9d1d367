//! The table of runs.

use std::ops::RangeInclusive;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use syncline::format::{ChainHash, Head, Run, VerifiedRun};
use syncline::store::StoredRun;
use syncline::{Dot, NTP64, Position, ReplicaId, Seq, SpaceId};
use syncline_embedded::EachRun;

use crate::error::{Result, corrupt};
use crate::number::{from_integer, run_end, to_bound, to_integer};
use crate::space::Place;

/// Writes runs, each with the id of its origin's head row.
pub(crate) fn insert<'a>(
    db: &Connection,
    space: &Place,
    runs: impl Iterator<Item = (i64, &'a StoredRun)>,
) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT INTO runs (id, head, seq, previous, run) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (head_id, stored) in runs {
        let (id, seq) = (space.key.id.run_id(stored.end()), to_integer(stored.run.last().get()));
        insert.execute(params![id, head_id, seq, stored.previous.to_bytes(), &stored.run.as_bytes()[..]])?;
    }
    Ok(())
}

/// Removes the runs whose last bundles lie in a range: one statement for many that are packed.
pub(crate) fn remove(db: &Connection, space: &Place, range: &RangeInclusive<Position>) -> Result<()> {
    let [first, last] = [range.start(), range.end()].map(|position| space.key.id.run_id(*position));
    db.prepare_cached("DELETE FROM runs WHERE id BETWEEN ?1 AND ?2")?.execute([first, last])?;
    Ok(())
}

/// Removes the runs up to a base.
pub(crate) fn trim(db: &Connection, space: &Place, base: Position) -> Result<()> {
    let ids = [space.key.id.run_id(Position::ZERO), space.key.id.run_id(base)];
    db.prepare_cached("DELETE FROM runs WHERE id > ?1 AND id <= ?2")?.execute(ids)?;
    Ok(())
}

/// Shows the runs that end behind `after`, in order, until `each` breaks off.
pub(crate) fn runs(db: &Connection, space: &Place, after: Position, each: &mut EachRun<'_>) -> Result<()> {
    let select = "SELECT id, previous, run FROM runs WHERE id > ?1 AND id <= ?2 ORDER BY id";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query([space.key.id.run_id(after), space.key.id.last_run_id()])?;
    while let Some(row) = rows.next()? {
        if each(decode(&space.name, row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// An origin in a space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) space: &'a Place,
    pub(crate) origin: ReplicaId,
    /// The id of its head row.
    pub(crate) head_id: i64,
}

/// Shows the runs of an origin from the one that holds `first` on, until `each` breaks off. The index that finds them is not
/// trusted: they are the origin's own.
pub(crate) fn runs_of(db: &Connection, of: Origin<'_>, first: Seq, each: &mut EachRun<'_>) -> Result<()> {
    let select = "SELECT id, previous, run, seq FROM runs WHERE head = ?1 AND seq >= ?2 ORDER BY seq";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params![of.head_id, to_bound(first.get())])?;
    while let Some(row) = rows.next()? {
        let (stored, last) = (decode(&of.space.name, row)?, Seq::new(from_integer("seq", row.get(3)?)?));
        if stored.run.origin() != of.origin || stored.run.last() != last {
            let at = of.space.at(format_args!("the index of origin {}", of.origin));
            return Err(corrupt(at, format!("it leads from bundle {last} to another run")).into());
        }
        if each(stored).is_break() {
            break;
        }
    }
    Ok(())
}

/// The id of an origin's head row.
pub(crate) fn head_id(db: &Connection, space: &Place, origin: ReplicaId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM heads WHERE space = ?1 AND origin = ?2")?;
    Ok(select.query_row(params![space.key.id.0, origin.to_bytes()], |row| row.get(0)).optional()?)
}

/// The last bundle of an origin, as its head row says.
pub(crate) fn head_of(db: &Connection, of: Origin<'_>) -> Result<Seq> {
    let mut select = db.prepare_cached("SELECT seq FROM heads WHERE id = ?1")?;
    let seq = select.query_row([of.head_id], |row| row.get(0)).optional()?;
    let at = || of.space.at(format_args!("the head of origin {}", of.origin));
    Ok(Seq::new(from_integer("seq", seq.ok_or_else(|| corrupt(at(), "it is not there"))?)?))
}

/// Reads the columns `id, previous, run`.
fn decode(space: &SpaceId, row: &Row<'_>) -> Result<StoredRun> {
    let end = run_end(row.get(0)?);
    let damaged = |why: String| corrupt(format!("space {space}, the run that ends at position {end}"), why);
    let previous = ChainHash::from_bytes(row.get(1)?);
    let bytes = row.get_ref(2)?.as_blob().map_err(|error| damaged(error.to_string()))?;
    let run = Run::decode(Bytes::copy_from_slice(bytes)).map_err(|error| damaged(error.to_string()))?;
    check_hashes(space, &run, previous, end)?;
    if run.count() > end.get() {
        return Err(damaged(format!("it holds {} bundles", run.count())).into());
    }
    let position = Position::new(end.get() - (run.count() - 1));
    Ok(StoredRun { position, previous, run })
}

/// A run that was damaged still decodes, as a rule; its hashes tell.
fn check_hashes(space: &SpaceId, run: &Run, previous: ChainHash, end: Position) -> Result<()> {
    let before = Head { seq: Seq::new(run.first().get() - 1), chain: previous, time: NTP64(0) };
    if VerifiedRun::verify(run.clone(), before).is_ok() {
        return Ok(());
    }
    let last = Dot { origin: run.origin(), seq: run.last() };
    let packed = if run.count() > 1 { ", or one packed with it before it" } else { "" };
    let at = format!("space {space}, bundle {last} at position {end}{packed}");
    Err(corrupt(at, "its bytes are not those that were hashed").into())
}
