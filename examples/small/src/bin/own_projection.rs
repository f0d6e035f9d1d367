//! An event type and a projection of one's own: a to-do list folded from "added" and "done".
//!
//! You will see two devices that worked offline end with the same list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline::authority::{Open, Principal};
use syncline::crdt::Lww;
use syncline::projection::{Keys, Reads};
use syncline::store::RowRange;
use syncline::{
    Event, EventRef, Kind, MemoryStorage, MemoryStore, Projection, Replica, Service, SpaceId, Unreadable, ViewId,
};
use syncline_memory::MemoryTransport;

/// What happened. Its kind carries a version, so that a later form can live beside this one.
#[derive(Debug, Serialize, Deserialize)]
enum TodoEvent {
    Added { title: String },
    Done { title: String, done: bool },
}

const TODO: Kind = Kind::new("todo", 1);

impl TodoEvent {
    fn event(&self) -> Event {
        Event::new(TODO, serde_json::to_vec(self).expect("strings and booleans are JSON"))
    }

    fn title(&self) -> &str {
        match self {
            Self::Added { title } | Self::Done { title, .. } => title,
        }
    }
}

/// One row per title: whether it is done. The latest word wins, wherever it was said.
struct Todos;

impl Projection for Todos {
    type State = Lww<bool>;

    fn view(&self) -> ViewId {
        ViewId::new("todos@1").expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::kinds([TODO])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match serde_json::from_slice::<TodoEvent>(event.payload) {
            Ok(todo) => keys.push(todo.title().as_bytes()),
            Err(error) => keys.refuse(error.to_string()),
        }
    }

    fn apply(&self, _: &[u8], row: &mut Lww<bool>, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let todo = serde_json::from_slice(event.payload).map_err(|error| Unreadable::new(error.to_string()))?;
        let done = matches!(todo, TodoEvent::Done { done: true, .. });
        row.set(event.stamp, done);
        Ok(())
    }
}

async fn device(space: &SpaceId) -> Result<Replica, Box<dyn std::error::Error>> {
    let store = Arc::new(MemoryStore::new(syncline_os::log_id()));
    let stack = Replica::compose(space.clone(), store).clock(syncline_os::wall_clock).projection(Todos);
    Ok(stack.open(syncline_os::replica_id()).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let space = SpaceId::new("household")?;
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Arc::new(Service::new(storage, Arc::new(Open), Arc::new(syncline_os::wall_clock)));
    let someone = Principal { user: "ann".parse()?, device: "phone".parse()? };
    let server = MemoryTransport::trusted(service, someone);

    let (phone, laptop) = (device(&space).await?, device(&space).await?);
    let added = |title: &str| TodoEvent::Added { title: title.to_owned() }.event();
    phone.write(&[added("milk"), added("bread")]).await?; // one bundle: both or none
    phone.sync(&server).await?;
    laptop.sync(&server).await?;
    laptop.write(&[TodoEvent::Done { title: "milk".to_owned(), done: true }.event()]).await?;
    phone.write(&[added("tea")]).await?;
    for replica in [&laptop, &phone, &laptop] {
        replica.sync(&server).await?;
    }

    for (name, replica) in [("phone", &phone), ("laptop", &laptop)] {
        let rows = replica.view(Todos)?.all(RowRange::all()).await?;
        let line = |(title, done): &(_, Lww<bool>)| {
            let mark = if done.get() == Some(&true) { "x" } else { " " };
            format!("[{mark}] {}", String::from_utf8_lossy(AsRef::<[u8]>::as_ref(title)))
        };
        #[allow(clippy::print_stdout, reason = "a program")]
        {
            println!(
                "{name}: {}",
                rows.iter().map(|row: &(bytes::Bytes, Lww<bool>)| line(row)).collect::<Vec<_>>().join(", ")
            );
        }
    }
    Ok(())
}
