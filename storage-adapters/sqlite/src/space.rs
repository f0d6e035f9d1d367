//! One space: its row in the file, and the ids of its origins and views.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use syncline::format::{ChainHash, Head, Heads};
use syncline::id::Revision;
use syncline::store::LogStatus;
use syncline::{LogId, Position, ReplicaId, Seq, SpaceId, ViewId};
use syncline_embedded::Found;

use crate::error::{Result, corrupt};
use crate::number::{SpaceKey, from_blob, from_integer};

/// Where a space lies, and its name.
pub(crate) type Place = syncline_embedded::Place<SpaceRow>;

/// A space as the tables know it. Clones share what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct SpaceRow {
    pub(crate) id: SpaceKey,
    ids: Arc<Mutex<Ids>>,
}

/// The ids of origins and views in a space. They never change once they are committed.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) heads: BTreeMap<ReplicaId, i64>,
    pub(crate) views: BTreeMap<ViewId, i64>,
}

impl SpaceRow {
    fn new(id: SpaceKey, ids: Ids) -> Self {
        Self { id, ids: Arc::new(Mutex::new(ids)) }
    }

    /// The ids that are committed, as far as known.
    pub(crate) fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ids {
    pub(crate) fn extend(&mut self, mut others: Self) {
        self.heads.append(&mut others.heads);
        self.views.append(&mut others.views);
    }
}

/// Creates a space.
pub(crate) fn create(db: &Connection, name: &SpaceId, log: LogId) -> Result<SpaceRow> {
    let create = "INSERT INTO spaces (name, log, revision, head, clock, folded) VALUES (?1, ?2, 0, 0, zeroblob(8), '')";
    db.execute(create, params![name.as_str(), log.to_bytes()])?;
    Ok(SpaceRow::new(SpaceKey::new(db.last_insert_rowid())?, Ids::default()))
}

/// Reads a space if it exists.
pub(crate) fn find(db: &Connection, name: &SpaceId) -> Result<Option<Found<SpaceRow>>> {
    let select = "SELECT id, log, revision, head, clock, folded, base FROM spaces WHERE name = ?1";
    let row = db.query_row(select, [name.as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get::<_, String>(5)?, row.get(6)?))
    });
    let Some((id, log, revision, head, clock, views, base)) = row.optional()? else { return Ok(None) };
    let (head_ids, heads) = read_heads(db, name, id)?;
    let status = LogStatus {
        revision: Revision::new(from_integer("revision", revision)?),
        head: Position::new(from_integer("head", head)?),
        base: Position::new(from_integer("base", base)?),
        heads,
        clock: from_blob(clock),
        views: folded(name, &views)?,
        log: log_id(name, log)?,
    };
    status.check().map_err(|why| corrupt(format!("space {name}"), why))?;
    let ids = Ids { heads: head_ids, views: read_views(db, name, id)? };
    Ok(Some(Found { key: SpaceRow::new(SpaceKey::new(id)?, ids), status }))
}

/// The identity of a space's log from its column.
pub(crate) fn log_id(name: &SpaceId, bytes: [u8; 16]) -> Result<LogId> {
    let log = LogId::from_bytes(bytes);
    Ok(log.ok_or_else(|| corrupt(format!("space {name}"), "its log id does not read back"))?)
}

fn read_heads(db: &Connection, name: &SpaceId, space: i64) -> Result<(BTreeMap<ReplicaId, i64>, Heads)> {
    // Their index says which they are, and nothing else: their columns are read from the table.
    let select = "SELECT heads.id, heads.origin, heads.seq, heads.chain, heads.time FROM heads AS listed
        JOIN heads ON heads.id = listed.id WHERE listed.space = ?1 AND +heads.space = ?1";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query([space])?;
    let (mut ids, mut heads) = (BTreeMap::new(), Heads::new());
    while let Some(row) = rows.next()? {
        let origin = ReplicaId::from_bytes(row.get(1)?);
        let origin = origin.ok_or_else(|| corrupt(format!("heads of space {name}"), "an origin is all zero"))?;
        let seq = Seq::new(from_integer("seq", row.get(2)?)?);
        let (chain, time) = (ChainHash::from_bytes(row.get(3)?), from_blob(row.get(4)?));
        ids.insert(origin, row.get(0)?);
        if seq > Seq::ZERO {
            heads.set(origin, Head { seq, chain, time });
        }
    }
    Ok((ids, heads))
}

fn read_views(db: &Connection, name: &SpaceId, space: i64) -> Result<BTreeMap<ViewId, i64>> {
    let mut select = db.prepare_cached("SELECT name, id FROM views WHERE space = ?1")?;
    let mut rows = select.query([space])?;
    let mut ids = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let view = row.get::<_, String>(0)?.parse();
        ids.insert(view.map_err(|error| corrupt(format!("views of space {name}"), error))?, row.get(1)?);
    }
    Ok(ids)
}

/// The progress of views as text: a line for each.
pub(crate) fn print_folded(views: &BTreeMap<ViewId, Position>) -> String {
    views.iter().map(|(view, position)| format!("{view} {position}\n")).collect()
}

/// The progress of views from its text.
pub(crate) fn folded(name: &SpaceId, text: &str) -> Result<BTreeMap<ViewId, Position>> {
    let views = parse_folded(text);
    Ok(views.ok_or_else(|| corrupt(format!("space {name}"), "its progress of views does not read back"))?)
}

fn parse_folded(text: &str) -> Option<BTreeMap<ViewId, Position>> {
    let line = |line: &str| {
        let (view, position) = line.split_once(' ')?;
        Some((view.parse().ok()?, Position::new(position.parse().ok()?)))
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_back_from_its_text_and_nothing_else_does() {
        let view = |text| ViewId::new(text).unwrap();
        let views = BTreeMap::from([(view("a@1"), Position::new(7)), (view("b.c@2"), Position::new(u64::MAX))]);
        assert_eq!(print_folded(&views), "a@1 7\nb.c@2 18446744073709551615\n");
        assert_eq!(parse_folded(&print_folded(&views)), Some(views));
        assert_eq!(parse_folded(""), Some(BTreeMap::new()));
        for wrong in ["a@1", "a@1 x", "a 1", "\n"] {
            assert_eq!(parse_folded(wrong), None, "{wrong}");
        }
    }
}
