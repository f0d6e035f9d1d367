//! Chance from a seed, so that what a test has done can be done again.

use std::env;
use std::ops::Range;

/// Sets the seed of the scenarios with faults.
const SEED: &str = "SYNCLINE_FAULT_SEED";

/// Numbers that look random and follow from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another seed in every run, unless the environment names one. Printed, so that a failure shows it.
    pub(crate) fn seed() -> u64 {
        let seed = match env::var(SEED) {
            Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{SEED} is `{seed}`, and no number")),
            Err(_) => getrandom::u64().unwrap(),
        };
        eprintln!("the faults follow from {SEED}={seed}");
        seed
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number within a range.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }

    /// Mixes the order of some items.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.within(0..place as u64 + 1) as usize);
        }
    }

    /// Text that does not compress well.
    pub(crate) fn text(&mut self, words: u64) -> String {
        (0..words).map(|_| format!("{:016x}", self.number())).collect()
    }
}
