//! Messages that are held in memory: bounded for all together and for each user, and given back.

use std::time::Duration;

use futures_util::future::join_all;
use syncline::format::codec;
use syncline::protocol::{Have, Pull, Request};
use syncline::store::Limit;
use syncline::{Cursor, Transport};
use syncline_conformance::Author;
use syncline_http::{BINARY, RouterOptions, ServerOptions};

use crate::asking::{Raw, post, send};
use crate::people::{ANN, EVE};
use crate::site::{Plan, SOON, Site, body, push, pushed};

/// The head of a request of somebody, whose body takes `length` bytes.
fn head(token: &str, route: &str, length: usize) -> String {
    format!(
        "POST /v1/spaces/{route} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {BINARY}\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// A site with as little memory for messages as there may be.
async fn tight(patience: Duration) -> Site {
    let router = RouterOptions::default().with_memory(0).with_body_patience(patience);
    let server = ServerOptions::default().with_write_timeout(Duration::from_secs(3_600));
    Site::plan(Plan { router, server, ..Plan::default() }).await
}

#[tokio::test]
async fn bodies_whose_last_byte_is_withheld_take_half_of_the_memory_and_nobody_elses_push_fails() {
    const LENGTH: usize = 6_000_000;
    let site = tight(Duration::from_secs(20)).await;
    let withheld = (0..8).map(async |_| {
        let mut raw = Raw::connect(site.address).await;
        raw.say(head(EVE, "elsewhere/push", LENGTH)).await;
        raw.try_say(&vec![7; LENGTH - 1]).await;
        raw.hear_to_the_end().await
    });
    let (heard, ()) = futures_util::join!(join_all(withheld), async {
        let mut ann = Author::new(1);
        for _ in 0..10 {
            pushed(site.ann().call(push([ann.write_bodies(&[body(&[7; 900_000])])])).await);
        }
    });
    let busy = heard.iter().filter(|heard| heard.starts_with("HTTP/1.1 503")).count();
    let late = heard.iter().filter(|heard| heard.starts_with("HTTP/1.1 408")).count();
    assert!(late == 3 && busy == 5, "{busy} found no memory, {late} stood still too long: {heard:?}");
    // What they held is given back.
    let mut raw = Raw::connect(site.address).await;
    raw.say(head(EVE, "elsewhere/push", LENGTH)).await;
    raw.say(vec![7; LENGTH]).await;
    raw.hear("HTTP/1.1 400").await;
}

#[tokio::test]
async fn a_body_that_came_fast_and_stands_still_is_not_waited_for_as_if_it_came_slowly() {
    let router = RouterOptions::default().with_body_patience(SOON);
    let site = Site::plan(Plan { router, ..Plan::default() }).await;
    let mut raw = Raw::connect(site.address).await;
    raw.say(head(ANN, "notes/push", 4_000_000)).await;
    raw.say(vec![7; 3_999_999]).await;
    let heard = raw.hear_to_the_end().await;
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
}

#[tokio::test]
async fn answers_that_nobody_reads_take_half_of_the_memory_and_nobody_elses_pull_fails() {
    let site = tight(SOON).await;
    let mut ann = Author::new(1);
    for _ in 0..8 {
        pushed(site.ann().call(push([ann.write_bodies(&[body(&[7; 900_000])])])).await);
    }
    site.people.grant_reader("eve");
    let have = Have::Cursor(Cursor::start(site.head().await.log));
    let ask = Pull { have, without: None, limit: Limit::bytes(8 << 20) };
    let message = codec::encode(&ask);
    let mut deaf = Vec::new();
    for _ in 0..12 {
        let mut raw = Raw::connect_with_small_buffer(site.address).await;
        raw.say(head(EVE, "notes/pull", message.len())).await;
        raw.say(&message).await;
        deaf.push(raw);
    }
    let client = site.ann();
    for _ in 0..5 {
        client.call(Request::Pull(syncline_conformance::space("notes"), ask.clone())).await.unwrap();
    }
    let answers = join_all(deaf.iter_mut().map(|raw| raw.hear("\r\n\r\n"))).await;
    // The others were cut to what there was, or found no memory.
    let length = |heard: &String| heard.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok();
    let whole = answers.iter().filter_map(length).filter(|length: &usize| *length > 7_000_000).count();
    assert!((1..=3).contains(&whole), "{whole} of 12 were answered as they asked");
}

#[tokio::test]
async fn tiny_bodies_that_unpack_to_millions_are_refused_before_they_are_unpacked() {
    let site = Site::start().await;
    let bomb = zstd::bulk::compress(&vec![0; 9 << 20], 19).unwrap();
    assert!(bomb.len() < 1_000);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let reply = send(post(&site, "push", bomb.clone()).header("content-encoding", "zstd")).await;
        if reply.status == 429 {
            reply.problem(429, "busy");
            assert_eq!(reply.header("retry-after"), "1");
        }
        statuses.push(reply.status.as_u16());
    }
    assert!(statuses[..7].iter().all(|status| *status == 400) && statuses.contains(&429), "{statuses:?}");
}
