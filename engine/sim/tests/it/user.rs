//! The whole of what a user writes to have a projection proved.

use syncline::format::Stamp;
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Law, Profile, Rng, lab};

const VOTED: EventType = EventType::new("poll.voted", 1);

/// The last vote of everybody.
struct Votes;

impl Projection for Votes {
    type State = Option<(Stamp, bool)>;

    fn view(&self) -> ViewId {
        ViewId::new("votes@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([VOTED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(&event.payload[..1]);
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        *row = (*row).max(Some((event.stamp, event.payload[1] == 1)));
        Ok(())
    }
}

#[test]
fn votes_converge_whatever_happens() {
    for profile in Profile::ALL {
        let lab = lab(0..10).profile(*profile).projection(Votes);
        let lab = lab.writes(|rng| vec![Event::new(VOTED, vec![b'a' + rng.below(5) as u8, rng.below(2) as u8])]);
        lab.run().unwrap();
    }
}

#[test]
fn votes_are_folded_by_a_newer_version_too() {
    let lab = lab(0..20).profile(Profile::Hostile).newer_projection(Votes);
    let lab = lab.writes(|rng| vec![Event::new(VOTED, vec![b'a' + rng.below(5) as u8, rng.below(2) as u8])]);
    lab.run().unwrap();
}

#[test]
fn a_lab_that_tests_nothing_says_so() {
    let failure = lab(0..5).profile(Profile::Calm).steps(40).projection(Votes).run().unwrap_err();
    assert!(failure.to_string().contains("votes@1 has no row in any history"), "{failure}");
}

/// A projection whose rows can be chosen: right, if its rows belong to their writers or nobody meets, and wrong otherwise.
struct LastToArrive(fn(&EventRef<'_>, &mut Keys));

impl Projection for LastToArrive {
    type State = Vec<u8>;

    fn view(&self) -> ViewId {
        ViewId::new("last@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([VOTED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        (self.0)(event, keys);
    }

    fn apply(&self, _: &[u8], row: &mut Vec<u8>, event: &EventRef<'_>) -> Result<(), Unreadable> {
        *row = event.payload.to_vec();
        Ok(())
    }
}

fn by_payload(event: &EventRef<'_>, keys: &mut Keys) {
    keys.push(event.payload);
}

fn random_votes(rng: &mut Rng) -> Vec<Event> {
    vec![Event::new(VOTED, rng.bits().to_be_bytes().to_vec())]
}

#[test]
fn devices_that_never_meet_in_a_row_test_nothing() {
    for profile in Profile::ALL {
        let lab = lab(0..10).profile(*profile).projection(LastToArrive(by_payload)).writes(random_votes);
        let failure = lab.run().unwrap_err();
        assert_eq!(failure.finding.law, Law::SomethingIsTested, "{failure}");
        assert!(failure.finding.detail.contains("Draw the keys from fewer values"), "{failure}");
    }
}

#[test]
fn rows_that_nobody_else_can_touch_need_no_meeting() {
    let keys: [fn(&EventRef<'_>, &mut Keys); 3] = [
        |event, keys| keys.push(event.dot.to_string().as_bytes()),
        |event, keys| keys.push(&event.dot.origin.to_bytes()),
        |event, keys| keys.push(&event.stamp.time.0.to_be_bytes()),
    ];
    for keys in keys {
        lab(0..5).projection(LastToArrive(keys)).writes(random_votes).run().unwrap();
    }
}

#[test]
fn a_few_short_histories_are_no_failure() {
    for (histories, steps) in [(1, 10), (1, 40), (3, 10), (2, 40)] {
        for below in [1, 3, 100] {
            let lab = lab(0..histories).profile(Profile::Calm).steps(steps).projection(Votes);
            let lab = lab.writes(move |rng| vec![Event::new(VOTED, vec![rng.below(below) as u8, 1])]);
            lab.run().unwrap();
        }
    }
}

#[test]
fn a_summary_says_how_often_devices_met() {
    let lab = lab(0..5).profile(Profile::Calm).projection(Votes);
    let lab = lab.writes(|rng| vec![Event::new(VOTED, vec![b'a' + rng.below(5) as u8, rng.below(2) as u8])]);
    let summary = lab.run().unwrap();
    assert!(summary.to_string().contains("votes@1: 25 rows, 25 of them touched by two devices or more"), "{summary}");
}
