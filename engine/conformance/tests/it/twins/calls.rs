//! Faults in carrying requests and answers.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use syncline::TransportError;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Heads, Run};
use syncline::protocol::{Answer, Code, Have, Pull, Pulled, Reply, Request};
use syncline::store::Limit;
use tokio::task::yield_now;

use crate::broken_transports::Broken;
use crate::line::{Answered, Fault, answers, calls, lost, refuses, requests, sound};
use crate::spoil::without_sign;

pub(crate) fn all() -> Vec<Broken> {
    let mut all = answering();
    all.extend(connections());
    all.extend(pushes());
    all.extend(room());
    all.extend(pulls());
    all
}

fn answering() -> Vec<Broken> {
    vec![
        (
            "speaks no version",
            &["hello_says_what_the_peer_can_do"],
            answers(|answer| {
                if let Reply::Hello(hello) = &mut answer.reply {
                    hello.versions.clear();
                }
            }),
        ),
        (
            "leaves heads out of pages",
            &["every_answer_is_the_one_the_service_gives"],
            answers(|answer| {
                if let Reply::Pull(pulled) = &mut answer.reply {
                    pulled.heads = None;
                }
            }),
        ),
        (
            "tells heads from the first origin on, whatever is asked",
            &["every_answer_is_the_one_the_service_gives"],
            requests(|request| {
                if let Request::HeadsAfter(space, _) = request {
                    *request = Request::Heads(space.clone());
                }
            }),
        ),
        (
            "keeps clocks as integers with a sign",
            &["every_answer_brings_the_peers_clock"],
            answers(|answer| answer.clock = without_sign(answer.clock)),
        ),
        (
            "keeps heads' times as integers with a sign",
            &["heads_arrive_as_the_peer_has_them"],
            answers(|answer| {
                if let Reply::Heads(peer) = &mut answer.reply {
                    let mut spoilt = Heads::new();
                    for (origin, mut head) in peer.heads.iter() {
                        head.time = without_sign(head.time);
                        spoilt.set(origin, head);
                    }
                    peer.heads = spoilt;
                }
            }),
        ),
    ]
}

/// Gives each caller the answer that came last.
fn one_slot() -> Fault {
    let slot: Arc<Mutex<Option<Answered>>> = Arc::default();
    calls(move |direct, request| {
        let slot = slot.clone();
        Box::pin(async move {
            let answer = direct.call(request).await;
            *slot.lock().unwrap() = Some(answer);
            yield_now().await;
            let latest = slot.lock().unwrap().take();
            latest.unwrap_or_else(|| Err(lost()))
        })
    })
}

/// Lets so many calls wait that one slow call is not noticed.
fn eight_places() -> Fault {
    let places = Arc::new(tokio::sync::Semaphore::new(8));
    calls(move |direct, request| {
        let places = places.clone();
        Box::pin(async move {
            let _place = places.acquire().await.unwrap();
            direct.call(request).await
        })
    })
}

/// Says that it was dropped before it was done.
struct Guard<'a>(&'a AtomicBool, bool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(!self.1, Ordering::SeqCst);
    }
}

/// The laws by which every caller gets the answer to their own call.
const NOT_MIXED: &[&str] = &[
    "concurrent_answers_do_not_mix",
    "concurrent_pushes_are_answered_each_for_its_own",
    "concurrent_pulls_bring_each_its_own",
    "concurrent_pieces_come_each_for_its_own",
    "problems_belong_to_their_calls",
];

