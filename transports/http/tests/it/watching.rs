//! Following a log over HTTP.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use syncline::protocol::{Code, Notice};
use syncline::{Cursor, Position, Transport, TransportError};
use syncline_conformance::{Author, space};
use syncline_http::{HttpTransport, RouterOptions};

use crate::asking::{Raw, get, send};
use crate::people::{ANN, BEN, EVE, SPACE};
use crate::site::{Plan, Site, push, pushed};

type Notices = BoxStream<'static, Result<Notice, TransportError>>;

async fn watch(client: &HttpTransport, after: Cursor) -> Notices {
    client.watch(&space(SPACE), after).await.unwrap()
}

/// A site whose streams look at their tokens all the time.
async fn wary() -> Site {
    let router = RouterOptions::default().with_watch_recheck(Duration::from_millis(5));
    Site::plan(Plan { router, ..Plan::default() }).await
}

/// The error that ends the stream: nothing follows it.
async fn end(mut notices: Notices) -> TransportError {
    let end = loop {
        if let Err(error) = notices.next().await.expect("the stream says why it ends") {
            break error;
        }
    };
    assert!(notices.next().await.is_none());
    end
}

fn refused(error: TransportError) -> Code {
    match error {
        TransportError::Refused(problem) => problem.code,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_watch_says_at_once_where_the_log_stands_and_then_where_it_has_moved() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    site.seed(&mut ann).await;
    let start = Cursor::start(site.head().await.log);
    let (binary, json) = (site.ann(), site.client(ANN).json().build().unwrap());
    let mut streams = [watch(&binary, start).await, watch(&json, start).await];
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().unwrap().head.position, Position::new(3));
    }
    for position in [5, 7, 9] {
        pushed(binary.call(push([ann.write(2)])).await);
        for stream in &mut streams {
            let head = stream.next().await.unwrap().unwrap().head;
            assert_eq!(head, Cursor { log: start.log, position: Position::new(position) });
        }
    }
}

#[tokio::test]
async fn commits_in_quick_succession_may_share_a_notice_and_the_last_is_never_missed() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let client = site.ann();
    let mut notices = watch(&client, site.head().await).await;
    for _ in 0..50 {
        pushed(client.call(push([ann.write(1)])).await);
    }
    let mut last = Position::ZERO;
    while last < Position::new(50) {
        let head = notices.next().await.unwrap().unwrap().head.position;
        assert!(head > last || head == Position::ZERO, "{head} after {last}");
        last = head;
    }
}

#[tokio::test]
async fn revoking_the_token_ends_the_stream_though_nothing_is_written() {
    let site = wary().await;
    let notices = watch(&site.client(BEN).build().unwrap(), site.head().await).await;
    site.people.revoke_token(BEN);
    assert_eq!(refused(end(notices).await), Code::Unauthorized);
}

#[tokio::test]
async fn taking_the_grant_away_ends_the_stream() {
    let site = wary().await;
    for client in [site.client(BEN).build().unwrap(), site.client(BEN).json().build().unwrap()] {
        let notices = watch(&client, site.head().await).await;
        site.people.revoke_grant("ben");
        assert_eq!(refused(end(notices).await), Code::UnknownSpace);
        site.people.grant_reader("ben");
    }
}

#[tokio::test]
async fn accounts_that_fail_end_the_stream_as_the_servers_fault() {
    let site = wary().await;
    let notices = watch(&site.client(BEN).build().unwrap(), site.head().await).await;
    site.people.break_token(BEN);
    assert_eq!(refused(end(notices).await), Code::Internal);
}

#[tokio::test]
async fn a_space_of_others_is_not_watched() {
    let site = Site::start().await;
    let after = site.head().await;
    let client = site.client(EVE).build().unwrap();
    let refusal = client.watch(&space(SPACE), after).await.err().unwrap();
    assert_eq!(refused(refusal), Code::UnknownSpace);
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_say_still_says_that_it_lives() {
    let router = RouterOptions::default().with_watch_tick(Duration::from_millis(5));
    let site = Site::plan(Plan { router, ..Plan::default() }).await;
    let mut raw = Raw::connect(site.address).await;
    let log = site.head().await.log;
    raw.say(format!(
        "GET /v1/spaces/{SPACE}/watch?log={log}&position=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n\r\n"
    ))
    .await;
    let heard = raw.hear("\n:\n\n").await;
    assert!(heard.contains("content-type: text/event-stream\r\n"), "{heard}");
    let first = format!("event: notice\ndata: {{\"head\":{{\"log\":\"{log}\",\"position\":0}}}}\n\n");
    assert!(heard.contains(&first), "{heard}");
}

#[tokio::test]
async fn a_shutdown_ends_the_stream_and_asks_to_come_back() {
    let site = Site::start().await;
    let (binary, json) = (site.ann(), site.client(ANN).json().build().unwrap());
    let streams = [watch(&binary, site.head().await).await, watch(&json, site.head().await).await];
    site.shutdown.begin();
    for stream in streams {
        assert!(matches!(refused(end(stream).await), Code::Busy { retry_after_ms: 1_000 }));
    }
    site.serving.await.unwrap();
}

#[tokio::test]
async fn a_stream_is_refused_like_any_request() {
    let site = Site::start().await;
    let log = site.head().await.log;
    let reply = send(get(&site, &format!("watch?log={log}&position=1"))).await;
    let document = reply.problem(410, "cursor-gone");
    assert_eq!(document["cursor"]["log"], log.to_string());
}
