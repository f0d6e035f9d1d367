//! A way that is cut during a sync: what was exchanged before stays exchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use syncline::protocol::{Answer, Request};
use syncline::replica::{Outcome, SyncError};
use syncline::transport::forward_watch;
use syncline::{Dot, Replica, Service, Transport, TransportError};
use syncline_memory::MemoryTransport;

use crate::world::*;

const BUNDLES: u32 = 16;

/// A way on which so many pushes and pulls pass. Then it is cut.
#[derive(Debug)]
struct Cut(MemoryTransport, AtomicU32);

#[async_trait]
impl Transport for Cut {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let is_long = matches!(request, Request::Push(..) | Request::Pull(..));
        if is_long && self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(TransportError::Unreachable("the way is cut".into()));
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

/// Syncs over ways that are cut.
fn sync_a_bit(replica: &Replica, service: &Arc<Service>) {
    match block_on(replica.sync(&Cut(way(service), AtomicU32::new(1)))) {
        Ok(report) => assert!(report.is_complete(), "{report:?}"),
        Err(error) => assert!(matches!(error, SyncError::Transport(TransportError::Unreachable(_))), "{error}"),
    }
}

/// Writes more than three pushes or pulls carry.
fn write_much(replica: &Replica) -> Vec<Dot> {
    let text = "x".repeat(250_000);
    let write = |number: u32| block_on(replica.write(&[set(&number.to_string(), &text)])).unwrap().dot;
    (0..BUNDLES).map(write).collect()
}

#[test]
fn a_replica_whose_way_is_cut_after_each_push_hands_over_everything_in_the_end() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    let dots = write_much(&one);
    let mut pending = u64::from(BUNDLES);
    while pending > 0 {
        sync_a_bit(&one, &service);
        let left = block_on(one.status()).unwrap().pending;
        assert!(left < pending, "{left} of {BUNDLES} bundles are pending, as before this sync");
        pending = left;
        let outcome = block_on(one.outcome(dots[dots.len() - 1 - pending as usize])).unwrap();
        assert!(matches!(outcome, Outcome::Stored), "{outcome:?}");
    }
}

#[test]
fn a_replica_whose_way_is_cut_after_each_pull_has_everything_in_the_end() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    write_much(&one);
    block_on(one.sync(&way(&service))).unwrap();
    let mut pulled = 0;
    while pulled < u64::from(BUNDLES) {
        sync_a_bit(&other, &service);
        let now = block_on(other.store().status()).unwrap().heads.get(id(1)).seq.get();
        assert!(now > pulled, "{now} of {BUNDLES} bundles are here, as before this sync");
        pulled = now;
    }
}
