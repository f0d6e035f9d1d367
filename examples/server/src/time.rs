//! The machine's clock, and times as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

use syncline::NTP64;

/// Time now, by the machine. A clock before 1970 counts as 1970.
pub(crate) fn now() -> NTP64 {
    NTP64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A time in ISO 8601, to the nanosecond. Times of one origin that follow closer than that may look alike.
pub(crate) fn iso(time: NTP64) -> String {
    time.to_string_rfc3339_lossy()
}
