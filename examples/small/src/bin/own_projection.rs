//! Events and a projection of your own: a to-do list folded from "added" and "done".
//!
//! You will see two devices that worked offline end with the same list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline::authority::{AllowAll, Principal};
use syncline::crdt::Lww;
use syncline::projection::Keys;
use syncline::store::RowRange;
use syncline::typed::{Meta, TypedEvent, TypedProjection};
use syncline::{MemoryStorage, MemoryStore, Replica, Service, SpaceId, Unreadable, ViewId};
use syncline_memory::MemoryTransport;

/// What can happen. Each event type carries a version, so that a later form can live next to this one.
#[derive(Debug, Serialize, Deserialize)]
enum Todo {
    #[serde(rename = "todo.added@1")]
    Added { title: String },
    #[serde(rename = "todo.done@1")]
    Done { title: String, done: bool },
}

impl TypedEvent for Todo {}

/// One row per title: whether it is done. The latest word wins, wherever it was said.
struct Todos;

impl TypedProjection for Todos {
    type Event = Todo;
    type State = Lww<bool>;

    fn view(&self) -> ViewId {
        ViewId::new("todos@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Todo, keys: &mut Keys) {
        let (Todo::Added { title } | Todo::Done { title, .. }) = event;
        keys.push(title.as_bytes());
    }

    fn apply(&self, _: &[u8], row: &mut Lww<bool>, event: &Todo, meta: Meta) -> Result<(), Unreadable> {
        row.set(meta.stamp, matches!(event, Todo::Done { done: true, .. }));
        Ok(())
    }
}

async fn device(space: &SpaceId) -> Result<Replica, Box<dyn std::error::Error>> {
    let store = Arc::new(MemoryStore::new(syncline_os::log_id()));
    let stack = Replica::compose(space.clone(), store).clock(syncline_os::wall_clock).projection(Todos);
    Ok(stack.open(syncline_os::replica_id()).await?)
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let space = SpaceId::new("household")?;
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    let someone = Principal { user: "ann".parse()?, device: "phone".parse()? };
    let server = MemoryTransport::trusted(service, someone);

    let (phone, laptop) = (device(&space).await?, device(&space).await?);
    let added = |title: &str| Todo::Added { title: title.to_owned() };
    phone.write(&[added("milk"), added("bread")]).await?; // one bundle: both or none
    phone.sync(&server).await?;
    laptop.sync(&server).await?;
    laptop.write(&[Todo::Done { title: "milk".to_owned(), done: true }]).await?;
    phone.write(&[added("tea")]).await?;
    for replica in [&laptop, &phone, &laptop] {
        replica.sync(&server).await?;
    }

    for (name, replica) in [("phone", &phone), ("laptop", &laptop)] {
        let mut line = Vec::new();
        for (title, done) in replica.view(Todos)?.all(RowRange::all()).await? {
            let mark = if done.get() == Some(&true) { "x" } else { " " };
            line.push(format!("[{mark}] {}", String::from_utf8_lossy(&title)));
        }
        println!("{name}: {}", line.join(", "));
    }
    Ok(())
}
