//! Chance from a seed, so that what a test has done can be done again.

use std::env;

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Sets the seed of the scenarios with faults.
const SEED: &str = "SYNCLINE_FAULT_SEED";

/// Numbers that look random and follow from a seed.
pub(crate) type Chance = Xoshiro256PlusPlus;

/// Another seed in every run, unless the environment names one. Printed, so that a failure shows it.
pub(crate) fn seed() -> u64 {
    let seed = match env::var(SEED) {
        Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{SEED} is `{seed}`, and no number")),
        Err(_) => getrandom::u64().unwrap(),
    };
    eprintln!("the faults follow from {SEED}={seed}");
    seed
}

/// Text that does not compress well.
pub(crate) fn text(chance: &mut Chance, words: u64) -> String {
    (0..words).map(|_| format!("{:016x}", chance.next_u64())).collect()
}
