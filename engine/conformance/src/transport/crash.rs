//! The peer goes away. Transports to a peer that lives and dies with its caller prove that they say so.

use futures_util::StreamExt;
use syncline::protocol::Request;
use syncline::{Event, Position, TransportError};

use crate::peer::{Peer, WAITS, push};
use crate::{Author, SPACE, TransportHarness, placed};

/// Whether an error says that the peer cannot be heard, and that trying again makes sense.
pub(super) fn is_loss(error: &TransportError) -> bool {
    let lost = matches!(error, TransportError::Unreachable(_) | TransportError::Interrupted(_));
    lost && error.retry_after().is_some()
}

/// The caller learns that it was not delivered, or perhaps was: either way it may try again.
pub async fn a_call_to_a_peer_that_is_gone_can_be_tried_again(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    line.call(Request::Hello).await;
    if !harness.crash().await {
        return drop(line.call(Request::Hello).await);
    }
    for request in [Request::Hello, push(vec![Author::new(1).write(1).run().clone()])] {
        let lost = line.0.call(request).await;
        assert!(lost.as_ref().is_err_and(is_loss), "{lost:?}");
    }
}

/// A call under way must not wait for ever, and must not claim to know.
pub async fn a_call_under_way_is_interrupted_when_the_peer_goes(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let slow = Author::new(1).write_events(&[vec![Event::new(WAITS, "")]]);
    let pushing = tokio::spawn({
        let (line, request) = (line.clone(), push(vec![slow.run().clone()]));
        async move { line.0.call(request).await }
    });
    peer.gate.arrival().await;
    if harness.crash().await {
        let lost = pushing.await.expect("the call ends");
        assert!(matches!(lost, Err(TransportError::Interrupted(_))), "{lost:?}");
    } else {
        peer.gate.open(1);
        assert!(pushing.await.expect("the call ends").is_ok());
    }
}

/// A stream that fell silent would look like a log in which nothing happens.
pub async fn a_watch_ends_with_an_error_when_the_peer_goes(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let start = peer.log(SPACE).await.cursor(0).await;
    let mut notices = peer.connect(harness).await.watch(SPACE, start).await;
    assert_eq!(notices.next().await.head.position, Position::ZERO);
    if harness.crash().await {
        let last = notices.0.next().await;
        assert!(matches!(&last, Some(Err(error)) if is_loss(error)), "{last:?}");
    }
}

/// A device that comes back after a crash finds what was acknowledged, and continues.
pub async fn a_new_connection_goes_on_after_a_crash(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    let written = [ann.write(2), ann.write(1)];
    for verified in &written {
        peer.connect(harness).await.push(vec![verified.run().clone()]).await;
        harness.crash().await;
    }
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}
