//! How long a server, or somebody in front of it, asks to wait (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use syncline::protocol::{Code, Problem};

/// The pause that `Retry-After` asks for, in seconds or until a date. A date is measured against the answer's own, if it has
/// one: this device's clock may be wrong.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

/// The problem with what its answer's header asks for, if that is longer.
pub(super) fn at_least(asked: Option<Duration>, mut problem: Problem) -> Problem {
    if let (Code::Busy { retry_after_ms }, Some(asked)) = (&mut problem.code, asked) {
        let seconds = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
        // A server rounds its own pause up to seconds.
        if seconds >= retry_after_ms.saturating_add(1_000) {
            *retry_after_ms = seconds;
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        let date = (DATE, "Fri, 31 Dec 1999 23:59:00 GMT");
        for (asked_for, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(59)),
            ("Friday, 31-Dec-99 23:59:59 GMT", Some(59)),
            ("Fri, 31 Dec 1999 23:58:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
        ] {
            let found = asked(&headers(&[(RETRY_AFTER, asked_for), date.clone()]));
            assert_eq!(found, expected.map(Duration::from_secs), "{asked_for}");
        }
        assert_eq!(asked(&headers(&[date])), None);
        let far = asked(&headers(&[(RETRY_AFTER, "Tue, 31 Dec 2199 23:59:59 GMT")])).unwrap();
        assert!(
            far > Duration::from_secs(3_600),
            "without a date of its own the answer is measured against this clock"
        );
    }

    #[test]
    fn the_longer_pause_counts() {
        let busy = |retry_after_ms| Problem::new(Code::Busy { retry_after_ms }, "later");
        assert_eq!(at_least(Some(Duration::from_secs(2)), busy(1_500)), busy(1_500));
        assert_eq!(at_least(Some(Duration::from_secs(60)), busy(1_500)), busy(60_000));
        assert_eq!(at_least(None, busy(1_500)), busy(1_500));
    }
}
