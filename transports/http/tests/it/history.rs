//! Pushes that contradict the log: gaps, forks, times from the future. Nothing of them is taken.

use std::time::Duration;

use syncline::format::codec;
use syncline::format::run::Run;
use syncline::format::time::after;
use syncline::protocol::{Code, Push, Request};
use syncline::{Cursor, Dot, LogId, NTP64, Position, Seq, Transport, TransportError};
use syncline_conformance::Author;

use crate::asking::{post, send};
use crate::site::{NOW, Site, message, pull, push, pushed};

/// The problem that the client reads back.
async fn refusal(site: &Site, request: Request) -> Code {
    match site.ann().call(request).await {
        Err(TransportError::Refused(problem)) => problem.code,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_gap_names_the_bundle_that_is_taken_next() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let before = site.seed(&mut ann).await;
    ann.write(1);
    let late = ann.write(1);
    let at = Dot { origin: ann.origin(), seq: Seq::new(5) };
    let document = send(post(&site, "push", codec::encode(&message([late.clone()])))).await.problem(409, "gap");
    assert_eq!(document["expected"], 4);
    assert_eq!(document["at"]["seq"], 5);
    assert_eq!(refusal(&site, push([late])).await, Code::Gap { at, expected: Seq::new(4) });
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn another_bundle_under_the_same_dot_is_a_fork() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let mut clone = ann.clone();
    let before = site.seed(&mut ann).await;
    let forked = clone.write_bodies(&[b"other"]);
    let at = Dot { origin: ann.origin(), seq: Seq::new(1) };
    let document = send(post(&site, "push", codec::encode(&message([forked.clone()])))).await.problem(409, "fork");
    assert_eq!(document["at"]["origin"], ann.origin().to_string());
    assert_eq!(refusal(&site, push([forked])).await, Code::Fork { at });
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_run_whose_chain_is_wrong_is_a_fork() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let before = site.seed(&mut ann).await;
    let mut bytes = ann.write(1).run().as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let run = Run::decode(bytes.into()).unwrap();
    send(post(&site, "push", codec::encode(&Push { runs: vec![run] }))).await.problem(409, "fork");
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_time_too_far_ahead_says_by_how_much() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let before = site.seed(&mut ann).await;
    let far = ann.write_timed([(after(NOW, Duration::from_secs(3_600)), b"early")]);
    let document = send(post(&site, "push", codec::encode(&message([far.clone()])))).await.problem(422, "clock-ahead");
    assert_eq!(document["allowed_ms"], 60_000);
    let Code::ClockAhead { ahead_ms, .. } = refusal(&site, push([far])).await else { panic!("a clock-ahead") };
    assert!((3_599_000..=3_600_000).contains(&ahead_ms), "{ahead_ms}");
    let endless = Author::new(2).write_timed([(NTP64(u64::MAX), b"never")]);
    assert!(matches!(refusal(&site, push([endless])).await, Code::ClockAhead { .. }));
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_push_with_one_bad_run_stores_none_of_its_good_ones() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    let mut gappy = Author::new(3);
    gappy.write(1);
    let mixed = push([Author::new(2).write(2), gappy.write(1)]);
    assert!(matches!(refusal(&site, mixed).await, Code::Gap { .. }));
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_cursor_that_the_log_cannot_serve_is_gone() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    let foreign = Cursor::start(LogId::from_bytes([9; 16]).unwrap());
    let beyond = Cursor { log: before.log, position: Position::new(99) };
    for cursor in [foreign, beyond] {
        assert_eq!(refusal(&site, pull(cursor)).await, Code::CursorGone { cursor });
        let watched = site.ann().watch(&syncline_conformance::space("notes"), cursor).await.err();
        assert!(
            matches!(watched, Some(TransportError::Refused(problem)) if problem.code == Code::CursorGone { cursor })
        );
    }
}

#[tokio::test]
async fn a_push_that_was_stored_already_is_answered_again() {
    let site = Site::start().await;
    let request = push([Author::new(1).write(3)]);
    let first = pushed(site.ann().call(request.clone()).await);
    let again = pushed(site.ann().call(request).await);
    assert_eq!((first.log, &first.through), (again.log, &again.through));
    assert_eq!(site.head().await.position.get(), 3);
}
