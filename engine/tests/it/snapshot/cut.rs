//! A snapshot whose taking is interrupted, anywhere: by the way, by the store, by a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use syncline::protocol::{Answer, AskSnapshot, Request};
use syncline::store::{Committed, EventStore, Retry, RowFold, StoreError, WriteBatch, forward};
use syncline::transport::forward_watch;
use syncline::{MemoryStore, Transport, TransportError};
use syncline_memory::MemoryTransport;

use super::{Server, assert_equal, is_tidy, open, open_on, rows, sync, write};
use crate::world::*;

/// A way on which so many calls pass. It notes the chunks that came.
#[derive(Debug)]
struct Cut(MemoryTransport, AtomicU32, AtomicU32);

#[async_trait]
impl Transport for Cut {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(TransportError::Interrupted("the way is cut".into()));
        }
        let is_chunk = matches!(request, Request::Snapshot(_, AskSnapshot::Chunk(_)));
        self.2.fetch_add(u32::from(is_chunk), Ordering::SeqCst);
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

/// A store on which so many commits pass. The next ones fail, with or without an effect.
#[derive(Debug)]
pub struct Fails {
    store: Arc<MemoryStore>,
    left: AtomicU32,
    has_effect: bool,
}

impl Fails {
    pub fn after(commits: u32, store: Arc<MemoryStore>, has_effect: bool) -> Arc<Self> {
        Arc::new(Self { store, left: AtomicU32::new(commits), has_effect })
    }

    fn passes(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    fn failure() -> StoreError {
        StoreError::Backend { backend: "test", retry: Retry::Later, source: "the disk is full".into() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Fails {
    forward!(self.store: status, read, read_origin, load, scan, changed);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let passes = self.passes();
        if !passes && !self.has_effect {
            return Err(Self::failure());
        }
        let committed = self.store.commit(batch).await;
        if passes { committed } else { Err(Self::failure()) }
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        if self.passes() { self.store.commit_folded(batch, fold).await } else { Err(Self::failure()) }
    }
}

/// A server with a trimmed log and a snapshot of about eight chunks, which do not pack, and the replica that wrote it.
fn large() -> (Server, syncline::Replica) {
    let server = Server::new();
    let one = open(&server, 1);
    for number in 0u64..40 {
        let mut noise = vec![0; 200_000];
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        noise.iter_mut().for_each(|byte| {
            (state, *byte) = (state ^ (state << 13), b' ' + (state % 90) as u8);
            state ^= state >> 7;
            state ^= state << 17;
        });
        write(&one, &number.to_string(), std::str::from_utf8(&noise).unwrap());
    }
    sync(&one, &server);
    server.fold();
    (server, one)
}

#[test]
fn a_way_that_is_cut_again_and_again_costs_no_chunk_twice() {
    let (server, one) = large();
    let two = open(&server, 2);
    let (mut chunks, mut begun) = (0, 0);
    for calls in 4.. {
        let cut = Cut(way(&server.service), AtomicU32::new(calls.min(9)), AtomicU32::new(0));
        let done = block_on(two.sync(&cut));
        chunks += cut.2.load(Ordering::SeqCst);
        begun += 1;
        if done.is_ok_and(|report| report.is_complete()) {
            break;
        }
        assert_eq!(block_on(two.status()).unwrap().head.get(), 0, "nothing has changed until everything is there");
    }
    assert!(begun > 2, "the way was cut {begun} times");
    assert_eq!(chunks, 8, "chunks that came");
    assert!(is_tidy(&two));
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn a_store_that_fails_at_any_commit_and_a_restart_lose_nothing() {
    let (server, one) = large();
    let away = rows(&one);
    for has_effect in [false, true] {
        let mut commits = 0;
        loop {
            let store = memory();
            let before = open_on(&server, store.clone(), 2);
            write(&before, "unseen", "2");
            drop(before);
            let fails = Fails::after(commits, store.clone(), has_effect);
            let survived = {
                let two = block_on(compose(fails, &server.clock).open(id(2)));
                two.is_ok_and(|two| block_on(two.sync(&way(&server.service))).is_ok())
            };
            let two = open_on(&server, store, 2);
            let status = block_on(two.status()).unwrap();
            assert_eq!(status.views_behind, 0, "opening again writes the rows that were missing, without the peer");
            sync(&two, &server);
            assert_eq!(pairs(&two)["unseen"], "2", "after {commits} commits");
            assert!(is_tidy(&two), "after {commits} commits");
            assert_eq!(rows(&two).iter().filter(|row| &row.key[..] != b"unseen").count(), away.len());
            if survived {
                break;
            }
            commits += 1;
        }
        assert!(commits > 6, "{commits} commits");
    }
    let two = open(&server, 3);
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn an_upload_that_is_cut_goes_on() {
    let (_, one) = large();
    let server = Server::new();
    sync(&one, &server);
    let mut uploads = 0;
    for calls in 2.. {
        let cut = Cut(way(&server.service), AtomicU32::new(calls.min(5)), AtomicU32::new(0));
        uploads += 1;
        if block_on(one.upload_snapshot(&cut)).is_ok() {
            break;
        }
        assert!(block_on(server.keeper.snapshots()).unwrap().is_empty());
    }
    assert!(uploads > 2, "{uploads}");
    assert_eq!(block_on(server.keeper.snapshots()).unwrap().len(), 1);
}
