//! Writing a draft: one statement, whatever it holds.

use sqlx::Executor;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use syncline::format::Head;
use syncline::store::draft::Draft;
use syncline::{Position, ReplicaId, SpaceId};

use crate::connection::Connection;
use crate::error::Result;
use crate::number::{to_bigint, to_bytes};

/// Moves the head row from one revision to another, and with it everything else, or does nothing if the log is not at that
/// revision: then no part finds the head row, and there is nothing to insert. The head row comes first in all parts, so that who
/// waits, waits there.
macro_rules! statement {
    ($($rows:literal)?) => {
        concat!(
            "WITH moved AS (
                UPDATE spaces SET revision = $4, head = $5, clock = $6 WHERE name = $1 AND log = $2 AND revision = $3
                RETURNING name
            ), appended AS (
                INSERT INTO runs (space, last, origin, seq, previous, run)
                SELECT moved.name, run.* FROM moved,
                    unnest($7::bigint[], $8::bytea[], $9::bigint[], $10::bytea[], $11::bytea[]) AS run
            ), headed AS (
                INSERT INTO heads (space, origin, seq, chain, time)
                SELECT moved.name, head.* FROM moved,
                    unnest($12::bytea[], $13::bigint[], $14::bytea[], $15::bytea[]) AS head
                ON CONFLICT (space, origin)
                DO UPDATE SET seq = excluded.seq, chain = excluded.chain, time = excluded.time
            )",
            $($rows,)?
            "SELECT FROM moved"
        )
    };
}

/// For drafts without rows, as a relay's: planning and starting what has nothing to do costs more than the rest.
const APPEND: &str = statement!();

const WRITE: &str = statement!(
    ", put AS (
        INSERT INTO rows (space, view, key, value)
        SELECT moved.name, row.* FROM moved, unnest($16::text[], $17::bytea[], $18::bytea[]) AS row
        ON CONFLICT (space, view, key) DO UPDATE SET value = excluded.value
    ), folded AS (
        INSERT INTO views (space, view, position)
        SELECT moved.name, view.* FROM moved, unnest($19::text[], $20::bigint[]) AS view
        ON CONFLICT (space, view) DO UPDATE SET position = excluded.position
    ) "
);

/// Writes a draft, apart from its [`removals`]. `false` if the log is not at the revision that it was computed from;
/// nothing is written then.
pub(crate) async fn draft(connection: &mut Connection, space: &SpaceId, draft: &Draft<'_>) -> Result<bool> {
    let appends_only = draft.rows.is_empty() && draft.views.is_empty();
    let query = sqlx::query(if appends_only { APPEND } else { WRITE }).bind(space.as_str()).bind(draft.log.to_bytes());
    let query = bind_log(query, draft);
    let query = if appends_only { query } else { bind_rows(query, draft) };
    Ok(connection.fetch_optional(query).await?.is_some())
}

