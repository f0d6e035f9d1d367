//! Live sync never ends for something that passes, and forgets nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::world::*;
use async_trait::async_trait;
use futures_util::future::{pending, select};
use futures_util::stream::{BoxStream, StreamExt};
use syncline::protocol::{Answer, Code, Notice, Problem, Request};
use syncline::replica::{AckLevel, Outcome, Pause, Schedule, SyncError, SyncReport};
use syncline::{Cursor, Replica, SpaceId, Transport, TransportError};

/// What a way does instead of carrying a call.
type Trouble = Box<dyn Fn(&Request) -> Option<TransportError> + Send + Sync>;

/// A way that meets one trouble after the other, each once.
struct Troubled<T> {
    way: T,
    calls: Mutex<VecDeque<Trouble>>,
    watches: Mutex<VecDeque<TransportError>>,
    /// Whether watches never open.
    never_opens: bool,
    /// Whether notices vanish.
    deaf: Arc<AtomicBool>,
}

impl<T> std::fmt::Debug for Troubled<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Troubled")
    }
}

fn troubled<T>(way: T) -> Troubled<T> {
    Troubled { way, calls: Mutex::default(), watches: Mutex::default(), never_opens: false, deaf: Arc::default() }
}

impl<T> Troubled<T> {
    /// The next call of this kind fails with this.
    fn fails(self, picks: fn(&Request) -> bool, error: impl Fn() -> TransportError + Send + Sync + 'static) -> Self {
        self.calls.lock().unwrap().push_back(Box::new(move |request| picks(request).then(&error)));
        self
    }
}

#[async_trait]
impl<T: Transport> Transport for Troubled<T> {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let error = self.calls.lock().unwrap().front().and_then(|trouble| trouble(&request));
        match error {
            Some(error) => {
                self.calls.lock().unwrap().pop_front();
                Err(error)
            }
            None => self.way.call(request).await,
        }
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        if let Some(error) = self.watches.lock().unwrap().pop_front() {
            return Err(error);
        }
        if self.never_opens {
            return pending().await;
        }
        let (notices, deaf) = (self.way.watch(space, after).await?, self.deaf.clone());
        Ok(notices.filter(move |_| std::future::ready(!deaf.load(Ordering::SeqCst))).boxed())
    }
}

/// Pauses for no time after failures, and polls so often; notes every pause.
#[derive(Debug, Default)]
struct Quick {
    paused: Mutex<Vec<&'static str>>,
    polls: Mutex<usize>,
}

impl Quick {
    fn polling(polls: usize) -> Self {
        Self { polls: Mutex::new(polls), ..Self::default() }
    }

    fn may_poll(&self) -> bool {
        let mut polls = self.polls.lock().unwrap();
        let may = *polls > 0;
        *polls -= usize::from(may);
        may
    }

    /// Waits until it pauses for this reason.
    async fn reaches(&self, why: &str) {
        while self.paused().last().copied() != Some(why) {
            yield_now().await;
        }
    }

    fn paused(&self) -> Vec<&'static str> {
        self.paused.lock().unwrap().clone()
    }
}

#[async_trait]
impl Schedule for Quick {
    async fn synced(&self, _: &SyncReport) {}

    async fn pause(&self, why: Pause<'_>) {
        let (name, waits) = match why {
            Pause::Failed { .. } => ("failed", false),
            Pause::Incomplete { .. } => ("incomplete", false),
            Pause::Polling { .. } => ("polling", true),
            Pause::Watching => ("watching", true),
            _ => panic!("an unknown pause: {why:?}"),
        };
        self.paused.lock().unwrap().push(name);
        yield_now().await;
        while waits && !self.may_poll() {
            yield_now().await;
        }
    }
}

fn is_push(request: &Request) -> bool {
    matches!(request, Request::Push(..))
}

fn any(_: &Request) -> bool {
    true
}

fn refused(code: Code) -> TransportError {
    Problem::new(code, "no").into()
}

/// Lives until the future has come to its end.
async fn live_until<T>(replica: &Replica, way: &dyn Transport, schedule: &Quick, goal: impl Future<Output = T>) -> T {
    let live = std::pin::pin!(replica.live(way, schedule));
    match select(live, std::pin::pin!(goal)).await {
        futures_util::future::Either::Left((Err(error), _)) => panic!("live sync has ended: {error}"),
        futures_util::future::Either::Right((goal, _)) => goal,
    }
}

fn is_stored(replica: &Replica, way: &dyn Transport) -> Vec<&'static str> {
    block_on(async {
        let schedule = Quick::default();
        let written = replica.write(&[set("a", "1")]).await.unwrap();
        let outcome = live_until(replica, way, &schedule, replica.wait_for(written.dot, AckLevel::Peer)).await;
        assert_eq!(outcome.unwrap(), Outcome::Stored);
        schedule.paused()
    })
}

#[test]
fn a_push_that_the_peer_cannot_take_for_the_moment_is_made_again() {
    let clock = Hand::at(100);
    for code in [Code::Internal, Code::Busy { retry_after_ms: 5 }] {
        let (service, one) = (service(&clock), replica(1, &clock));
        let answer = code.clone();
        let way = troubled(way(&service)).fails(is_push, move || refused(answer.clone()));
        let paused = is_stored(&one, &way);
        assert_eq!(paused[0], "incomplete", "{code:?}: {paused:?}");
    }
}

