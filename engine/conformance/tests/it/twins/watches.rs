//! Faults in following a log.

use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::pending;
use syncline::protocol::{Reply, Request};
use tokio::sync::Mutex as Turn;

use crate::broken_transports::Broken;
use crate::line::{Fault, Stream, streams, watches};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = notices();
    all.extend(watchers());
    all
}

fn notices() -> Vec<Broken> {
    let from_anywhere = watches(|direct, space, _| {
        Box::pin(async move {
            let answer = direct.call(Request::Heads(space.clone())).await?;
            let Reply::Heads(peer) = answer.reply else { unreachable!("heads were asked for") };
            direct.watch(space, peer.head).await
        })
    });
    let quiet = watches(|direct, space, after| {
        Box::pin(async move { Ok(direct.watch(space, after).await.unwrap_or_else(|_| pending().boxed())) })
    });
    vec![
        ("waits for news", &["a_watch_begins_with_a_notice"], streams(|notices| notices.skip(1).boxed())),
        (
            "tells once",
            &["a_commit_is_followed_by_a_notice"],
            streams(|notices| notices.take(1).chain(pending()).boxed()),
        ),
        (
            "leaves out every other notice",
            &["the_last_commit_is_never_missed"],
            streams(|notices| {
                let mut number = 0;
                let every_other = move |_: &_| {
                    number += 1;
                    ready(number % 2 == 1)
                };
                notices.filter(every_other).boxed()
            }),
        ),
        (
            "says everything twice",
            &["rows_alone_make_no_notice"],
            streams(|notices| {
                let twice = notices.filter_map(|notice| ready(notice.ok()));
                twice.flat_map(|notice| futures_util::stream::iter([Ok(notice), Ok(notice)])).boxed()
            }),
        ),
        ("watches from anywhere", &["a_watch_from_a_cursor_that_is_gone_is_refused"], from_anywhere),
        ("keeps quiet about what it refuses", &["a_watch_of_an_unknown_space_is_refused"], quiet),
        (
            "keeps quiet about what ends a watch",
            &["a_watch_ends_when_its_role_is_taken_away", "a_watch_ends_with_an_error_when_the_peer_goes"],
            streams(|notices| notices.filter(|notice| ready(notice.is_ok())).chain(pending()).boxed()),
        ),
    ]
}

/// Ends with its stream.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The first watch that is dropped silences the others.
fn ends_together() -> Fault {
    let ended = Arc::new(AtomicBool::new(false));
    watches(move |direct, space, after| {
        let ended = ended.clone();
        Box::pin(async move {
            let own = Ended(ended.clone());
            let notices = direct.watch(space, after).await?;
            let heard: Stream = notices
                .filter(move |_| {
                    let _ = &own;
                    ready(!ended.load(Ordering::SeqCst))
                })
                .boxed();
            Ok(heard)
        })
    })
}

/// A watch takes the connection for itself.
fn holds_the_line() -> Fault {
    let line = Arc::new(Turn::new(()));
    let held = line.clone();
    let watching = watches(move |direct, space, after| {
        let line = line.clone();
        Box::pin(async move {
            let turn = line.lock_owned().await;
            let notices = direct.watch(space, after).await?;
            let holding: Stream = notices
                .map(move |notice| {
                    let _ = &turn;
                    notice
                })
                .boxed();
            Ok(holding)
        })
    });
    let calling = crate::line::calls(move |direct, request| {
        let line = held.clone();
        Box::pin(async move {
            let _turn = line.lock().await;
            direct.call(request).await
        })
    });
    Fault { call: calling.call, ..watching }
}

/// Nobody tells the task behind a watch that its stream was dropped.
fn follows_on() -> Fault {
    watches(|direct, space, after| {
        Box::pin(async move {
            let mut notices = direct.watch(space, after).await?;
            let (tell, told) = futures_channel::mpsc::unbounded();
            tokio::spawn(async move {
                while let Some(notice) = notices.next().await {
                    let _ = tell.unbounded_send(notice);
                }
            });
            let heard: Stream = told.boxed();
            Ok(heard)
        })
    })
}

fn watchers() -> Vec<Broken> {
    let (begun, first) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(None)));
    vec![
        (
            "tells the latest watcher",
            &["every_watcher_is_told"],
            watches(move |direct, space, after| {
                let (begun, own) = (begun.clone(), begun.fetch_add(1, Ordering::SeqCst) + 1);
                Box::pin(async move {
                    let notices = direct.watch(space, after).await?;
                    let is_latest = move |_: &_| ready(begun.load(Ordering::SeqCst) == own);
                    let heard: Stream = notices.filter(is_latest).boxed();
                    Ok(heard)
                })
            }),
        ),
        (
            "watches one space a connection",
            &["watchers_of_two_spaces_do_not_mix"],
            watches(move |direct, space, after| {
                let first = first.lock().unwrap().get_or_insert((space, after)).clone();
                Box::pin(direct.watch(first.0, first.1))
            }),
        ),
        ("is taken up by a watch", &["calls_go_on_beside_a_watch"], holds_the_line()),
        ("ends all watches with one", &["a_watch_given_up_leaves_the_others"], ends_together()),
        ("follows on for nobody", &["a_dropped_watch_is_given_up"], follows_on()),
    ]
}
