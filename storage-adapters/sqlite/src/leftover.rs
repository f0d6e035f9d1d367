//! A write-ahead log that was left next to a file: it must be the file's own.
//!
//! A process that is killed leaves its log, and the next opening takes from it what the file does not have yet. If in the meantime
//! somebody has copied a backup over the file, the log is another file's: SQLite mixes the pages of both and says nothing. So
//! what the log adds is read once before it is trusted: it continues where the file ends, without a hole, up to its heads.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use syncline::store::StoreError;
use syncline::{Position, SpaceId};

use crate::error::{Fault, Result, corrupt};
use crate::number::from_integer;
use crate::session::at_one_moment;
use crate::space::{self, Place};
use crate::{check, log, schema};

/// Up to this size all pages of a file are looked at, too: a second or two. Larger ones `Storage::check` takes its time for.
const CHECKED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What the file says by itself: per space its log, and its last position. `None` if no write-ahead log lies next to it.
pub(crate) type Alone = Option<BTreeMap<String, (Vec<u8>, Position)>>;

/// Reads what the file says without the log that lies next to it. Nothing may have it open.
///
/// A file that does not read so says nothing: a log may hold all of it, as after a crash soon after its creation.
pub(crate) fn alone(path: &Path) -> Alone {
    let log = std::fs::metadata(beside(path, "-wal"));
    if !log.is_ok_and(|log| log.len() > 0) {
        return None;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let read = || spaces(&Connection::open_with_flags(uri(path), flags)?);
    Some(read().unwrap_or_default())
}

/// A name for SQLite by which it takes a file for one that does not change, and its log for none of its business.
fn uri(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let letter = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") };
    let name: String = path.as_os_str().as_encoded_bytes().iter().map(letter).collect();
    format!("file:{name}?immutable=1")
}

fn spaces(db: &Connection) -> Result<BTreeMap<String, (Vec<u8>, Position)>> {
    let mut select = db.prepare("SELECT name, log, head FROM spaces")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let space = |row: rusqlite::Result<(String, Vec<u8>, i64)>| {
        let (name, log, head) = row?;
        Ok((name, (log, Position::new(from_integer("head", head)?))))
    };
    rows.map(space).collect()
}

/// Checks that what the file now says, with its log, continues where the file alone has ended.
///
/// # Errors
/// [`StoreError::Corrupt`] with what to do.
pub(crate) fn check(db: &Connection, path: &Path, alone: Alone) -> Result<()> {
    let Some(alone) = alone else { return Ok(()) };
    at_one_moment(db, |session| goes_on(session.0, path, &alone)).map_err(|fault| foreign(path, fault))
}

fn goes_on(db: &Connection, path: &Path, alone: &BTreeMap<String, (Vec<u8>, Position)>) -> Result<()> {
    let together = spaces(db)?;
    for (name, (log, head)) in alone {
        let goes_on = match together.get(name) {
            Some((now_log, now_head)) if now_log == log => now_head >= head,
            Some(_) => schema::was_replaced(db, log)?,
            None => false,
        };
        if !goes_on {
            return Err(corrupt(format!("space {name}"), "the file has more of it than its log").into());
        }
    }
    for (name, (log, head)) in &together {
        let same = alone.get(name).filter(|(before, _)| before == log);
        let before = same.map_or(Position::ZERO, |(_, head)| *head);
        if *head > before {
            read_on(db, name, before, *head)?;
        }
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX) {
        check::structure(db)
    } else {
        Ok(())
    }
}

/// Reads the bundles that the log adds to a space, and its heads.
fn read_on(db: &Connection, name: &str, after: Position, head: Position) -> Result<()> {
    let name = SpaceId::new(name).map_err(|error| corrupt("the table of spaces".into(), error))?;
    let found = space::find(db, &name)?.ok_or_else(|| corrupt(format!("space {name}"), "it is not there"))?;
    // What the log has trimmed need not be there.
    let (space, mut end) = (Place { key: found.key, name }, after.max(found.status.base));
    log::runs(db, &space, end, &mut |stored| {
        let follows = stored.position <= end.plus(1);
        end = if follows { stored.end() } else { end };
        if follows && end < head { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if end < head {
        return Err(corrupt(space.at(format_args!("position {}", end.plus(1))), "the bundle is not there").into());
    }
    Ok(())
}

/// What a file that does not read is told to be, if a log lies next to it.
pub(crate) fn blame(path: &Path, alone: &Alone, fault: Fault) -> Fault {
    match fault.at(path) {
        error @ StoreError::Corrupt { .. } if alone.is_some() => foreign(path, error.into()),
        error => error.into(),
    }
}

fn foreign(path: &Path, fault: Fault) -> Fault {
    let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
    let why = format!(
        "the write-ahead log {} does not continue with this file ({}). If the file is a backup that was copied here, remove {} \
         and {}, which are of the file that was here before, and start again; `restore` does so by itself",
        log.display(),
        fault.at(path),
        log.display(),
        index.display()
    );
    StoreError::Corrupt { backend: crate::error::BACKEND, at: path.display().to_string(), why }.into()
}

/// The file next to a database that SQLite or this crate calls so.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
