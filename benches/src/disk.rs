//! What a log takes on the disk: in the tables of a SQLite file, rows apart, and encoded.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use syncline::store::{Durability, Limit};
use syncline::{Cursor, EventStore, Replica};

use crate::workload::{Keys, Workload};
use crate::{Failure, ours};

/// The tables that hold a log: runs, heads and the space's own row, with their indexes.
const LOG_TABLES: &str = "'runs', 'heads', 'spaces'";

/// What a log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Whole pages of the log's tables and indexes, and all unused pages of the file.
    pub disk_bytes: u64,
    /// The log as it is read in pages of 2 MiB: as densely packed as it can be.
    pub encoded_bytes: u64,
}

/// Writes events with a replica of its own, so many to a bundle and one bundle per commit, and weighs its log.
///
/// # Errors
/// [`Failure`] of the store, the engine or the file system.
pub async fn written(folder: &Path, events: usize, per_bundle: usize) -> Result<Footprint, Failure> {
    let file = folder.join(format!("written-{per_bundle}.sqlite"));
    let replica = ours::open_sqlite(&file, Durability::Process).await?;
    let events = Workload::new(Keys::TEN_THOUSAND, 1).take_events(events)?;
    ours::append(&replica, &events, per_bundle).await?;
    weigh(replica, &file).await
}

/// Weighs the log of a replica, which is closed for it.
///
/// # Errors
/// [`Failure`] of the store or the file system.
pub async fn weigh(replica: Replica, file: &Path) -> Result<Footprint, Failure> {
    let encoded_bytes = encoded(&**replica.store()).await?;
    drop(replica);
    Ok(Footprint { disk_bytes: on_disk(file)?, encoded_bytes })
}

/// Bytes of a store's log, read in large pages.
async fn encoded(store: &dyn EventStore) -> Result<u64, Failure> {
    let mut cursor = Cursor::start(store.status().await?.log);
    let mut bytes = 0;
    loop {
        let page = store.read(cursor, Limit::bytes(2 * 1024 * 1024)).await?;
        bytes += page.runs.iter().map(|stored| stored.run.as_bytes().len() as u64).sum::<u64>();
        if page.is_last() {
            return Ok(bytes);
        }
        cursor = page.next;
    }
}

/// Bytes of the log's tables in a file that nobody has open.
fn on_disk(file: &Path) -> Result<u64, Failure> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let pages = count(&format!(
        "SELECT count(*) FROM dbstat JOIN sqlite_schema USING (name) WHERE tbl_name IN ({LOG_TABLES})"
    ))?;
    let unused: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let size: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(((pages + unused) * size).unsigned_abs())
}
