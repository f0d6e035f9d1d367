//! Reading the log: its status, pages, one origin's runs, and what a commit may change.

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgRow;
use syncline::format::{ChainHash, Head, Run, VerifiedRun};
use syncline::id::Revision;
use syncline::store::check::check_cursor;
use syncline::store::draft::{LogEnd, Part, bases, concerned};
use syncline::store::page::PageBuilder;
use syncline::store::{Limit, LogStatus, Page, StoreError, StoredRun, WriteBatch};
use syncline::{Cursor, Dot, NTP64, Position, ReplicaId, Seq, SpaceId, ViewId};

use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::{Result, corrupt};
use crate::number::{array, bound, from_bigint};
use crate::tail::{Tail, gone, head, read_head_row, read_origin};

/// Runs that one page reads, at most. The server looks at the sizes of as many, whatever the page's limit.
const RUNS_MAX: u32 = 8_192;
/// So many bytes of a page make it look at one more run.
const BYTES_PER_RUN: u32 = 128;

/// The status of a log.
pub(crate) struct Status(pub(crate) SpaceId);

impl Ask for Status {
    const DURING: &'static str = "reading the status";
    type Answer = LogStatus;

    async fn ask(&self, connection: &mut Connection) -> Result<LogStatus> {
        let select = "SELECT log, revision, spaces.head, base, clock, heads.*, folded.* FROM spaces
            CROSS JOIN LATERAL (
                SELECT array_agg(origin) AS origins, array_agg(seq) AS seqs, array_agg(chain) AS chains,
                    array_agg(time) AS times
                FROM heads WHERE heads.space = name
            ) AS heads
            CROSS JOIN LATERAL (
                SELECT array_agg(view) AS views, array_agg(position) AS positions FROM views WHERE views.space = name
            ) AS folded
            WHERE name = $1";
        let row = sqlx::query(select).bind(self.0.as_str()).fetch_optional(connection).await?;
        let row = row.ok_or_else(|| gone(&self.0))?;
        let Tail(LogEnd { log, revision, head: last, base, clock, .. }) = read_head_row(&row)?;
        let mut status = LogStatus { revision, head: last, base, clock, ..LogStatus::fresh(log) };
        let (origins, seqs) = (list::<Vec<u8>>(&row, "origins")?, list::<i64>(&row, "seqs")?);
        let (chains, times) = (list::<Vec<u8>>(&row, "chains")?, list::<Vec<u8>>(&row, "times")?);
        for (((origin, seq), chain), time) in origins.iter().zip(seqs).zip(chains).zip(times) {
            status.heads.set(read_origin(origin)?, head(seq, &chain, &time)?);
        }
        for (view, position) in list::<String>(&row, "views")?.iter().zip(list::<i64>(&row, "positions")?) {
            let view = ViewId::new(view).map_err(|error| corrupt("a view", error))?;
            status.views.insert(view, Position::new(from_bigint("a view's progress", position)?));
        }
        status.check().map_err(|why| corrupt(format!("space {}", self.0), why))?;
        Ok(status)
    }
}

/// What was aggregated; nothing aggregates to NULL.
fn list<T>(row: &PgRow, column: &str) -> std::result::Result<Vec<T>, sqlx::Error>
where
    Vec<T>: sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
{
    Ok(row.try_get::<Option<Vec<T>>, _>(column)?.unwrap_or_default())
}

/// The revision of a log.
pub(crate) struct AtRevision(pub(crate) SpaceId);

impl Ask for AtRevision {
    const DURING: &'static str = "waiting for a commit";
    type Answer = Revision;

    async fn ask(&self, connection: &mut Connection) -> Result<Revision> {
        let select = "SELECT revision FROM spaces WHERE name = $1";
        let revision: Option<i64> = sqlx::query_scalar(select).bind(self.0.as_str()).fetch_optional(connection).await?;
        let revision = revision.ok_or_else(|| gone(&self.0))?;
        Ok(Revision::new(from_bigint("a space's revision", revision)?))
    }
}

/// A page of a log.
pub(crate) struct ReadPage {
    pub(crate) space: SpaceId,
    pub(crate) after: Cursor,
    pub(crate) limit: Limit,
}

impl Ask for ReadPage {
    const DURING: &'static str = "reading a page";
    type Answer = Page;

