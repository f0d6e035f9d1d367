//! Faults in telling what went wrong, and in going away.

use syncline::protocol::{Code, Problem};
use syncline::{Dot, Position, Seq, TransportError};
use syncline_conformance::peer::{Desk, WRITER};

use crate::broken_transports::Broken;
use crate::line::{Fault, calls, errors, problems, sound};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = codes();
    all.extend(details());
    all.extend(losses());
    all
}

fn nowhere(at: Dot) -> Dot {
    Dot { seq: Seq::ZERO, ..at }
}

fn codes() -> Vec<Broken> {
    let credulous =
        Fault { connect: Box::new(|token| Desk::principal(token).map_or(WRITER, |_| token).to_owned()), ..sound() };
    vec![
        ("takes every token", &["an_unknown_token_is_unauthorized"], credulous),
        (
            "tells hidden spaces from unknown ones",
            &["a_space_without_a_grant_is_unknown"],
            problems(|problem| {
                if problem.code == Code::UnknownSpace {
                    problem.code = Code::Forbidden { origins: Vec::new() };
                }
            }),
        ),
        (
            "asks for a token if a role is missing",
            &["a_push_of_a_reader_is_forbidden"],
            problems(|problem| {
                if matches!(problem.code, Code::Forbidden { .. }) {
                    problem.code = Code::Unauthorized;
                }
            }),
        ),
        (
            "keeps the details to itself",
            &["a_push_of_a_foreign_origin_is_forbidden"],
            problems(|problem| problem.detail = "forbidden".into()),
        ),
    ]
}

fn details() -> Vec<Broken> {
    let talkative = calls(|direct, request| {
        Box::pin(async move {
            let answer = direct.service.answer(&direct.principal, request).await;
            answer.map_err(|error| Problem::new(error.to_problem().code, error.to_string()).into())
        })
    });
    vec![
        (
            "keeps positions as integers with a sign",
            &["a_cursor_that_is_gone_comes_back_whole"],
            problems(|problem| {
                if let Code::CursorGone { cursor } = &mut problem.code {
                    cursor.position = Position::new(cursor.position.get() & (u64::MAX >> 1));
                }
            }),
        ),
        (
            "does not say what is expected",
            &["a_gap_comes_back_with_the_seq_expected"],
            problems(|problem| {
                if let Code::Gap { expected, .. } = &mut problem.code {
                    *expected = Seq::ZERO;
                }
            }),
        ),
        (
            "does not say where histories part",
            &["a_fork_comes_back_with_its_bundle"],
            problems(|problem| {
                if let Code::Fork { at } = &mut problem.code {
                    *at = nowhere(*at);
                }
            }),
        ),
        (
            "counts milliseconds in sixteen bits",
            &["a_time_too_far_ahead_comes_back_with_its_distance"],
            problems(|problem| {
                if let Code::ClockAhead { ahead_ms, .. } = &mut problem.code {
                    *ahead_ms &= 0xffff;
                }
            }),
        ),
        (
            "takes the caller's faults for its own",
            &["a_push_that_breaks_the_protocol_is_malformed"],
            problems(|problem| {
                if problem.code == Code::Malformed {
                    problem.code = Code::Internal;
                }
            }),
        ),
        (
            "does not say how long to wait",
            &["a_busy_peer_says_how_long_to_wait"],
            problems(|problem| {
                if let Code::Busy { retry_after_ms } = &mut problem.code {
                    *retry_after_ms = 0;
                }
            }),
        ),
        ("tells everything", &["a_failure_of_the_peer_says_no_more"], talkative),
    ]
}

fn losses() -> Vec<Broken> {
    vec![
        (
            "takes silence for nonsense",
            &["a_call_to_a_peer_that_is_gone_can_be_tried_again"],
            errors(|error| match error {
                TransportError::Unreachable(source) => TransportError::Garbled(source),
                other => other,
            }),
        ),
        (
            "says that nothing was delivered if something may have been",
            &["a_call_under_way_is_interrupted_when_the_peer_goes"],
            errors(|error| match error {
                TransportError::Interrupted(source) => TransportError::Unreachable(source),
                other => other,
            }),
        ),
    ]
}
