//! The new view, and others at work at the same time: readers, watchers, the old program on the same store, a second handle.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join;
use futures_util::{FutureExt as _, StreamExt as _};
use syncline::store::{EventStore, Limit, Page, RowRange, StoreError, WriteBatch, forward};
use syncline::{Cursor, MemoryStore, Position, Projection as _};

use super::super::cut::Fails;
use super::super::under_way::SlowWay;
use super::super::{sync, write};
use super::{Counts, assert_whole, counts, new, old, server, trimmed, waits};
use crate::world::*;

#[test]
fn who_reads_the_view_meanwhile_gets_all_of_it_or_the_error_and_who_watches_it_is_told_when_it_can_be_read() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let replica = new(&server, Arc::new(Yields(store)));
    let view = replica.view(Counts).unwrap();
    let mut changes = view.watch(RowRange::prefix(b"no row begins so"));
    let (done, mut is_told, mut looks) = (Cell::new(false), false, 0);
    let reads = async {
        while !done.get() {
            yield_once().await;
            let read = view.all(RowRange::all()).await;
            assert!(read.as_ref().map_or(true, |rows| rows.len() == 3), "{read:?}");
            looks += 1;
            if changes.next().now_or_never().is_some() {
                is_told = view.get(b"0").await.is_ok();
            }
        }
    };
    let syncs = async {
        replica.sync(&SlowWay(way(&server.service))).await.unwrap();
        for _ in 0..2 {
            yield_once().await;
        }
        done.set(true);
    };
    block_on(join(syncs, reads));
    assert!(is_told && looks > 10 && !waits(&replica), "{looks} looks");
}

#[test]
fn a_view_that_the_old_program_clears_beside_the_new_one_waits_and_comes_back() {
    let server = server();
    let store = memory();
    let before = block_on(old(&server, store.clone()).open(id(1))).unwrap();
    let after = new(&server, store);
    (0..9).for_each(|number| _ = write(&before, "a", &number.to_string()));
    sync(&before, &server);
    block_on(after.catch_up()).unwrap();
    block_on(before.trim(2)).unwrap();
    assert_eq!(counts(&after), [("a".to_owned(), 9)]);
    // What is taken back clears the views that the old program does not know.
    let refused = write(&before, "a", "secret");
    sync(&before, &server);
    block_on(before.forget_dead_letter(refused)).unwrap();
    block_on(after.catch_up()).unwrap();
    assert!(waits(&after));
    block_on(server.keeper.make_snapshot()).unwrap();
    write(&before, "a", "beside");
    assert_whole(&after, &server);
    assert_eq!(counts(&after), [("a".to_owned(), 10)]);
    sync(&before, &server);
    assert_eq!(pairs(&before)["a"], "beside");
}

#[test]
fn the_old_program_beside_the_new_one_does_not_disturb_the_take() {
    for pauses in 0..60 {
        let server = server();
        let store = trimmed(&server);
        block_on(server.keeper.make_snapshot()).unwrap();
        let slow: Arc<dyn EventStore> = Arc::new(Yields(store));
        let before = block_on(old(&server, slow.clone()).open(id(1))).unwrap();
        let after = new(&server, slow);
        let beside = async {
            for _ in 0..pauses {
                yield_once().await;
            }
            before.write(&[set("0", "beside")]).await.unwrap();
            before.sync(&SlowWay(way(&server.service))).await.unwrap();
        };
        let slow = SlowWay(way(&server.service));
        let (report, ()) = block_on(join(after.sync(&slow), beside));
        assert!(report.unwrap().bootstrapped.is_some(), "after {pauses} pauses");
        assert_whole(&after, &server);
        assert_eq!(counts(&after)[0], ("0".to_owned(), 4), "after {pauses} pauses");
    }
}

#[test]
fn rows_that_another_handle_has_written_to_the_end_are_not_taken_for_damage() {
    let mut tried = 0;
    for commits in 0..12 {
        let server = server();
        let store = trimmed(&server);
        block_on(server.keeper.make_snapshot()).unwrap();
        let beside = new(&server, store.clone());
        let fails = block_on(old(&server, Fails::after(commits, store.clone(), false)).projection(Counts).open(id(1)));
        drop(fails.map(|fails| block_on(fails.sync(&way(&server.service)))));
        // It learns that rows are being written, and another handle writes them.
        block_on(beside.old_views()).unwrap();
        tried += u32::from(!block_on(store.status()).unwrap().views.contains_key(&Pairs.view()));
        drop(new(&server, store));
        block_on(beside.checkpoint()).unwrap();
        assert_whole(&beside, &server);
    }
    assert!(tried > 0);
}

/// A store whose log another handle trims when it is read first.
#[derive(Debug)]
struct TrimmedMeanwhile(Arc<MemoryStore>, AtomicBool);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for TrimmedMeanwhile {
    forward!(self.0: status, read_origin, load, scan, commit, commit_folded, changed);

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        if self.1.swap(false, Ordering::SeqCst) {
            self.0.commit(WriteBatch { trim: Some(Position::new(2)), ..WriteBatch::default() }).await?;
        }
        self.0.read(after, limit).await
    }
}

#[test]
fn a_log_that_is_trimmed_while_the_new_view_is_folded_lets_it_wait() {
    let server = server();
    let store = memory();
    let before = block_on(old(&server, store.clone()).open(id(1))).unwrap();
    (0..4).for_each(|number| _ = write(&before, "a", &number.to_string()));
    sync(&before, &server);
    let replica = new(&server, Arc::new(TrimmedMeanwhile(store, AtomicBool::new(true))));
    assert!(waits(&replica));
    block_on(server.keeper.make_snapshot()).unwrap();
    assert_whole(&replica, &server);
}
