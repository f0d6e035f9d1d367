//! Faults of transports whose connection breaks.

use std::future::pending;

use futures_util::StreamExt;
use syncline::TransportError;

use crate::broken_transports::Broken;
use crate::line::{Fault, calls, streams, watches};

pub(crate) fn all() -> Vec<Broken> {
    vec![
        (
            "never connects again",
            &[
                "a_broken_connection_is_replaced",
                "a_connection_that_broke_while_idle_is_replaced",
                "calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated",
                "a_watch_is_interrupted_by_a_cut_and_may_begin_again",
            ],
            connects_again(0),
        ),
        (
            "connects again once",
            &[
                "a_broken_connection_is_replaced",
                "a_connection_that_broke_while_idle_is_replaced",
                "a_watch_is_interrupted_by_a_cut_and_may_begin_again",
            ],
            connects_again(1),
        ),
        (
            "forgets the calls of a broken connection",
            &["calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated"],
            calls(|direct, request| {
                Box::pin(async move {
                    match direct.call(request).await {
                        Err(TransportError::Interrupted(_)) => pending().await,
                        answered => answered,
                    }
                })
            }),
        ),
        (
            "ends a broken watch as if all were well",
            &["a_watch_is_interrupted_by_a_cut_and_may_begin_again"],
            streams(|notices| notices.take_while(|notice| std::future::ready(notice.is_ok())).boxed()),
        ),
    ]
}

/// Replaces so many broken connections, and then none.
fn connects_again(times: u32) -> Fault {
    let used_up = || TransportError::Unreachable("the connection is broken".into());
    let calling = calls(move |direct, request| {
        Box::pin(async move { if direct.cuts() > times { Err(used_up()) } else { direct.call(request).await } })
    });
    let watching = watches(move |direct, space, after| {
        Box::pin(async move { if direct.cuts() > times { Err(used_up()) } else { direct.watch(space, after).await } })
    });
    Fault { watch: watching.watch, ..calling }
}
