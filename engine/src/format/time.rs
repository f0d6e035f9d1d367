//! Hybrid logical time: what orders events, never what identifies them.
//!
//! Times are [`NTP64`] of `uhlc`: 32 bits of seconds since 1970, 32 bits of fraction, of which the lowest four count.
//! They end in 2106. Order is `(time, origin)`, and within a bundle the event's index.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use uhlc::{NTP64, Timestamp};

use crate::id::ReplicaId;

/// Bytes of an encoded [`Stamp`].
pub const STAMP_BYTES: usize = 26;

/// 2020-01-01. A clock that shows an earlier time was never set: it counts from 1970, or from the year its board was made.
pub const SET_CLOCKS_BEGIN: NTP64 = NTP64(1_577_836_800 << 32);

/// 2100-01-01. A clock that shows this or later is ignored, and nobody accepts bundles with such times. The years from here to the end
/// of the format in 2106 are room for times that count on.
pub const TIMES_END: NTP64 = NTP64(4_102_444_800 << 32);

/// Whether a clock that shows this time has been set, as far as the time alone can tell.
pub fn is_set(reading: NTP64) -> bool {
    (SET_CLOCKS_BEGIN..TIMES_END).contains(&reading)
}

/// The place of one event in the order of all events: its bundle's timestamp, and its index in the bundle.
///
/// No two events share a stamp, because an origin's times only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Hybrid logical time of the bundle.
    pub time: NTP64,
    /// The replica that wrote the bundle.
    pub origin: ReplicaId,
    /// The event's place in the bundle, from 0.
    pub index: u16,
}

impl Stamp {
    /// The stamp as 26 bytes whose order is the stamps' order: time and index big-endian, the id as it is.
    pub fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.time.0.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.origin.to_bytes());
        bytes[24..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// The stamp with these bytes, or `None` if the origin's are all zero.
    pub fn from_bytes(bytes: [u8; STAMP_BYTES]) -> Option<Self> {
        let time = u64::from_be_bytes(bytes[..8].try_into().expect("8 of 26 bytes"));
        let origin = ReplicaId::from_bytes(bytes[8..24].try_into().expect("16 of 26 bytes"))?;
        let index = u16::from_be_bytes(bytes[24..].try_into().expect("2 of 26 bytes"));
        Some(Self { time: NTP64(time), origin, index })
    }

    /// The timestamp of the event's bundle.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::new(self.time, self.origin.to_uhlc())
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.time.0, self.origin, self.index).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, origin, index) = Deserialize::deserialize(deserializer)?;
        Ok(Self { time: NTP64(time), origin, index })
    }
}

