//! Names of things: replicas, dots, logs, spaces, places in a log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::limits::SPACE_BYTES_MAX;

/// A name or id that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{given}` is not a {what}: {rule}")]
pub struct InvalidId {
    /// What it should have been.
    pub what: &'static str,
    /// The text that was given, shortened.
    pub given: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl InvalidId {
    pub(crate) fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        Self { what, given: given.chars().take(80).collect(), rule }
    }
}

/// Gives a 16-byte id its text form (32 hex digits), and serde as text for people and as bytes for machines.
macro_rules! hex_id {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.to_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId::new($what, text, "it takes 32 lower-case hex digits, not all zero");
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| invalid())?;
                let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| invalid())?;
                Self::from_bytes(bytes).ok_or_else(invalid)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.to_bytes().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    let bytes = <[u8; 16]>::deserialize(deserializer)?;
                    Self::from_bytes(bytes).ok_or_else(|| de::Error::custom(concat!($what, " is all zero")))
                }
            }
        }
    };
}

/// A device's log identity: 128 random bits, never zero. Also the origin of every bundle it writes and the tie-breaker
/// of its timestamps, so it is a [`uhlc::ID`]. Ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(uhlc::ID);

impl ReplicaId {
    /// The id with these bytes, or `None` if all are zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        uhlc::ID::try_from(bytes).ok().map(Self)
    }

    /// The id's sixteen bytes, in sort order.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The same id as `uhlc` knows it.
    pub fn to_uhlc(self) -> uhlc::ID {
        self.0
    }
}

hex_id!(ReplicaId, "replica id");

/// The identity of one copy of a log: 128 random bits, minted when the log is created. A restored or replaced log has
/// another one, so that cursors into the old log are refused instead of half-served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    /// The id with these bytes, or `None` if all are zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The id's sixteen bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

hex_id!(LogId, "log id");

/// Gives a counter its construction, its number and its text form.
macro_rules! counter {
    ($name:ident) => {
        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// The counter with this value.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The value.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The counter `count` steps further on. Saturates, which no real log reaches.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How many steps lead from `earlier` to this, 0 if it lies behind.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Counts one origin's bundles, from 1, without holes. [`Seq::ZERO`] stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

counter!(Seq);

/// Place of a bundle in *this* copy of the log: from 1, gapless, in commit order, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

counter!(Position);

/// Counts a log's commits, with or without bundles: the token of compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

counter!(Revision);

/// Names one bundle for ever: the origin's `seq`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// The replica that wrote the bundle.
    pub origin: ReplicaId,
    /// Its number among that replica's bundles.
    pub seq: Seq,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.seq)
    }
}

/// A reader's resumable place: everything up to and including `position` of the log `log` has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The log it points into.
    pub log: LogId,
    /// The last position read.
    pub position: Position,
}

impl Cursor {
    /// The cursor at the start of the log: nothing has been read.
    pub fn start(log: LogId) -> Self {
        Self { log, position: Position::ZERO }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.log, self.position)
    }
}

/// The name of one log with its own membership: 1 to 64 of `a-z 0-9 . _ -`, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceId(Arc<str>);

impl SpaceId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`InvalidId`] if the name breaks the rule above.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        let rule = "it takes 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit";
        if !is_name(name, SPACE_BYTES_MAX) {
            return Err(InvalidId::new("space name", name, rule));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceId({})", self.0)
    }
}

impl FromStr for SpaceId {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl TryFrom<String> for SpaceId {
    type Error = InvalidId;

    fn try_from(name: String) -> Result<Self, InvalidId> {
        Self::new(&name)
    }
}

impl From<SpaceId> for String {
    fn from(space: SpaceId) -> Self {
        space.0.as_ref().to_owned()
    }
}

/// The shape shared by all names that people choose.
pub(crate) fn is_name(name: &str, bytes_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= bytes_max
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = ReplicaId::from_bytes(*b"0123456789abcdef").unwrap();
        assert_eq!(id.to_string().parse::<ReplicaId>().unwrap(), id);
        assert_eq!(serde_json::from_str::<ReplicaId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn an_all_zero_id_is_refused_by_every_way_in() {
        assert_eq!(ReplicaId::from_bytes([0; 16]), None);
        assert!("00000000000000000000000000000000".parse::<ReplicaId>().is_err());
        assert!(serde_json::from_str::<LogId>("\"00000000000000000000000000000000\"").is_err());
    }

    #[test]
    fn replica_ids_order_by_their_bytes() {
        let low = ReplicaId::from_bytes([1; 16]).unwrap();
        let mut bytes = [1; 16];
        bytes[0] = 2;
        bytes[15] = 0;
        assert!(low < ReplicaId::from_bytes(bytes).unwrap());
    }

    #[test]
    fn space_names_that_break_the_rule_are_refused() {
        for name in ["", "Notes", "-a", "a/b", "ä", &"a".repeat(65)] {
            assert!(SpaceId::new(name).is_err(), "{name}");
        }
        assert!(SpaceId::new("team-7.notes_v2").is_ok());
    }
}
