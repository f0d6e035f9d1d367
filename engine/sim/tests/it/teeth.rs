//! The lab finds what is planted.

use syncline_sim::Plant;

#[test]
fn every_planted_fault_is_found_within_a_thousand_histories() {
    assert!(Plant::ALL.len() >= 24);
    for plant in Plant::ALL {
        assert!(plant.sought(1, 1_000).is_some(), "`{plant}` is not found");
    }
}

#[test]
fn a_planted_fault_has_one_name() {
    for plant in Plant::ALL {
        assert_eq!(plant.name().parse::<Plant>().unwrap(), *plant);
    }
}
