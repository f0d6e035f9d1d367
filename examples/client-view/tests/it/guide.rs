//! The program of `docs/building-an-app.md`, step by step: the page shows pieces of this file, in this order.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use syncline::authority::{AllowAll, Policy, Principal};
use syncline::crdt::Lww;
use syncline::format::run::Bundle;
use syncline::projection::Keys;
use syncline::protocol::Refusal;
use syncline::replica::{AckLevel, Outcome};
use syncline::store::RowRange;
use syncline::typed::{Meta, TypedEvent, TypedProjection};
use syncline::{Replica, Service, SpaceId, Storage, Unreadable, ViewId};
use syncline_http::{Backoff, HttpTransport, RouterOptions, Server, Shutdown, router};
use syncline_sqlite::SqliteStorage;

type Failure = Box<dyn std::error::Error>;

/// What can happen to a list of chores.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Chore {
    #[serde(rename = "chore.added@1")]
    Added { id: String, title: String },
    #[serde(rename = "chore.done@1")]
    Done { id: String, done: bool },
}

impl TypedEvent for Chore {}

/// One row per chore.
struct Chores;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    title: Lww<String>,
    done: Lww<bool>,
}

impl TypedProjection for Chores {
    type Event = Chore;
    type State = Row;

    fn view(&self) -> ViewId {
        ViewId::new("chores@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Chore, keys: &mut Keys) {
        let (Chore::Added { id, .. } | Chore::Done { id, .. }) = event;
        keys.push(id.as_bytes());
    }

    fn apply(&self, _: &[u8], row: &mut Row, event: &Chore, meta: Meta) -> Result<(), Unreadable> {
        match event {
            Chore::Added { title, .. } => row.title.set(meta.stamp, title.clone()),
            Chore::Done { done, .. } => row.done.set(meta.stamp, *done),
        };
        Ok(())
    }
}

async fn device(file: &Path) -> Result<Replica, Failure> {
    let space = SpaceId::new("household")?;
    let storage = SqliteStorage::at(file)?;
    let stack = Replica::compose(space.clone(), storage.open(&space).await?)
        .clock(syncline_os::wall_clock)
        .on_fork(syncline_os::replica_id)
        .projection(Chores);
    Ok(stack.open(syncline_os::replica_id()).await?)
}

#[derive(Debug)]
struct NoEmptyTitles;

#[async_trait]
impl Policy for NoEmptyTitles {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        let chores = bundle.events().filter_map(|event| event.ok()?.read::<Chore>().ok()?);
        for chore in chores {
            if matches!(&*chore, Chore::Added { title, .. } if title.trim().is_empty()) {
                return Err(Refusal::new("empty-title", "a chore needs a title"));
            }
        }
        Ok(())
    }
}

async fn serve(file: &Path, shutdown: Shutdown) -> Result<String, Failure> {
    let storage = Arc::new(SqliteStorage::at(file)?);
    let service = Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
    let service = Arc::new(service.with_policy(Arc::new(NoEmptyTitles)));
    let server = Server::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", server.address());
    tokio::spawn(server.serve(router(service, RouterOptions::default()), shutdown));
    Ok(url)
}

#[tokio::test]
async fn the_steps_of_the_guide_run() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let phone = device(&folder.path().join("phone.sqlite")).await?;

    let dishes = phone.write(&[Chore::Added { id: "1".into(), title: "Dishes".into() }]).await?;
    phone.write(&[Chore::Done { id: "1".into(), done: true }]).await?;
    let chores = phone.view(Chores)?;
    for (_, row) in chores.all(RowRange::all()).await? {
        println!("{:?}, done: {:?}", row.title.get(), row.done.get());
    }

    let shutdown = Shutdown::new();
    let url = serve(&folder.path().join("server.sqlite"), shutdown.clone()).await?;
    let server = HttpTransport::builder(&url, "a token").build()?;

    assert_eq!(phone.outcome(dishes.dot).await?, Outcome::Pending);
    let report = phone.sync(&server).await?;
    assert_eq!((report.pushed, report.pulled), (2, 0));
    assert_eq!(phone.outcome(dishes.dot).await?, Outcome::Stored);

    let laptop = device(&folder.path().join("laptop.sqlite")).await?;
    let live = {
        let (laptop, server) = (laptop.clone(), HttpTransport::builder(&url, "a token").build()?);
        tokio::spawn(async move { laptop.live(&server, &Backoff::default()).await })
    };
    // To show a list and keep it fresh, watch first, read then.
    let mut changes = laptop.view(Chores)?.watch(RowRange::all());
    while laptop.view(Chores)?.get(b"1").await?.is_none() {
        changes.next().await;
    }

    let status = phone.status().await?;
    println!("{} wait, {} refused, in sync: {}", status.pending, status.refused, status.in_sync());
    assert!(status.in_sync());

    let empty = phone.write(&[Chore::Added { id: "2".into(), title: String::new() }]).await?;
    phone.sync(&server).await?;
    let outcome = phone.wait_for(empty.dot, AckLevel::Peer).await?;
    assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.message == "a chore needs a title"));
    assert!(!phone.status().await?.in_sync(), "a refusal is not hidden");

    let letter = phone.dead_letters().await?.remove(0);
    let Some(Chore::Added { id, .. }) = letter.events[0].read::<Chore>()? else { panic!("it was an addition") };
    phone.rewrite_dead_letter(letter.dot, &[Chore::Added { id, title: "Laundry".into() }]).await?;
    phone.sync(&server).await?;
    assert!(phone.status().await?.in_sync());

    live.abort();
    shutdown.begin();
    Ok(())
}

mod proof {
    use super::{Chore, Chores};
    use proptest::prelude::*;
    use syncline::typed::TypedEvent;

    fn written() -> impl Strategy<Value = syncline::Event> {
        (0..3u8, any::<bool>(), any::<bool>()).prop_map(|(id, done, added)| {
            let (id, title) = (id.to_string(), format!("chore {id}, {done}"));
            let chore = if added { Chore::Added { id, title } } else { Chore::Done { id, done } };
            chore.to_event().unwrap()
        })
    }

    syncline_conformance::projection_suite!(Chores, written());
}

/// The pieces of Rust on the page, each line without its indentation.
fn pieces(page: &str) -> Vec<String> {
    let plain = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    page.split("```rust\n").skip(1).map(|rest| plain(rest.split("```").next().unwrap())).collect()
}

/// The first piece that is not in the program, behind those before it.
fn stray(page: &str, program: &str) -> Option<String> {
    let program = pieces(&format!("```rust\n{program}```")).remove(0);
    let mut from = 0;
    pieces(page).into_iter().find(|piece| match program[from..].find(piece.as_str()) {
        Some(place) => {
            from += place + piece.len();
            false
        }
        None => true,
    })
}

#[test]
fn the_page_shows_nothing_but_pieces_of_this_program_in_order() {
    let (page, program) = (include_str!("../../docs/building-an-app.md"), include_str!("guide.rs"));
    assert!(pieces(page).len() >= 9, "a step for each part");
    assert_eq!(stray(page, program), None);
    // The check fires: a word that is changed, and pieces in another order.
    assert!(stray(&page.replace("chore.added@1", "chore.added@2"), program).is_some());
    assert!(
        stray("```rust\nlive.abort();\n```\n```rust\ntype Failure = Box<dyn std::error::Error>;\n```", program)
            .is_some()
    );
}