/// Deletes what a draft removes or writes again: runs, heads, views, rows. Only within a transaction that also writes the draft, whose
/// lock on the space keeps everything in its place. Base and identity change here, because only drafts that delete change them.
///
/// What is many is looked up key by key and deleted by its place, and leaves the planner no other way, whatever it believes of the
/// tables: `key = ANY(…)` may become a search of the array for every row, and so may a place next to a condition that an index knows;
/// the order by `last` is that of the one index which has it.
pub(crate) async fn removals(connection: &mut Connection, space: &SpaceId, draft: &Draft<'_>) -> Result<()> {
    if draft.is_replaced {
        replace(connection, space, draft).await?;
    }
    if draft.runs.removed().len() > 0 {
        let delete = "DELETE FROM runs WHERE space IS NOT DISTINCT FROM $1 AND ctid = ANY(ARRAY(
            SELECT found.ctid FROM unnest($2) AS wanted (last), LATERAL (
                SELECT runs.ctid, runs.last FROM runs
                WHERE space = $1 AND runs.last >= wanted.last ORDER BY runs.last LIMIT 1
            ) AS found WHERE found.last = wanted.last
        ))";
        let lasts: Vec<i64> = draft.runs.removed().map(|(last, _)| to_bigint(last.get())).collect();
        sqlx::query(delete).bind(space.as_str()).bind(lasts).execute(&mut *connection).await?;
    }
    if draft.is_trimmed() {
        let trim = "WITH moved AS (UPDATE spaces SET base = $3 WHERE name = $1)
            DELETE FROM runs WHERE space = $1 AND last > $2 AND last <= $3";
        let [before, base] = [draft.before().base, draft.base].map(|base| to_bigint(base.get()));
        sqlx::query(trim).bind(space.as_str()).bind(before).bind(base).execute(&mut *connection).await?;
    }
    let forgotten = draft.heads.iter().filter(|(_, head)| head.is_none());
    let forgotten: Vec<_> = forgotten.map(|(origin, _)| origin.to_bytes()).collect();
    if !forgotten.is_empty() {
        let delete = "DELETE FROM heads WHERE space = $1 AND origin = ANY($2)";
        sqlx::query(delete).bind(space.as_str()).bind(forgotten).execute(&mut *connection).await?;
    }
    if !draft.clear.is_empty() {
        let views: Vec<&str> = draft.clear.iter().map(|view| view.as_str()).collect();
        let delete = "WITH progress AS (DELETE FROM views WHERE space = $1 AND view = ANY($2))
            DELETE FROM rows WHERE space = $1 AND view = ANY($2)";
        sqlx::query(delete).bind(space.as_str()).bind(views).execute(&mut *connection).await?;
    }
    let deleted: Vec<_> = draft.rows.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
    for keys in deleted.chunk_by(|a, b| a.view == b.view) {
        let delete = "DELETE FROM rows WHERE space IS NOT DISTINCT FROM $1 AND ctid = ANY(ARRAY(
            SELECT found.ctid FROM unnest($3) AS wanted (key), LATERAL (
                SELECT rows.ctid FROM rows WHERE space = $1 AND view = $2 AND rows.key = wanted.key OFFSET 0
            ) AS found
        ))";
        let query = sqlx::query(delete).bind(space.as_str()).bind(keys[0].view.as_str());
        query.bind(keys.iter().map(|key| &key.key[..]).collect::<Vec<_>>()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Empties a log, and gives it another identity and base.
async fn replace(connection: &mut Connection, space: &SpaceId, draft: &Draft<'_>) -> Result<()> {
    let replace = "WITH moved AS (UPDATE spaces SET log = $2, base = $3 WHERE name = $1),
            emptied AS (DELETE FROM runs WHERE space = $1)
        DELETE FROM heads WHERE space = $1";
    let query = sqlx::query(replace).bind(space.as_str()).bind(draft.log.to_bytes());
    query.bind(to_bigint(draft.base.get())).execute(connection).await?;
    Ok(())
}

type Statement<'q> = Query<'q, sqlx::Postgres, PgArguments>;

fn bind_log<'q>(query: Statement<'q>, draft: &'q Draft<'_>) -> Statement<'q> {
    let query = query.bind(to_bigint(draft.before().revision.get())).bind(to_bigint(draft.revision.get()));
    let query = query.bind(to_bigint(draft.head.get())).bind(to_bytes(draft.clock));
    let runs = draft.runs.inserted();
    let query = query.bind(runs.iter().map(|stored| to_bigint(stored.end().get())).collect::<Vec<_>>());
    let query = query.bind(runs.iter().map(|stored| stored.run.origin().to_bytes()).collect::<Vec<_>>());
    let query = query.bind(runs.iter().map(|stored| to_bigint(stored.run.last().get())).collect::<Vec<_>>());
    let query = query.bind(runs.iter().map(|stored| stored.previous.to_bytes()).collect::<Vec<_>>());
    let query = query.bind(runs.iter().map(|stored| &stored.run.as_bytes()[..]).collect::<Vec<_>>());
    let heads: Vec<(&ReplicaId, Head)> =
        draft.heads.iter().filter_map(|(origin, head)| Some((origin, (*head)?))).collect();
    let query = query.bind(heads.iter().map(|(origin, _)| origin.to_bytes()).collect::<Vec<_>>());
    let query = query.bind(heads.iter().map(|(_, head)| to_bigint(head.seq.get())).collect::<Vec<_>>());
    let query = query.bind(heads.iter().map(|(_, head)| head.chain.to_bytes()).collect::<Vec<_>>());
    query.bind(heads.iter().map(|(_, head)| to_bytes(head.time)).collect::<Vec<_>>())
}

fn bind_rows<'q>(query: Statement<'q>, draft: &'q Draft<'_>) -> Statement<'q> {
    let puts = || draft.rows.iter().filter_map(|(key, value)| Some((key, (*value)?)));
    let query = query.bind(puts().map(|(key, _)| key.view.as_str()).collect::<Vec<_>>());
    let query = query.bind(puts().map(|(key, _)| &key.key[..]).collect::<Vec<_>>());
    let query = query.bind(puts().map(|(_, value)| &value[..]).collect::<Vec<_>>());
    let query = query.bind(draft.views.keys().map(|view| view.as_str()).collect::<Vec<_>>());
    query.bind(draft.views.values().copied().map(Position::get).map(to_bigint).collect::<Vec<_>>())
}
