//! A projection that breaks the law is named, with the smallest history that shows it.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Case, Failure, Law, Plant, Profile, lab};

const RENAMED: EventType = EventType::new("todo.renamed", 1);

/// How a projection goes wrong.
#[derive(Clone, Copy)]
enum Wrong {
    LastToArriveWins,
    ReadsAClock,
    IteratesAHashMap,
    Panics,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Title {
    text: String,
    folded_at: u128,
    words: HashMap<String, u32>,
}

struct Titles(Wrong);

impl Projection for Titles {
    type State = Title;

    fn view(&self) -> ViewId {
        ViewId::new("titles@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([RENAMED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(&event.payload[..1]);
    }

    fn apply(&self, _: &[u8], row: &mut Title, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let text = String::from_utf8_lossy(&event.payload[1..]).into_owned();
        match self.0 {
            Wrong::LastToArriveWins => row.text = text,
            Wrong::ReadsAClock => {
                row.folded_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
            }
            Wrong::IteratesAHashMap => *row.words.entry(text).or_default() += 1,
            Wrong::Panics => assert!(text != "title 7", "a title that nobody expected"),
        }
        Ok(())
    }
}

fn failure(wrong: Wrong) -> Box<Failure> {
    let lab = lab(0..100).profile(Profile::Flaky).projection(Titles(wrong));
    let lab = lab.writes(|rng| vec![Event::new(RENAMED, format!("{}title {}", rng.below(3), rng.below(20)))]);
    lab.run().unwrap_err()
}

#[test]
fn order_of_arrival_is_found_and_told_with_two_writes() {
    let failure = failure(Wrong::LastToArriveWins);
    assert_eq!(failure.finding.law, Law::EqualAfterHealing, "{failure}");
    assert!(failure.finding.detail.contains("The projection is why: row"), "{failure}");
    assert!(failure.finding.detail.contains("depends on the order of arrival"), "{failure}");
    let writes = failure.story.iter().filter(|line| line.text.contains("has written bundle")).count();
    assert!(writes <= 7 && failure.case.plan().steps.len() <= 4, "{failure}");
}

#[test]
fn a_clock_in_a_projection_is_found() {
    let failure = failure(Wrong::ReadsAClock);
    assert_eq!(failure.finding.law, Law::ProjectionIsPure, "{failure}");
    assert!(failure.finding.detail.contains("something else than events"), "{failure}");
}

#[test]
fn the_order_of_a_hash_map_is_found() {
    let failure = failure(Wrong::IteratesAHashMap);
    assert_eq!(failure.finding.law, Law::ProjectionIsPure, "{failure}");
}

#[test]
fn a_panic_is_found_and_named_with_its_view() {
    let failure = failure(Wrong::Panics);
    assert_eq!(failure.finding.law, Law::ProjectionIsPure, "{failure}");
    assert!(failure.finding.detail.contains("titles@1 panics: a title that nobody expected"), "{failure}");
    assert!(failure.case.plan().steps.len() <= 2, "{failure}");
}

#[test]
fn an_order_about_which_no_two_devices_disagree_is_found_too() {
    // In short histories it is often the same order everywhere: the second device wrote when it had read what the first wrote.
    let lab = Plant::ArrivalWins.lab();
    let findings = (0..300).filter_map(|seed| lab.outcome(&Case::new(Profile::Calm, seed, 8), false).finding);
    let found = findings.filter(|finding| finding.law == Law::ProjectionIsPure).collect::<Vec<_>>();
    assert!(found.len() > 3, "{found:#?}");
    assert!(found.iter().all(|finding| finding.detail.contains("depends on the order of arrival")), "{found:#?}");
}

#[test]
fn the_order_of_one_device_is_kept_so_that_a_projection_may_rely_on_it() {
    let alone = |seed| Case { devices: Some(1), ..Case::new(Profile::Calm, seed, 80) };
    for alone in (0..40).map(alone).filter(|alone| alone.plan().servers > 0) {
        assert_eq!(Plant::ArrivalWins.lab().outcome(&alone, false).finding, None, "{alone}");
    }
}

#[test]
fn two_projections_of_one_view_are_refused_in_the_words_of_the_engine() {
    let lab = lab(0..5).projection(Titles(Wrong::Panics)).projection(Titles(Wrong::Panics));
    let failure = lab.run().unwrap_err();
    assert!(failure.to_string().contains("another projection has it already"), "{failure}");
}
