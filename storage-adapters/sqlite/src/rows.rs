//! The table of rows.

use std::ops::Bound;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use syncline::ViewId;
use syncline::store::page::RowPageBuilder;
use syncline::store::{Direction, Limit, Row, RowKey, RowRange, RowWrite};

use crate::error::Result;
use crate::number::SpaceKey;

/// From so many keys of one view on, it is worth asking first whether there is any row between them.
const MANY_KEYS: usize = 16;

/// The id of a view in a space.
pub(crate) fn view_id(db: &Connection, space: SpaceKey, view: &ViewId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM views WHERE space = ?1 AND name = ?2")?;
    Ok(select.query_row(params![space.0, view.as_str()], |row| row.get(0)).optional()?)
}

/// Makes a view known.
pub(crate) fn add_view(db: &Connection, space: SpaceKey, view: &ViewId) -> Result<i64> {
    db.prepare_cached("INSERT INTO views (space, name) VALUES (?1, ?2)")?.execute(params![space.0, view.as_str()])?;
    Ok(db.last_insert_rowid())
}

/// Deletes all rows of a view.
pub(crate) fn clear(db: &Connection, view: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM rows WHERE view = ?1")?.execute([view])?;
    Ok(())
}

/// Puts or deletes rows of one view.
pub(crate) fn write(db: &Connection, view: i64, rows: &[RowWrite]) -> Result<()> {
    // Replacing is quicker than `ON CONFLICT`: without other indexes it is one insertion that may overwrite.
    let mut put = db.prepare_cached("REPLACE INTO rows (view, key, value) VALUES (?1, ?2, ?3)")?;
    for RowWrite { key: RowKey { key, .. }, value } in rows {
        match value {
            Some(value) => put.execute(params![view, &key[..], &value[..]])?,
            None => delete(db, view, key)?,
        };
    }
    Ok(())
}

fn delete(db: &Connection, view: i64, key: &[u8]) -> Result<usize> {
    Ok(db.prepare_cached("DELETE FROM rows WHERE view = ?1 AND key = ?2")?.execute(params![view, key])?)
}

/// One value per key, in the order asked.
pub(crate) fn load(db: &Connection, space: SpaceKey, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>> {
    let mut values = Vec::with_capacity(keys.len());
    for keys in keys.chunk_by(|a, b| a.view == b.view) {
        match view_id(db, space, &keys[0].view)? {
            Some(view) if keys.len() < MANY_KEYS || any_between(db, view, keys)? => {
                load_each(db, view, keys, &mut values)?
            }
            _ => values.resize(values.len() + keys.len(), None),
        }
    }
    Ok(values)
}

fn any_between(db: &Connection, view: i64, keys: &[RowKey]) -> Result<bool> {
    let (Some(least), Some(greatest)) = (keys.iter().min(), keys.iter().max()) else { return Ok(false) };
    let mut select = db.prepare_cached("SELECT 1 FROM rows WHERE view = ?1 AND key BETWEEN ?2 AND ?3")?;
    Ok(select.exists(params![view, &least.key[..], &greatest.key[..]])?)
}

fn load_each(db: &Connection, view: i64, keys: &[RowKey], values: &mut Vec<Option<Bytes>>) -> Result<()> {
    let mut select = db.prepare_cached("SELECT value FROM rows WHERE view = ?1 AND key = ?2")?;
    for RowKey { key, .. } in keys {
        let mut rows = select.query(params![view, &key[..]])?;
        values.push(match rows.next()? {
            Some(row) => Some(Bytes::copy_from_slice(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)),
            None => None,
        });
    }
    Ok(())
}

/// The rows of a view within a range, in its direction, up to a limit.
pub(crate) fn scan(db: &Connection, view: i64, range: &RowRange, limit: Limit) -> Result<Vec<Row>> {
    let start = match &range.start {
        Bound::Unbounded => Bytes::new(),
        Bound::Included(key) => key.clone(),
        Bound::Excluded(key) => successor(key),
    };
    let end = match &range.end {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.clone()),
    };
    macro_rules! select {
        ($rest:literal) => {
            concat!("SELECT key, value FROM rows WHERE view = ?1 AND key >= ?2 ", $rest)
        };
    }
    let select = match (&end, range.direction) {
        (None, Direction::Forward) => select!("ORDER BY key"),
        (None, Direction::Backward) => select!("ORDER BY key DESC"),
        (Some(_), Direction::Forward) => select!("AND key < ?3 ORDER BY key"),
        (Some(_), Direction::Backward) => select!("AND key < ?3 ORDER BY key DESC"),
    };
    match &end {
        None => collect(db, select, &[&view, &&start[..]], limit),
        Some(end) => collect(db, select, &[&view, &&start[..], &&end[..]], limit),
    }
}

/// The least key behind this one.
fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

fn collect(db: &Connection, select: &str, params: &[&dyn ToSql], limit: Limit) -> Result<Vec<Row>> {
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params)?;
    let mut page = RowPageBuilder::new(limit);
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let value = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if !page.push_copy(key, value) {
            break;
        }
    }
    Ok(page.finish())
}
