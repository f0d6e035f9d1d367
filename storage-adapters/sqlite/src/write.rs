//! Writing a draft.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use syncline::format::Head;
use syncline::store::draft::Draft;
use syncline::{LogId, Position, ReplicaId, ViewId};

use crate::error::Result;
use crate::number::{POSITION_MAX, to_blob, to_integer};
use crate::space::{Ids, Place, folded, print_folded};
use crate::{log, rows, schema};

/// Writes a draft, and answers the ids that origins and views got in it.
pub(crate) fn draft(db: &Connection, space: &Place, draft: &Draft<'_>) -> Result<Ids> {
    let mut new = Ids::default();
    if draft.is_replaced {
        replace(db, space, draft.log)?;
    }
    for range in draft.runs.removed_ranges() {
        log::remove(db, space, &range)?;
    }
    if draft.is_trimmed() {
        log::trim(db, space, draft.base)?;
    }
    let mut set_head = db.prepare_cached("UPDATE heads SET seq = ?2, chain = ?3, time = ?4 WHERE id = ?1")?;
    for (origin, head) in &draft.heads {
        // A row whose bundles have all moved to another origin stays, and says that there are none.
        let head @ Head { seq, chain, time } = head.unwrap_or(Head::NONE);
        let known = space.key.ids().heads.get(origin).copied();
        match known {
            Some(id) => _ = set_head.execute(params![id, to_integer(seq.get()), chain.to_bytes(), to_blob(time)])?,
            None => _ = new.heads.insert(*origin, add_head(db, space, *origin, head)?),
        }
    }
    let head_id = |origin| {
        let known = space.key.ids().heads.get(&origin).copied();
        let id = known.or_else(|| new.heads.get(&origin).copied());
        id.expect("every origin of a draft has a head row")
    };
    log::insert(db, space, draft.runs.inserted().into_iter().map(|stored| (head_id(stored.run.origin()), stored)))?;
    for view in &draft.clear {
        rows::view_id(db, space, view)?.map_or(Ok(()), |id| rows::clear(db, id))?;
    }
    for rows in draft.rows.chunk_by(|(a, _), (b, _)| a.view == b.view) {
        let view = &rows[0].0.view;
        let id = match rows::view_id(db, space, view)? {
            Some(id) => id,
            None if rows.iter().all(|(_, value)| value.is_none()) => continue,
            None => *new.views.entry(view.clone()).or_insert(rows::add_view(db, space, view)?),
        };
        rows::write(db, id, rows)?;
    }
    let views = match draft.clear.is_empty() && draft.views.is_empty() {
        true => None,
        false => Some(views_after(db, space, draft)?),
    };
    let update =
        "UPDATE spaces SET revision = ?2, head = ?3, clock = ?4, folded = ifnull(?5, folded), base = ?6 WHERE id = ?1";
    db.prepare_cached(update)?.execute(params![
        space.key.id.0,
        to_integer(draft.revision.get()),
        to_integer(draft.head.get()),
        to_blob(draft.clock),
        views.as_ref().map(print_folded),
        to_integer(draft.base.get()),
    ])?;
    Ok(new)
}

/// Empties a log, and gives it another identity. Rows of heads stay, so that the ids of origins do, and say that there are no bundles.
fn replace(db: &Connection, space: &Place, log: LogId) -> Result<()> {
    log::trim(db, space, Position::new(POSITION_MAX))?;
    let Head { seq, chain, time } = Head::NONE;
    let empty = "UPDATE heads SET seq = ?2, chain = ?3, time = ?4 WHERE space = ?1";
    db.execute(empty, params![space.key.id.0, to_integer(seq.get()), chain.to_bytes(), to_blob(time)])?;
    schema::note_replaced(db, space.key.id)?;
    db.execute("UPDATE spaces SET log = ?2 WHERE id = ?1", params![space.key.id.0, log.to_bytes()])?;
    Ok(())
}

fn add_head(db: &Connection, space: &Place, origin: ReplicaId, Head { seq, chain, time }: Head) -> Result<i64> {
    let insert = "INSERT INTO heads (space, origin, seq, chain, time) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (origin, seq) = (origin.to_bytes(), to_integer(seq.get()));
    db.prepare_cached(insert)?.execute(params![space.key.id.0, origin, seq, chain.to_bytes(), to_blob(time)])?;
    Ok(db.last_insert_rowid())
}

/// The progress of all views after a draft.
fn views_after(db: &Connection, space: &Place, draft: &Draft<'_>) -> Result<BTreeMap<ViewId, Position>> {
    let mut select = db.prepare_cached("SELECT folded FROM spaces WHERE id = ?1")?;
    let text = select.query_row([space.key.id.0], |row| row.get::<_, String>(0)).optional()?;
    let mut views = folded(&space.name, &text.unwrap_or_default())?;
    draft.publish_views(&mut views);
    Ok(views)
}
