//! A failing history is made small, told as a story, and comes again by its name.

use syncline_sim::{Case, Line, Plant, Profile};

#[test]
fn what_is_told_comes_again_by_its_name() {
    for plant in [Plant::ArrivalWins, Plant::AcknowledgesEarly, Plant::RefusalHoldsUp, Plant::KeepsVoids] {
        let lab = plant.lab();
        let cases = (1..1_000).map(|seed| Case::new(plant.profile(), seed, 200));
        let found = cases.map(|case| (lab.outcome(&case, false).finding, case));
        let (finding, case) = found.into_iter().find_map(|(finding, case)| Some((finding?, case))).unwrap();
        let failure = lab.explain(case, &finding);
        assert_eq!(failure.finding.law, finding.law, "{plant}: shrinking keeps the law");
        assert!(failure.case.plan().steps.len() <= 12, "{plant} is told at length:\n{failure}");
        let named = failure.case.to_string().parse::<Case>().unwrap();
        let ends = |story: &[Line]| story.last().map(|line| line.at);
        assert_eq!(ends(&lab.outcome(&named, true).story), ends(&failure.story), "{plant}");
        let told = failure.to_string();
        assert!(told.contains("run it again: SYNCLINE_LAB="), "{told}");
    }
}

#[test]
fn a_history_in_which_nobody_syncs_by_hand_keeps_its_live_devices() {
    let case: Case = "live:0:200:without=live-devices".parse().unwrap();
    assert_eq!(syncline_sim::lab(0..0).outcome(&case, false).finding, None);
}

#[test]
fn leaving_everything_out_leaves_a_history_without_faults() {
    let case = Case { keep: Some(Vec::new()), ..Case::new(Profile::Mixed, 5, 200) };
    assert_eq!(syncline_sim::lab(0..0).outcome(&case, false).finding, None);
}
