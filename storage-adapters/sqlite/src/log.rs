//! The table of runs.

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use syncline::store::page::PageBuilder;
use syncline::store::{Limit, StoredRun};
use syncline::{Append, ChainHash, Dot, Head, NTP64, Position, ReplicaId, Run, Seq, SpaceId};

use crate::error::{Fault, Result, corrupt};
use crate::number::{SpaceKey, from_integer, run_end, to_integer};

/// A run as it lies in its table.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) stored: StoredRun,
}

/// Writes a run whose first bundle takes `position`.
pub(crate) fn insert(db: &Connection, space: SpaceKey, head_id: i64, stored: &StoredRun) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT INTO runs (id, head, seq, previous, run) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for StoredRun { position, previous, run } in stored.clone().pieces() {
        let id = space.run_id(position.plus(run.count() - 1));
        let seq = to_integer("seq", run.last().get())?;
        insert.execute(params![id, head_id, seq, previous.to_bytes(), &run.as_bytes()[..]])?;
    }
    Ok(())
}

/// Writes a run in place of the one that held its bundles.
pub(crate) fn replace(db: &Connection, space: SpaceKey, head_id: i64, old: i64, new: StoredRun) -> Result<()> {
    remove(db, old)?;
    insert(db, space, head_id, &new)
}

/// Removes a run.
pub(crate) fn remove(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// An origin in a space, as its head row says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) space: &'a SpaceId,
    pub(crate) origin: ReplicaId,
    /// The id of its head row.
    pub(crate) head_id: i64,
}

/// The runs of an origin from the one that holds `seq` on, as they are stored.
pub(crate) fn read_tail(db: &Connection, origin: Origin<'_>, seq: Seq) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    each_run(db, origin, seq, |run| {
        found.push(run);
        true
    })?;
    Ok(found)
}

/// The run that holds this bundle of an origin.
pub(crate) fn find(db: &Connection, origin: Origin<'_>, seq: Seq) -> Result<Option<Found>> {
    let mut found = None;
    each_run(db, origin, seq, |run| {
        found = Some(run);
        false
    })?;
    Ok(found)
}

/// Shows the runs of an origin from the one that holds `seq` on, until `each` wants no more. The index that finds them is not
/// trusted: they are the origin's own, and follow without a hole.
fn each_run(db: &Connection, of: Origin<'_>, seq: Seq, mut each: impl FnMut(Found) -> bool) -> Result<()> {
    let select = "SELECT id, previous, run, seq FROM runs WHERE head = ?1 AND seq >= ?2 ORDER BY seq";
    let mut select: CachedStatement<'_> = db.prepare_cached(select)?;
    let mut rows = select.query(params![of.head_id, i64::try_from(seq.get()).unwrap_or(i64::MAX)])?;
    let mut next = None;
    while let Some(row) = rows.next()? {
        let (found, last) = (decode(of.space, row)?, Seq::new(from_integer("seq", row.get(3)?)?));
        let run = &found.stored.run;
        if run.origin() != of.origin || run.last() != last {
            let at = format!("space {}, the index of origin {}", of.space, of.origin);
            return Err(corrupt(at, format!("it leads from bundle {last} to another run")).into());
        }
        if next.map_or(run.first() > seq, |next| run.first() != next) {
            return Err(missing_bundle(of, next.unwrap_or(seq)));
        }
        next = Some(run.last().plus(1));
        if !each(found) {
            break;
        }
    }
    Ok(())
}

/// Fills a page with the runs of a space behind `after`.
pub(crate) fn read(
    db: &Connection,
    space: (&SpaceId, SpaceKey),
    after: Position,
    head: Position,
    limit: Limit,
) -> Result<PageBuilder> {
    let (name, key) = space;
    let select = "SELECT id, previous, run FROM runs WHERE id > ?1 AND id <= ?2 ORDER BY id";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query([key.run_id(after), key.last_run_id()])?;
    let (mut page, mut end) = (PageBuilder::new(limit), after);
    while end < head {
        let Some(row) = rows.next()? else { return Err(missing(name, end).into()) };
        let Found { stored, .. } = decode(name, row)?;
        if stored.position > end.plus(1) {
            return Err(missing(name, end).into());
        }
        end = stored.end();
        if !page.push_after(stored, after) {
            break;
        }
    }
    Ok(page)
}

