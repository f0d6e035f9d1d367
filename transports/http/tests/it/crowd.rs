//! More connections than there are places: who has to leave, and who is answered all the same.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use syncline::Transport;
use syncline::protocol::Request;
use syncline_conformance::space;
use syncline_http::{RouterOptions, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::asking::{get, http, send};
use crate::fleet::in_time;
use crate::people::{ANN, SPACE};
use crate::site::{Plan, Site};

const HOUR: Duration = Duration::from_secs(3_600);

/// A site that closes nobody for being slow.
async fn patient(connections: usize, watches: usize) -> Site {
    let server = ServerOptions::default().with_connections_max(connections);
    let server = server.with_header_timeout(HOUR).with_idle_timeout(HOUR).with_write_timeout(HOUR);
    let router = RouterOptions::default().with_watches_max(watches);
    Site::plan(Plan { server, router, ..Plan::default() }).await
}

/// A connection from another address than the tests' own.
async fn from_elsewhere(to: SocketAddr) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn whoever_fills_all_places_with_half_a_request_keeps_no_other_address_out() {
    let site = patient(20, 4).await;
    in_time(async {
        let mut flood = Vec::new();
        for number in 0..40 {
            let mut raw = from_elsewhere(site.address).await;
            // The first twenty have their places; the others wait for them, which the server may cut off at any time.
            let said = raw.write_all(b"GET /v1 HTTP/1.1\r\nx-half").await;
            assert!(said.is_ok() || number >= 20);
            flood.push(raw);
        }
        for _ in 0..10 {
            site.client(ANN).attempts(3).build().unwrap().call(Request::Hello).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn connections_that_lie_idle_make_room_at_once_and_those_of_others_stay_open() {
    let site = patient(20, 4).await;
    in_time(async {
        let mut own = tokio::net::TcpStream::connect(site.address).await.unwrap();
        let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut answer = vec![0; 4_096];
        own.write_all(ask).await.unwrap();
        assert!(own.read(&mut answer).await.unwrap() > 0);
        let mut flood = Vec::new();
        for _ in 0..60 {
            let mut raw = from_elsewhere(site.address).await;
            raw.write_all(ask).await.unwrap();
            assert!(raw.read(&mut answer).await.unwrap() > 0);
            flood.push(raw);
        }
        // Of the address that has most, the oldest are closed; the connection from here is none of them.
        own.write_all(ask).await.unwrap();
        assert!(own.read(&mut answer).await.unwrap() > 0);
        assert_eq!(flood[0].read(&mut answer).await.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn health_is_answered_while_every_connection_is_busy_and_others_are_told_to_come_again() {
    let site = patient(2, 4).await;
    in_time(async {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = site.ann().watch(&space(SPACE), site.head().await).await.unwrap();
            stream.next().await.unwrap().unwrap();
            streams.push(stream);
        }
        for _ in 0..3 {
            assert_eq!(send(http().get(site.url("/healthz"))).await.status, 200);
        }
        let reply = send(get(&site, "heads")).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
        drop(streams.pop());
        loop {
            if send(get(&site, "heads")).await.status == 200 {
                break;
            }
        }
    })
    .await;
}
