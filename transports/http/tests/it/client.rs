//! The client against servers that are gone, busy, or none at all.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use syncline::protocol::{Code, Request};
use syncline::{Cursor, LogId, Transport, TransportError};
use syncline_conformance::{Author, space};
use syncline_http::{BINARY, HttpTransport, HttpTransportBuilder, JSON, PROBLEM_JSON};
use tokio::net::TcpListener;

use crate::decoys::{Act, Decoy, answer};
use crate::people::ANN;
use crate::site::{SOON, Site, push, pushed};

/// A time-out that no test waits for.
const LONG: Duration = Duration::from_secs(60);
const BUSY: &[u8] =
    br#"{"type":"urn:syncline:problem:busy","title":"t","status":503,"detail":"d","code":"busy","retry_after_ms":5}"#;
const GAP: &[u8] =
    br#"{"type":"urn:syncline:problem:gap","detail":"d","code":"gap","at":{"origin":"01010101010101010101010101010101","seq":5},"expected":4}"#;

/// A client whose pauses are too short to be noticed.
fn client(decoy: &Decoy) -> HttpTransportBuilder {
    HttpTransport::builder(&decoy.url(), ANN).backoff(Duration::from_millis(1), Duration::from_millis(20))
}

/// Whether an error is of the kind expected.
type EventType = fn(&TransportError) -> bool;

fn garbled(error: &TransportError) -> bool {
    matches!(error, TransportError::Garbled(_))
}

fn foreign(error: &TransportError) -> bool {
    matches!(error, TransportError::Foreign { .. })
}

fn interrupted(error: &TransportError) -> bool {
    matches!(error, TransportError::Interrupted(_))
}

