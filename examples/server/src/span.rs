//! Spans of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A span of time: a whole number and a unit, such as `500ms`, `60s`, `15m`, `12h` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// A text that is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{given}` is not a span of time: write a whole number and a unit, such as 500ms, 60s, 15m, 12h or 30d")]
pub(crate) struct InvalidSpan {
    given: String,
}

/// Units, each with its length in milliseconds; the longest first, so that a span is written with the largest that fits.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis = UNITS.iter().find(|(name, _)| *name == unit).and_then(|(_, millis)| {
            let number: u64 = number.parse().ok()?;
            number.checked_mul(*millis)
        });
        match millis {
            Some(millis) => Ok(Self(Duration::from_millis(millis))),
            None => Err(InvalidSpan { given: text.chars().take(40).collect() }),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| millis >= *unit && millis.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", millis / unit)
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;

    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_from_its_text() {
        for text in ["500ms", "60m", "90s", "15m", "36h", "30d", "0s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span, "{text}");
        }
        assert_eq!("30d".parse::<Span>().unwrap().0, Duration::from_secs(30 * 86_400));
        assert_eq!("120s".parse::<Span>().unwrap().to_string(), "2m");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "30", "d", "-1s", "1.5h", "1 h", "1w", "99999999999999999999s", "18446744073709551615d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