fn connections() -> Vec<Broken> {
    let (turn, first, broken, made) =
        (tokio::sync::Mutex::new(()), Mutex::new(None), Arc::new(AtomicBool::new(false)), AtomicU32::new(0));
    let (turn, unreachable) = (Arc::new(turn), || TransportError::Unreachable("the connection is used up".into()));
    vec![
        ("gives everybody the answer that came last", NOT_MIXED, one_slot()),
        (
            "makes one call at a time",
            &["a_slow_call_holds_up_no_other"],
            calls(move |direct, request| {
                let turn = turn.clone();
                Box::pin(async move {
                    let _turn = turn.lock().await;
                    direct.call(request).await
                })
            }),
        ),
        ("makes eight calls at a time", &["many_slow_calls_and_watches_hold_up_no_other"], eight_places()),
        (
            "takes everybody for who came first",
            &["two_connections_are_two_principals"],
            Fault {
                connect: Box::new(move |token| first.lock().unwrap().get_or_insert(token.to_owned()).clone()),
                ..sound()
            },
        ),
        (
            "answers nothing if nothing was new",
            &["a_repeated_call_is_answered_alike"],
            answers(|answer| match &mut answer.reply {
                Reply::Push(pushed) if pushed.placed.is_none() => pushed.through.clear(),
                _ => {}
            }),
        ),
        (
            "breaks when a call is given up",
            &["a_call_given_up_may_be_repeated"],
            calls(move |direct, request| {
                let broken = broken.clone();
                Box::pin(async move {
                    if broken.load(Ordering::SeqCst) {
                        return Err(unreachable());
                    }
                    let mut guard = Guard(&broken, false);
                    yield_now().await;
                    let answer = direct.call(request).await;
                    guard.1 = true;
                    answer
                })
            }),
        ),
        (
            "bears a hundred calls",
            &["a_connection_bears_many_calls"],
            calls(move |direct, request| {
                let made = made.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move { if made < 100 { direct.call(request).await } else { Err(unreachable()) } })
            }),
        ),
    ]
}

fn pushed_runs(request: &Request) -> &[Run] {
    match request {
        Request::Push(_, _, push) => &push.runs,
        _ => &[],
    }
}

fn bytes(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.as_bytes().len()).sum()
}

fn is_void(run: &Run) -> bool {
    run.bundles().any(|bundle| matches!(bundle.body, Body::Void { .. }))
}

/// The run with every body rewritten, as somebody does who decodes and encodes.
fn rewritten(run: &Run) -> Run {
    let mut builder = RunBuilder::new(run.origin(), run.first(), ChainHash::GENESIS);
    for bundle in run.bundles() {
        match bundle.body {
            Body::Full(body) => builder.push(bundle.time, Body::Full(&[body, &[1, 0]].concat())),
            void @ Body::Void { .. } => builder.push(bundle.time, void),
        };
    }
    builder.finish().unwrap().run().clone()
}

fn changed(change: fn(&mut Vec<Run>)) -> impl Fn(&mut Request) {
    move |request| {
        if let Request::Push(_, _, push) = request {
            change(&mut push.runs);
        }
    }
}

fn pushes() -> Vec<Broken> {
    vec![
        (
            "writes bodies again",
            &["pushed_bundles_arrive_byte_for_byte"],
            requests(|request| changed(|runs| runs.iter_mut().for_each(|run| *run = rewritten(run)))(request)),
        ),
        (
            "sorts what it carries",
            &["pushed_runs_arrive_in_their_order"],
            requests(|request| changed(|runs| runs.sort_by_key(Run::origin))(request)),
        ),
        (
            "forgets who sends",
            &["the_senders_own_replica_arrives"],
            requests(|request| {
                if let Request::Push(_, own, _) = request {
                    *own = None;
                }
            }),
        ),
        (
            "takes the sender's replica for that of the first bundle",
            &["the_senders_own_replica_arrives"],
            requests(|request| {
                if let Request::Push(_, own, push) = request {
                    *own = push.runs.first().map(Run::origin);
                }
            }),
        ),
        (
            "does not say where bundles lie",
            &["a_push_is_answered_with_how_far_the_peer_has_it"],
            answers(|answer| {
                if let Reply::Push(pushed) = &mut answer.reply {
                    pushed.placed = None;
                }
            }),
        ),
        (
            "speaks ASCII",
            &["refusals_come_back_with_their_reasons"],
            answers(|answer| {
                if let Reply::Push(pushed) = &mut answer.reply {
                    pushed
                        .refused
                        .iter_mut()
                        .for_each(|refused| refused.refusal.message.retain(|char| char.is_ascii()));
                }
            }),
        ),
        (
            "takes an empty push for none",
            &["an_empty_push_is_answered"],
            refuses(|request| match request {
                Request::Push(_, _, push) if push.runs.is_empty() => Some(Code::Malformed),
                _ => None,
            }),
        ),
        (
            "knows no voids",
            &["pushed_voids_arrive_as_voids"],
            refuses(|request| pushed_runs(request).iter().any(is_void).then_some(Code::Malformed)),
        ),
    ]
}

