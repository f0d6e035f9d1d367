//! All views converge, whatever happens.

use client_view::views::{Conflicts, Entries, History, Names};
use client_view::{Change, EntryId, Field, Kind};
use proptest::prelude::*;
use syncline::crdt::Context;
use syncline::format::Stamp;
use syncline::typed::TypedEvent;
use syncline::{Event, NTP64, ReplicaId};
use syncline_sim::{Profile, Rng, Rows, lab};

/// One of few, so that events meet in their rows.
fn entry(number: u8) -> EntryId {
    EntryId::from_bytes([number % 3; 16])
}

/// What a writer may have seen: something that is in the log, or something that is not.
fn seen() -> impl Strategy<Value = Context> {
    let stamp = (1..4u8, 0..40u64).prop_map(|(origin, time)| Stamp {
        time: NTP64(time),
        origin: ReplicaId::from_bytes([origin; 16]).unwrap(),
        index: 0,
    });
    prop::collection::vec(stamp, 0..3).prop_map(Context::from)
}

fn change(what: u8, entry: EntryId, number: u8, over: Context) -> Change {
    let field = Field::ALL[usize::from(number) % Field::ALL.len()];
    match what % 8 {
        0 => Change::Added { entry, kind: Kind::Task, title: format!("title {number}"), author: "Ann".into() },
        1 => Change::Set { entry, field, value: format!("{number} ").repeat(usize::from(number) * 10), over },
        2 => Change::Done { entry, done: number.is_multiple_of(2), over },
        3 => Change::Tagged { entry, tag: format!("tag {}", number % 3) },
        4 => Change::Untagged { entry, tag: format!("tag {}", number % 3), over },
        5 => Change::Voted { entry, by: i64::from(number) - 4 },
        6 => Change::Deleted { entry, deleted: number.is_multiple_of(2), over },
        _ => Change::Named { name: format!("device {number}") },
    }
}

fn written() -> impl Strategy<Value = Event> {
    (any::<u8>(), any::<u8>(), 0..9u8, seen())
        .prop_map(|(what, which, number, over)| change(what, entry(which), number, over).to_event().unwrap())
}

/// The same without what the view does not fold.
fn written_as(whats: &'static [u8]) -> impl Strategy<Value = Event> {
    (prop::sample::select(whats), any::<u8>(), 0..9u8, seen())
        .prop_map(|(what, which, number, over)| change(what, entry(which), number, over).to_event().unwrap())
}

mod entries {
    syncline_conformance::projection_suite!(super::Entries, super::written());
}

mod history {
    syncline_conformance::projection_suite!(super::History, super::written());
}

mod conflicts {
    syncline_conformance::projection_suite!(super::Conflicts, super::written_as(&[1, 2, 6]));
}

mod names {
    syncline_conformance::projection_suite!(super::Names, super::written_as(&[7]));
}

/// What a device writes that looks at its rows first, as the application does.
fn next(rng: &mut Rng, rows: &Rows) -> Vec<Event> {
    let (id, number) = (entry(rng.below(3) as u8), rng.below(9) as u8);
    let row = rows.get(&Entries, id.as_bytes()).unwrap_or_default();
    let field = Field::ALL[usize::from(number) % Field::ALL.len()];
    let what = rng.below(8) as u8;
    let over = match what {
        1 => row.seen(field),
        2 => row.seen_done(),
        4 => row.seen_tag(&format!("tag {}", number % 3)),
        6 => row.seen_deleted(),
        _ => Context::default(),
    };
    vec![change(what, id, number, over).to_event().unwrap()]
}

#[test]
fn all_views_converge_over_lost_messages_wrong_clocks_clones_and_restored_copies() {
    for profile in [Profile::Mixed, Profile::Clock] {
        let lab = lab(0..25).profile(profile).steps(80);
        let lab = lab.projection(Entries).projection(History).projection(Conflicts).projection(Names);
        lab.writes_with_rows(next).run().unwrap();
    }
}
