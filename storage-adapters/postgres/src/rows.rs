//! Reading rows.

use std::ops::Bound;

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use syncline::id::Revision;
use syncline::store::{Direction, Limit, Row, RowKey, RowRange};
use syncline::{SpaceId, ViewId};

use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::Result;
use crate::number::from_bigint;
use crate::tail::gone;

/// How many rows a scan looks at first. If that is not enough, it looks at so many times more.
const ROWS_FIRST: i64 = 1_024;
const ROWS_GROWTH: i64 = 8;

/// Rows by their keys, and the log's revision at that moment.
pub(crate) struct Load {
    pub(crate) space: SpaceId,
    pub(crate) keys: Vec<RowKey>,
}

impl Ask for Load {
    const DURING: &'static str = "loading rows";
    type Answer = (Revision, Vec<Option<Bytes>>);

    async fn ask(&self, connection: &mut Connection) -> Result<(Revision, Vec<Option<Bytes>>)> {
        // `OFFSET 0` keeps the planner from turning this round: to read the whole space once looks cheap while it is empty.
        let select = "SELECT revision, value FROM spaces
            LEFT JOIN unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS wanted (view, key, place) ON true
            LEFT JOIN LATERAL (
                SELECT value FROM rows WHERE space = $1 AND rows.view = wanted.view AND rows.key = wanted.key OFFSET 0
            ) AS found ON true WHERE name = $1 ORDER BY place";
        let views: Vec<&str> = self.keys.iter().map(|key| key.view.as_str()).collect();
        let keys: Vec<&[u8]> = self.keys.iter().map(|key| &key.key[..]).collect();
        let query = sqlx::query(select).bind(self.space.as_str()).bind(views).bind(keys);
        let rows = query.fetch_all(connection).await?;
        let first = rows.first().ok_or_else(|| gone(&self.space))?;
        let revision = Revision::new(from_bigint("a space's revision", first.try_get(0)?)?);
        let value = |row: &PgRow| Ok(row.try_get::<Option<&[u8]>, _>(1)?.map(Bytes::copy_from_slice));
        // Without keys there is one row, for the revision.
        Ok((revision, rows.iter().take(self.keys.len()).map(value).collect::<Result<_>>()?))
    }
}

/// Rows by a range of their keys.
pub(crate) struct Scan {
    pub(crate) space: SpaceId,
    pub(crate) view: ViewId,
    pub(crate) range: RowRange,
    pub(crate) limit: Limit,
}

impl Ask for Scan {
    const DURING: &'static str = "scanning rows";
    type Answer = Vec<Row>;

    async fn ask(&self, connection: &mut Connection) -> Result<Vec<Row>> {
        let items = i64::from(self.limit.items.max(1));
        let mut count = items.min(ROWS_FIRST);
        loop {
            // Each look is a statement of its own, so that what is answered is of one moment.
            let rows = self.look(connection, count).await?;
            let enough = count == items || rows.len() < usize::try_from(count).unwrap_or(usize::MAX);
            if enough {
                return rows.iter().map(read_row).collect();
            }
            count = items.min(count * ROWS_GROWTH);
        }
    }
}

impl Scan {
    /// The first `count` rows, fewer if the range ends or the limit of bytes is reached.
    async fn look(&self, connection: &mut Connection, count: i64) -> Result<Vec<PgRow>> {
        macro_rules! select {
            ($end:literal, $order:literal) => {
                concat!(
                    "SELECT key, value FROM (
                        SELECT key, value, row_number() OVER keys AS number,
                            sum(octet_length(key) + octet_length(value)) OVER keys AS bytes
                        FROM rows WHERE space = $1 AND view = $2 AND key >= $3 ",
                    $end,
                    " WINDOW keys AS (ORDER BY ",
                    $order,
                    " ROWS UNBOUNDED PRECEDING) ORDER BY ",
                    $order,
                    " LIMIT $4
                    ) AS rows WHERE number = 1 OR bytes <= $5 ORDER BY ",
                    $order
                )
            };
        }
        let end = end(&self.range.end);
        let select = match (&end, self.range.direction) {
            (None, Direction::Forward) => select!("", "key"),
            (None, Direction::Backward) => select!("", "key DESC"),
            (Some(_), Direction::Forward) => select!("AND key < $6", "key"),
            (Some(_), Direction::Backward) => select!("AND key < $6", "key DESC"),
        };
        let query =
            sqlx::query(select).bind(self.space.as_str()).bind(self.view.as_str()).bind(start(&self.range.start));
        let query = query.bind(count).bind(i64::from(self.limit.bytes));
        let query = if let Some(end) = end { query.bind(end) } else { query };
        Ok(query.fetch_all(connection).await?)
    }
}

fn read_row(row: &PgRow) -> Result<Row> {
    let bytes = |column| Ok::<_, sqlx::Error>(Bytes::copy_from_slice(row.try_get::<&[u8], _>(column)?));
    Ok(Row { key: bytes(0)?, value: bytes(1)? })
}

/// The first key of the range.
fn start(bound: &Bound<Bytes>) -> Vec<u8> {
    match bound {
        Bound::Included(key) => key.to_vec(),
        Bound::Excluded(key) => successor(key),
        Bound::Unbounded => Vec::new(),
    }
}

/// The first key behind the range, if it has an end.
fn end(bound: &Bound<Bytes>) -> Option<Vec<u8>> {
    match bound {
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.to_vec()),
        Bound::Unbounded => None,
    }
}

/// The next key in the order of bytes.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
