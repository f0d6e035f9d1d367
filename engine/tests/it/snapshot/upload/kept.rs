//! What a service keeps of the snapshots that it was handed: the two that cover most, the one that is being handed over, and no chunk
//! more.

use syncline::LogId;
use syncline::protocol::{AskSnapshot, Code, Wanted};
use syncline::snapshot::SnapshotId;
use syncline::store::{Replacement, WriteBatch};

use super::{COMPLETE, Desk, Made};

fn lacks(desk: &Desk, id: SnapshotId) -> bool {
    desk.piece(AskSnapshot::Manifest(id)).is_err_and(|problem| problem.code == Code::UnknownSnapshot)
}

#[test]
fn the_two_that_cover_most_are_kept_and_chunks_that_no_other_needs_go_with_the_rest() {
    let desk = Desk::new();
    let made = [[2, 1], [2, 2], [4, 4], [3, 3]].map(|bundles| Made::of(desk.heads(bundles), &format!("{bundles:?}")));
    let [first, second, third, fourth] = &made;
    desk.upload(first);
    desk.upload(second);
    assert_eq!(desk.ids(), [second.id(), first.id()]);
    desk.upload(third);
    assert_eq!(desk.ids(), [third.id(), second.id()]);
    assert!(lacks(&desk, first.id()));
    assert_eq!([0, 1, 2].map(|index| desk.has_chunk(first.hash(index))), [true, false, false], "they share the first");
    desk.upload(fourth);
    assert_eq!(desk.ids(), [third.id(), fourth.id()]);
    for (kept, has) in [(second, false), (third, true), (fourth, true)] {
        assert_eq!([1, 2].map(|index| desk.has_chunk(kept.hash(index))), [has; 2]);
    }
}

#[test]
fn one_that_covers_less_than_those_that_are_kept_is_refused_before_its_chunks_are_sent() {
    let desk = Desk::new();
    for bundles in [[3, 3], [4, 4]] {
        desk.upload(&Made::of(desk.heads(bundles), "a"));
    }
    let before = desk.status().revision;
    let problem = desk.supply(Made::of(desk.heads([2, 2]), "b").offer()).unwrap_err();
    assert!(problem.code == Code::BadSnapshot && problem.detail.contains("make a newer one"), "{problem:?}");
    assert_eq!(desk.status().revision, before);
    desk.upload(&Made::of(desk.heads([4, 3]), "b"));
}

#[test]
fn an_offer_takes_the_place_of_the_one_before_with_its_chunks() {
    let desk = Desk::new();
    let (first, second) = (Made::of(desk.heads([3, 3]), "a"), Made::of(desk.heads([4, 4]), "b"));
    desk.supply(first.offer()).unwrap();
    (0..2).for_each(|index| drop(desk.supply(first.chunk(index)).unwrap()));
    assert_eq!(desk.supply(second.offer()), Ok(Wanted { missing: vec![1, 2], is_complete: false }), "they share one");
    assert!(!desk.has_chunk(first.hash(1)) && desk.has_chunk(second.hash(0)) && lacks(&desk, first.id()));
    assert_eq!(desk.supply(first.chunk(2)).unwrap_err().code, Code::UnknownSnapshot);
    (1..3).for_each(|index| drop(desk.supply(second.chunk(index)).unwrap()));
    assert_eq!(desk.supply(second.offer()), Ok(COMPLETE));
    desk.upload(&first);
    assert_eq!(desk.ids(), [second.id(), first.id()]);
}

#[test]
fn snapshots_of_a_log_that_was_replaced_are_not_handed_out_and_give_up_their_places() {
    let desk = Desk::new();
    for bundles in [[4, 3], [4, 4]] {
        desk.upload(&Made::of(desk.heads(bundles), "a"));
    }
    let (log, heads) = (LogId::from_bytes([7; 16]).unwrap(), desk.heads([1, 1]));
    let replace = Some(Replacement { log, heads: heads.clone() });
    desk.commit(WriteBatch { replace, ..WriteBatch::default() });
    assert_eq!(desk.list(), []);
    let made = Made::of(heads, "b");
    desk.upload(&made);
    assert_eq!(desk.ids(), [made.id()]);
    assert_eq!(desk.supply(Made::of(desk.heads([1, 1]), "c").offer()).unwrap().missing, [1, 2]);
}
