//! Histories that once found a fault of the engine, and a batch of others. `sim` runs as many more as one likes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use syncline_sim::{Profile, run_seed};

const STEPS: usize = 200;

/// Every seed that ever found a fault of the engine, by the profile that it was drawn in.
const KEPT: [(&str, &[u64]); 5] = [
    ("calm", &[1, 15, 36]),
    ("crash", &[7, 9, 11, 84, 394, 453, 731, 11_528, 13_886]),
    ("hostile", &[1, 99, 139, 168, 175, 176]),
    ("restore", &[3, 8, 17, 126, 162, 180, 228, 297, 462, 740, 836, 894, 907]),
    ("mixed", &[2, 68, 113, 244, 288, 295, 358, 380, 399, 418, 467, 740, 772, 774, 943, 986, 13_338, 15_442]),
];

#[test]
fn seeds_that_found_a_fault_find_none_any_more() {
    for (profile, seeds) in KEPT {
        for seed in seeds {
            let outcome = run_seed(*seed, profile.parse().unwrap(), STEPS, false);
            assert_eq!(outcome.finding, None, "sim --profile {profile} --seed {seed} --story");
        }
    }
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..25 {
        let run = || run_seed(seed, Profile::Mixed, STEPS, true);
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn the_first_seeds_of_every_profile_find_nothing() {
    for profile in ["calm", "flaky", "partition", "crash", "clock", "restore", "hostile", "mixed"] {
        for seed in 0..40 {
            let outcome = run_seed(seed, profile.parse().unwrap(), STEPS, false);
            assert_eq!(outcome.finding, None, "sim --profile {profile} --seed {seed} --story");
        }
    }
}
