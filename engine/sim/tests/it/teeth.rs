//! The lab finds what is planted, and no check is one that cannot fail.

use std::collections::BTreeSet;

use syncline_sim::planted::{Sought, seek_all, table};
use syncline_sim::{Law, Plant};

/// The page that stands in the documents.
const PAGE: &str = include_str!("../../docs/teeth.md");

/// Incidents that sync engines have had, by their numbers in the catalogue.
const CLASSES: u32 = 24;

#[test]
fn every_planted_fault_is_found_and_every_law_is_broken_by_one() {
    let sought = seek_all(1, 2);
    let missed: Vec<_> = sought.iter().filter(|sought| sought.found.is_none()).map(|sought| sought.plant).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    let broken: BTreeSet<Law> = sought.iter().filter_map(|sought| Some(sought.found.as_ref()?.1.law)).collect();
    for law in Law::ALL {
        assert!(broken.contains(law), "no planted fault breaks this law first: {law}");
    }
}

#[test]
fn every_class_of_incident_has_a_planted_fault() {
    let planted: BTreeSet<&str> = Plant::ALL.iter().map(|plant| plant.class().number).collect();
    for number in 1..=CLASSES {
        assert!(planted.contains(format!("F{number}").as_str()), "F{number} has none");
    }
}

#[test]
fn the_page_has_a_row_for_every_planted_fault() {
    let nobody = |plant: &Plant| Sought { plant: *plant, found: None };
    let expected = table(&Plant::ALL.iter().map(nobody).collect::<Vec<_>>());
    // Without what a search finds out: the histories that it took, and the law.
    let rows = |page: &str| -> Vec<Vec<String>> {
        let cells = |line: &str| line.split('|').skip(1).take(4).map(|cell| cell.trim().to_owned()).collect();
        page.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
    };
    assert_eq!(rows(PAGE), rows(&expected), "write the page again: sim --teeth > engine/sim/docs/teeth.md");
    assert!(!PAGE.contains("not in 1000"), "the page says that a fault is not found");
}

#[test]
fn a_planted_fault_has_one_name() {
    for plant in Plant::ALL {
        assert_eq!(plant.name().parse::<Plant>().unwrap(), *plant);
    }
}
