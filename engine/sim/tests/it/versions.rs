//! Two versions of one program at once: the old one puts aside what only the new one reads, and after the upgrade all is read.

use syncline::format::Stamp;
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Case, Law, Plant, Profile, Rng, Rows, lab};

/// The payload is a key and a text.
const RENAMED_1: EventType = EventType::new("todo.renamed", 1);
/// The payload is a key, a colour and a text.
const RENAMED_2: EventType = EventType::new("todo.renamed", 2);

/// Titles, as this version of the program reads them.
struct Titles {
    version: u16,
}

impl Projection for Titles {
    type State = Option<(Stamp, String)>;

    fn view(&self) -> ViewId {
        ViewId::new(&format!("titles@{}", self.version)).unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([RENAMED_1, RENAMED_2].into_iter().filter(|event_type| event_type.version() <= self.version))
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(&event.payload[..1]);
    }

    fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let text = String::from_utf8_lossy(&event.payload[event.version as usize..]).into_owned();
        *row = row.take().max(Some((event.stamp, text)));
        Ok(())
    }
}

fn renamed(rng: &mut Rng, version: u16) -> Vec<Event> {
    let key = rng.below(4);
    match version {
        1 => vec![Event::new(RENAMED_1, format!("{key}title {}", rng.below(100)))],
        _ => vec![Event::new(RENAMED_2, format!("{key}rtitle {}", rng.below(100)))],
    }
}

/// Only devices with the new version write events of version 2.
fn as_they_can(rng: &mut Rng, rows: &Rows) -> Vec<Event> {
    renamed(rng, 1 + u16::from(rows.is_upgraded()))
}

#[test]
fn a_version_that_puts_newer_events_aside_is_no_fault() {
    for profile in Profile::ALL {
        let lab = lab(0..5).profile(*profile).projection(Titles { version: 1 });
        lab.writes(|rng| if rng.chance(300) { renamed(rng, 2) } else { renamed(rng, 1) }).run().unwrap();
    }
}

#[test]
fn after_an_upgrade_all_is_read_and_in_sync() {
    for profile in Profile::ALL {
        let lab = lab(0..5).profile(*profile).projection(Titles { version: 1 });
        let lab = lab.newer_projection(Titles { version: 2 }).writes_with_rows(as_they_can);
        lab.run().unwrap();
    }
}

#[test]
fn in_every_profile_some_devices_start_old_and_meet_newer_events() {
    for profile in Profile::ALL {
        let lab = lab(0..0).projection(Titles { version: 1 }).newer_projection(Titles { version: 2 });
        let lab = lab.writes_with_rows(as_they_can);
        let mixed = |seed| {
            let story = lab.outcome(&Case::new(*profile, seed, 200), true).story;
            let told = |what: &str| story.iter().any(|line| line.text.contains(what));
            told("is upgraded") && told("todo.renamed@1") && told("todo.renamed@2")
        };
        assert!((0..5).any(mixed), "{profile}");
    }
}

#[test]
fn which_events_are_put_aside_may_not_depend_on_the_order_of_arrival() {
    let plant = Plant::AsideByArrival;
    let (_, finding) = plant.sought(1, 50).unwrap();
    assert_eq!(finding.law, Law::AsideIsAlike, "{finding}");
    assert!(finding.detail.contains("has put event"), "{finding}");
}
