//! The whole of what a user writes to have a projection proved.

use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, Kind, Projection, Stamp, Unreadable, ViewId};
use syncline_sim::{Profile, lab};

const VOTED: Kind = Kind::new("poll.voted", 1);

/// The last vote of everybody.
struct Votes;

impl Projection for Votes {
    type State = Option<(Stamp, bool)>;

    fn view(&self) -> ViewId {
        ViewId::new("votes@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::kinds([VOTED])
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
