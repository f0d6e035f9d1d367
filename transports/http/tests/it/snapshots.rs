//! Snapshots over HTTP: how their pieces travel, what they cost, and paths that name none.

use syncline::Transport;
use syncline::protocol::{AskSnapshot, Reply, Request};
use syncline_conformance::peer::Snapshot;
use syncline_conformance::{Author, space};
use syncline_http::{BINARY, JSON, RouterOptions};

use crate::asking::{get, post, post_json, send};
use crate::people::{ANN, BEN, SPACE};
use crate::site::{Plan, SOON, Site};

/// Stores some bundles and a snapshot of them.
async fn with_snapshot(site: &Site) -> Snapshot {
    let heads = site.seed(&mut Author::new(1)).await.heads;
    let snapshot = Snapshot::with(&space(SPACE), heads);
    let (client, chunks) = (site.ann(), 0..snapshot.chunks.len() as u32);
    for request in [snapshot.offer()].into_iter().chain(chunks.map(|index| snapshot.chunk(index))) {
        client.call(request).await.unwrap();
    }
    let Reply::Wanted(wanted) = client.call(snapshot.offer()).await.unwrap().reply else {
        panic!("an answer to an offer")
    };
    assert!(wanted.is_complete, "{wanted:?}");
    snapshot
}

#[tokio::test]
async fn pieces_are_not_compressed_once_more_except_where_json_spells_them_out() {
    let site = Site::start().await;
    let snapshot = with_snapshot(&site).await;
    let routes = [format!("snapshots/{}", snapshot.id), format!("chunks/{}", snapshot.hashes[1])];
    for route in &routes {
        for (form, coding) in [(BINARY, ""), (JSON, "zstd")] {
            let reply = send(get(&site, route).header("accept", form).header("accept-encoding", "zstd")).await;
            assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, form));
            assert_eq!(reply.header("content-encoding"), coding, "{route} as {form}");
        }
    }
}

#[tokio::test]
async fn a_chunk_costs_a_few_bytes_more_than_itself_in_both_directions() {
    let site = Site::start().await;
    let snapshot = with_snapshot(&site).await;
    let client = site.ann();
    let size = snapshot.chunks[0].len() as u64;
    client.call(snapshot.chunk(0)).await.unwrap();
    let sent = client.traffic();
    assert!((size..size + 8).contains(&sent.sent), "{sent:?} of {size}");
    let chunk = Request::Snapshot(space(SPACE), AskSnapshot::Chunk(snapshot.hashes[0]));
    client.call(chunk).await.unwrap();
    let received = client.traffic().received - sent.received;
    assert!((size..size + 24).contains(&received), "{received} of {size}");
}

/// A chunk never changes, but its answer brings the time of the server's clock. A cache would hand out an old time.
#[tokio::test]
async fn no_cache_keeps_an_answer_about_snapshots() {
    let site = Site::start().await;
    let snapshot = with_snapshot(&site).await;
    let hash = snapshot.hashes[0];
    for route in ["snapshots".to_owned(), format!("snapshots/{}", snapshot.id), format!("chunks/{hash}")] {
        assert_eq!(send(get(&site, &route)).await.header("cache-control"), "no-store", "{route}");
    }
}

#[tokio::test]
async fn both_forms_say_the_same_of_snapshots() {
    let site = Site::start().await;
    let snapshot = with_snapshot(&site).await;
    let (binary, json) = (site.ann(), site.client(BEN).json().build().unwrap());
    for asked in [AskSnapshot::List, AskSnapshot::Manifest(snapshot.id), AskSnapshot::Chunk(snapshot.hashes[2])] {
        let ask = || Request::Snapshot(space(SPACE), asked);
        assert_eq!(binary.call(ask()).await.unwrap(), json.call(ask()).await.unwrap());
    }
}

#[tokio::test]
async fn a_path_that_names_no_snapshot_and_no_chunk_is_malformed() {
    let site = Site::start().await;
    let before = with_snapshot(&site).await;
    let (id, upper) = (before.id, before.id.to_string().to_uppercase());
    let short = "7".repeat(63);
    for route in [format!("snapshots/{short}"), format!("snapshots/{upper}"), "chunks/seven".to_owned()] {
        let document = send(get(&site, &route)).await.problem(400, "malformed");
        assert!(document["detail"].as_str().unwrap().contains("64 lower-case hex digits"), "{document}");
    }
    for number in ["x", "-1", "4294967296"] {
        send(post(&site, &format!("snapshots/{id}/chunks/{number}"), "")).await.problem(400, "malformed");
    }
    for (body, is_json) in [("\"no base 64!\"", true), ("7", true), ("", true), ("\u{5}", false)] {
        let sent = if is_json { post_json(&site, "snapshots", body) } else { post(&site, "snapshots", body) };
        send(sent).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn the_least_memory_that_a_server_may_have_is_enough_for_every_piece_in_both_forms() {
    let router = RouterOptions::default().with_memory(0).with_body_patience(SOON);
    let site = Site::plan(Plan { router, ..Plan::default() }).await;
    let snapshot = with_snapshot(&site).await;
    for client in [site.ann(), site.client(ANN).json().build().unwrap()] {
        for asked in [AskSnapshot::Manifest(snapshot.id), AskSnapshot::Chunk(snapshot.hashes[0])] {
            client.call(Request::Snapshot(space(SPACE), asked)).await.unwrap();
        }
        for supply in [snapshot.offer(), snapshot.chunk(0)] {
            client.call(supply).await.unwrap();
        }
    }
}
