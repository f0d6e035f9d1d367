//! Which write lost to which: by what the writers knew, and never by their clocks.

use client_view::views::{Conflicts, Lost, lost};
use client_view::{Change, EntryId, Field};
use syncline::crdt::{Context, Ordered};
use syncline::format::Stamp;
use syncline::typed::{Meta, TypedProjection};
use syncline::{Dot, NTP64, ReplicaId, Seq};

const ANN: u8 = 1;
const BOB: u8 = 2;

fn at(time: u64, origin: u8) -> Stamp {
    Stamp { time: NTP64(time), origin: ReplicaId::from_bytes([origin; 16]).unwrap(), index: 0 }
}

fn set(value: &str, seen: &[Stamp]) -> Change {
    let over: Context = seen.iter().copied().collect();
    Change::Set { entry: EntryId::from_bytes([7; 16]), field: Field::Title, value: value.into(), over }
}

fn deleted(deleted: bool, seen: &[Stamp]) -> Change {
    Change::Deleted { entry: EntryId::from_bytes([7; 16]), deleted, over: seen.iter().copied().collect() }
}

/// What was lost after these writes.
fn after(writes: &[(Stamp, Change)]) -> Vec<Lost> {
    let mut row = Ordered::default();
    for (seq, (stamp, change)) in (1..).zip(writes) {
        let meta = Meta { dot: Dot { origin: stamp.origin, seq: Seq::new(seq) }, stamp: *stamp };
        Conflicts.apply(b"", &mut row, change, meta).unwrap();
    }
    lost(&row)
}

/// The values that lost, whom they lost to, and whether somebody has settled it.
fn told(lost: &[Lost]) -> Vec<(&str, &str, bool)> {
    let text = |line: &'_ client_view::views::Line| line.change.text().map(str::len).map(|_| ());
    lost.iter().for_each(|lost| assert!(text(&lost.loser.1).is_some()));
    lost.iter()
        .map(|lost| {
            (lost.loser.1.change.text().unwrap(), lost.winner.1.change.text().unwrap_or("deleted"), lost.settled)
        })
        .collect()
}

#[test]
fn a_write_that_knew_of_the_other_is_no_conflict_however_close_they_are() {
    assert!(after(&[(at(10, ANN), set("a", &[])), (at(11, BOB), set("b", &[at(10, ANN)]))]).is_empty());
}

#[test]
fn of_two_writes_that_did_not_know_of_each_other_the_earlier_is_lost_however_far_apart_they_are() {
    let lost = after(&[(at(10, ANN), set("a", &[])), (at(99_999, BOB), set("b", &[]))]);
    assert_eq!(told(&lost), [("a", "b", false)]);
}

#[test]
fn a_conflict_is_settled_by_whoever_has_seen_both() {
    let both = [at(10, ANN), at(11, BOB)];
    let lost = after(&[(both[0], set("a", &[])), (both[1], set("b", &[])), (at(12, ANN), set("c", &both))]);
    assert_eq!(told(&lost), [("a", "b", true)]);
}

#[test]
fn a_value_that_its_own_writer_had_replaced_is_not_lost() {
    let lost = after(&[
        (at(10, ANN), set("draft", &[])),
        (at(11, ANN), set("final", &[at(10, ANN)])),
        (at(12, BOB), set("b", &[])),
    ]);
    assert_eq!(told(&lost), [("final", "b", false)]);
}

#[test]
fn the_same_value_twice_loses_nothing() {
    assert!(after(&[(at(10, ANN), set("a", &[])), (at(11, BOB), set("a", &[]))]).is_empty());
}

#[test]
fn a_text_that_was_written_while_it_was_deleted_elsewhere_is_lost_to_the_delete() {
    let lost = after(&[(at(10, ANN), set("a", &[])), (at(11, BOB), deleted(true, &[]))]);
    assert_eq!(told(&lost), [("a", "deleted", false)]);
    assert!(after(&[(at(10, ANN), set("a", &[])), (at(11, BOB), deleted(true, &[at(10, ANN)]))]).is_empty());
}

#[test]
fn two_tabs_of_one_device_lose_nothing_unseen_either() {
    let lost = after(&[(at(10, ANN), set("one tab", &[])), (at(11, ANN), set("the other", &[]))]);
    assert_eq!(told(&lost), [("one tab", "the other", false)]);
}

#[test]
fn a_long_value_is_kept_by_its_beginning_and_its_length() {
    let long = "ä".repeat(100_000);
    let lost = after(&[(at(10, ANN), set(&long, &[])), (at(11, BOB), set("b", &[]))]);
    assert_eq!(lost[0].loser.1.cut, Some(100_000));
    assert_eq!(lost[0].loser.1.change.text(), Some(&*"ä".repeat(client_view::views::EXCERPT_CHARS)));
}
