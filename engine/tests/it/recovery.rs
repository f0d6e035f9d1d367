//! Restored and cloned devices, restored servers: typed or healed, never silent.

use std::sync::Arc;

use crate::world::*;
use async_trait::async_trait;
use syncline::authority::AllowAll;
use syncline::format::VerifiedRun;
use syncline::protocol::{Answer, Pull, Request};
use syncline::replica::SyncError;
use syncline::store::{EventStore, Limit, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{Cursor, MemoryStore, Service, Transport, TransportError};

/// Asks for pages of so many bundles.
#[derive(Debug)]
pub struct SmallPages<T>(pub T, pub u32);

#[async_trait]
impl<T: Transport> Transport for SmallPages<T> {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let request = match request {
            Request::Pull(space, pull) => Request::Pull(space, Pull { limit: Limit::items(self.1), ..pull }),
            other => other,
        };
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

/// A copy of a store up to some position, engine rows left out, under another identity or the same.
pub fn copy(store: &dyn EventStore, bundles: u32, into: Arc<MemoryStore>) -> Arc<MemoryStore> {
    block_on(async {
        let log = store.status().await.unwrap().log;
        let page = store.read(Cursor::start(log), Limit::items(bundles)).await.unwrap();
        for stored in page.runs {
            let head = into.status().await.unwrap().heads.get(stored.run.origin());
            let runs = vec![VerifiedRun::verify(stored.run, head).unwrap()];
            into.commit(WriteBatch { runs, ..WriteBatch::default() }).await.unwrap();
        }
        into
    })
}

#[test]
fn a_device_restored_from_a_backup_gets_its_own_bundles_back() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&number.to_string(), "x")])).unwrap();
    }
    block_on(one.sync(&way(&service))).unwrap();
    let backup = copy(&**one.store(), 4, memory());
    let restored = block_on(compose(backup, &clock).open(id(1))).unwrap();
    let report = block_on(restored.sync(&way(&service))).unwrap();
    assert_eq!(report.pulled, 6);
    assert_eq!(pairs(&restored), pairs(&one));
    block_on(restored.write(&[set("after", "y")])).unwrap();
    assert_eq!(block_on(restored.sync(&way(&service))).unwrap().pushed, 1);
}

#[test]
fn a_restored_device_that_wrote_before_it_asked_is_told_of_the_fork() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&number.to_string(), "x")])).unwrap();
    }
    block_on(one.sync(&way(&service))).unwrap();
    for extra in [1, 6, 20] {
        let clone = block_on(compose(copy(&**one.store(), 4, memory()), &clock).open(id(1))).unwrap();
        for number in 0..extra {
            block_on(clone.write(&[set(&number.to_string(), "clone")])).unwrap();
        }
        let before = block_on(service.storage().open(&space())).unwrap();
        let heads = block_on(before.status()).unwrap().heads;
        let error = block_on(clone.sync(&way(&service))).unwrap_err();
        assert!(matches!(error, SyncError::Forked { .. } | SyncError::Diverged(_)), "{extra}: {error}");
        assert_eq!(block_on(before.status()).unwrap().heads, heads, "the server's log is as it was");
    }
}

#[test]
fn clients_bring_back_what_a_restored_server_has_lost() {
    let clock = Hand::at(100);
    let (before, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&format!("one {number}"), "x")])).unwrap();
        block_on(other.write(&[set(&format!("other {number}"), "x")])).unwrap();
        block_on(one.sync(&way(&before))).unwrap();
        block_on(other.sync(&way(&before))).unwrap();
    }
    block_on(one.sync(&way(&before))).unwrap();
    let log = block_on(before.storage().open(&space())).unwrap();
    let same_log = Arc::new(MemoryStore::new(block_on(log.status()).unwrap().log));
    for target in [memory(), same_log] {
        let restored = copy(&*log, 7, target);
        let after = Service::new(Arc::new(Swapped(restored.clone())), Arc::new(AllowAll), Arc::new(clock.reader()));
        let after = Arc::new(after);
        for replica in [&one, &other, &one] {
            block_on(replica.sync(&way(&after))).unwrap();
        }
        assert_eq!(block_on(restored.status()).unwrap().head.get(), 20, "all bundles are back");
        let fresh = replica(9, &clock);
        block_on(fresh.sync(&way(&after))).unwrap();
        assert_eq!(pairs(&fresh), pairs(&one));
    }
}

/// Seed 8979 of the lab's profile `mixed`: the restored log is as long as the one before, so the cursor is at its end.
#[test]
fn a_bundle_held_back_behind_the_cursor_is_not_in_sync() {
    let (now, slow) = (Hand::at(1_900_000_000), Hand::at(1_900_000_000));
    let (before, one) = (service(&now), replica(1, &slow));
    block_on(one.write(&[set("a", "1")])).unwrap();
    block_on(one.sync(&way(&before))).unwrap();
    let log = block_on(before.storage().open(&space())).unwrap();
    let restored = Arc::new(MemoryStore::new(block_on(log.status()).unwrap().log));
    let after = Arc::new(Service::new(Arc::new(Swapped(restored)), Arc::new(AllowAll), Arc::new(now.reader())));
    let other = replica(2, &now);
    block_on(other.write(&[set("b", "2")])).unwrap();
    block_on(other.sync(&way(&after))).unwrap();
    slow.set(1_650_000_000);
    let report = block_on(one.sync(&way(&after))).unwrap();
    assert_eq!((report.pushed, report.held.map(|held| held.dot.origin)), (1, Some(id(2))));
    let status = block_on(one.status()).unwrap();
    assert!(!status.in_sync() && status.peer.unwrap().unread == 1, "bundle 1 of replica 2 is missing");
    slow.set(1_900_000_000);
    block_on(one.sync(&way(&after))).unwrap();
    assert!(block_on(one.status()).unwrap().in_sync());
    assert_eq!((&*pairs(&one)["a"], &*pairs(&one)["b"]), ("1", "2"));
}

#[test]
fn a_cursor_into_a_log_that_has_gone_on_differently_skips_nothing() {
    let clock = Hand::at(100);
    let (before, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    for number in 0..10 {
        block_on(one.write(&[set(&format!("one {number}"), "x")])).unwrap();
    }
    block_on(one.sync(&way(&before))).unwrap();
    block_on(other.sync(&way(&before))).unwrap();
    // The server is restored under the same identity, and a third device pushes before the others come back.
    let log = block_on(before.storage().open(&space())).unwrap();
    let restored = copy(&*log, 3, Arc::new(MemoryStore::new(block_on(log.status()).unwrap().log)));
    let after = Arc::new(Service::new(Arc::new(Swapped(restored)), Arc::new(AllowAll), Arc::new(clock.reader())));
    let third = replica(3, &clock);
    for number in 0..12 {
        block_on(third.write(&[set(&format!("third {number}"), "x")])).unwrap();
    }
    block_on(third.sync(&way(&after))).unwrap();
    for replica in [&other, &one, &other, &third] {
        block_on(replica.sync(&way(&after))).unwrap();
    }
    assert_eq!(pairs(&other).len(), 22);
    assert_eq!(pairs(&other), pairs(&third));
}
