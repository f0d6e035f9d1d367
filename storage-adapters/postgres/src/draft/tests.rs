use syncline::store::WriteBatch;
use syncline::{Head, LogId, NTP64, Revision};
use syncline_conformance::{Author, appends, deletes, dot, puts, row_key, view, voids, writes};

use super::*;

/// The end of an empty log that knows the origins of these batches.
fn tail(batches: &[WriteBatch]) -> Tail {
    Tail {
        log: LogId::from_bytes([1; 16]).unwrap(),
        revision: Revision::new(7),
        head: Position::ZERO,
        clock: NTP64(0),
        heads: origins(batches).into_iter().map(|origin| (origin, Head::NONE)).collect(),
    }
}

#[test]
fn each_batch_builds_on_those_before_it() {
    let mut ann = Author::new(1);
    let batches = [appends([ann.write(2)]), appends([ann.write(3)])];
    let (draft, outcomes) = Draft::of(tail(&batches), Vec::new(), &batches);
    let places = outcomes.into_iter().map(|outcome| outcome.unwrap());
    let places: Vec<_> = places.map(|committed| (committed.revision.get(), committed.head.get())).collect();
    assert_eq!(places, [(8, 2), (9, 5)]);
    assert_eq!((draft.base, draft.runs.inserted().len()), (Revision::new(7), 2));
    assert_eq!(draft.into_tail().heads[&ann.origin()], ann.head());
}

#[test]
fn a_refused_batch_leaves_no_trace_and_takes_none_with_it() {
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (lost, late) = (ann.write(1), ann.write(1));
    let gap = WriteBatch { rows: puts(&view("todo@1"), &[("a", "1")]), ..appends([bob.write(1), late]) };
    let batches = [gap, appends([lost])];
    let (draft, outcomes) = Draft::of(tail(&batches), Vec::new(), &batches);
    assert!(matches!(outcomes[0], Err(StoreError::OutOfOrder { .. })), "{outcomes:?}");
    assert_eq!(outcomes[1].as_ref().unwrap().revision, Revision::new(8));
    assert_eq!((draft.rows.len(), draft.tail.heads[&bob.origin()]), (0, Head::NONE));
}

#[test]
fn of_batches_that_expect_one_revision_the_first_is_taken() {
    let batch = WriteBatch { expected: Some(Revision::new(7)), ..WriteBatch::default() };
    let batches = [batch.clone(), batch];
    let (draft, outcomes) = Draft::of(tail(&batches), Vec::new(), &batches);
    assert!(outcomes[0].is_ok() && matches!(outcomes[1], Err(StoreError::Conflict { .. })), "{outcomes:?}");
    assert!(!draft.is_empty());
}

#[test]
fn of_a_row_written_twice_the_last_state_remains() {
    let todo = view("todo@1");
    let batches = [
        writes(puts(&todo, &[("b", "1"), ("a", "1"), ("c", "1")])),
        writes(deletes(&todo, &["b"])),
        writes(puts(&todo, &[("a", "2")])),
    ];
    let (draft, _) = Draft::of(tail(&batches), Vec::new(), &batches);
    let rows: Vec<_> = draft.rows.iter().map(|(key, value)| (&key.key[..], value.map(|value| &value[..]))).collect();
    assert_eq!(rows, [(&b"a"[..], Some(&b"2"[..])), (b"b", None), (b"c", Some(b"1"))]);
}

#[test]
fn clearing_a_view_drops_what_the_group_wrote_to_it_before() {
    let (todo, tags) = (view("todo@1"), view("tags@1"));
    let batches = [
        WriteBatch {
            rows: [puts(&todo, &[("a", "1")]), puts(&tags, &[("a", "1")])].concat(),
            views: vec![(todo.clone(), Position::new(1))],
            ..WriteBatch::default()
        },
        WriteBatch { clear: vec![todo.clone()], rows: puts(&todo, &[("b", "2")]), ..WriteBatch::default() },
    ];
    let (draft, _) = Draft::of(tail(&batches), Vec::new(), &batches);
    let keys: Vec<_> = draft.rows.iter().map(|(key, _)| (*key).clone()).collect();
    assert_eq!(keys, [row_key(&tags, "a"), row_key(&todo, "b")]);
    assert!(draft.views.is_empty() && draft.clear.contains(&todo));
}

#[test]
fn a_bundle_of_the_group_becomes_void_in_its_run() {
    let mut ann = Author::new(1);
    let batches = [appends([ann.write(3)]), voids([dot(&ann, 2)])];
    let (draft, outcomes) = Draft::of(tail(&batches), Vec::new(), &batches);
    assert!(outcomes.iter().all(Result::is_ok) && draft.runs.removed().is_empty());
    let void: Vec<_> = draft.runs.inserted()[0].run.bundles().map(|bundle| bundle.is_void()).collect();
    assert_eq!(void, [false, true, false]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut batches = vec![WriteBatch::default()];
    let mut tail = tail(&batches);
    let origin = |number: u128| ReplicaId::from_bytes(number.to_be_bytes()).unwrap();
    tail.heads = (1..=2_000).map(|number| (origin(number), Head::NONE)).collect();
    batches.push(appends([Author::with_origin(origin(5)).write(1)]));
    let (draft, _) = Draft::of(tail, Vec::new(), &batches);
    assert_eq!(draft.into_tail().heads.into_keys().collect::<Vec<_>>(), [origin(5)]);
}
