//! By hand on sqlx: each transaction is one statement that hands over all its rows by UNNEST, one round trip in all. The tables
//! are those of `syncline-postgres`.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use syncline::store::Durability;

use super::{Batch, NO_HASH, Pair, encode};
use crate::Failure;
use crate::place::Place;

const TABLES: &str = "
    CREATE TABLE spaces (
        name text COLLATE \"C\" PRIMARY KEY, log bytea NOT NULL, revision bigint NOT NULL, head bigint NOT NULL,
        clock bytea NOT NULL, folded text NOT NULL
    ) WITH (fillfactor = 50);
    CREATE TABLE heads (
        space text COLLATE \"C\", origin bytea, seq bigint NOT NULL, chain bytea NOT NULL, time bytea NOT NULL,
        PRIMARY KEY (space, origin)
    ) WITH (fillfactor = 50);
    CREATE TABLE runs (
        space text COLLATE \"C\", last bigint, origin bytea NOT NULL, seq bigint NOT NULL, previous bytea NOT NULL,
        run bytea NOT NULL, PRIMARY KEY (space, last)
    );
    CREATE UNIQUE INDEX runs_by_origin ON runs (space, origin, seq);
    CREATE TABLE rows (
        space text COLLATE \"C\", view text COLLATE \"C\", key bytea, value bytea NOT NULL, PRIMARY KEY (space, view, key)
    ) WITH (fillfactor = 85);
    INSERT INTO spaces VALUES ('bench', '\\x00', 0, 0, '\\x00', '');";

/// What every transaction does, and what those with rows do as well.
macro_rules! statement {
    ($($rows:literal)?) => {
        concat!(
            "WITH moved AS (
                UPDATE spaces SET revision = revision + 1, head = $1, clock = $2, folded = coalesce($3, folded)
                WHERE name = 'bench'
            ), headed AS (
                INSERT INTO heads SELECT 'bench', head.* FROM unnest($4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[]) AS head
                ON CONFLICT (space, origin) DO UPDATE SET seq = excluded.seq, chain = excluded.chain, time = excluded.time
            )",
            $($rows,)?
            " INSERT INTO runs SELECT 'bench', run.*
                FROM unnest($8::bigint[], $9::bytea[], $10::bigint[], $11::bytea[], $12::bytea[]) AS run"
        )
    };
}

const APPEND: &str = statement!();
const WRITE: &str = statement!(
    ", put AS (
        INSERT INTO rows SELECT 'bench', 'attributes@1', row.* FROM unnest($13::bytea[], $14::bytea[]) AS row
        ON CONFLICT (space, view, key) DO UPDATE SET value = excluded.value
    )"
);
const RECEIVE: &str = statement!(
    ", put AS (
        INSERT INTO rows SELECT 'bench', 'attributes@1', row.* FROM unnest($13::bytea[], $14::bytea[]) AS row
        ON CONFLICT (space, view, key) DO UPDATE SET value = excluded.value WHERE excluded.value > rows.value
    )"
);

/// A schema of a database.
#[derive(Debug)]
pub(super) struct Postgres(PgConnection);

impl Postgres {
    pub(super) async fn create(place: &Place, durability: Durability) -> Result<Self, Failure> {
        let mut bare = Self::open(place, durability).await?;
        // The name is ours and holds no quotes.
        bare.0.execute(AssertSqlSafe(format!("CREATE SCHEMA {}", place.schema()))).await?;
        bare.0.execute(TABLES).await?;
        Ok(bare)
    }

    pub(super) async fn open(place: &Place, durability: Durability) -> Result<Self, Failure> {
        let options = PgConnectOptions::from_str(place.url())?.disable_statement_logging();
        let options = options.options([("search_path", place.schema())]);
        let synchronous = if durability == Durability::Synced { "on" } else { "off" };
        let options = options.options([("synchronous_commit", synchronous)]);
        Ok(Self(PgConnection::connect_with(&options).await?))
    }

    pub(super) async fn commit(&mut self, batch: &Batch) -> Result<(), Failure> {
        let statement = match (batch.rows.is_empty(), batch.may_be_late) {
            (true, _) => APPEND,
            (false, false) => WRITE,
            (false, true) => RECEIVE,
        };
        let (last, heads, entries) = (batch.last(), batch.heads().collect::<Vec<_>>(), &batch.entries);
        let query = sqlx::query(statement).bind(to_bigint(last.position)).bind(last.time).bind(batch.folded.as_deref());
        let query = query.bind(heads.iter().map(|head| encode::origin(head.author)).collect::<Vec<_>>());
        let query = query.bind(heads.iter().map(|head| to_bigint(head.seq)).collect::<Vec<_>>());
        let query = query.bind(vec![NO_HASH; heads.len()]);
        let query = query.bind(heads.iter().map(|head| head.time).collect::<Vec<_>>());
        let query = query.bind(entries.iter().map(|entry| to_bigint(entry.position)).collect::<Vec<_>>());
        let query = query.bind(entries.iter().map(|entry| encode::origin(entry.author)).collect::<Vec<_>>());
        let query = query.bind(entries.iter().map(|entry| to_bigint(entry.seq)).collect::<Vec<_>>());
        let query = query.bind(vec![NO_HASH; entries.len()]);
        let query = query.bind(entries.iter().map(|entry| &entry.run[..]).collect::<Vec<_>>());
        let query = match batch.rows.is_empty() {
            true => query,
            false => {
                let keys: Vec<_> = batch.rows.iter().map(|(key, _)| &key[..]).collect();
                query.bind(keys).bind(batch.rows.iter().map(|(_, value)| &value[..]).collect::<Vec<_>>())
            }
        };
        query.execute(&mut self.0).await?;
        Ok(())
    }

    pub(super) async fn head(&mut self) -> Result<u64, Failure> {
        let select = "SELECT head FROM spaces WHERE name = 'bench'";
        Ok(sqlx::query_scalar::<_, i64>(select).fetch_one(&mut self.0).await?.unsigned_abs())
    }

    pub(super) async fn read(&mut self, after: u64, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let select = "SELECT run FROM runs WHERE space = 'bench' AND last > $1 ORDER BY last LIMIT $2";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(sqlx::query_scalar(select).bind(to_bigint(after)).bind(count).fetch_all(&mut self.0).await?)
    }

    pub(super) async fn replace_rows(
        &mut self,
        rows: &BTreeMap<Vec<u8>, Vec<u8>>,
        folded: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.0.begin().await?;
        transaction.execute("DELETE FROM rows").await?;
        let insert =
            "INSERT INTO rows SELECT 'bench', 'attributes@1', row.* FROM unnest($1::bytea[], $2::bytea[]) AS row";
        let keys: Vec<_> = rows.keys().map(|key| &key[..]).collect();
        let values: Vec<_> = rows.values().map(|value| &value[..]).collect();
        sqlx::query(insert).bind(keys).bind(values).execute(&mut *transaction).await?;
        let update = "UPDATE spaces SET revision = revision + 1, folded = $1";
        sqlx::query(update).bind(folded).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let select = "SELECT value FROM rows WHERE space = 'bench' AND view = 'attributes@1' AND key = $1";
        Ok(sqlx::query_scalar(select).bind(key).fetch_optional(&mut self.0).await?)
    }

    pub(super) async fn rows(&mut self) -> Result<Vec<Pair>, Failure> {
        Ok(sqlx::query_as("SELECT key, value FROM rows").fetch_all(&mut self.0).await?)
    }
}

fn to_bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
