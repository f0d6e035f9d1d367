//! Typed refusals of a request. Over HTTP they are `application/problem+json` (RFC 9457).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{Cursor, Dot, Seq};

/// Why a peer did not do what was asked. Nothing has changed at the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{detail}")]
pub struct Problem {
    /// What kind of problem, with what a program needs to act on it.
    pub code: Code,
    /// What, where, how much and what to do next, for a person.
    pub detail: String,
}

/// The kinds of problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The request does not read as one of this protocol.
    Malformed,
    /// The request is in a form or version that the peer does not speak.
    Unsupported,
    /// A limit is exceeded.
    TooLarge,
    /// No valid token came with the request.
    Unauthorized,
    /// The token's owner may read this space and not write it, or may not supply this origin's bundles.
    Forbidden,
    /// There is no such space, or it is hidden from the token's owner.
    UnknownSpace,
    /// The peer's log cannot serve what follows this cursor; pull by heads.
    CursorGone {
        /// The cursor asked for.
        cursor: Cursor,
    },
    /// Bundles are missing in between.
    Gap {
        /// The first bundle offered.
        at: Dot,
        /// The seq that the peer takes next.
        expected: Seq,
    },
    /// The peer holds another bundle under the same dot, or another history before it: the origin has been cloned or restored.
    Fork {
        /// The first bundle known to differ, or the last of the run where that cannot be told.
        at: Dot,
    },
    /// A bundle's time lies too far ahead of the peer's clock.
    ClockAhead {
        /// The first such bundle.
        at: Dot,
        /// By how many milliseconds.
        ahead_ms: u64,
        /// How many are allowed.
        allowed_ms: u64,
    },
    /// Too many requests, or the peer is shutting down.
    Busy {
        /// Milliseconds to wait.
        retry_after_ms: u64,
    },
    /// The peer failed. It says no more; its log does.
    Internal,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// How long to wait before asking again; `None` where the same request will be refused again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.code {
            Code::Busy { retry_after_ms } => Some(Duration::from_millis(retry_after_ms)),
            Code::Internal => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
