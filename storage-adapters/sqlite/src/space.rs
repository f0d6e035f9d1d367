//! One space as the writer last committed it: what every commit is checked against and `status` answers from.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use event_listener::Event as Signal;
use rusqlite::{Connection, OptionalExtension, params};
use syncline::store::LogStatus;
use syncline::{ChainHash, Head, Heads, LogId, Position, ReplicaId, Revision, Seq, SpaceId, ViewId};

use crate::error::{Result, corrupt};
use crate::number::{SpaceKey, from_blob, from_integer};
use crate::pack::Tail;

/// One space. There is one value per space and file, so that what it knows is what the file holds.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) key: SpaceKey,
    pub(crate) name: SpaceId,
    pub(crate) log: LogId,
    state: Mutex<State>,
    /// A transaction may be committed already and not yet be in `state`.
    committing: AtomicBool,
    /// Raised by every commit, and where the writer fails.
    pub(crate) changed: Signal,
}

/// What is committed.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) status: LogStatus,
    /// Origins and views as the tables know them.
    pub(crate) head_ids: BTreeMap<ReplicaId, i64>,
    pub(crate) view_ids: BTreeMap<ViewId, i64>,
    /// What may be packed. It begins empty: what was left loose before stays so.
    pub(crate) tail: Tail,
}

impl Space {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that `state` is about to fall behind the file, or that it has caught up.
    pub(crate) fn set_committing(&self, committing: bool) {
        self.committing.store(committing, Ordering::SeqCst);
    }

    /// The status where it can be told from memory: what any finished read has seen of the file is in it.
    pub(crate) fn status_in_memory(&self) -> Option<LogStatus> {
        (!self.committing.load(Ordering::SeqCst)).then(|| self.state().status.clone())
    }

    /// The status as of one moment of the file, or of a later one.
    pub(crate) fn status_in_file(&self, db: &Connection) -> Result<LogStatus> {
        let mut select = db.prepare_cached("SELECT revision FROM spaces WHERE id = ?1")?;
        let revision = Revision::new(from_integer("revision", select.query_row([self.key.0], |row| row.get(0))?)?);
        let status = self.state().status.clone();
        if status.revision >= revision {
            return Ok(status);
        }
        let space = Self::read(db, &self.name)?;
        let missing = || corrupt(format!("space {}", self.name), "it is not there any more");
        Ok(space.ok_or_else(missing)?.state.into_inner().unwrap_or_else(PoisonError::into_inner).status)
    }

    /// Reads a space, and creates it where it does not exist.
    pub(crate) fn open(db: &Connection, name: &SpaceId, fresh: LogId) -> Result<Self> {
        if let Some(space) = Self::read(db, name)? {
            return Ok(space);
        }
        let create =
            "INSERT INTO spaces (name, log, revision, head, clock, folded) VALUES (?1, ?2, 0, 0, zeroblob(8), '')";
        db.execute(create, params![name.as_str(), fresh.to_bytes()])?;
        let key = SpaceKey::new(db.last_insert_rowid())?;
        let (head_ids, view_ids) = (BTreeMap::new(), BTreeMap::new());
        let state = State { status: LogStatus::fresh(fresh), head_ids, view_ids, tail: Tail::default() };
        Ok(Self::new(key, name, state))
    }

    fn new(key: SpaceKey, name: &SpaceId, state: State) -> Self {
        let log = state.status.log;
        Self {
            key,
            name: name.clone(),
            log,
            state: Mutex::new(state),
            committing: AtomicBool::new(false),
            changed: Signal::new(),
        }
    }

    /// Reads a space if it exists.
    pub(crate) fn read(db: &Connection, name: &SpaceId) -> Result<Option<Self>> {
        let damaged = |what: &str| corrupt(format!("space {name}"), format!("its {what} does not read back"));
        let select = "SELECT id, log, revision, head, clock, folded FROM spaces WHERE name = ?1";
        let row = db.query_row(select, [name.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get::<_, String>(5)?))
        });
        let Some((id, log, revision, head, clock, folded)) = row.optional()? else { return Ok(None) };
        let (head_ids, heads) = read_heads(db, name, id)?;
        let status = LogStatus {
            revision: Revision::new(from_integer("revision", revision)?),
            head: Position::new(from_integer("head", head)?),
            heads,
            clock: from_blob(clock),
            views: parse_folded(&folded).ok_or_else(|| damaged("progress of views"))?,
            ..LogStatus::fresh(LogId::from_bytes(log).ok_or_else(|| damaged("log id"))?)
        };
        status.check().map_err(|why| corrupt(format!("space {name}"), why))?;
        let state = State { status, head_ids, view_ids: read_views(db, name, id)?, tail: Tail::default() };
        Ok(Some(Self::new(SpaceKey::new(id)?, name, state)))
    }
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

fn parse_folded(text: &str) -> Option<BTreeMap<ViewId, Position>> {
    let line = |line: &str| {
        let (view, position) = line.split_once(' ')?;
        Some((view.parse().ok()?, Position::new(position.parse().ok()?)))
    };
    text.lines().map(line).collect()
}

/// The spaces that are open. Those whose handles are all gone are forgotten.
#[derive(Debug, Default)]
pub(crate) struct OpenSpaces(Mutex<Listed>);

#[derive(Debug, Default)]
struct Listed {
    spaces: HashMap<SpaceId, Weak<Space>>,
    /// How many may be listed before the forgotten ones are looked for.
    sweep_at: usize,
}

impl OpenSpaces {
    pub(crate) fn get(&self, name: &SpaceId) -> Option<Arc<Space>> {
        self.listed().spaces.get(name).and_then(Weak::upgrade)
    }

    pub(crate) fn insert(&self, space: &Arc<Space>) {
        let mut listed = self.listed();
        if listed.spaces.len() >= listed.sweep_at {
            listed.spaces.retain(|_, space| space.strong_count() > 0);
            listed.sweep_at = 2 * listed.spaces.len() + 64;
        }
        listed.spaces.insert(space.name.clone(), Arc::downgrade(space));
    }

    /// Wakes all who wait for a change.
    pub(crate) fn wake(&self) {
        for space in self.listed().spaces.values().filter_map(Weak::upgrade) {
            space.changed.notify(usize::MAX);
        }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