fn room() -> Vec<Broken> {
    vec![
        (
            "has less room than the protocol",
            &["the_largest_push_passes"],
            refuses(|request| (bytes(pushed_runs(request)) > 4_000_000).then_some(Code::TooLarge)),
        ),
        (
            "cuts what is too large",
            &["a_push_beyond_the_limit_of_bytes_is_too_large"],
            requests(|request| {
                changed(|runs| {
                    while bytes(runs) > syncline::limits::PAGE_BYTES_MAX {
                        runs.pop();
                    }
                })(request);
            }),
        ),
        (
            "cuts what is too much",
            &["a_push_of_too_many_runs_is_too_large"],
            requests(|request| changed(|runs| runs.truncate(10))(request)),
        ),
        (
            "takes a thousand runs",
            &["many_runs_pass_in_one_push"],
            refuses(|request| (pushed_runs(request).len() > 1_000).then_some(Code::TooLarge)),
        ),
    ]
}

fn pages(change: fn(&mut Pulled)) -> impl Fn(&mut Answer) {
    move |answer| {
        if let Reply::Pull(pulled) = &mut answer.reply {
            change(pulled);
        }
    }
}
fn asked(change: fn(&mut Pull)) -> impl Fn(&mut Request) {
    move |request| {
        if let Request::Pull(_, pull) = request {
            change(pull);
        }
    }
}
fn forget_heads(pull: &mut Pull, kept: usize) {
    if let Have::Heads(heads) = &mut pull.have {
        *heads = heads.iter().take(kept).collect();
    }
}

fn pulls() -> Vec<Broken> {
    let small = calls(|direct, request| {
        Box::pin(async move {
            let answer = direct.call(request).await?;
            match &answer.reply {
                Reply::Pull(pulled) if bytes(&pulled.runs) > 4_000_000 => {
                    Err(TransportError::Garbled("the answer has no end".into()))
                }
                _ => Ok(answer),
            }
        })
    });
    vec![
        (
            "loses the end of a page",
            &["a_pull_by_cursor_brings_all_behind_it"],
            answers(|answer| pages(|pulled| drop(pulled.runs.pop()))(answer)),
        ),
        (
            "forgets what the replica has",
            &["a_pull_by_heads_brings_what_they_lack"],
            requests(|request| asked(|pull| forget_heads(pull, 0))(request)),
        ),
        (
            "forgets whom the replica is",
            &["a_pull_leaves_out_the_origin_that_is_not_wanted"],
            requests(|request| asked(|pull| pull.without = None)(request)),
        ),
        (
            "has limits of its own",
            &["the_limits_of_a_pull_reach_the_peer"],
            requests(|request| asked(|pull| pull.limit = Limit::PAGE)(request)),
        ),
        (
            "skips a bundle between pages",
            &["pages_of_a_pull_join_to_the_whole_log"],
            answers(|answer| {
                pages(|pulled| {
                    if pulled.next.position < pulled.head {
                        pulled.next.position = pulled.next.position.plus(1);
                    }
                })(answer);
            }),
        ),
        ("has less room for pages than the protocol", &["the_largest_page_passes"], small),
        (
            "leaves voids out",
            &["pulled_voids_arrive_as_voids"],
            answers(|answer| pages(|pulled| pulled.runs.retain(|run| !is_void(run)))(answer)),
        ),
        (
            "thinks that every log has a bundle",
            &["a_pull_of_an_empty_log_is_the_last_page"],
            answers(|answer| pages(|pulled| pulled.head = pulled.head.max(syncline::Position::new(1)))(answer)),
        ),
        (
            "knows a hundred origins",
            &["many_heads_pass_in_one_pull"],
            requests(|request| asked(|pull| forget_heads(pull, 100))(request)),
        ),
    ]
}
