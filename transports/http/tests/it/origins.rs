//! Logs of many origins: a bound at the door, and service for a log that is beyond it already.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syncline::format::Heads;
use syncline::format::run::VerifiedRun;
use syncline::limits::{HEADS_MAX, PUSH_ORIGINS_MAX};
use syncline::protocol::{Answer, Code, Have, Pull, Reply, Request};
use syncline::store::{Limit, WriteBatch};
use syncline::{EventStore, MemoryStore, ReplicaId, Storage, Transport, TransportError};
use syncline_conformance::{Author, new_log_id, space};
use syncline_http::RouterOptions;

use crate::asking::{get, post_json, send};
use crate::people::SPACE;
use crate::pooled::{Pool, serve_log};
use crate::site::{Plan, Site, message, push, pushed};

fn origin(number: u32) -> ReplicaId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ReplicaId::from_bytes(bytes).unwrap()
}

/// A bundle each of so many origins, from the first on.
fn bundles(numbers: impl IntoIterator<Item = u32>) -> Vec<VerifiedRun> {
    numbers.into_iter().map(|number| Author::with_origin(origin(number)).write(1)).collect()
}

/// A site whose log has a bundle of each of so many origins: they came when nobody counted.
async fn crowded(origins: u32) -> Site {
    let site = Site::plan(Plan::default()).await;
    let log = site.storage.open(&space(SPACE)).await.unwrap();
    log.commit(WriteBatch { runs: bundles(0..origins), ..WriteBatch::default() }).await.unwrap();
    site
}