/// Fills a page with the runs of an origin from `first` on, as far as its head says.
pub(crate) fn read_origin(db: &Connection, origin: Origin<'_>, first: Seq, limit: Limit) -> Result<PageBuilder> {
    let mut page = PageBuilder::new(limit);
    let head = read_head(db, origin)?;
    if head < first {
        return Ok(page);
    }
    let (mut next, mut is_open) = (first, true);
    each_run(db, origin, first, |found| {
        next = found.stored.run.last().plus(1);
        is_open = page.push_from(found.stored, first) && next <= head;
        is_open
    })?;
    if is_open { Err(missing_bundle(origin, next)) } else { Ok(page) }
}

/// The id of an origin's head row.
pub(crate) fn head_id(db: &Connection, space: SpaceKey, origin: ReplicaId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM heads WHERE space = ?1 AND origin = ?2")?;
    Ok(select.query_row(params![space.0, origin.to_bytes()], |row| row.get(0)).optional()?)
}

/// The last bundle of an origin, as its head row says.
fn read_head(db: &Connection, of: Origin<'_>) -> Result<Seq> {
    let mut select = db.prepare_cached("SELECT seq FROM heads WHERE id = ?1")?;
    let seq = select.query_row([of.head_id], |row| row.get(0)).optional()?;
    let at = || format!("space {}, the head of origin {}", of.space, of.origin);
    Ok(Seq::new(from_integer("seq", seq.ok_or_else(|| corrupt(at(), "it is not there"))?)?))
}

/// Reads the columns `id, previous, run`.
fn decode(space: &SpaceId, row: &Row<'_>) -> Result<Found> {
    let id = row.get(0)?;
    let end = run_end(id);
    let damaged = |why: String| corrupt(format!("space {space}, the run that ends at position {end}"), why);
    let previous = ChainHash::from_bytes(row.get(1)?);
    let bytes = row.get_ref(2)?.as_blob().map_err(|error| damaged(error.to_string()))?;
    let run = Run::decode(Bytes::copy_from_slice(bytes)).map_err(|error| damaged(error.to_string()))?;
    check_hashes(space, &run, previous, end)?;
    if run.count() > end.get() {
        return Err(damaged(format!("it holds {} bundles", run.count())).into());
    }
    let position = Position::new(end.get() - (run.count() - 1));
    Ok(Found { id, stored: StoredRun { position, previous, run } })
}

/// A run that was damaged still decodes, as a rule; its hashes tell.
fn check_hashes(space: &SpaceId, run: &Run, previous: ChainHash, end: Position) -> Result<()> {
    let before = Head { seq: Seq::new(run.first().get() - 1), chain: previous, time: NTP64(0) };
    if Append::verify(run.clone(), before).is_ok() {
        return Ok(());
    }
    let last = Dot { origin: run.origin(), seq: run.last() };
    let packed = if run.count() > 1 { ", or one packed with it before it" } else { "" };
    let at = format!("space {space}, bundle {last} at position {end}{packed}");
    Err(corrupt(at, "its bytes are not those that were hashed").into())
}

fn missing_bundle(of: Origin<'_>, seq: Seq) -> Fault {
    let dot = Dot { origin: of.origin, seq };
    corrupt(format!("space {}, bundle {dot}", of.space), "the bundle is not there").into()
}

fn missing(space: &SpaceId, after: Position) -> syncline::StoreError {
    corrupt(format!("space {space}, position {}", after.plus(1)), "the bundle is not there")
}
