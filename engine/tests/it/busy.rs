//! Peers whose log grows as fast as it can be read.

use async_trait::async_trait;
use syncline::protocol::{Answer, Request};
use syncline::transport::forward_watch;
use syncline::{Replica, Transport, TransportError};
use syncline_memory::MemoryTransport;

use crate::world::*;

/// A way on which another device pushes a bundle after each answer to a pull, and after each answer about heads.
#[derive(Debug)]
struct Busy {
    way: MemoryTransport,
    other: Replica,
    pushes: std::sync::atomic::AtomicU32,
}

#[async_trait]
impl Transport for Busy {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let asks = !matches!(request, Request::Push(..));
        let answer = self.way.call(request).await;
        if asks {
            let pushed = self.pushes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(pushed < 500, "the sync does not end while others push");
            self.other.write(&[set("busy", &pushed.to_string())]).await.unwrap();
            self.other.sync(&self.way).await.unwrap();
        }
        answer
    }

    forward_watch!(self.way);
}

#[test]
fn a_sync_ends_though_others_push_as_fast_as_it_pulls_and_the_next_one_reads_on() {
    let clock = Hand::at(100);
    let service = service(&clock);
    let (one, writer) = (replica(1, &clock), replica(2, &clock));
    (0..20).for_each(|number| _ = block_on(writer.write(&[set(&number.to_string(), "x")])).unwrap());
    block_on(writer.sync(&way(&service))).unwrap();
    block_on(one.write(&[set("own", "1")])).unwrap();
    let busy = Busy { way: way(&service), other: replica(3, &clock), pushes: Default::default() };
    let report = block_on(one.sync(&busy)).unwrap();
    assert!(report.pushed == 1 && report.pulled >= 20, "{report:?}");
    block_on(one.write(&[set("own", "2")])).unwrap();
    assert_eq!(block_on(one.sync(&busy)).unwrap().pushed, 1);
    let status = block_on(one.status()).unwrap();
    assert!(!status.in_sync(), "the peer has told of more: {status:?}");
    block_on(one.sync(&way(&service))).unwrap();
    block_on(writer.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&one), pairs(&writer));
    assert!(block_on(one.status()).unwrap().in_sync());
}

/// A way on which the application writes before each answer to a push.
#[derive(Debug)]
struct Writes(MemoryTransport, Replica, std::sync::atomic::AtomicU32);

#[async_trait]
impl Transport for Writes {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if matches!(request, Request::Push(..)) {
            let pushes = self.2.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(pushes < 500, "the sync does not end while the application writes");
            self.1.write(&[set("busy", &pushes.to_string())]).await.unwrap();
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn a_sync_ends_though_the_application_writes_as_fast_as_it_pushes() {
    let clock = Hand::at(100);
    let service = service(&clock);
    let (one, other) = (replica(1, &clock), replica(2, &clock));
    block_on(other.write(&[set("other", "x")])).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    block_on(one.write(&[set("own", "1")])).unwrap();
    let report = block_on(one.sync(&Writes(way(&service), one.clone(), Default::default()))).unwrap();
    assert_eq!((report.pushed, report.pulled), (1, 1), "{report:?}");
    assert_eq!(block_on(one.status()).unwrap().pending, 1);
    assert_eq!(block_on(one.sync(&way(&service))).unwrap().pushed, 1);
}