fn refused(result: Result<Answer, TransportError>) -> Code {
    match result.unwrap_err() {
        TransportError::Refused(problem) => problem.code,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_log_takes_no_more_origins_than_it_may_have_and_goes_on_with_those_that_it_has() {
    let site = Site::plan(Plan { origins_max: Some(3), ..Plan::default() }).await;
    let ann = site.ann();
    let mut known = Author::with_origin(origin(0));
    pushed(ann.call(push([known.write(1)])).await);
    pushed(ann.call(push(bundles([1]))).await);
    let before = site.log().await;
    // All or nothing: one of both would have room.
    assert_eq!(refused(ann.call(push(bundles([2, 3]))).await), Code::TooManyOrigins { max: 3 });
    assert_eq!(site.log().await, before);
    pushed(ann.call(push(bundles([2]))).await);
    assert_eq!(refused(ann.call(push(bundles([3]))).await), Code::TooManyOrigins { max: 3 });
    pushed(ann.call(push([known.write(5)])).await);
    pushed(ann.call(push(bundles([0, 1, 2]))).await);
    let document = send(post_json(&site, "push", serde_json::to_vec(&message(bundles([3]))).unwrap())).await;
    let document = document.problem(409, "too-many-origins");
    assert_eq!(document["max"], 3);
}

#[tokio::test]
async fn a_device_whose_origin_finds_no_room_still_reads_and_says_why_it_is_not_in_sync() {
    let site = Site::plan(Plan { origins_max: Some(2), ..Plan::default() }).await;
    pushed(site.ann().call(push(bundles([0, 1]))).await);
    let replica = crate::live::replica(9).await;
    crate::live::write(&replica, 10, 1).await;
    let report = replica.sync(&site.ann()).await.unwrap();
    assert_eq!(report.stopped.as_ref().map(|problem| &problem.code), Some(&Code::TooManyOrigins { max: 2 }));
    assert_eq!((report.pulled, report.pushed), (2, 0));
    let status = replica.status().await.unwrap();
    assert!(!status.in_sync() && status.pending == 1, "{status:?}");
}

#[tokio::test]
async fn a_push_brings_so_many_origins_at_most_and_a_replica_that_supplies_more_splits_them() {
    let site = Site::start().await;
    let many = PUSH_ORIGINS_MAX as u32 + 1;
    assert_eq!(refused(site.ann().call(push(bundles(0..many))).await), Code::TooLarge);
    assert!(site.log().await.heads.is_empty());
    let (replica, supplied) = (crate::live::replica(9).await, u64::from(many) + 700);
    let report = replica.sync(&crowded(many + 700).await.ann()).await.unwrap();
    assert_eq!(report.pulled, supplied);
    let report = replica.sync(&site.ann()).await.unwrap();
    assert!(report.is_complete() && report.supplied == supplied, "{report:?}");
}

/// Beyond one message of heads, and not beyond two.
const CROWD: u32 = HEADS_MAX as u32 + 40;

#[tokio::test]
async fn a_log_beyond_the_bound_is_served_in_pages_and_fresh_and_old_replicas_sync_with_it() {
    let site = crowded(CROWD).await;
    let ann = site.ann();
    let Reply::Heads(first) = ann.call(Request::Heads(space(SPACE))).await.unwrap().reply else { panic!() };
    assert_eq!(first.heads.len(), HEADS_MAX);
    let last = first.heads.end_of_full_page().unwrap();
    let Reply::Heads(rest) = ann.call(Request::HeadsAfter(space(SPACE), last)).await.unwrap().reply else { panic!() };
    let all: Heads = first.heads.iter().chain(rest.heads.iter()).collect();
    assert_eq!((rest.heads.len(), all), (40, site.log().await.heads));

    let replica = crate::live::replica(9).await;
    for (pulled, round) in [(u64::from(CROWD), 1), (0, 2), (3, 3)] {
        if round == 3 {
            let mut known = Author::resume(origin(CROWD - 1), site.log().await.heads.get(origin(CROWD - 1)));
            pushed(ann.call(push([known.write(3)])).await);
        }
        let report = replica.sync(&ann).await.unwrap();
        assert!(report.is_complete() && report.pulled == pulled, "round {round}: {report:?}");
        assert!(replica.status().await.unwrap().in_sync());
    }
    assert_eq!(refused(ann.call(push(bundles([CROWD]))).await), Code::TooManyOrigins { max: HEADS_MAX as u32 });
}

#[tokio::test]
async fn a_page_of_heads_begins_where_it_is_asked_to_and_nonsense_is_malformed() {
    let site = crowded(3).await;
    let (first, log) = (origin(0), site.log().await);
    let reply = send(get(&site, &format!("heads?after={first}"))).await;
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["reply"]["heads"]["heads"].as_object().unwrap().len(), log.heads.len() - 1);
    for query in ["after=7", "after=", "after=zz"] {
        send(get(&site, &format!("heads?{query}"))).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_pull_by_heads_costs_the_same_however_many_origins_are_lacking() {
    let pool = Pool::new();
    let log = Arc::new(MemoryStore::new(new_log_id()));
    log.commit(WriteBatch { runs: bundles(0..4_000), ..WriteBatch::default() }).await.unwrap();
    let heads = log.status().await.unwrap().heads;
    let client = serve_log(&pool, log, RouterOptions::default()).await;
    for known in [1, 40, 2_000, 3_900, 3_999] {
        let have = Have::Heads(heads.iter().take(known).collect());
        let before = pool.asked.load(Ordering::Relaxed);
        let (mut pull, mut fetched) = (Pull { have, without: None, limit: Limit::PAGE }, 0);
        loop {
            let answer = client.call(Request::Pull(space(SPACE), pull.clone())).await.unwrap();
            let Reply::Pull(page) = answer.reply else { panic!("{answer:?}") };
            fetched += page.runs.len();
            if page.next.position == page.head {
                break;
            }
            pull.have = Have::Cursor(page.next);
        }
        let asked = pool.asked.load(Ordering::Relaxed) - before;
        assert_eq!(fetched, 4_000 - known);
        assert!(asked <= 110, "{asked} questions while {known} of 4,000 origins were known");
    }
}