/// A moment: everything up to and including a timestamp, or up to and including a time of any writer.
///
/// [`NTP64::parse_rfc3339`] reads a time from text, and `syncline_os::time_of` converts a `SystemTime`.
///
/// ```
/// use syncline::NTP64;
/// use syncline::format::time::Moment;
///
/// let noon: Moment = NTP64::parse_rfc3339("2026-11-28T12:00:00Z").unwrap().into();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// Whether what was written at `time` had been written by then.
    pub fn includes(self, time: Timestamp) -> bool {
        time <= self.0
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl From<NTP64> for Moment {
    fn from(time: NTP64) -> Self {
        let last = ReplicaId::from_bytes([0xff; 16]).expect("it is not zero");
        Self(Timestamp::new(time, last.to_uhlc()))
    }
}

/// How far `later` lies after `earlier`, zero if it does not.
pub fn ahead(later: NTP64, earlier: NTP64) -> Duration {
    NTP64(later.0.saturating_sub(earlier.0)).to_duration()
}

/// `time` moved on by `span`, at most to the end of time.
pub fn after(time: NTP64, span: Duration) -> NTP64 {
    let seconds = span.as_secs().min(u64::from(u32::MAX)) << 32;
    let fraction = (u64::from(span.subsec_nanos()) << 32) / 1_000_000_000;
    NTP64(time.0.saturating_add(seconds).saturating_add(fraction))
}

/// `time` moved back by `span`, at most to 1970.
pub fn before(time: NTP64, span: Duration) -> NTP64 {
    NTP64(time.0.saturating_sub(after(NTP64(0), span).0))
}

/// How far one clock is ahead of another; negative if it is behind. In units of 2^-32 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Offset(i128);

impl Offset {
    /// Two clocks that show the same.
    pub const ZERO: Self = Self(0);

    /// How far `theirs` is ahead of `ours`.
    pub fn between(theirs: NTP64, ours: NTP64) -> Self {
        Self(i128::from(theirs.0) - i128::from(ours.0))
    }

    /// What a clock that is ahead by this shows when the other shows `time`; not before 1970, not after the end of time.
    pub fn after(self, time: NTP64) -> NTP64 {
        let shown = (i128::from(time.0) + self.0).clamp(0, i128::from(u64::MAX));
        NTP64(u64::try_from(shown).expect("it was clamped to the range"))
    }

    /// How far apart the clocks are, whichever is ahead.
    pub fn size(self) -> Duration {
        NTP64(u64::try_from(self.0.unsigned_abs()).unwrap_or(u64::MAX)).to_duration()
    }

    /// How far two offsets are apart.
    #[must_use]
    pub fn from(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    /// In milliseconds.
    pub fn millis(self) -> i64 {
        let millis = i64::try_from(self.size().as_millis()).unwrap_or(i64::MAX);
        if self < Self::ZERO { -millis } else { millis }
    }
}

/// Serde of a time: sixteen hex digits for people (JSON numbers end at 2^53), an integer for machines.
pub(crate) mod wire {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(time: &NTP64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{:016x}", time.0))
        } else {
            time.0.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NTP64, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            match u64::from_str_radix(&text, 16) {
                Ok(time) if plain => Ok(NTP64(time)),
                _ => Err(de::Error::custom("a time takes 16 hex digits")),
            }
        } else {
            u64::deserialize(deserializer).map(NTP64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp() -> impl Strategy<Value = Stamp> {
        (any::<u64>(), any::<[u8; 16]>(), any::<u16>()).prop_filter_map("zero id", |(time, id, index)| {
            Some(Stamp { time: NTP64(time), origin: ReplicaId::from_bytes(id)?, index })
        })
    }

    proptest! {
        #[test]
        fn stamps_and_their_bytes_have_one_order(a in stamp(), b in stamp()) {
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(Stamp::from_bytes(a.to_bytes()), Some(a));
        }
    }

    #[test]
    fn adding_a_span_and_asking_how_far_agree() {
        let start = NTP64(7 << 32);
        let later = after(start, Duration::from_millis(1_500));
        assert_eq!(ahead(later, start).as_millis(), 1_500);
        assert_eq!(ahead(start, later), Duration::ZERO);
        assert_eq!(after(start, Duration::MAX), NTP64(u64::MAX));
    }

    #[test]
    fn an_offset_leads_from_one_clock_to_the_other_and_stops_at_both_ends_of_time() {
        let (early, late) = (NTP64(7 << 32), NTP64(9 << 32));
        let (back, forth) = (Offset::between(early, late), Offset::between(late, early));
        assert_eq!((back.after(late), forth.after(early)), (early, late));
        assert_eq!((back.millis(), forth.millis(), back.size()), (-2_000, 2_000, Duration::from_secs(2)));
        assert_eq!(Offset::between(NTP64(0), NTP64(u64::MAX)).after(late), NTP64(0));
        assert_eq!(Offset::between(NTP64(u64::MAX), NTP64(0)).after(late), NTP64(u64::MAX));
    }

    #[test]
    fn the_years_before_2020_and_from_2100_on_are_shown_by_clocks_that_were_never_set() {
        let shown = |seconds: u64| is_set(NTP64(seconds << 32));
        assert_eq!([0, 1_577_836_799, 1_577_836_800].map(shown), [false, false, true]);
        assert_eq!([4_102_444_799, 4_102_444_800, u64::from(u32::MAX)].map(shown), [true, false, false]);
    }
}
