//! The same work through the engine: a replica with the attributes projection, and what is asked of it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join_all;
use syncline::attributes::Attributes;
use syncline::store::{Durability, RowRange, Storage};
use syncline::{Event, EventStore, MemoryStore, Replica, SpaceId};
use syncline_sqlite::{SqliteOptions, SqliteStorage};

use crate::place::Place;
use crate::{Failure, State};

/// The space of all measurements.
///
/// # Panics
/// Never.
pub fn space() -> SpaceId {
    SpaceId::new("bench").expect("the name is well formed")
}

/// Opens a replica with attribute rows in a SQLite file.
///
/// # Errors
/// [`Failure`] of the store or the engine.
pub async fn open_sqlite(path: &Path, durability: Durability) -> Result<Replica, Failure> {
    let storage = SqliteOptions::new(path).durability(durability).open()?;
    open_on(storage.open(&space()).await?).await
}

/// Opens a file with small caches, for a server whose memory is looked at.
///
/// # Errors
/// [`Failure`] of the store.
pub fn open_small(path: &Path) -> Result<SqliteStorage, Failure> {
    let one = NonZeroUsize::MIN;
    Ok(SqliteOptions::new(path).cache_bytes(1024 * 1024).readers(one).open()?)
}

/// Opens a replica with attribute rows in memory.
///
/// # Errors
/// [`Failure`] of the engine.
pub async fn open_memory() -> Result<Replica, Failure> {
    open_on(Arc::new(MemoryStore::new(syncline_os::log_id()))).await
}

async fn open_on(store: Arc<dyn EventStore>) -> Result<Replica, Failure> {
    let replica = Replica::compose(space(), store).clock(syncline_os::wall_clock).projection(Attributes);
    Ok(replica.open(syncline_os::replica_id()).await?)
}

/// Opens a replica at a place of any backend, with attribute rows if `rows`.
///
/// # Errors
/// [`Failure`] of the store or the engine.
pub async fn open(place: &Place, durability: Durability, rows: bool) -> Result<Replica, Failure> {
    let store = place.open(durability).await?.open(&space()).await?;
    if rows {
        return open_on(store).await;
    }
    let replica = Replica::compose(space(), store).clock(syncline_os::wall_clock);
    Ok(replica.open(syncline_os::replica_id()).await?)
}

/// Writes the events `per_commit` at a time, one commit after the other.
///
/// # Errors
/// [`Failure`] with the engine's `ReplicaError`.
pub async fn append(replica: &Replica, events: &[Event], per_commit: usize) -> Result<(), Failure> {
    for bundle in events.chunks(per_commit) {
        replica.write(bundle).await?;
    }
    Ok(())
}

/// Shares the events out among concurrent writers, each of which writes one at a time.
///
/// # Errors
/// [`Failure`] with the engine's `ReplicaError`.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn append_concurrently(
    replica: &Replica,
    events: &[Event],
    per_commit: usize,
    writers: usize,
) -> Result<(), Failure> {
    let share = events.len().div_ceil(writers).next_multiple_of(per_commit);
    let tasks = events.chunks(share).map(|events| {
        let (replica, events) = (replica.clone(), events.to_vec());
        tokio::spawn(async move { append(&replica, &events, per_commit).await })
    });
    try_join_all(tasks).await?.into_iter().collect()
}

/// All attributes with their values.
///
/// # Errors
/// [`Failure`] with the engine's `ReplicaError`.
pub async fn state(replica: &Replica) -> Result<State, Failure> {
    let rows = replica.attributes()?.present(RowRange::all()).await?;
    let value = |row: &syncline::attributes::AttributeRow| row.value().unwrap_or_default().into_owned();
    Ok(rows.iter().map(|(attribute, row)| (attribute.key().to_vec(), value(row))).collect())
}
