//! What is left when the last handle is gone.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures_util::poll;
use syncline::StoreError;
use syncline::store::{Durability, Storage, WriteBatch};
use syncline::{NTP64, Position};
use syncline_conformance::{Author, appends, dot, puts, space, view, voids};

use crate::file::{Place, subject};

#[tokio::test]
async fn everything_is_there_again_after_a_reopen() {
    let place = Place::new();
    let (todo, done, mut ann, mut bob) = (view("todo@1"), view("done@7"), Author::new(1), Author::new(2));
    let mut images = Vec::new();
    {
        let storage = place.open();
        for name in ["one", "two"] {
            let store = subject(&storage, name).await;
            let rows = puts(&todo, &[("a", "1"), ("b", "2")]);
            let views = vec![(todo.clone(), Position::new(2)), (done.clone(), Position::ZERO)];
            store
                .commit(WriteBatch { rows, views, clock: NTP64(1 << 63), ..appends([ann.write(3), bob.write(1)]) })
                .await;
            store.commit(voids([dot(&ann, 2)])).await;
            images.push(store.image(&[todo.clone(), done.clone()]).await);
            (ann, bob) = (Author::new(1), Author::new(2));
        }
    }
    let storage = place.open();
    assert_eq!(storage.spaces().await.unwrap(), [space("one"), space("two")]);
    for (name, image) in ["one", "two"].into_iter().zip(images) {
        assert_eq!(subject(&storage, name).await.image(&[todo.clone(), done.clone()]).await, image);
    }
}

#[tokio::test]
async fn a_commit_whose_future_is_dropped_happens_all_the_same() {
    let place = Place::new();
    {
        let storage = place.open();
        let store = subject(&storage, "notes").await;
        let other = place.by_hand();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut commit = store.store().commit(appends([Author::new(1).write(2)]));
        assert!(poll!(&mut commit).is_pending());
        drop(commit);
        drop(other);
    } // waits for the writer
    let storage = place.open();
    assert_eq!(subject(&storage, "notes").await.status().await.head.get(), 2);
}

#[tokio::test]
async fn a_closed_file_is_one_file_and_its_lock() {
    let place = Place::new();
    let storage = place.options().durability(Durability::Synced).open().unwrap();
    assert_eq!(storage.durability(), Durability::Synced);
    subject(&storage, "notes").await.commit(appends([Author::new(1).write(1)])).await;
    assert!(place.files().contains(&"a.sqlite-wal".to_owned()));
    drop(storage);
    assert_eq!(place.files(), ["a.sqlite", "a.sqlite-lock"]);
}

#[tokio::test]
async fn a_space_whose_handles_are_gone_opens_as_it_was() {
    let place = Place::new();
    let storage = place.open();
    let mut ann = Author::new(1);
    for round in 1..=3 {
        let store = subject(&storage, "notes").await;
        store.commit(appends([ann.write(1)])).await;
        assert_eq!(store.status().await.head.get(), round);
    }
}

#[tokio::test]
async fn no_less_than_the_death_of_the_process_is_survived() {
    let place = Place::new();
    let storage = place.options().durability(Durability::Volatile).open().unwrap();
    assert_eq!(storage.durability(), Durability::Process);
}

/// A task that owns its future, as a runtime's does. Waking it drops it if nobody else has it.
struct Task(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn the_last_handle_may_go_on_the_writing_thread_itself() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let other = place.by_hand();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let task = Arc::new(Task(Mutex::default()));
    let waker = Waker::from(task.clone());
    let mut commit: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { _ = store.commit(appends([Author::new(1).write(1)])).await });
    assert!(commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *task.0.lock().unwrap() = Some(commit);
    drop((task, waker, storage));
    drop(other); // The writer commits, answers, and so drops the task, the store and the file.
    let storage = loop {
        match place.options().open() {
            Ok(storage) => break storage,
            Err(StoreError::InUse { .. }) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(subject(&storage, "notes").await.status().await.head.get(), 1);
}
