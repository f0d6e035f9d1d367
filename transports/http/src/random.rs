//! Random numbers of the system, for uses in which a weak number does no harm.

/// A random number; zero if the system has none to give, which only makes ids and pauses less random.
pub(crate) fn number() -> u64 {
    getrandom::u64().unwrap_or_default()
}
