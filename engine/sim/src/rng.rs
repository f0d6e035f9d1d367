//! Chance from a seed: the same numbers on every machine, for ever.

use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

/// A seeded source of numbers: xoshiro256++, filled from the seed by SplitMix64.
///
/// Not for secrets. A clone continues with the same numbers. Ranges and orders are drawn here and not by `rand`, which changes between its
/// versions how it draws them: a seed that was kept must play the same history for ever.
#[derive(Debug, Clone)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// The numbers of this seed for one purpose, so that more use of one purpose does not change another's.
    pub fn stream(seed: u64, purpose: u64) -> Self {
        Self::new(mix(seed ^ mix(purpose)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "there is no number below zero");
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// An index below `len`, which must not be zero.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1_000) < u64::from(per_mille)
    }

    /// One of these, each as likely as its weight; `None` if all weights are zero.
    pub fn weighted<'a, T>(&mut self, choices: &'a [(u32, T)]) -> Option<&'a T> {
        let total: u64 = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = self.below(total.max(1));
        choices.iter().find_map(|(weight, choice)| {
            let weight = u64::from(*weight);
            if left < weight {
                return Some(choice);
            }
            left -= weight;
            None
        })
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.index(last + 1));
        }
    }
}

/// Spreads a number over all 64 bits, reversibly: SplitMix64's finish.
pub(crate) fn mix(word: u64) -> u64 {
    SplitMix64::seed_from_u64(word.wrapping_sub(SPLIT_MIX_STEP)).next_u64()
}

/// What SplitMix64 adds to its state before it makes a number of it.
const SPLIT_MIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut rng = Rng::new(42);
        let numbers: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        assert_eq!(numbers, [15_021_278_609_987_233_951, 5_881_210_131_331_364_753, 18_149_643_915_985_481_100]);
    }

    #[test]
    fn a_number_is_spread_the_same_way_for_ever() {
        assert_eq!([0, 1, u64::MAX].map(mix), [0, 6_238_072_747_940_578_789, 13_029_008_266_876_403_067]);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 7];
        (0..7_000).for_each(|_| seen[rng.index(7)] += 1);
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn purposes_do_not_share_their_numbers() {
        assert_ne!(Rng::stream(1, 1).bits(), Rng::stream(1, 2).bits());
        assert_ne!(Rng::stream(1, 1).bits(), Rng::stream(2, 1).bits());
    }
}
