//! Histories that once found a fault of the engine, and a batch of others. `sim` runs as many more as one likes.

use syncline_sim::{Case, Profile, lab, run_seed};

const STEPS: usize = 200;

/// Every seed that ever found a fault of the engine, by the profile that it was drawn in.
const KEPT: [(&str, &[u64]); 6] = [
    ("calm", &[1, 15, 36]),
    ("crash", &[7, 9, 11, 84, 394, 453, 731, 11_528, 13_886, 30_938, 1_010_898]),
    ("hostile", &[1, 99, 139, 168, 175, 176]),
    (
        "restore",
        &[
            3, 8, 17, 126, 162, 180, 228, 297, 462, 740, 836, 894, 907, 10_174, 11_953, 12_390, 12_722, 13_181, 13_728,
            13_896, 32_924,
        ],
    ),
    (
        "mixed",
        &[
            2, 68, 113, 244, 288, 295, 358, 380, 399, 418, 467, 740, 772, 774, 943, 986, 13_199, 13_338, 13_729,
            15_442, 51_342, 1_002_088, 1_018_441, 2_000_355, 2_015_872, 2_019_818,
        ],
    ),
    ("twins", &[1_002_994]),
];

#[test]
fn seeds_that_found_a_fault_find_none_any_more() {
    for (profile, seeds) in KEPT {
        for seed in seeds {
            let outcome = run_seed(*seed, profile.parse().unwrap(), STEPS, false);
            assert_eq!(outcome.finding, None, "sim --profile {profile} --seed {seed}");
        }
    }
}

#[test]
fn the_first_seeds_of_every_profile_find_nothing() {
    for profile in Profile::ALL {
        lab(0..40).profile(*profile).run().unwrap();
    }
}

#[test]
fn a_seed_is_one_history() {
    let lab = lab(0..0);
    for seed in 0..200 {
        let profile = Profile::ALL[seed as usize % Profile::ALL.len()];
        let run = || lab.outcome(&Case::new(profile, seed, 120), seed % 10 == 0);
        assert_eq!(run(), run(), "{profile}, seed {seed}");
    }
}

#[test]
fn every_fault_takes_effect_somewhere() {
    let mut summaries = Vec::new();
    for profile in Profile::ALL {
        summaries.push(lab(100..125).profile(*profile).run().unwrap());
    }
    let faults = |index: usize| summaries.iter().map(|summary| summary.faults[index].1).sum::<u64>();
    for (index, (fault, _)) in summaries[0].faults.iter().enumerate() {
        assert!(faults(index) > 0, "`{fault}` took no effect in 25 histories of each profile");
    }
}