    async fn ask(&self, connection: &mut Connection) -> Result<Page> {
        // The head and the runs are of one moment because they are of one statement.
        let select = "SELECT log, revision, head, base, clock, last, previous, run FROM spaces
            LEFT JOIN LATERAL (
                SELECT last, previous, run,
                    sum(octet_length(run)) OVER (ORDER BY last ROWS UNBOUNDED PRECEDING) - octet_length(run) AS before
                FROM runs WHERE space = $1 AND last > $2 ORDER BY last LIMIT $3
            ) AS runs ON before < $4
            WHERE name = $1 ORDER BY last";
        let count = runs_wanted(self.limit);
        let query = sqlx::query(select).bind(self.space.as_str()).bind(bound(self.after.position.get()));
        let rows = query.bind(i64::from(count)).bind(i64::from(self.limit.bytes.max(1))).fetch_all(connection).await?;
        let first = rows.first().ok_or_else(|| gone(&self.space))?;
        let Tail(LogEnd { log, head, base, .. }) = read_head_row(first)?;
        let status = LogStatus { head, base, ..LogStatus::fresh(log) };
        check_cursor(self.after, &status)?;
        let mut page = PageBuilder::new(self.limit);
        let (mut end, mut bytes) = (self.after.position, 0);
        for row in rows.iter().filter(|_| status.head > self.after.position) {
            let stored = self.read_run(row)?;
            self.check_place(&stored, end)?;
            end = stored.end();
            bytes += stored.run.as_bytes().len() as u64;
            page.push_after(stored, self.after.position);
        }
        let was_cut = rows.len() == count as usize || bytes >= u64::from(self.limit.bytes);
        if end < status.head && !was_cut {
            return Err(missing(&self.space, end).into());
        }
        Ok(page.finish_page(self.after, &status))
    }
}

impl ReadPage {
    fn read_run(&self, row: &PgRow) -> Result<StoredRun> {
        match row.try_get::<Option<i64>, _>("last")? {
            Some(_) => read_run(&self.space, row),
            None => Err(missing(&self.space, self.after.position).into()),
        }
    }

    /// A run must follow the one before it without a hole; only the first may begin before the cursor.
    fn check_place(&self, stored: &StoredRun, end: Position) -> std::result::Result<(), StoreError> {
        let next = end.plus(1);
        let follows = stored.position == next || end == self.after.position && stored.position < next;
        if follows { Ok(()) } else { Err(missing(&self.space, end)) }
    }
}

fn missing(space: &SpaceId, after: Position) -> StoreError {
    corrupt(format!("space {space}"), format!("the run behind position {after} is missing"))
}

/// How many runs to look at for a page of this size.
fn runs_wanted(limit: Limit) -> u32 {
    limit.items.min(limit.bytes / BYTES_PER_RUN + 1).clamp(1, RUNS_MAX)
}

/// One origin's runs.
pub(crate) struct ReadOrigin {
    pub(crate) space: SpaceId,
    pub(crate) origin: ReplicaId,
    pub(crate) after: Seq,
    pub(crate) limit: Limit,
}

impl Ask for ReadOrigin {
    const DURING: &'static str = "reading an origin";
    type Answer = Vec<StoredRun>;

    async fn ask(&self, connection: &mut Connection) -> Result<Vec<StoredRun>> {
        // The origin's head and its runs are of one moment because they are of one statement.
        let select = "SELECT heads.seq AS head, base, last, previous, run FROM heads
            JOIN spaces ON spaces.name = heads.space
            LEFT JOIN LATERAL (
                SELECT last, seq, previous, run,
                    sum(octet_length(run)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - octet_length(run) AS before
                FROM runs WHERE space = $1 AND origin = $2 AND seq > $3 ORDER BY seq LIMIT $4
            ) AS runs ON before < $5
            WHERE heads.space = $1 AND heads.origin = $2 ORDER BY runs.seq";
        let count = runs_wanted(self.limit);
        let query = sqlx::query(select).bind(self.space.as_str()).bind(self.origin.to_bytes());
        let query = query.bind(bound(self.after.get())).bind(i64::from(count));
        let rows = query.bind(i64::from(self.limit.bytes.max(1))).fetch_all(connection).await?;
        let mut page = PageBuilder::new(self.limit);
        let Some(first) = rows.first() else { return Ok(page.finish()) };
        let head = Seq::new(from_bigint("a head's seq", first.try_get("head")?)?);
        let base = Position::new(from_bigint("a space's base", first.try_get("base")?)?);
        let (mut end, mut bytes) = (self.after, 0);
        for row in rows.iter().filter(|_| head > self.after) {
            let Some(_) = row.try_get::<Option<i64>, _>("last")? else { break };
            let stored = read_run(&self.space, row)?;
            self.check_place(&stored, end, base)?;
            end = stored.run.last();
            bytes += stored.run.as_bytes().len() as u64;
            if !page.push_from(stored, self.after.plus(1)) {
                // What comes next may be missing, and nobody has asked for it.
                return Ok(page.finish());
            }
        }
        let was_cut = rows.len() == count as usize && end > self.after || bytes >= u64::from(self.limit.bytes);
        if end < head && !was_cut { Err(self.missing(end, base).into()) } else { Ok(page.finish()) }
    }
}

impl ReadOrigin {
    /// A run must be the origin's own and follow the one before it without a hole; only the first may begin earlier.
    fn check_place(&self, stored: &StoredRun, end: Seq, base: Position) -> std::result::Result<(), StoreError> {
        let (next, first) = (end.plus(1), stored.run.first());
        let follows = first == next || end == self.after && first < next;
        if follows && stored.run.origin() == self.origin { Ok(()) } else { Err(self.missing(end, base)) }
    }

