//! Chance that a seed decides.

use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

/// Numbers that look random and follow from a seed: good enough to choose moments and sizes, and the same on every machine.
pub type Chance = Xoshiro256PlusPlus;

/// The numbers of a seed for one of many parts.
pub fn part(seed: u64, number: u64) -> Chance {
    Chance::seed_from_u64(SplitMix64::seed_from_u64(seed).next_u64() ^ number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_gives_the_same_numbers_and_other_parts_and_seeds_give_others() {
        let first = |seed, number| part(seed, number).next_u64();
        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 1), first(2, 1));
    }
}
