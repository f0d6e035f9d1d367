//! What a switch lets through, and what is told of it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use demo::message::{Came, What};
use demo::{Link, Messages, Passage};
use futures_util::stream::{self, BoxStream, StreamExt};
use syncline::protocol::{Answer, Hello, Notice, Reply, Request};
use syncline::{Cursor, LogId, NTP64, SpaceId, Transport, TransportError};
use tokio::sync::watch;
use tokio::time::Instant;

/// Answers every hello, and tells one notice.
#[derive(Debug)]
struct Echo;

#[async_trait]
impl Transport for Echo {
    async fn call(&self, _: Request) -> Result<Answer, TransportError> {
        let hello = Hello { versions: vec![1], run_versions: vec![1], frame_bytes_max: 1, drift_ms_max: 1 };
        Ok(Answer { clock: NTP64(1), reply: Reply::Hello(hello) })
    }

    async fn watch(
        &self,
        _: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        let notice = stream::once(async move { Ok(Notice { head: after }) });
        Ok(notice.chain(stream::pending()).boxed())
    }
}

fn link() -> Link {
    Link::over(Arc::new(Echo), Messages::new(watch::Sender::new(0)))
}

/// What came of the last message.
fn last(link: &Link) -> (What, Came) {
    let (_, message) = link.messages().last(1).remove(0);
    (message.what, message.came)
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_holds_a_message_back_for_a_second() {
    let link = link();
    link.set(Passage::Slow);
    let begin = Instant::now();
    link.call(Request::Hello).await.unwrap();
    assert_eq!((begin.elapsed(), last(&link)), (Duration::from_secs(1), (What::Hello, Came::Answer)));
}

#[tokio::test(start_paused = true)]
async fn a_cut_loses_what_is_on_its_way_and_stops_what_has_not_begun() {
    let link = link();
    link.set(Passage::Slow);
    let underway = tokio::spawn({
        let link = link.clone();
        async move { link.call(Request::Hello).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(last(&link), (What::Hello, Came::Nothing));
    link.set(Passage::Cut);
    assert!(matches!(underway.await.unwrap(), Err(TransportError::Interrupted(_))), "it may have arrived");
    assert_eq!(last(&link), (What::Hello, Came::Lost("the link is cut".into())));
    assert!(matches!(link.call(Request::Hello).await, Err(TransportError::Unreachable(_))), "it has not");
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_any_more_is_told_as_given_up() {
    let link = link();
    link.set(Passage::Slow);
    let mut call = Box::pin(link.call(Request::Hello));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    assert_eq!(last(&link), (What::Hello, Came::GivenUp));
}

#[tokio::test]
async fn a_cut_ends_a_watch_with_an_error_and_each_notice_is_told() {
    let (link, space) = (link(), SpaceId::new("household").unwrap());
    let log = LogId::from_bytes([7; 16]).unwrap();
    let mut notices = link.watch(&space, Cursor::start(log)).await.unwrap();
    notices.next().await.unwrap().unwrap();
    assert_eq!(last(&link), (What::Notice { head: 0 }, Came::Answer));
    link.set(Passage::Cut);
    assert!(matches!(notices.next().await, Some(Err(TransportError::Interrupted(_)))));
    assert!(notices.next().await.is_none());
    assert_eq!(last(&link), (What::Watch, Came::Lost("the link is cut".into())));
}
