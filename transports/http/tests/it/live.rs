//! Live replicas behind portals, gateways and proxies: nothing that passes ends them, and what they write goes out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use http::StatusCode;
use syncline::replica::{AckLevel, Outcome, Pause, Schedule, SyncError, SyncReport};
use syncline::{Dot, Event, MemoryStorage, Replica, Storage, Transport, TransportError};
use syncline_conformance::peer::noise;
use syncline_conformance::{NOTE, new_log_id, space};
use syncline_http::{Backoff, RouterOptions, ServerOptions};

use crate::fleet::in_time;
use crate::front::{Front, Rule};
use crate::people::{ANN, BEN, SPACE};
use crate::site::{NOW, Plan, SOON, Site};

/// Tries again nearly at once.
const AT_ONCE: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(20) };

pub(crate) async fn replica(byte: u8) -> Replica {
    let store = MemoryStorage::new(new_log_id).open(&space(SPACE)).await.unwrap();
    let id = syncline::ReplicaId::from_bytes([byte; 16]).unwrap();
    Replica::compose(space(SPACE), store).clock(|| NOW).open(id).await.unwrap()
}

/// Writes a bundle of so many bytes that nothing makes smaller.
pub(crate) async fn write(replica: &Replica, bytes: usize, seed: u64) -> Dot {
    let parts = noise(bytes, seed);
    let events: Vec<_> = parts.chunks(200_000).map(|part| Event::new(NOTE, part.to_vec())).collect();
    replica.write(&events).await.unwrap().dot
}

/// Waits until so many requests have come.
async fn asked(front: &Front, times: usize) {
    while front.count() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_foreign_answer_ends_a_live_sync() {
    let site = Site::start().await;
    let front = Front::before(&site, Rule::Pass).await;
    let (one, way) = (replica(1).await, front.client(ANN).build().unwrap());
    let live = tokio::spawn({
        let one = one.clone();
        async move { one.live(&way, &AT_ONCE).await }
    });
    in_time(async {
        let statuses = [
            200, 204, 301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 408, 409, 410, 413, 415, 422, 425, 429, 451,
            500, 501, 502, 503, 504, 511, 520, 522, 530,
        ];
        for (number, status) in statuses.into_iter().enumerate() {
            let headers = vec![("location", "http://127.0.0.1:1/"), ("retry-after", "0")];
            front.set(Rule::Answer(StatusCode::from_u16(status).unwrap(), headers));
            front.asked();
            let dot = write(&one, 10, number as u64).await;
            asked(&front, 3).await;
            front.set(Rule::Pass);
            assert_eq!(one.wait_for(dot, AckLevel::Peer).await.unwrap(), Outcome::Stored, "{status}");
            assert!(!live.is_finished(), "{status}");
        }
    })
    .await;
    live.abort();
}

#[tokio::test]
async fn a_refusal_of_the_server_itself_ends_a_live_sync() {
    let site = Site::start().await;
    let front = Front::before(&site, Rule::Pass).await;
    let one = replica(1).await;
    let Err(ended) = in_time(one.live(&front.client("forged").build().unwrap(), &AT_ONCE)).await;
    assert!(matches!(ended, SyncError::Transport(TransportError::Refused(_))), "{ended:?}");
}

/// Time is the runtime's own here: nothing is waited for.
#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_pause_gets_it_up_to_an_hour() {
    let foreign = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        SyncError::Transport(TransportError::Foreign { source: "a gateway".into(), retry_after })
    };
    for (asked, least, most) in [(0, 0, 60), (30, 30, 60), (300, 300, 340), (1_000_000, 3_600, 4_100)] {
        let begun = tokio::time::Instant::now();
        Backoff::default().pause(Pause::Failed { error: &foreign(asked), times: 1 }).await;
        let waited = begun.elapsed().as_secs();
        assert!((least..=most).contains(&waited), "{waited} s after being asked for {asked} s");
    }
}

#[tokio::test]
async fn pushes_become_as_small_as_the_way_needs_and_stay_so() {
    for (most, says) in [(512 * 1024, true), (512 * 1024, false), (100 * 1024, true), (100 * 1024, false)] {
        let site = Site::start().await;
        let front = Front::before(&site, Rule::Asked { most, says }).await;
        let (one, other, way) = (replica(1).await, replica(2).await, front.client(ANN).build().unwrap());
        write(&other, 1_000, 7).await;
        other.sync(&site.ann()).await.unwrap();
        for number in 0..50 {
            write(&one, 60_000, number).await;
        }
        let report = one.sync(&way).await.unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.pushed, report.pulled), (50, 1));
        for number in 50..60 {
            write(&one, 60_000, number).await;
        }
        front.asked();
        let report = one.sync(&way).await.unwrap();
        let pushes = front.asked().iter().filter(|path| *path == "push").count();
        assert!(report.is_complete() && pushes <= 10, "{pushes} pushes: {report:?}");
    }
}

