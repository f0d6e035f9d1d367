//! Numbers as people say them.

/// How many there are of something that takes an `s` if there are many.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number of bytes, in the largest unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => count(bytes, "byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_fits() {
        let said = [0, 1, 999, 1_000, 1_999, 12_345_678, 3_000_000_000].map(size);
        assert_eq!(said, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.9 kB", "12.3 MB", "3.0 GB"]);
    }
}
