//! Laws about order that prove nothing fail, and those that prove something let correct projections of every shape pass.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::sample::select;
use syncline::crdt::PnCounter;
use syncline::projection::{Keys, Reads, RowState};
use syncline::{Dot, Event, EventRef, EventType, Projection, ReplicaId, Unreadable, ViewId};
use syncline_conformance::projection::{LAWS, input};
use syncline_conformance::{projection_suite, view};

const COUNTED: EventType = EventType::new("counted", 1);
const NOTED: EventType = EventType::new("noted", 1);

/// The laws that compare two orders of arrival.
const OF_ORDER: [&str; 3] = [
    "rows_do_not_depend_on_the_order_of_bundles",
    "a_rebuild_from_zero_gives_the_same_rows",
    "what_is_put_aside_does_not_depend_on_the_order",
];

/// Which rows an event touches.
type RowsOf = fn(&EventRef<'_>, &mut Keys);

/// A projection whose rows, state and fold can be chosen.
struct Rows<S> {
    keys: RowsOf,
    apply: fn(&mut S, &EventRef<'_>),
}

impl<S: RowState + 'static> Projection for Rows<S> {
    type State = S;

    fn view(&self) -> ViewId {
        view("rows@1")
    }

    fn reads(&self) -> Reads {
        Reads::types([COUNTED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        (self.keys)(event, keys);
    }

    fn apply(&self, _: &[u8], row: &mut S, event: &EventRef<'_>) -> Result<(), Unreadable> {
        if event.payload.is_empty() {
            return Err(Unreadable::new("there is nothing to count"));
        }
        (self.apply)(row, event);
        Ok(())
    }
}

fn of_payload(event: &EventRef<'_>, keys: &mut Keys) {
    keys.push(event.payload);
}

fn count(row: &mut PnCounter, event: &EventRef<'_>) {
    row.add(event.stamp, i64::from(event.payload[0]));
}

/// The counter that somebody writes at first: it keeps what came last, whoever wrote it.
fn keep_the_last(row: &mut Vec<u8>, event: &EventRef<'_>) {
    *row = event.dot.origin.to_bytes().to_vec();
}

/// Events whose payloads are the numbers below this one.
fn numbers(below: u32) -> BoxedStrategy<Event> {
    (0..below).prop_map(|number| Event::new(COUNTED, number.to_be_bytes().to_vec())).boxed()
}

/// Those of these laws that a projection breaks, with what they say.
fn broken<S: RowState + 'static>(
    rows: Rows<S>,
    events: BoxedStrategy<Event>,
    laws: &[&str],
) -> BTreeMap<&'static str, String> {
    let (fold, events) = input(rows, events);
    let broken = LAWS.iter().filter(|law| laws.contains(&law.name)).filter_map(|law| {
        let panic = catch_unwind(AssertUnwindSafe(|| (law.prove)(&fold, &events))).err()?;
        Some((law.name, panic.downcast_ref::<String>().cloned().unwrap_or_default()))
    });
    broken.collect()
}

/// The laws of order are broken and no others, each with a message that says this.
fn assert_nothing_is_proved<S: RowState + 'static>(rows: Rows<S>, events: BoxedStrategy<Event>, said: &[&str]) {
    let all: Vec<_> = LAWS.iter().map(|law| law.name).collect();
    let broken = broken(rows, events, &all);
    assert_eq!(broken.keys().copied().collect::<BTreeSet<_>>(), OF_ORDER.into(), "{broken:#?}");
    for message in broken.values() {
        assert!(said.iter().all(|part| message.contains(part)), "it does not say {said:?}: {message}");
    }
}

#[test]
fn a_broken_counter_whose_authors_never_meet_is_no_success() {
    let rows = Rows { keys: of_payload, apply: keep_the_last };
    assert_nothing_is_proved(rows, numbers(u32::MAX), &["two authors touched one row", "from fewer values"]);
}