    /// In a log that was trimmed, what is not found was trimmed.
    fn missing(&self, after: Seq, base: Position) -> StoreError {
        let dot = Dot { origin: self.origin, seq: after.plus(1) };
        if base > Position::ZERO {
            return StoreError::Trimmed { dot, base };
        }
        corrupt(format!("space {}", self.space), format!("bundle {dot} is missing"))
    }
}

/// The columns `last`, `previous` and `run`. What they hold must hash to the check that it carries.
fn read_run(space: &SpaceId, row: &PgRow) -> Result<StoredRun> {
    let last = Position::new(from_bigint("a run's position", row.try_get("last")?)?);
    let previous = ChainHash::from_bytes(array("a run's chain hash", row.try_get("previous")?)?);
    let bytes = Bytes::copy_from_slice(row.try_get("run")?);
    Ok(check_run(last, previous, bytes).map_err(|why| corrupt(format!("space {space}, run up to {last}"), why))?)
}

fn check_run(last: Position, previous: ChainHash, bytes: Bytes) -> std::result::Result<StoredRun, String> {
    let run = Run::decode(bytes).map_err(|error| error.to_string())?;
    let before = Head { seq: Seq::new(run.first().get() - 1), chain: previous, time: NTP64(0) };
    VerifiedRun::verify(run.clone(), before).map_err(|error| error.to_string())?;
    let first = (last.get() + 1).checked_sub(run.count()).filter(|first| *first > 0);
    let position = Position::new(first.ok_or("it has more bundles than its position allows")?);
    Ok(StoredRun { position, previous, run })
}

/// The runs of the log that the voids, the rewrites and the new bases of these batches concern.
pub(crate) async fn read_concerned(
    connection: &mut Connection,
    space: &SpaceId,
    batches: &[WriteBatch],
) -> Result<Vec<StoredRun>> {
    let (parts, bases) = (concerned(batches), bases(batches));
    if parts.is_empty() && bases.is_empty() {
        return Ok(Vec::new());
    }
    // The runs are read once each, however many parts they hold.
    let select = "SELECT last, previous, run FROM runs WHERE space = $1 AND last = ANY (ARRAY (
            SELECT DISTINCT found.last FROM unnest($2::bytea[], $3::bigint[], $4::bigint[]) AS part (origin, first, final)
            CROSS JOIN LATERAL (
                SELECT last FROM runs WHERE space = $1 AND runs.origin = part.origin AND runs.seq >= part.first
                    AND runs.seq <= coalesce((
                        SELECT min(seq) FROM runs
                        WHERE space = $1 AND runs.origin = part.origin AND runs.seq >= part.final
                    ), part.final) OFFSET 0
            ) AS found
            UNION
            SELECT cut.last FROM unnest($5::bigint[]) AS base (position)
            CROSS JOIN LATERAL (
                SELECT last FROM runs WHERE space = $1 AND runs.last > base.position ORDER BY last LIMIT 1
            ) AS cut
        ))";
    let origins: Vec<_> = parts.iter().map(|part| part.origin.to_bytes()).collect();
    let ends = |part: &Part| (bound(part.first.get()), bound(part.last.get()));
    let (firsts, finals): (Vec<_>, Vec<_>) = parts.iter().map(ends).unzip();
    let query = sqlx::query(select).bind(space.as_str()).bind(origins).bind(firsts).bind(finals);
    let query = query.bind(bases.iter().map(|base| bound(base.get())).collect::<Vec<_>>());
    query.fetch_all(connection).await?.iter().map(|row| read_run(space, row)).collect()
}
