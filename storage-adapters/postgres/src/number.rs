//! The engine's numbers as Postgres keeps them: counters as `bigint`, times as eight bytes, which sort as they do (a `bigint`
//! would turn negative in 2038).

use syncline::NTP64;
use syncline::store::StoreError;

use crate::error::corrupt;

/// The largest counter, which no honest log reaches.
pub(crate) const BIGINT_MAX: u64 = i64::MAX as u64;

/// A counter to be stored, of a draft.
pub(crate) fn to_bigint(value: u64) -> i64 {
    i64::try_from(value).expect("a draft takes no number beyond its bounds")
}

/// A counter to look for: what is too large to be stored lies behind everything that is.
pub(crate) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A stored counter.
pub(crate) fn from_bigint(what: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(what, format!("{value} is negative")))
}

/// A time to be stored.
pub(crate) fn to_bytes(time: NTP64) -> [u8; 8] {
    time.0.to_be_bytes()
}

/// A stored time.
pub(crate) fn from_bytes(what: &'static str, bytes: &[u8]) -> Result<NTP64, StoreError> {
    Ok(NTP64(u64::from_be_bytes(array(what, bytes)?)))
}

/// Bytes of a fixed length.
pub(crate) fn array<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| corrupt(what, format!("it has {} bytes in place of {N}", bytes.len())))
}

/// 128 bits of chance.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("every supported system has a source of chance");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_refused_by_name() {
        assert_eq!(to_bigint(BIGINT_MAX), i64::MAX);
        assert!(matches!(from_bigint("seq", -1), Err(StoreError::Corrupt { .. })));
        assert_eq!(bound(u64::MAX), i64::MAX);
    }

    #[test]
    fn times_and_their_bytes_have_one_order() {
        let times = [0, 1, (1 << 63) - 1, 1 << 63, u64::MAX].map(NTP64);
        assert!(times.map(to_bytes).is_sorted());
        assert_eq!(times.map(|time| from_bytes("time", &to_bytes(time)).unwrap()), times);
        assert!(matches!(from_bytes("time", &[0; 7]), Err(StoreError::Corrupt { .. })));
    }
}
