//! A refused request comes back typed, with what a program needs to act on it and a person to understand it.

use std::sync::Arc;
use std::time::Duration;

use syncline::clock::MAX_DRIFT;
use syncline::format::time::{NTP64, after as later};
use syncline::protocol::{Code, Request};
use syncline::store::Limit;
use syncline::{Cursor, Event, Position, Seq, TransportError};

use crate::author::note;
use crate::peer::{Desk, NOW, Peer, READER, SECRET, STRANGER, Trouble, WRITER, after, pull, push};
use crate::{Author, NOTE, SPACE, TransportHarness, appends, dot, new_log_id, space};

/// Checks that a request is refused with this code, in the words of the service, and that the connection continues.
pub(super) async fn assert_refused(
    harness: &dyn TransportHarness,
    peer: &Peer,
    token: &str,
    request: Request,
    code: Code,
) {
    let line = peer.connect_as(harness, token).await;
    let expected = peer.answer(token, request.clone()).await.expect_err("the service refuses this");
    assert_eq!(expected.code, code);
    for _ in 0..2 {
        assert_eq!(line.problem(request.clone()).await, expected);
    }
    line.call(Request::Hello).await;
}

/// A token that nobody has handed out opens nothing.
pub async fn an_unknown_token_is_unauthorized(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    for token in ["forged", ""] {
        let refused = match harness.connect(peer.service.clone(), token).await {
            Ok(transport) => transport.call(Request::Hello).await.map(drop),
            Err(error) => Err(error),
        };
        let right = matches!(&refused, Err(TransportError::Refused(problem)) if problem.code == Code::Unauthorized);
        assert!(right, "{refused:?}");
    }
}

/// Without a grant there is no such space.
pub async fn a_space_without_a_grant_is_unknown(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    assert_refused(harness, &peer, STRANGER, Request::Heads(space(SPACE)), Code::UnknownSpace).await;
    assert_refused(harness, &peer, WRITER, Request::Heads(space(Desk::HIDDEN)), Code::UnknownSpace).await;
}

/// A reader may not write.
pub async fn a_push_of_a_reader_is_forbidden(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let request = push(vec![Author::new(1).write(1).run().clone()]);
    assert_refused(harness, &peer, READER, request, Code::Forbidden { origins: Vec::new() }).await;
    assert_eq!(peer.log(SPACE).await.status().await.head, Position::ZERO);
}

/// A device may supply its own origins, not another's.
pub async fn a_push_of_a_foreign_origin_is_forbidden(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut foreign = Author::new(Desk::FOREIGN);
    let request = push(vec![foreign.write(1).run().clone()]);
    assert_refused(harness, &peer, WRITER, request, Code::Forbidden { origins: vec![foreign.origin()] }).await;
}

/// A restored server has another log: the replica must learn which cursor is gone, to continue by heads.
pub async fn a_cursor_that_is_gone_comes_back_whole(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    log.commit(appends([Author::new(1).write(3)])).await;
    for (id, position) in [(new_log_id(), 2), (log.status().await.log, 4), (log.status().await.log, u64::MAX)] {
        let cursor = Cursor { log: id, position: Position::new(position) };
        let request = pull(after(cursor, Limit::PAGE));
        assert_refused(harness, &peer, WRITER, request, Code::CursorGone { cursor }).await;
    }
}

/// The sender learns from where to send.
pub async fn a_gap_comes_back_with_the_seq_expected(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    peer.log(SPACE).await.commit(appends([ann.write(3)])).await;
    let _lost = ann.write(2);
    let code = Code::Gap { at: dot(&ann, 6), expected: Seq::new(4) };
    assert_refused(harness, &peer, WRITER, push(vec![ann.write(1).run().clone()]), code).await;
}

/// A cloned device learns at which bundle it parted from itself.
pub async fn a_fork_comes_back_with_its_bundle(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    let mut clone = ann.clone();
    peer.log(SPACE).await.commit(appends([ann.write(2)])).await;
    let forked = clone.write_events(&[vec![Event::new(NOTE, "another first bundle")]]);
    let code = Code::Fork { at: dot(&ann, 1) };
    assert_refused(harness, &peer, WRITER, push(vec![forked.run().clone()]), code).await;
}

/// A device with a wrong clock learns by how much it is wrong.
pub async fn a_time_too_far_ahead_comes_back_with_its_distance(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let time = later(NOW, MAX_DRIFT + Duration::from_secs(3_600));
    let verified = Author::new(1).write_at(time, &[Event::new(NOTE, "from the future")]);
    let allowed_ms = u64::try_from(MAX_DRIFT.as_millis()).expect("a minute fits");
    let code = Code::ClockAhead { at: dot(&Author::new(1), 1), ahead_ms: 3_600_000 + allowed_ms, allowed_ms };
    assert_refused(harness, &peer, WRITER, push(vec![verified.run().clone()]), code).await;
}

/// What breaks the protocol is the request's fault, and is not tried again.
pub async fn a_push_that_breaks_the_protocol_is_malformed(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    let first = ann.write_timed([(NTP64(500), note("first"))]);
    peer.log(SPACE).await.commit(appends([first])).await;
    let earlier = ann.write_timed([(NTP64(400), note("its clock went back"))]);
    assert_refused(harness, &peer, WRITER, push(vec![earlier.run().clone()]), Code::Malformed).await;
}

/// A busy peer says how long to wait.
pub async fn a_busy_peer_says_how_long_to_wait(harness: &dyn TransportHarness) {
    let peer = Peer::over(Arc::new(Trouble::Busy));
    let request = push(vec![Author::new(1).write(1).run().clone()]);
    let line = peer.connect(harness).await;
    let expected = peer.answer(WRITER, request.clone()).await.expect_err("the service is busy");
    assert!(matches!(expected.code, Code::Busy { retry_after_ms } if retry_after_ms > 0), "{expected:?}");
    let found = line.problem(request).await;
    assert_eq!((&found, found.retry_after()), (&expected, expected.retry_after()));
}

/// A peer's own failure is told as one, and nothing more: its errors may name hosts, tables and passwords.
pub async fn a_failure_of_the_peer_says_no_more(harness: &dyn TransportHarness) {
    let peer = Peer::over(Arc::new(Trouble::Broken));
    let line = peer.connect(harness).await;
    let found = line.problem(push(vec![Author::new(1).write(1).run().clone()])).await;
    assert_eq!(found.code, Code::Internal);
    assert!(!format!("{found:?}").contains(SECRET), "{found:?}");
    line.heads(SPACE).await;
}

/// Refused and accepted calls share a connection.
pub async fn problems_belong_to_their_calls(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let calls = (1..=40).map(|byte| {
        let line = line.clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            let first = author.write(1);
            match byte % 2 {
                0 => drop(line.push(vec![first.run().clone()]).await),
                _ => {
                    let code = line.code(push(vec![author.write(1).run().clone()])).await;
                    assert_eq!(code, Code::Gap { at: dot(&author, 2), expected: Seq::new(1) });
                }
            }
        })
    });
    for call in futures_util::future::join_all(calls).await {
        call.expect("each call gets its own answer");
    }
}
