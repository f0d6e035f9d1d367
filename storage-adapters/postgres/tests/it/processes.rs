//! Several storages over one database, as several server processes would have them, behave as one.

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{StreamExt, poll};
use syncline::authority::AllowAll;
use syncline::id::Revision;
use syncline::protocol::{Answer, Push, Reply, Request};
use syncline::store::{Limit, Storage, StoreError, WriteBatch};
use syncline::{Cursor, NTP64, Service, Transport};
use syncline_conformance::{Author, Placed, Subject, appends, placed, puts, space, unpack, view};
use syncline_memory::MemoryTransport;
use syncline_postgres::PostgresStorage;

use crate::fixture::{notes, open, options, scratch};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_through_one_server_is_watched_through_another() {
    let scratch = scratch();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let service = Service::new(Arc::new(open(&scratch).await), Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32)));
        servers.push(MemoryTransport::new(Arc::new(service), "token").await.unwrap());
    }
    let notes = space("notes");
    let log = open(&scratch).await.open(&notes).await.unwrap().status().await.unwrap().log;
    let mut notices = servers[1].watch(&notes, Cursor::start(log)).await.unwrap();
    assert_eq!(notices.next().await.unwrap().unwrap().head.position.get(), 0);
    let mut ann = Author::new(1);
    for round in 1..=5 {
        let push = Push { runs: vec![ann.write(1).run().clone()] };
        let Answer { reply, .. } = servers[0].call(Request::Push(notes.clone(), None, push)).await.unwrap();
        assert!(matches!(reply, Reply::Push(_)), "{reply:?}");
        assert_eq!(notices.next().await.unwrap().unwrap().head.position.get(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_in_several_processes_share_one_log_that_no_reader_skips_in() {
    const WRITERS: u8 = 16;
    const ROUNDS: usize = 10;
    let scratch = scratch();
    let storages = join_all((0..3).map(|_| open(&scratch))).await;
    let mut tasks = Vec::new();
    for byte in 1..=WRITERS {
        let store = notes(&storages[usize::from(byte) % 2]).await;
        tasks.push(tokio::spawn(async move {
            let mut author = Author::new(byte);
            for _ in 0..ROUNDS {
                store.commit(appends([author.write(1)])).await;
            }
        }));
    }
    let reading = tokio::spawn(read_as_it_grows(notes(&storages[2]).await, usize::from(WRITERS) * ROUNDS));
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    let read = reading.await.unwrap();
    assert_eq!(read, notes(&storages[0]).await.log().await);
    assert!(read.iter().zip(1..).all(|(placed, position)| placed.position.get() == position));
}

async fn read_as_it_grows(reader: Subject, count: usize) -> Vec<Placed> {
    let (mut cursor, mut revision, mut read) = (reader.cursor(0).await, Revision::ZERO, Vec::new());
    while read.len() < count {
        let page = reader.store().read(cursor, Limit::items(7)).await.unwrap();
        read.extend(unpack(&page.runs));
        if page.is_last() && read.len() < count {
            revision = reader.changed(revision).await;
        }
        cursor = page.next;
    }
    read
}

#[tokio::test]
async fn what_a_process_remembers_of_the_log_does_not_outlive_another_ones_commit() {
    let scratch = scratch();
    let (one, other) = (open(&scratch).await, open(&scratch).await);
    let (one, other) = (notes(&one).await, notes(&other).await);
    let mut ann = Author::new(1);
    let mut written = Vec::new();
    for _ in 0..5 {
        for store in [&one, &other, &other] {
            let append = ann.write(2);
            store.commit(appends([append.clone()])).await;
            written.push(append);
        }
    }
    assert_eq!(one.log().await, placed(1, &written));
    let stale = Some(Revision::new(14));
    for store in [&one, &other] {
        let refusal = store.refusal(WriteBatch { expected: stale, ..WriteBatch::default() }).await;
        assert!(matches!(refusal, StoreError::Conflict { found, .. } if found.get() == 15), "{refusal:?}");
    }
    let (fork, next) = (Author::new(1).write(1), ann.write(1));
    other.commit(appends([next])).await;
    assert!(
        matches!(one.refusal(appends([fork])).await, StoreError::OutOfOrder { expected, .. } if expected.get() == 32)
    );
}

#[tokio::test]
async fn of_two_processes_that_reload_and_retry_none_loses_an_update() {
    let scratch = scratch();
    let todo = view("todo@1");
    let storages = [open(&scratch).await, open(&scratch).await];
    let count = async |storage: &PostgresStorage| {
        let store = notes(storage).await;
        for _ in 0..20 {
            loop {
                let expected = Some(store.status().await.revision);
                let count = store.row(&todo, "count").await.map_or(0, |row| row[0]);
                let rows = puts(&todo, &[("count", [count + 1])]);
                if store.store().commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await.is_ok() {
                    break;
                }
            }
        }
    };
    futures_util::future::join(count(&storages[0]), count(&storages[1])).await;
    assert_eq!(notes(&storages[0]).await.row(&todo, "count").await.unwrap()[0], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_prepare_the_schema_once() {
    let scratch = scratch();
    let starting = (0..8).map(|_| tokio::spawn(options(&scratch).open()));
    let storages: Vec<_> = join_all(starting).await.into_iter().map(|started| started.unwrap().unwrap()).collect();
    let logs = join_all(storages.iter().map(async |storage| notes(storage).await.status().await.log)).await;
    assert!(logs.iter().all(|log| *log == logs[0]), "{logs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_share_a_transaction() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    store.commit(WriteBatch::default()).await;
    let before = storage.stats();
    let mut holder = crate::fixture::Holder::of(&scratch).await;
    let mut commits: Vec<_> = (1..=20).map(|byte| Box::pin(commit_one(&store, byte))).collect();
    for commit in &mut commits {
        assert!(poll!(commit).is_pending());
    }
    holder.somebody_waits(&scratch).await;
    holder.let_go().await;
    join_all(commits).await;
    let after = storage.stats();
    assert_eq!(after.commits - before.commits, 20);
    assert!(after.transactions - before.transactions <= 3, "{after:?} after {before:?}");
}

async fn commit_one(store: &Subject, byte: u8) {
    store.commit(appends([Author::new(byte).write(1)])).await;
}
