//! Spans of time as people write them.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A span of time, such as `500ms`, `60s`, `15m`, `12h`, `30d` or `1h 30m`. `m` is a minute, and `M` a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// A text that is not a span of time.
#[derive(Debug, Error)]
#[error("`{given}` is not a span of time ({why}): write numbers with units, such as 500ms, 60s, 15m, 12h or 30d")]
pub(crate) struct InvalidSpan {
    given: String,
    why: humantime::DurationError,
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = |why| InvalidSpan { given: text.chars().take(40).collect(), why };
        humantime::parse_duration(text).map(Self).map_err(invalid)
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
        humantime::format_duration(span.0).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_numbers_with_units() {
        let seconds = |text: &str| text.parse::<Span>().unwrap().0.as_secs_f64();
        let spans =
            [("500ms", 0.5), ("0s", 0.0), ("90s", 90.0), ("15m", 900.0), ("36h", 129_600.0), ("1h 30m", 5_400.0)];
        assert_eq!(spans.map(|(text, _)| seconds(text)), spans.map(|(_, seconds)| seconds));
        assert_eq!("30d".parse::<Span>().unwrap().0, Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn a_span_reads_back_from_its_text() {
        for text in ["500ms", "0s", "90s", "36h", "30d", "31d", "366d", "1y 1ns"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(String::from(span).parse::<Span>().unwrap(), span, "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_what_is_one() {
        for text in ["", "30", "d", "-1s", "1parsec", "99999999999999999999s", "18446744073709551615d"] {
            let refused = text.parse::<Span>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{text}`")) && refused.contains("15m, 12h or 30d"), "{refused}");
        }
    }
}
