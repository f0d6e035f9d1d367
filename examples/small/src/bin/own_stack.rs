//! A stack composed in one process: a replica in memory, one in a SQLite file, and a service between them.
//!
//! You will see a counter that both changed at the same time, and the file reopened with everything in it.

use std::sync::Arc;

use syncline::attributes::{Attribute, Attributes};
use syncline::authority::AllowAll;
use syncline::{EventStore, MemoryStorage, MemoryStore, Replica, Service, SpaceId, Storage};
use syncline_memory::MemoryTransport;
use syncline_sqlite::SqliteStorage;

async fn open(space: &SpaceId, store: Arc<dyn EventStore>) -> Result<Replica, Box<dyn std::error::Error>> {
    let stack = Replica::compose(space.clone(), store).clock(syncline_os::wall_clock).projection(Attributes);
    Ok(stack.open(syncline_os::replica_id()).await?)
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("replica.sqlite");
    let space = SpaceId::new("warehouse")?;
    let stock = Attribute::new("article/7", "stock")?;

    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    let server = MemoryTransport::new(service, "any token: this authority is open").await?;

    let in_memory = open(&space, Arc::new(MemoryStore::new(syncline_os::log_id()))).await?;
    let on_disk = open(&space, SqliteStorage::at(&file)?.open(&space).await?).await?;

    in_memory.attributes()?.set(&stock, 10).await?;
    in_memory.sync(&server).await?;
    on_disk.sync(&server).await?;
    in_memory.attributes()?.add(&stock, -3).await?;
    on_disk.attributes()?.add(&stock, 20).await?;
    for replica in [&in_memory, &on_disk, &in_memory] {
        replica.sync(&server).await?;
    }
    for (name, replica) in [("memory", &in_memory), ("sqlite", &on_disk)] {
        let row = replica.attributes()?.read(&stock).await?;
        println!("{name}: {}", row.value().unwrap_or_default());
    }

    let identity = on_disk.id().await;
    drop(on_disk);
    let reopened = open(&space, SqliteStorage::at(&file)?.open(&space).await?).await?;
    let row = reopened.attributes()?.read(&stock).await?;
    println!("reopened: {}, the same replica: {}", row.value().unwrap_or_default(), reopened.id().await == identity);
    Ok(())
}