#[tokio::test]
async fn a_bundle_that_is_too_large_for_the_way_is_named_and_holds_up_only_what_follows_it() {
    for says in [true, false] {
        let site = Site::start().await;
        let front = Front::before(&site, Rule::Asked { most: 100 * 1024, says }).await;
        let (one, other, way) = (replica(1).await, replica(2).await, front.client(ANN).build().unwrap());
        write(&other, 1_000, 7).await;
        other.sync(&site.ann()).await.unwrap();
        let mut dots = Vec::new();
        for (number, bytes) in [30_000, 30_000, 300_000, 30_000].into_iter().enumerate() {
            dots.push(write(&one, bytes, number as u64).await);
        }
        let report = one.sync(&way).await.unwrap();
        let oversized = report.oversized.expect("the third bundle does not pass");
        assert_eq!((oversized.dot, report.pushed, report.pulled), (dots[2], 2, 1), "{report:?}");
        assert!(oversized.bytes > 300_000 && oversized.bytes < 310_000 && !report.is_complete());
        front.set(Rule::Pass);
        let report = one.sync(&way).await.unwrap();
        assert!(report.is_complete() && report.pushed == 2, "{report:?}");
    }
}

#[tokio::test]
async fn pulls_become_as_small_as_the_way_needs() {
    for most in [512 * 1024, 100 * 1024] {
        let site = Site::start().await;
        let front = Front::before(&site, Rule::Answered { most }).await;
        let (one, other) = (replica(1).await, replica(2).await);
        for number in 0..50 {
            write(&other, 60_000, number).await;
        }
        other.sync(&site.ann()).await.unwrap();
        let report = one.sync(&front.client(ANN).build().unwrap()).await.unwrap();
        assert!(report.is_complete() && report.pulled == 50, "{report:?}");
    }
}

/// Hears when a watch is trusted.
#[derive(Debug, Default)]
struct Listening(Arc<Mutex<bool>>);

#[async_trait]
impl Schedule for Listening {
    async fn synced(&self, _: &SyncReport) {}

    async fn pause(&self, why: Pause<'_>) {
        *self.0.lock().unwrap() = matches!(why, Pause::Watching);
        AT_ONCE.pause(why).await;
    }
}

#[tokio::test]
async fn a_proxy_that_holds_back_the_watch_delays_neither_own_writes_nor_news_and_is_watched_when_it_lets_it_through() {
    for rule in [Rule::HoldsWatches, Rule::HoldsNotices] {
        let site = Site::start().await;
        let front = Front::before(&site, rule.clone()).await;
        let (one, other) = (replica(1).await, replica(2).await);
        let (way, schedule) = (front.client(ANN).watch_patience(SOON).build().unwrap(), Listening::default());
        let (listening, mut changes) = (schedule.0.clone(), one.watch());
        let live = tokio::spawn({
            let one = one.clone();
            async move { one.live(&way, &schedule).await }
        });
        in_time(async {
            for number in 0..3 {
                let dot = write(&one, 10, number).await;
                assert_eq!(one.wait_for(dot, AckLevel::Peer).await.unwrap(), Outcome::Stored);
            }
            write(&other, 10, 9).await;
            other.sync(&site.client(ANN).build().unwrap()).await.unwrap();
            while one.status().await.unwrap().head.get() < 4 {
                changes.next().await;
            }
            assert!(!*listening.lock().unwrap(), "{rule:?}: nothing has come through");
            front.set(Rule::Pass);
            while !*listening.lock().unwrap() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(!live.is_finished());
        live.abort();
    }
}

#[tokio::test]
async fn a_reader_that_writes_goes_on_reading() {
    let site = Site::start().await;
    let front = Front::before(&site, Rule::Pass).await;
    let (one, other, way) = (replica(1).await, replica(2).await, front.client(BEN).build().unwrap());
    let mut changes = one.watch();
    write(&one, 10, 1).await;
    let live = tokio::spawn({
        let one = one.clone();
        async move { one.live(&way, &AT_ONCE).await }
    });
    in_time(async {
        write(&other, 10, 2).await;
        other.sync(&site.ann()).await.unwrap();
        while one.status().await.unwrap().head.get() < 2 {
            changes.next().await;
        }
    })
    .await;
    assert!(!live.is_finished());
    live.abort();
}

#[tokio::test]
async fn watch_streams_leave_room_for_everything_else_and_those_without_one_ask_for_news() {
    let router = RouterOptions::default().with_watches_max(3);
    let server = ServerOptions::default().with_connections_max(5);
    let site = Site::plan(Plan { router, server, ..Plan::default() }).await;
    let mut lives = Vec::new();
    let mut replicas = Vec::new();
    in_time(async {
        for byte in 1..=12 {
            let (one, way) = (replica(byte).await, site.client(ANN).attempts(4).build().unwrap());
            let dot = write(&one, 10, u64::from(byte)).await;
            lives.push(tokio::spawn({
                let one = one.clone();
                async move { one.live(&way, &Hurried).await }
            }));
            assert_eq!(one.wait_for(dot, AckLevel::Peer).await.unwrap(), Outcome::Stored);
            replicas.push(one);
            assert_eq!(crate::asking::send(crate::asking::http().get(site.url("/healthz"))).await.status, 200);
        }
        for one in &replicas {
            let mut changes = one.watch();
            while one.status().await.unwrap().head.get() < 12 {
                changes.next().await;
            }
        }
    })
    .await;
    assert!(lives.iter().all(|live| !live.is_finished()));
    let refused = site.ann().watch(&space(SPACE), site.head().await).await.err();
    let refused = refused.expect("all streams are taken");
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(15)), "{refused}");
    lives.iter().for_each(|live| live.abort());
}

/// Does not wait as long as it is asked to.
#[derive(Debug)]
struct Hurried;

#[async_trait]
impl Schedule for Hurried {
    async fn synced(&self, _: &SyncReport) {}

    async fn pause(&self, _: Pause<'_>) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
