//! The date, as people write it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now in UTC: `2026-11-24 23:45 UTC`.
pub fn now() -> String {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    print(elapsed.as_secs())
}

/// A time in seconds since 1970.
fn print(seconds: u64) -> String {
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Year, month and day of a day since 1970. The years begin in March, so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097; // days of 400 years
    let days = days + 719_468; // since the first of March of the year 0
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [(0, "1970-01-01 00:00 UTC"), (951_782_399, "2000-02-28 23:59 UTC")];
        let leap = [(951_782_400, "2000-02-29 00:00 UTC"), (1_709_164_800, "2024-02-29 00:00 UTC")];
        let others = [(1_709_251_200, "2024-03-01 00:00 UTC"), (4_107_542_400, "2100-03-01 00:00 UTC")];
        for (seconds, date) in dates.into_iter().chain(leap).chain(others) {
            assert_eq!(print(seconds), date);
        }
    }
}
