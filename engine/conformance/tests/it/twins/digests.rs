//! Faults in comparing heads by their digests.

use syncline::format::heads::Prefix;
use syncline::protocol::{Have, Pull, Reply, Request};

use crate::broken_transports::Broken;
use crate::line::{answers, requests};

pub(crate) fn all() -> Vec<Broken> {
    vec![
        (
            "forgets what the sender knows of the heads",
            &["digests_lead_to_the_heads_that_differ"],
            requests(|request| {
                if let Request::Compare(_, ask) = request {
                    ask.since = None;
                }
            }),
        ),
        (
            "tells of all heads, whatever subtree is asked for",
            &["digests_lead_to_the_heads_that_differ"],
            requests(|request| {
                if let Request::Compare(_, ask) = request {
                    ask.parts.iter_mut().for_each(|prefix| *prefix = Prefix::default());
                }
            }),
        ),
        (
            "answers a tail without its digest",
            &["a_tail_is_the_pull_by_cursor_with_a_digest"],
            answers(|answer| {
                if let Reply::Tail(tail) = &mut answer.reply {
                    tail.digest = None;
                }
            }),
        ),
        (
            "takes a tail for a pull by cursor",
            &["a_tail_is_the_pull_by_cursor_with_a_digest"],
            requests(|request| {
                if let Request::Pull(_, Pull { have, .. }) = request
                    && let Have::Tail(cursor) = *have
                {
                    *have = Have::Cursor(cursor);
                }
            }),
        ),
    ]
}
