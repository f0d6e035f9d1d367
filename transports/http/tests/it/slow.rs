//! Peers that are too slow. Each is closed, and nobody else notices.

use std::time::Duration;

use syncline::format::codec;
use syncline::protocol::Request;
use syncline::{Cursor, Transport};
use syncline_conformance::Author;
use syncline_http::{BINARY, RouterOptions, ServerOptions};

use crate::asking::Raw;
use crate::people::ANN;
use crate::site::{Plan, SOON, Site, body, push, pushed};

/// The head of a push whose body takes `length` bytes.
fn head(length: usize) -> String {
    format!(
        "POST /v1/spaces/notes/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\ncontent-type: {BINARY}\r\n\
         content-length: {length}\r\n\r\n"
    )
}

async fn hasty(server: ServerOptions) -> Site {
    Site::plan(Plan { server, ..Plan::default() }).await
}

#[tokio::test]
async fn a_peer_that_sends_no_request_is_closed() {
    let site = hasty(ServerOptions::default().with_header_timeout(SOON)).await;
    assert_eq!(Raw::connect(site.address).await.hear_to_the_end().await, "");
}

#[tokio::test]
async fn a_peer_that_sends_half_its_headers_is_closed() {
    let site = hasty(ServerOptions::default().with_header_timeout(SOON)).await;
    let mut half_open = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::connect(site.address).await;
        raw.say("GET /v1 HTTP/1.1\r\nhost: x\r\nx-half").await;
        half_open.push(raw);
    }
    site.client(ANN).attempts(4).build().unwrap().call(Request::Hello).await.unwrap();
    for mut raw in half_open {
        assert_eq!(raw.hear_to_the_end().await, "");
    }
}

#[tokio::test]
async fn headers_and_bodies_that_trickle_are_closed_as_if_they_stood_still() {
    let server = ServerOptions::default().with_header_timeout(SOON);
    let router = RouterOptions::default().with_body_patience(SOON);
    let site = Site::plan(Plan { server, router, ..Plan::default() }).await;
    for (start, drop) in [("GET /v1 HTTP/1.1\r\n".to_owned(), "x: y\r\n"), (head(1_000_000), "x")] {
        let mut raw = Raw::connect(site.address).await;
        raw.say(start).await;
        raw.trickle_until_cut(drop).await;
    }
}

#[tokio::test]
async fn half_the_headers_of_a_second_request_are_not_waited_for_as_an_idle_peer_is() {
    let options = ServerOptions::default().with_header_timeout(SOON).with_idle_timeout(Duration::from_secs(3_600));
    let site = hasty(options).await;
    let mut raw = Raw::connect(site.address).await;
    raw.say("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    raw.hear("\r\n\r\nok").await;
    raw.say("GET /healthz HTTP/1.1\r\nx-half").await;
    assert_eq!(raw.hear_to_the_end().await, "");
}

#[tokio::test]
async fn a_connection_is_kept_after_its_request_but_not_for_ever() {
    let site = hasty(ServerOptions::default().with_idle_timeout(SOON)).await;
    let mut raw = Raw::connect(site.address).await;
    raw.say("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let heard = raw.hear_to_the_end().await;
    assert!(heard.ends_with("\r\n\r\nok"), "{heard}");
}

#[tokio::test]
async fn a_body_that_stops_coming_times_out_with_a_problem() {
    let router = RouterOptions::default().with_body_patience(SOON);
    let site = Site::plan(Plan { router, ..Plan::default() }).await;
    let body = codec::encode(&crate::site::message([Author::new(1).write(1)]));
    let mut raw = Raw::connect(site.address).await;
    raw.say(head(body.len())).await;
    raw.say(&body[..10]).await;
    let heard = raw.hear_to_the_end().await;
    assert!(heard.starts_with("HTTP/1.1 408") && heard.contains("retry-after: 1\r\n"), "{heard}");
    assert!(heard.contains("application/problem+json") && heard.contains("urn:syncline:problem:busy"), "{heard}");
    assert_eq!(site.head().await.position.get(), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_closed() {
    let server = ServerOptions::default().with_write_timeout(SOON).with_connections_max(2);
    let site = hasty(server).await;
    let mut ann = Author::new(1);
    let client = site.ann();
    for _ in 0..12 {
        pushed(client.call(push([ann.write_bodies(&[body(&[7; 1_000_000])])])).await);
    }
    let log = site.head().await.log;
    // No compression is asked for, so that the answer is larger than what the sockets in between hold.
    let ask = codec::encode(&syncline::protocol::Pull {
        have: syncline::protocol::Have::Cursor(Cursor::start(log)),
        without: None,
        limit: syncline::store::Limit::bytes(8 << 20),
    });
    let mut deaf = Raw::connect(site.address).await;
    for _ in 0..4 {
        deaf.say(head(ask.len()).replace("push", "pull")).await;
        deaf.say(&ask).await;
    }
    // One of the two places is the client's own; the other is free again only once the deaf peer is gone.
    let other = site.ann();
    other.call(Request::Hello).await.unwrap();
}

#[tokio::test]
async fn beyond_the_number_of_connections_a_peer_waits_for_its_turn() {
    let server = ServerOptions::default().with_connections_max(1).with_idle_timeout(SOON);
    let site = hasty(server).await;
    let first = site.ann();
    first.call(Request::Hello).await.unwrap();
    // The first connection is still open and idle; when the server drops it, the second is served.
    site.ann().call(Request::Hello).await.unwrap();
}
