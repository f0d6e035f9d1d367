//! What dropping does: a commit's future, and the last handle.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures_executor::block_on;
use futures_util::poll;
use syncline_conformance::{Author, Subject, appends};

use crate::map::{Disk, Hold};

#[test]
fn a_commit_whose_future_is_dropped_happens_all_the_same() {
    block_on(async {
        let disk = Disk::default();
        {
            let storage = disk.open();
            let store = Subject::open(&storage, "notes").await;
            disk.hold(Hold::Unseen);
            let mut author = Author::new(1);
            for _ in 0..2 {
                let mut commit = store.store().commit(appends([author.write(1)]));
                assert!(poll!(&mut commit).is_pending());
            }
            disk.hold(None);
        } // waits for the writer
        assert_eq!(Subject::open(&disk.open(), "notes").await.status().await.head.get(), 2);
    });
}

#[test]
fn the_last_handle_closes_the_database_before_it_is_gone() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let (clone, store) = (storage.clone(), Subject::open(&storage, "notes").await);
        drop(storage);
        assert_eq!(disk.counts().open, 1);
        drop(store);
        assert_eq!(disk.counts().open, 1);
        drop(clone);
        assert_eq!(disk.counts().open, 0);
    });
}

/// A task that owns its future, as a runtime's does. Waking it drops it if nobody else has it.
struct Task(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn the_last_handle_may_go_on_the_writing_thread_itself() {
    let disk = Disk::default();
    let storage = disk.open();
    let store = block_on(Subject::open(&storage, "notes"));
    disk.hold(Hold::Unseen);
    let task = Arc::new(Task(Mutex::default()));
    let waker = Waker::from(task.clone());
    let mut commit: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { _ = store.commit(appends([Author::new(1).write(1)])).await });
    assert!(commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *task.0.lock().unwrap() = Some(commit);
    drop((task, waker, storage));
    // The writer commits, answers, and so drops the task, the store and the database.
    disk.hold(None);
    disk.wait_until(|counts| counts.open == 0);
    assert_eq!(block_on(async { Subject::open(&disk.open(), "notes").await.status().await.head.get() }), 1);
}