#[test]
fn what_is_stopped_without_a_time_is_tried_again_too() {
    let clock = Hand::at(100);
    for code in [Code::Forbidden { origins: Vec::new() }, Code::Malformed] {
        let (service, one) = (service(&clock), replica(1, &clock));
        let way = troubled(way(&service)).fails(is_push, move || refused(code.clone()));
        assert_eq!(is_stored(&one, &way)[0], "incomplete");
    }
}

#[test]
fn a_bundle_held_back_is_asked_for_again() {
    let (now, fast) = (Hand::at(1_000_000), Hand::at(1_000_000 + 3_600));
    let lax = Arc::new(
        syncline::Service::new(storage(), Arc::new(syncline::authority::AllowAll), Arc::new(now.reader()))
            .with_max_drift(Duration::from_secs(86_400)),
    );
    let (ahead, one) = (replica(1, &fast), replica(2, &now));
    block_on(async {
        ahead.write(&[set("a", "early")]).await.unwrap();
        ahead.sync(&way(&lax)).await.unwrap();
        let schedule = Quick::default();
        let later = async {
            while schedule.paused().len() < 3 {
                yield_now().await;
            }
            now.set(1_000_000 + 3_600);
            while one.view(Pairs).unwrap().get(b"a").await.unwrap().is_none() {
                yield_now().await;
            }
        };
        live_until(&one, &way(&lax), &schedule, later).await;
        assert!(schedule.paused()[..3].iter().all(|why| *why == "incomplete"), "{:?}", schedule.paused());
    });
    assert_eq!(pairs(&one)["a"], "early");
}

/// Lets the other side run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn passing() -> Vec<fn() -> TransportError> {
    vec![
        || TransportError::Unreachable("nobody listens".into()),
        || TransportError::Interrupted("the answer is lost".into()),
        || TransportError::Foreign { source: "a portal".into(), retry_after: None },
        || TransportError::Foreign { source: "a gateway".into(), retry_after: Some(Duration::from_secs(30)) },
        || TransportError::Garbled("noise".into()),
        || refused(Code::Internal),
        || refused(Code::Busy { retry_after_ms: 1 }),
    ]
}

#[test]
fn nothing_that_passes_ends_a_live_sync() {
    let clock = Hand::at(100);
    for error in passing() {
        for picks in [any as fn(&Request) -> bool, is_push, |request| matches!(request, Request::Pull(..))] {
            let (service, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
            block_on(other.write(&[set("b", "2")])).unwrap();
            block_on(other.sync(&way(&service))).unwrap();
            let way = (0..4).fold(troubled(way(&service)), |way, _| way.fails(picks, error));
            is_stored(&one, &way);
        }
    }
}

#[test]
fn only_what_the_peer_itself_says_for_good_ends_a_live_sync() {
    let clock = Hand::at(100);
    for code in [Code::Unauthorized, Code::UnknownSpace, Code::Unsupported] {
        let (service, one) = (service(&clock), replica(1, &clock));
        let answer = code.clone();
        let way = troubled(way(&service)).fails(any, move || refused(answer.clone()));
        let Err(ended) = block_on(one.live(&way, &Quick::default()));
        assert!(
            matches!(&ended, SyncError::Transport(TransportError::Refused(problem)) if problem.code == code),
            "{ended:?}"
        );
    }
}

#[test]
fn a_watch_that_does_not_begin_is_begun_again_after_a_pause() {
    let clock = Hand::at(100);
    let gone = || refused(Code::CursorGone { cursor: Cursor::start(syncline::LogId::from_bytes([9; 16]).unwrap()) });
    for error in passing().into_iter().chain([gone as fn() -> TransportError]) {
        let (service, one) = (service(&clock), replica(1, &clock));
        let way = troubled(way(&service));
        way.watches.lock().unwrap().push_back(error());
        let schedule = Quick::polling(1);
        block_on(live_until(&one, &way, &schedule, schedule.reaches("watching")));
        assert!(schedule.paused().contains(&"polling"), "{:?}", schedule.paused());
    }
}

#[test]
fn own_writes_do_not_wait_for_a_watch_to_begin() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), replica(1, &clock));
    let way = Troubled { never_opens: true, ..troubled(way(&service)) };
    let schedule = Quick::default();
    block_on(live_until(&one, &way, &schedule, async {
        for number in 0..5 {
            schedule.reaches("polling").await;
            let written = one.write(&[set("a", &number.to_string())]).await.unwrap();
            assert_eq!(one.wait_for(written.dot, AckLevel::Peer).await.unwrap(), Outcome::Stored);
        }
    }));
}

#[test]
fn news_is_asked_for_as_long_as_no_notice_comes_though_the_log_moves() {
    let clock = Hand::at(100);
    let (service, one, other) = (service(&clock), replica(1, &clock), replica(2, &clock));
    let (silent, schedule, mut changes) = (troubled(way(&service)), Quick::default(), one.watch());
    let news = async |value: &str| {
        other.write(&[set("b", value)]).await.unwrap();
        other.sync(&way(&service)).await.unwrap();
    };
    block_on(live_until(&one, &silent, &schedule, async {
        schedule.reaches("watching").await;
        silent.deaf.store(true, Ordering::SeqCst);
        for round in 0..3 {
            news(&round.to_string()).await;
            *schedule.polls.lock().unwrap() = 1;
            changes.next().await;
            schedule.reaches("polling").await;
        }
        silent.deaf.store(false, Ordering::SeqCst);
        news("told").await;
        changes.next().await;
        schedule.reaches("watching").await;
    }));
    assert_eq!(pairs(&one)["b"], "told");
}
