//! Histories that once found a fault of the engine, and a batch of others. `sim` runs as many more as one likes.

use syncline_sim::{Case, Fault, Profile, kept, lab};

#[test]
fn seeds_that_found_a_fault_find_none_any_more() {
    for case in kept() {
        assert_eq!(lab(0..0).outcome(&case, false).finding, None, "sim --replay {case}");
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
    for fault in Fault::ALL {
        let times: u64 = summaries.iter().map(|summary| summary.fired(*fault).times).sum();
        assert!(times > 0, "`{fault}` took no effect in 25 histories of each profile");
    }
}
