//! Own bundles that the peer has refused, and whose refusal this replica has not heard of: they are told before a snapshot covers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use syncline::protocol::{Answer, Code, Problem, Push, Request};
use syncline::store::{EventStore, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{Dot, Outcome, Position, Replica, Seq, SyncReport, Transport, TransportError};
use syncline_memory::MemoryTransport;

use super::{Server, assert_equal, is_tidy, open, open_on, sync, write};
use crate::world::*;

/// A way on which the peer takes nothing new of the first replica, and answers for what it has.
#[derive(Debug)]
struct TakesNothingNew(MemoryTransport, Seq);

#[async_trait]
impl Transport for TakesNothingNew {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        match &request {
            Request::Push(_, _, Push { runs }) if runs.iter().any(|run| run.last() > self.1) => {
                Err(refused(Code::Busy { retry_after_ms: 100 }))
            }
            _ => self.0.call(request).await,
        }
    }

    forward_watch!(self.0);
}

/// A way on which the peer takes nothing at all, because the device may only read now.
#[derive(Debug)]
struct ReadOnly(MemoryTransport);

#[async_trait]
impl Transport for ReadOnly {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        match request {
            Request::Push(..) => Err(refused(Code::Forbidden { origins: Vec::new() })),
            _ => self.0.call(request).await,
        }
    }

    forward_watch!(self.0);
}

/// A way on which another handle on the caller's store writes before the first answer, hands over, and hears no answer.
#[derive(Debug)]
struct Meanwhile {
    way: MemoryTransport,
    server: Arc<Server>,
    other: Replica,
    begun: AtomicBool,
}

#[async_trait]
impl Transport for Meanwhile {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if !self.begun.swap(true, Ordering::Relaxed) {
            self.other.write(&[set("c", "secret")]).await.unwrap();
            let loses = LosesAnswers(way(&self.server.service), |request| matches!(request, Request::Push(..)));
            self.other.sync(&loses).await.unwrap_err();
            self.server.keeper.make_snapshot().await.unwrap();
            let trim = Some(self.server.store.status().await.unwrap().head);
            self.server.store.commit(WriteBatch { trim, ..WriteBatch::default() }).await.unwrap();
        }
        self.way.call(request).await
    }

    forward_watch!(self.way);
}

fn refused(code: Code) -> TransportError {
    TransportError::Refused(Problem { code, detail: "not now".to_owned() })
}

/// The bundle that was refused.
fn secret() -> Dot {
    Dot { origin: id(1), seq: Seq::new(2) }
}

/// A replica whose second bundle was refused, and the answer was lost. Others have written since, and the server has a snapshot.
fn unanswered() -> (Server, Replica) {
    let server = Server::new();
    let (one, two) = (open(&server, 1), open(&server, 2));
    write(&one, "a", "1");
    sync(&one, &server);
    write(&two, "b", "1");
    sync(&two, &server);
    assert_eq!(write(&one, "c", "secret"), secret());
    let loses = LosesAnswers(way(&server.service), |request| matches!(request, Request::Push(..)));
    block_on(one.sync(&loses)).unwrap_err();
    write(&two, "b", "2");
    sync(&two, &server);
    block_on(server.keeper.make_snapshot()).unwrap();
    (server, one)
}

fn trim(server: &Server, to: u64) {
    block_on(server.store.commit(WriteBatch { trim: Some(Position::new(to)), ..WriteBatch::default() })).unwrap();
}

/// The letter is there, its row is gone, and everything else is as everywhere.
fn assert_told(server: &Server, one: &Replica, report: &SyncReport, code: &str) {
    assert!(report.bootstrapped.is_some(), "{report:?}");
    let told: Vec<_> = report.refused.iter().map(|(dot, refusal)| (*dot, refusal.code.as_str())).collect();
    assert!(told.is_empty() || told == [(secret(), code)], "{told:?}");
    let letters = block_on(one.dead_letters()).unwrap();
    let letter = letters.first().expect("the writer is told");
    assert_eq!((letter.dot, letter.refusal.code.as_str()), (secret(), code));
    assert_eq!((letters.len(), &letter.events[..]), (1, &[set("c", "secret")][..]));
    assert!(matches!(block_on(one.outcome(secret())).unwrap(), Outcome::Refused(_)));
    block_on(one.forget_dead_letter(secret())).unwrap();
    assert_equal(server, &[one, &open(server, 3)]);
    assert_eq!(pairs(one).get("c"), None);
}

#[test]
fn a_refusal_whose_answer_was_lost_is_told_though_the_peer_takes_nothing_new() {
    // Written since by this replica, and trimmed by the server: all but what was refused, with that, and everything.
    for (later, trimmed) in [(0, 3), (1, 3), (3, 2), (3, 4)] {
        let (server, one) = unanswered();
        trim(&server, trimmed);
        (0..later).for_each(|number| _ = write(&one, "later", &number.to_string()));
        let report = block_on(one.sync(&TakesNothingNew(way(&server.service), secret().seq))).unwrap();
        assert_told(&server, &one, &report, "forbidden-word");
    }
}

#[test]
fn a_device_that_may_only_read_now_is_told_too_but_not_why() {
    let (server, one) = unanswered();
    trim(&server, 2);
    write(&one, "later", "1");
    let report = block_on(one.sync(&ReadOnly(way(&server.service)))).unwrap();
    assert_told(&server, &one, &report, "refused-elsewhere");
}

#[test]
fn a_snapshot_is_not_taken_while_nobody_says_whether_a_bundle_in_it_was_refused() {
    let (server, one) = unanswered();
    trim(&server, 4);
    let (before, log) = (pairs(&one), block_on(one.store().status()).unwrap().log);
    let report = block_on(one.sync(&ReadOnly(way(&server.service)))).unwrap();
    assert!(report.trimmed_there.is_some() && report.stopped.is_some() && report.bootstrapped.is_none(), "{report:?}");
    assert_eq!((pairs(&one), block_on(one.store().status()).unwrap().log), (before, log));
    assert!(is_tidy(&one));
    let report = sync(&one, &server);
    assert_told(&server, &one, &report, "forbidden-word");
}

#[test]
fn a_snapshot_that_covers_what_another_handle_has_just_written_is_left_to_the_next_sync() {
    let (server, store) = (Arc::new(Server::new()), memory());
    let (one, other, two) = (open_on(&server, store.clone(), 1), open_on(&server, store, 1), open(&server, 2));
    write(&one, "a", "1");
    sync(&one, &server);
    write(&two, "b", "1");
    sync(&two, &server);
    let begun = AtomicBool::new(false);
    let report =
        block_on(one.sync(&Meanwhile { way: way(&server.service), server: server.clone(), other, begun })).unwrap();
    assert_eq!(report.bootstrapped, None, "{report:?}");
    assert!(is_tidy(&one));
    let report = sync(&one, &server);
    assert_told(&server, &one, &report, "forbidden-word");
}
