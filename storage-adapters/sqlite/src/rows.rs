//! The table of rows.

use std::ops::Bound;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use syncline::ViewId;
use syncline::store::{Direction, RowKey, RowRange};
use syncline_embedded::EachRow;

use crate::error::Result;
use crate::space::Place;

/// From so many keys of one view on, it is worth asking first whether there is any row between them.
const MANY_KEYS: usize = 16;
/// Rows that one statement puts if there are so many. It stays in its place of the tree from one row to the next, and is begun and
/// ended once for all of them.
const PUT_AT_ONCE: usize = 64;

/// The id of a view in a space. A commit may be in the file before it is known here.
pub(crate) fn view_id(db: &Connection, space: &Place, view: &ViewId) -> Result<Option<i64>> {
    if let Some(known) = space.key.ids().views.get(view) {
        return Ok(Some(*known));
    }
    let mut select = db.prepare_cached("SELECT id FROM views WHERE space = ?1 AND name = ?2")?;
    Ok(select.query_row(params![space.key.id.0, view.as_str()], |row| row.get(0)).optional()?)
}

/// Makes a view known.
pub(crate) fn add_view(db: &Connection, space: &Place, view: &ViewId) -> Result<i64> {
    let mut insert = db.prepare_cached("INSERT INTO views (space, name) VALUES (?1, ?2)")?;
    insert.execute(params![space.key.id.0, view.as_str()])?;
    Ok(db.last_insert_rowid())
}

/// Deletes all rows of a view.
pub(crate) fn clear(db: &Connection, view: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM rows WHERE view = ?1")?.execute([view])?;
    Ok(())
}

/// Puts or deletes rows of one view.
pub(crate) fn write(db: &Connection, view: i64, rows: &[(&RowKey, Option<&Bytes>)]) -> Result<()> {
    for rows in rows.chunk_by(|(_, a), (_, b)| a.is_some() == b.is_some()) {
        match rows[0].1 {
            Some(_) => put(db, view, rows)?,
            None => rows.iter().try_for_each(|(RowKey { key, .. }, _)| delete(db, view, key))?,
        }
    }
    Ok(())
}

/// Puts rows, most of them many by one statement.
fn put(db: &Connection, view: i64, rows: &[(&RowKey, Option<&Bytes>)]) -> Result<()> {
    let (many, few) = rows.as_chunks::<PUT_AT_ONCE>();
    if !many.is_empty() {
        let places = (1..=PUT_AT_ONCE).map(|row| format!("(?1, ?{}, ?{})", 2 * row, 2 * row + 1));
        let places = places.collect::<Vec<_>>().join(", ");
        put_each(
            db,
            &format!("REPLACE INTO rows (view, key, value) VALUES {places}"),
            view,
            many.iter().map(|rows| &rows[..]),
        )?;
    }
    put_each(db, "REPLACE INTO rows (view, key, value) VALUES (?1, ?2, ?3)", view, few.chunks(1))
}

/// Puts groups of rows, each by one statement. Replacing is quicker than `ON CONFLICT`: without other indexes it is one insertion that
/// may overwrite.
fn put_each<'r>(
    db: &Connection,
    put: &str,
    view: i64,
    groups: impl Iterator<Item = &'r [(&'r RowKey, Option<&'r Bytes>)]>,
) -> Result<()> {
    let mut put = db.prepare_cached(put)?;
    for rows in groups {
        put.raw_bind_parameter(1, view)?;
        for (place, (RowKey { key, .. }, value)) in (2..).step_by(2).zip(rows) {
            put.raw_bind_parameter(place, &key[..])?;
            put.raw_bind_parameter(place + 1, value.map(|value| &value[..]))?;
        }
        put.raw_execute()?;
    }
    Ok(())
}

fn delete(db: &Connection, view: i64, key: &[u8]) -> Result<()> {
    db.prepare_cached("DELETE FROM rows WHERE view = ?1 AND key = ?2")?.execute(params![view, key])?;
    Ok(())
}

/// One value per key, in the order asked.
pub(crate) fn load(db: &Connection, space: &Place, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>> {
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

/// Shows the rows of a view within a range, in its direction, until `each` breaks off.
pub(crate) fn each(db: &Connection, view: i64, range: &RowRange, each: &mut EachRow<'_>) -> Result<()> {
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
        None => show(db, select, &[&view, &&start[..]], each),
        Some(end) => show(db, select, &[&view, &&start[..], &&end[..]], each),
    }
}

/// The least key behind this one.
fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

fn show(db: &Connection, select: &str, params: &[&dyn ToSql], each: &mut EachRow<'_>) -> Result<()> {
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params)?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let value = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if each(key, value).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn row(number: usize, value: Option<&str>) -> (RowKey, Option<Bytes>) {
        let key = RowKey::new(ViewId::new("todo@1").unwrap(), format!("{number:04}").into_bytes());
        (key, value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
    }

    fn read(db: &Connection) -> BTreeMap<String, String> {
        let mut select = db.prepare("SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM rows WHERE view = 7").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn rows_that_go_in_many_at_a_time_are_put_over_others_and_deleted_in_their_turn() {
        for count in [1, 2, PUT_AT_ONCE - 1, PUT_AT_ONCE, PUT_AT_ONCE + 1, 2 * PUT_AT_ONCE, 5 * PUT_AT_ONCE + 3] {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(include_str!("schema/log.sql")).unwrap();
            let first: Vec<_> = (0..count).map(|number| row(number, Some("first"))).collect();
            let is_deleted = |number: usize| number % 100 == 70;
            let second: Vec<_> = (count / 2..2 * count)
                .map(|number| row(number, Some("second").filter(|_| !is_deleted(number))))
                .collect();
            for rows in [first, second] {
                let rows: Vec<_> = rows.iter().map(|(key, value)| (key, value.as_ref())).collect();
                write(&db, 7, &rows).unwrap();
            }
            let value = |number| if number < count / 2 { "first" } else { "second" };
            let kept = (0..2 * count).filter(|number| *number < count / 2 || !is_deleted(*number));
            let expected: BTreeMap<_, _> =
                kept.map(|number| (format!("{number:04}"), value(number).to_owned())).collect();
            assert_eq!(read(&db), expected, "{count} rows");
        }
    }
}
