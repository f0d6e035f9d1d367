//! The way to the peer breaks and comes back. The peer lives on, and so does the transport: it connects again.

use futures_util::StreamExt;
use futures_util::future::join_all;
use syncline::protocol::Request;
use syncline::{Event, Position, TransportError};

use super::crash::is_loss;
use crate::peer::{Line, Notices, Peer, WAITS, push};
use crate::{Author, SPACE, TransportHarness, appends, space};

/// How many calls may be lost before a transport has noticed that its connection is broken, and has a new one.
const LOSSES_MAX: usize = 3;

/// Cuts the way to the peer, if there is one.
async fn cut(harness: &dyn TransportHarness, law: &str) -> bool {
    if harness.cut().await {
        return true;
    }
    let is_apart = harness.crash().await;
    assert!(!is_apart, "a peer that can crash is not in this process: `TransportHarness::cut` must cut the way to it");
    eprintln!("does not apply: {law}: the peer is in the same process");
    false
}

/// Repeats what is lost, until it is not or too much was.
async fn reached<T>(attempt: impl AsyncFn() -> Result<T, TransportError>) -> T {
    for _ in 0..LOSSES_MAX {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => assert!(is_loss(&error), "a lost call says that it can be tried again: {error:?}"),
        }
    }
    attempt().await.expect("the way is whole again: the transport connects again")
}

/// Asks for the heads until there is an answer.
async fn reaches_the_peer(line: &Line) {
    reached(async || line.0.call(Request::Heads(space(SPACE))).await).await;
}

/// A device moves between networks all day, and keeps one transport.
pub async fn a_broken_connection_is_replaced(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    line.heads(SPACE).await;
    for _ in 0..3 {
        if !cut(harness, "a_broken_connection_is_replaced").await {
            return;
        }
        for _ in 0..2 {
            let lost = line.0.call(Request::Heads(space(SPACE))).await;
            assert!(lost.as_ref().is_err_and(is_loss), "the way is cut: {lost:?}");
        }
        harness.mend().await;
        reaches_the_peer(&line).await;
    }
}

/// It slept through the cut, and finds out when it wakes up.
pub async fn a_connection_that_broke_while_idle_is_replaced(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    line.heads(SPACE).await;
    for _ in 0..3 {
        if !cut(harness, "a_connection_that_broke_while_idle_is_replaced").await {
            return;
        }
        harness.mend().await;
        reaches_the_peer(&line).await;
    }
}

/// All who wait are told, and none of them claims to know what the peer did.
pub async fn calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let requests = (1..=5).map(|byte| {
        let slow = Author::new(byte).write_events(&[vec![Event::new(WAITS, "")]]);
        push(vec![slow.run().clone()])
    });
    let requests: Vec<_> = requests.collect();
    let calls = requests.iter().cloned().map(|request| {
        let line = line.clone();
        tokio::spawn(async move { line.0.call(request).await })
    });
    let calls: Vec<_> = calls.collect();
    for _ in 0..calls.len() {
        peer.gate.arrival().await;
    }
    if !cut(harness, "calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated").await {
        return;
    }
    for call in join_all(calls).await {
        let lost = call.expect("the call ends");
        assert!(matches!(lost, Err(TransportError::Interrupted(_))), "{lost:?}");
    }
    peer.gate.open(100);
    harness.mend().await;
    for request in &requests {
        reached(async || line.0.call(request.clone()).await).await;
    }
    assert_eq!(line.heads(SPACE).await.head.position, Position::new(5));
}

/// A watcher learns that its watch has ended, and watches again on the same transport.
pub async fn a_watch_is_interrupted_by_a_cut_and_may_begin_again(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let (line, mut ann) = (peer.connect(harness).await, Author::new(1));
    let (start, space) = (log.cursor(0).await, space(SPACE));
    for round in 1..=3 {
        let mut notices = Notices(reached(async || line.0.watch(&space, start).await).await);
        log.commit(appends([ann.write(1)])).await;
        notices.until(round).await;
        if !cut(harness, "a_watch_is_interrupted_by_a_cut_and_may_begin_again").await {
            return;
        }
        let last = notices.0.next().await;
        assert!(matches!(&last, Some(Err(error)) if is_loss(error)), "the watch says that it is cut: {last:?}");
        harness.mend().await;
    }
}