#[test]
fn a_sound_counter_whose_authors_never_meet_is_told_the_same() {
    let rows = Rows { keys: of_payload, apply: count };
    assert_nothing_is_proved(rows, numbers(u32::MAX), &["only 0 of", "from fewer values"]);
}

#[test]
fn events_that_touch_no_row_prove_nothing() {
    let noted = Just(Event::new(NOTED, "not counted")).boxed();
    assert_nothing_is_proved(Rows { keys: of_payload, apply: count }, noted, &["no event of", "`keys` knows"]);
}

#[test]
fn events_that_are_all_put_aside_prove_nothing() {
    let empty = Just(Event::new(COUNTED, "")).boxed();
    let rows = Rows { keys: |_, keys| keys.push(b"all"), apply: count };
    assert_nothing_is_proved(rows, empty, &["no event of", "`apply` can read"]);
}

#[test]
fn a_broken_counter_whose_authors_meet_now_and_then_is_found() {
    for below in [1, 3, 30, 300] {
        let broken = broken(Rows { keys: of_payload, apply: keep_the_last }, numbers(below), &OF_ORDER);
        let message = broken.get(OF_ORDER[0]).map_or("the law holds", String::as_str);
        assert!(message.contains("left == right") || message.contains("assertion failed"), "{below}: {message}");
    }
}

#[test]
fn sound_projections_of_every_shape_pass() {
    let keys: [(&str, RowsOf); 7] = [
        ("one row", |_, keys| keys.push(b"")),
        ("a row per payload", of_payload),
        ("a row per bundle", |event, keys| keys.push(format!("{}", event.dot).as_bytes())),
        ("a row per event", |event, keys| keys.push(&event.stamp.to_bytes())),
        ("a row per author", |event, keys| keys.push(&event.dot.origin.to_bytes())),
        ("a row per moment", |event, keys| keys.push(&event.stamp.time.0.to_be_bytes())),
        ("two rows, one of them the author's", |event, keys| {
            keys.push(event.payload);
            keys.push(&event.dot.origin.to_bytes());
        }),
    ];
    let rare = prop_oneof![1 => numbers(3), 40 => Just(Event::new(NOTED, "not counted"))];
    let unreadable = prop_oneof![numbers(3), Just(Event::new(COUNTED, ""))];
    let one_of_two = select(vec![Event::new(COUNTED, "one"), Event::new(NOTED, "other")]);
    let events = [numbers(1), numbers(3), numbers(200), rare.boxed(), unreadable.boxed(), one_of_two.boxed()];
    for (shape, keys) in keys {
        for (number, events) in events.iter().enumerate() {
            let broken = broken(Rows { keys, apply: count }, events.clone(), &OF_ORDER[..1]);
            assert!(broken.is_empty(), "{shape}, events {number}: {broken:#?}");
        }
    }
}

/// What every author counted last: it takes the order of one author's events for granted, as law 5 allows.
const LAST: Rows<BTreeMap<ReplicaId, Vec<u8>>> = Rows {
    keys: |_, keys| keys.push(b"all"),
    apply: |row, event| drop(row.insert(event.dot.origin, event.payload.to_vec())),
};

/// By author, the last event that was counted and the count so far.
type Sums = BTreeMap<ReplicaId, (Option<(Dot, u16)>, u64)>;

/// How much every author has counted: it takes rising numbers for granted.
const SUMS: Rows<Sums> = Rows {
    keys: |_, keys| keys.push(b"all"),
    apply: |row, event| {
        let (last, sum) = row.entry(event.dot.origin).or_default();
        if *last < Some((event.dot, event.stamp.index)) {
            (*last, *sum) = (Some((event.dot, event.stamp.index)), *sum + event.payload.len() as u64);
        }
    },
};

mod what_every_author_counted_last {
    use super::*;

    projection_suite!(LAST, numbers(9));
}

mod sums_by_author {
    use super::*;

    projection_suite!(SUMS, numbers(9));
}

mod a_counter_of_the_engine {
    use super::*;

    projection_suite!(Rows { keys: |_, keys| keys.push(b"all"), apply: count }, numbers(9));
}
