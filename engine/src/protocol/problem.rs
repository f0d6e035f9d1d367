//! Typed refusals of a request. Over HTTP they are `application/problem+json` (RFC 9457).

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use thiserror::Error;

use crate::clock::ClockDrift;
use crate::id::{Cursor, Dot, ReplicaId, Seq};

/// The reason why a peer did not do what was asked. Nothing has changed at the peer.
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
#[serde(remote = "Self", tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The request is not a valid request of this protocol.
    Malformed,
    /// The request is in a form or version that the peer does not speak.
    Unsupported,
    /// A limit is exceeded.
    TooLarge,
    /// No valid token came with the request.
    Unauthorized,
    /// The token's owner may read this space but not write to it. If origins are named, this device may not push bundles of these origins.
    Forbidden {
        /// Those origins of the push that do not belong to this device, at most
        /// [`FOREIGN_ORIGINS_MAX`](crate::limits::FOREIGN_ORIGINS_MAX) of them. Empty if it is the role that does not suffice.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        origins: Vec<ReplicaId>,
    },
    /// There is no such space, or it is hidden from the token's owner.
    UnknownSpace,
    /// The peer's log cannot serve what follows this cursor; pull by heads.
    CursorGone {
        /// The cursor asked for.
        cursor: Cursor,
    },
    /// The peer has trimmed its log and no longer keeps what this replica lacks.
    Trimmed {
        /// The first such bundle.
        at: Dot,
    },
    /// The peer has no such snapshot, any more or yet, or not this chunk of it. Ask for the list.
    UnknownSnapshot,
    /// The peer does not take this snapshot: it is damaged, or of another space, or its heads contradict the peer's log.
    BadSnapshot,
    /// Bundles are missing in between.
    Gap {
        /// The first bundle offered.
        at: Dot,
        /// The seq that the peer takes next.
        expected: Seq,
    },
    /// The peer holds another bundle under the same dot, or another history before it: the origin has been cloned or restored.
    Fork {
        /// The first bundle known to differ, or the last of the run if that cannot be told.
        at: Dot,
    },
    /// The peer's log has as many origins as it may have, and the push brings a new one. Bundles of known origins are still accepted.
    TooManyOrigins {
        /// How many it may have.
        max: u32,
    },
    /// A bundle's time is too far ahead of the peer's clock.
    ClockAhead {
        /// The first such bundle.
        at: Dot,
        /// By how many milliseconds.
        ahead_ms: u64,
        /// How many are allowed.
        allowed_ms: u64,
    },
    /// There are too many requests, or the peer is shutting down, or it knows that its clock is wrong.
    Busy {
        /// Milliseconds to wait.
        retry_after_ms: u64,
    },
    /// The peer failed. Its log says why.
    Internal,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// A bundle's time lies too far ahead.
    pub fn clock_ahead(at: Dot, drift: ClockDrift) -> Self {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let code = Code::ClockAhead { at, ahead_ms: millis(drift.ahead), allowed_ms: millis(drift.allowed) };
        Self::new(code, format!("bundle {at}: {drift}"))
    }

    /// How long to wait before asking again; `None` if the same request will be refused again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.code {
            Code::Busy { retry_after_ms } => Some(Duration::from_millis(retry_after_ms)),
            Code::Internal => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// A codec whose bytes do not name their fields cannot read a tagged enum back: such a codec gets the JSON text of it.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Self::serialize(self, serializer);
        }
        serializer.serialize_str(&serde_json::to_string(self).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Self::deserialize(deserializer);
        }
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codec::{decode, encode};
    use crate::id::{LogId, Position, ReplicaId};

    #[test]
    fn every_kind_of_problem_survives_the_codec() {
        let at = Dot { origin: ReplicaId::from_bytes([1; 16]).unwrap(), seq: Seq::new(u64::MAX) };
        let cursor = Cursor { log: LogId::from_bytes([2; 16]).unwrap(), position: Position::new(u64::MAX) };
        for code in [
            Code::Malformed,
            Code::Forbidden { origins: Vec::new() },
            Code::Forbidden { origins: vec![at.origin] },
            Code::CursorGone { cursor },
            Code::Trimmed { at },
            Code::UnknownSnapshot,
            Code::BadSnapshot,
            Code::Gap { at, expected: Seq::new(4) },
            Code::Fork { at },
            Code::TooManyOrigins { max: 65_536 },
            Code::ClockAhead { at, ahead_ms: u64::MAX, allowed_ms: 60_000 },
            Code::Busy { retry_after_ms: 1_500 },
            Code::Internal,
        ] {
            let problem = Problem::new(code, "what to do next");
            assert_eq!(decode::<Problem>("problem", &encode(&problem)), Ok(problem));
        }
    }
}
