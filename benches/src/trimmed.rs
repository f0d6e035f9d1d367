//! What a trimmed log leaves on the disk, against a database that never had more than the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use syncline::attributes::Attributes;
use syncline::format::Head;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder};
use syncline::projection::Projection as _;
use syncline::store::{Durability, Limit, Row, RowKey, RowRange, RowWrite, Storage as _, WriteBatch, whole};
use syncline::{EventStore, NTP64, Replica};

use crate::fresh::Plan;
use crate::place::{Backend, Ground, Place};
use crate::workload::{Change, Keys};
use crate::{Failure, ours};

/// Pieces of the log in one commit.
const PIECES: usize = 20;
/// Rows in one commit.
const ROWS: u32 = 1_000;

/// Bytes on the disk.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// A log and its rows.
    pub whole: u64,
    /// After all of the log was trimmed, and the database closed.
    pub trimmed: u64,
    /// After the backend was told to give space back, as far as it can be told.
    pub given_back: u64,
    /// The same rows in a database that never had a log.
    pub rows: u64,
}

/// What a backend is told so that it gives space back; nothing if it cannot be told.
pub const fn told(backend: Backend) -> Option<&'static str> {
    match backend {
        Backend::Redb => Some("compact"),
        Backend::Postgres => Some("VACUUM FULL"),
        Backend::Sqlite | Backend::Sled | Backend::Memory => None,
    }
}

/// Writes a log of so many bundles of one event over `keys`, trims it, and writes its rows elsewhere.
///
/// # Errors
/// [`Failure`] of the store or the engine.
pub async fn measure(ground: &Ground, backend: Backend, bundles: usize, keys: u32) -> Result<Disk, Failure> {
    let [trimmed, rows] = [ground.place(backend)?, ground.place(backend)?];
    let plan = Plan { keys: Keys::Few(keys), events: bundles, per_bundle: 1 };
    let storage = trimmed.open(durability(backend)).await?;
    let store = storage.open(&ours::space()).await?;
    append(&*store, &plan).await?;
    let replica = Replica::compose(ours::space(), store).clock(syncline_os::wall_clock).projection(Attributes);
    let replica = replica.open(syncline_os::replica_id()).await?;
    let found = read_rows(&**replica.store()).await?;
    let whole = trimmed.bytes().await?;
    let plan = replica.trim(0).await?;
    if plan.to != plan.head {
        return Err(format!("the log was not trimmed to its end: {plan:?}").into());
    }
    drop((replica, storage));
    let after = trimmed.bytes().await?;
    give_back(&trimmed).await?;
    let given_back = trimmed.bytes().await?;
    write_rows(&rows, found).await?;
    let disk = Disk { whole, trimmed: after, given_back, rows: rows.bytes().await? };
    trimmed.delete().await?;
    rows.delete().await?;
    Ok(disk)
}

/// The quickest that keeps files as they are with any other.
fn durability(backend: Backend) -> Durability {
    backend.durabilities().last().copied().unwrap_or(Durability::Synced)
}

async fn append(store: &dyn EventStore, plan: &Plan) -> Result<(), Failure> {
    let mut authors = BTreeMap::new();
    let mut runs = Vec::new();
    for piece in plan.pieces() {
        let (origin, head) = authors.entry(piece.author).or_insert_with(|| (syncline_os::replica_id(), Head::NONE));
        let mut run = RunBuilder::new(*origin, head.seq.plus(1), head.chain);
        for (time, changes) in piece.bundles {
            let events = changes.iter().map(Change::event).collect::<Result<Vec<_>, _>>()?;
            run.push(NTP64(time), Body::Full(&encode_body(&events)?));
        }
        let run = run.finish().ok_or("a piece without changes")?;
        *head = run.head();
        runs.push(run);
        if runs.len() == PIECES {
            store.commit(WriteBatch { runs: take(&mut runs), ..WriteBatch::default() }).await?;
        }
    }
    store.commit(WriteBatch { runs, ..WriteBatch::default() }).await?;
    Ok(())
}

async fn read_rows(store: &dyn EventStore) -> Result<Vec<Row>, Failure> {
    let (mut rows, mut range) = (Vec::new(), RowRange::all());
    loop {
        let page = whole::scan(store, &Attributes.view(), range.clone(), Limit::items(ROWS)).await?;
        let Some(last) = page.last() else { return Ok(rows) };
        range = range.after(last.key.clone());
        rows.extend(page);
    }
}

async fn write_rows(place: &Place, rows: Vec<Row>) -> Result<(), Failure> {
    let storage = place.open(durability(place.backend())).await?;
    let store: Arc<dyn EventStore> = storage.open(&ours::space()).await?;
    for rows in rows.chunks(ROWS as usize) {
        let write = |row: &Row| RowWrite {
            key: RowKey::new(Attributes.view(), row.key.clone()),
            value: Some(row.value.clone()),
        };
        store.commit(WriteBatch { rows: rows.iter().map(write).collect(), ..WriteBatch::default() }).await?;
    }
    drop((store, storage));
    give_back(place).await
}

async fn give_back(place: &Place) -> Result<(), Failure> {
    match place.backend() {
        Backend::Redb => _ = redb::Database::open(place.path())?.compact()?,
        Backend::Postgres => {
            let mut server = PgConnection::connect(place.url()).await?;
            let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
                .bind(place.schema())
                .fetch_all(&mut server)
                .await?;
            // The names are ours and hold no quotes.
            for table in BTreeSet::from_iter(tables) {
                server.execute(AssertSqlSafe(format!("VACUUM FULL {}.{table}", place.schema()))).await?;
            }
        }
        Backend::Sqlite | Backend::Sled | Backend::Memory => {}
    }
    Ok(())
}
