//! Replicas that serve others from their own store: chains, meshes, several versions on one log.

use std::sync::Arc;

use crate::recovery::copy;
use crate::world::*;
use syncline::authority::AllowAll;
use syncline::store::EventStore;
use syncline::{Replica, Service};

/// A service over a replica's own store.
fn serving(replica: &Replica, clock: &Hand) -> Arc<Service> {
    Arc::new(Service::new(Arc::new(Swapped(replica.store().clone())), Arc::new(AllowAll), Arc::new(clock.reader())))
}

#[test]
fn bundles_travel_along_a_chain_in_both_directions() {
    let clock = Hand::at(100);
    let (left, middle, right) = (replica(1, &clock), replica(2, &clock), replica(3, &clock));
    let way_to_middle = way(&serving(&middle, &clock));
    for (replica, key) in [(&left, "left"), (&middle, "middle"), (&right, "right")] {
        block_on(replica.write(&[set(key, "x")])).unwrap();
    }
    for replica in [&left, &right, &left] {
        block_on(replica.sync(&way_to_middle)).unwrap();
    }
    assert_eq!(pairs(&left).len(), 3);
    assert_eq!(pairs(&left), pairs(&right));
    block_on(middle.write(&[set("after", "y")])).unwrap();
    assert_eq!(pairs(&middle).len(), 4, "what was pushed into its store is in its rows, and its own write too");
}

#[test]
fn a_replica_brings_a_restored_server_the_bundles_of_others() {
    let clock = Hand::at(100);
    let (before, gone, stays) = (service(&clock), replica(1, &clock), replica(2, &clock));
    for number in 0..5 {
        block_on(gone.write(&[set(&format!("gone {number}"), "x")])).unwrap();
    }
    block_on(gone.sync(&way(&before))).unwrap();
    block_on(stays.sync(&way(&before))).unwrap();
    let log = block_on(before.storage().open(&space())).unwrap();
    let restored = copy(&*log, 2, memory());
    let after = Service::new(Arc::new(Swapped(restored.clone())), Arc::new(AllowAll), Arc::new(clock.reader()));
    let report = block_on(stays.sync(&way(&Arc::new(after)))).unwrap();
    assert_eq!((report.pushed, report.supplied), (0, 3));
    assert_eq!(block_on(restored.status()).unwrap().head.get(), 5);
}

#[test]
fn status_does_not_say_in_sync_while_the_peer_lacks_bundles_of_others() {
    let clock = Hand::at(100);
    let (before, gone, stays) = (service(&clock), replica(1, &clock), replica(2, &clock));
    block_on(gone.write(&[set("a", "x")])).unwrap();
    block_on(gone.sync(&way(&before))).unwrap();
    block_on(stays.sync(&way(&before))).unwrap();
    assert!(block_on(stays.status()).unwrap().in_sync());
    // A new server that takes from each device its own bundles alone.
    let strict = Service::new(storage(), Arc::new(OwnOnly(id(2))), Arc::new(clock.reader()));
    let report = block_on(stays.sync(&way(&Arc::new(strict)))).unwrap();
    assert!(report.is_complete(), "everything that this device may hand over was");
    let status = block_on(stays.status()).unwrap();
    assert_eq!((status.in_sync(), status.peer.unwrap().lacking), (false, Some(1)));
}

#[test]
fn a_fork_of_a_third_replica_is_noticed_even_behind_a_longer_log() {
    let clock = Hand::at(100);
    let (before, third, stays) = (service(&clock), replica(1, &clock), replica(2, &clock));
    for number in 0..5 {
        block_on(third.write(&[set(&format!("{number}"), "x")])).unwrap();
    }
    block_on(third.sync(&way(&before))).unwrap();
    block_on(stays.sync(&way(&before))).unwrap();
    // The server loses two bundles, and the third device, restored likewise, continues with another one.
    let log = block_on(before.storage().open(&space())).unwrap();
    let after = Service::new(Arc::new(Swapped(copy(&*log, 3, memory()))), Arc::new(AllowAll), Arc::new(clock.reader()));
    let after = Arc::new(after);
    let restored = block_on(compose(copy(&*log, 3, memory()), &clock).open(id(1))).unwrap();
    block_on(restored.write(&[set("other", "y")])).unwrap();
    block_on(restored.sync(&way(&after))).unwrap();
    let error = block_on(stays.sync(&way(&after))).map(|report| report.stopped);
    assert!(!matches!(error, Ok(None)), "a fork is not skipped in silence");
    assert!(!block_on(stays.status()).unwrap().in_sync());
}

#[test]
fn a_refusal_reaches_the_views_of_other_versions_on_the_same_log() {
    let (store, clock) = (memory(), Hand::at(100));
    let service = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let service = Arc::new(service.with_policy(Arc::new(Forbids("secret"))));
    let full = block_on(compose(store.clone(), &clock).open(id(1))).unwrap();
    block_on(full.write(&[set("a", "secret"), set("b", "secret")])).unwrap();
    // The other version has none of these views, and learns of the refusal.
    let bare = block_on(Replica::compose(space(), store).clock(clock.reader()).open(id(1))).unwrap();
    assert_eq!(block_on(bare.sync(&way(&service))).unwrap().refused.len(), 1);
    block_on(full.sync(&way(&service))).unwrap();
    assert!(pairs(&full).is_empty(), "{:?}", pairs(&full));
}