#[tokio::test]
async fn a_server_that_drops_connections_is_asked_until_it_answers() {
    let site = Site::start().await;
    let pass = Act::Pass(site.address);
    let decoy = Decoy::start([Act::HangUp, Act::Lose, Act::HangUp, pass]).await;
    let transport = client(&decoy).attempts(4).build().unwrap();
    pushed(transport.call(push([Author::new(1).write(1)])).await);
    assert_eq!((decoy.asked(), transport.traffic().requests), (4, 4));
    assert_eq!(site.head().await.position.get(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_fetched_again_and_stores_nothing_twice() {
    let site = Site::start().await;
    let lose = Act::LoseAnswer(site.address);
    let decoy = Decoy::start([lose.clone(), lose, Act::Pass(site.address)]).await;
    let mut ann = Author::new(1);
    let answered = pushed(client(&decoy).build().unwrap().call(push([ann.write(3)])).await);
    assert_eq!(answered.through, [(ann.origin(), ann.head().seq)]);
    assert_eq!(answered.placed, None);
    let log = site.log().await;
    assert_eq!((log.head.get(), log.heads.get(ann.origin())), (3, ann.head()));
}

#[tokio::test]
async fn attempts_are_counted() {
    let decoy = Decoy::start(vec![Act::Lose; 9]).await;
    for (attempts, asked) in [(1, 1), (3, 4), (0, 5)] {
        let error = client(&decoy).attempts(attempts).build().unwrap().call(Request::Hello).await.unwrap_err();
        assert!(interrupted(&error), "{error}");
        assert_eq!(decoy.asked(), asked);
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_a_lost_answer_is_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpTransport::builder(&url, ANN).attempts(1).build().unwrap().call(Request::Hello).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable(_)), "{error}");
    assert!(error.retry_after().is_some() && error.to_string().contains("refused"), "{error}");

    let cut = answer("200 OK", &[("content-type", BINARY)], &[0; 100]);
    for act in [Act::HangUp, Act::Lose, Act::Say(cut[..cut.len() - 1].to_vec()), Act::Say(b"HTTP/1.1 200 O".to_vec())] {
        let decoy = Decoy::start([act.clone()]).await;
        let error = client(&decoy).attempts(1).build().unwrap().call(Request::Hello).await.unwrap_err();
        assert!(interrupted(&error), "{act:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_reached() {
    let site = Site::start().await;
    let url = format!("https://{}", site.address);
    let error = HttpTransport::builder(&url, ANN).attempts(1).build().unwrap().call(Request::Hello).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_interrupted() {
    let decoy =
        Decoy::start([Act::FallSilent(Vec::new()), Act::FallSilent(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())]).await;
    for _ in 0..2 {
        let transport = client(&decoy).attempts(1).request_timeout(SOON).build().unwrap();
        let error = transport.call(Request::Hello).await.unwrap_err();
        assert!(interrupted(&error), "{error}");
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_pause_it_names() {
    let site = Site::start().await;
    let busy = Act::Say(answer("503 Service Unavailable", &[("content-type", PROBLEM_JSON)], BUSY));
    let gateway = |status: &str| Act::Say(answer(status, &[("retry-after", "0")], b"<html>"));
    let script = [busy, gateway("502 Bad Gateway"), gateway("429 Too Many Requests"), Act::Pass(site.address)];
    let decoy = Decoy::start(script).await;
    let begun = Instant::now();
    client(&decoy).attempts(4).build().unwrap().call(Request::Hello).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(5));
    assert_eq!(decoy.asked(), 4);
}

#[tokio::test]
async fn a_pause_longer_than_the_client_waits_is_handed_on() {
    let later = answer("503 Service Unavailable", &[("retry-after", "3600")], b"");
    let decoy = Decoy::start([Act::Say(later)]).await;
    let error = client(&decoy).build().unwrap().call(Request::Hello).await.unwrap_err();
    assert!(foreign(&error), "{error}");
    assert_eq!((decoy.asked(), error.retry_after()), (1, Some(Duration::from_secs(3_600))));
}

#[tokio::test]
async fn a_refusal_is_read_and_not_repeated() {
    let decoy = Decoy::start([Act::Say(answer("409 Conflict", &[("content-type", PROBLEM_JSON)], GAP))]).await;
    let error = client(&decoy).build().unwrap().call(Request::Hello).await.unwrap_err();
    let TransportError::Refused(problem) = error else { panic!("{error} is no refusal") };
    assert!(matches!(problem.code, Code::Gap { expected, .. } if expected.get() == 4));
    assert_eq!(decoy.asked(), 1);
}

#[tokio::test]
async fn what_is_no_answer_of_this_protocol_is_told_from_the_peers_word_and_not_repeated_at_once() {
    let site = Site::start().await;
    let heads = crate::asking::send(crate::asking::get(&site, "heads").header("accept", BINARY)).await.body;
    let ok = |headers: &[(&str, &str)], body: &[u8]| answer("200 OK", headers, body);
    let (binary, problem) = (("content-type", BINARY), ("content-type", PROBLEM_JSON));
    let told = |body: &[u8]| answer("401 Unauthorized", &[problem], body);
    let cases: [(&str, Vec<u8>, EventType); 12] = [
        ("a web page", ok(&[("content-type", "text/html")], b"<html>"), foreign),
        ("no content type", ok(&[], b""), foreign),
        ("noise", ok(&[binary], b"noise"), garbled),
        ("JSON noise", ok(&[("content-type", JSON)], b"{}"), garbled),
        ("an answer to another request", ok(&[binary], &heads), garbled),
        ("a coding not asked for", ok(&[binary, ("content-encoding", "gzip")], &heads), garbled),
        ("broken compression", ok(&[binary, ("content-encoding", "zstd")], &heads), garbled),
        ("a redirect", answer("302 Found", &[("location", "http://127.0.0.1:1/")], b""), foreign),
        ("a refusal without a problem", answer("401 Unauthorized", &[], b"log in first"), foreign),
        (
            "a problem from the future",
            told(br#"{"type":"urn:syncline:problem:odd","detail":"d","code":"odd"}"#),
            foreign,
        ),
        (
            "a problem of somebody else's",
            told(br#"{"type":"about:blank","detail":"d","code":"unauthorized"}"#),
            foreign,
        ),
        ("a problem without a type", told(br#"{"detail":"d","code":"unauthorized"}"#), foreign),
    ];
    for (what, said, expected) in cases {
        let decoy = Decoy::start([Act::Say(said)]).await;
        let error = client(&decoy).build().unwrap().call(Request::Hello).await.unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
        assert_eq!((decoy.asked(), error.retry_after()), (1, Some(Duration::ZERO)), "{what}");
    }
}

#[tokio::test]
async fn a_redirect_gets_neither_the_request_nor_the_token() {
    let target = Decoy::start([Act::Lose]).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let said = answer(status, &[("location", &format!("{}/v1", target.url()))], b"");
        let decoy = Decoy::start([Act::Say(said)]).await;
        let error = client(&decoy).build().unwrap().call(Request::Hello).await.unwrap_err();
        assert!(foreign(&error), "{status}: {error:?}");
    }
    assert_eq!(target.asked(), 0);
}

#[tokio::test]
async fn an_answer_beyond_the_bounds_is_garbled_before_it_is_held() {
    let size = 10 * 1024 * 1024;
    let plain = answer("200 OK", &[("content-type", BINARY)], &vec![0; size]);
    let packed = zstd::encode_all(&vec![0; size][..], 1).unwrap();
    let packed = answer("200 OK", &[("content-type", BINARY), ("content-encoding", "zstd")], &packed);
    for said in [plain, packed] {
        let decoy = Decoy::start([Act::Say(said)]).await;
        let error = client(&decoy).attempts(1).build().unwrap().call(Request::Hello).await.unwrap_err();
        assert!(garbled(&error), "{error}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_bounds_is_refused_before_it_is_sent() {
    let decoy = Decoy::start([]).await;
    let mut ann = Author::new(1);
    let runs: Vec<_> = (0..10).map(|_| ann.write_bodies(&[vec![7; 1_000_000]])).collect();
    let transport = client(&decoy).build().unwrap();
    let error = transport.call(push(runs)).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused(problem) if problem.code == Code::TooLarge));
    assert_eq!(transport.traffic().requests, 0);
}

#[tokio::test]
async fn a_watch_ends_with_an_error_when_its_connection_dies_or_falls_silent_or_talks_nonsense() {
    let after = Cursor::start(LogId::from_bytes([7; 16]).unwrap());
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/vnd.syncline.stream.v1\r\n\r\n";
    let notice = syncline::format::codec::encode(&syncline::protocol::Notice { head: after });
    let frame = [&[1, 0, 0, 0, notice.len() as u8][..], &notice].concat();
    let said = |more: &[u8]| [head.as_bytes(), &frame, more].concat();
    let ends: [(Act, EventType); 5] = [
        (Act::Say(said(b"")), interrupted),
        (Act::Say(said(&frame[..7])), interrupted),
        (Act::FallSilent(said(b"\0\0\0\0\0")), interrupted),
        (Act::Say(said(b"\x09\0\0\0\0")), garbled),
        (Act::Say(said(&[1, 0xff, 0xff, 0xff, 0xff])), garbled),
    ];
    for (act, expected) in ends {
        let decoy = Decoy::start([act.clone()]).await;
        let patience = if matches!(act, Act::FallSilent(_)) { 4 * SOON } else { LONG };
        let transport = client(&decoy).attempts(1).watch_patience(patience).build().unwrap();
        let mut notices = transport.watch(&space("notes"), after).await.unwrap();
        assert_eq!(notices.next().await.unwrap().unwrap().head, after);
        let end = notices.next().await.unwrap().unwrap_err();
        assert!(expected(&end), "{act:?}: {end}");
        assert!(notices.next().await.is_none());
    }
}

#[tokio::test]
async fn a_watch_that_is_not_answered_as_one_fails_at_once() {
    let after = Cursor::start(LogId::from_bytes([7; 16]).unwrap());
    let decoy =
        Decoy::start([Act::Say(answer("200 OK", &[("content-type", BINARY)], b"")), Act::FallSilent(Vec::new())]).await;
    for (patience, expected) in [(LONG, foreign as EventType), (SOON, interrupted)] {
        let transport = client(&decoy).attempts(1).watch_patience(patience).build().unwrap();
        let error = transport.watch(&space("notes"), after).await.err().unwrap();
        assert!(expected(&error), "{error}");
    }
}
