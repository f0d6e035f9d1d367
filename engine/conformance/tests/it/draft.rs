//! The commit rule by itself, without a backend.

use syncline::format::{Head, Heads, VerifiedRun};
use syncline::id::Revision;
use syncline::store::draft::{Bounds, Draft, LogEnd, Outcome, Part, bases, concerned, origins};
use syncline::store::{LogStatus, Replacement, Rewrite, StoreError, StoredRun, WriteBatch};
use syncline::{Dot, LogId, NTP64, Position, Seq};
use syncline_conformance::{Author, appends, deletes, dot, puts, row_key, view, voids, writes};

const BOUNDS: Bounds = Bounds { backend: "test", position: Position::new(1 << 40), number: 1 << 50 };

fn log(number: u8) -> LogId {
    LogId::from_bytes([number; 16]).unwrap()
}

/// The end of an empty log that knows the origins of these batches.
fn end(batches: &[WriteBatch]) -> LogEnd {
    LogEnd {
        log: log(1),
        revision: Revision::new(7),
        head: Position::ZERO,
        base: Position::ZERO,
        clock: NTP64(0),
        heads: origins(batches).into_iter().map(|origin| (origin, Head::NONE)).collect(),
    }
}

/// The draft of these batches over an empty log.
fn draft(batches: &[WriteBatch]) -> (Draft<'_>, Vec<Outcome>) {
    Draft::of(BOUNDS, end(batches), Vec::new(), batches)
}

#[test]
fn each_batch_builds_on_those_before_it() {
    let mut ann = Author::new(1);
    let batches = [appends([ann.write(2)]), appends([ann.write(3)])];
    let (draft, outcomes) = draft(&batches);
    let places = outcomes.into_iter().map(|outcome| outcome.unwrap());
    let places: Vec<_> = places.map(|committed| (committed.revision.get(), committed.head.get())).collect();
    assert_eq!(places, [(8, 2), (9, 5)]);
    assert_eq!((draft.before().revision, draft.runs.inserted().len()), (Revision::new(7), 2));
    assert_eq!(draft.into_end().heads[&ann.origin()], ann.head());
}

#[test]
fn a_refused_batch_leaves_no_trace_and_takes_none_with_it() {
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (lost, late) = (ann.write(1), ann.write(1));
    let gap = WriteBatch { rows: puts(&view("todo@1"), &[("a", "1")]), ..appends([bob.write(1), late]) };
    let batches = [gap, appends([lost])];
    let (draft, outcomes) = draft(&batches);
    assert!(matches!(outcomes[0], Err(StoreError::OutOfOrder { .. })), "{outcomes:?}");
    assert_eq!(outcomes[1].as_ref().unwrap().revision, Revision::new(8));
    assert_eq!((draft.rows.len(), draft.into_end().heads[&bob.origin()]), (0, Head::NONE));
}

#[test]
fn of_batches_that_expect_one_revision_the_first_is_taken() {
    let batch = WriteBatch { expected: Some(Revision::new(7)), ..WriteBatch::default() };
    let batches = [batch.clone(), batch];
    let (draft, outcomes) = draft(&batches);
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
    let (draft, _) = draft(&batches);
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
    let (draft, _) = draft(&batches);
    let keys: Vec<_> = draft.rows.iter().map(|(key, _)| (*key).clone()).collect();
    assert_eq!(keys, [row_key(&tags, "a"), row_key(&todo, "b")]);
    assert!(draft.views.is_empty() && draft.clear.contains(&todo));
}

#[test]
fn a_bundle_of_the_group_becomes_void_in_its_run() {
    let mut ann = Author::new(1);
    let batches = [appends([ann.write(3)]), voids([dot(&ann, 2)])];
    let (draft, outcomes) = draft(&batches);
    assert!(outcomes.iter().all(Result::is_ok) && draft.runs.removed().len() == 0);
    let void: Vec<_> = draft.runs.inserted()[0].run.bundles().map(|bundle| bundle.is_void()).collect();
    assert_eq!(void, [false, true, false]);
}

#[test]
fn runs_are_joined_as_the_draft_leaves_them() {
    let mut ann = Author::new(1);
    let written: Vec<_> = (0..3).map(|_| ann.write(1)).collect();
    let loose = (1..).zip(&written).map(|(position, verified)| StoredRun {
        position: Position::new(position),
        previous: verified.previous(),
        run: verified.run().clone(),
    });
    let loose: Vec<_> = loose.collect();
    let heads = [(ann.origin(), ann.head())].into();
    let (revision, base) = (Revision::new(7), Position::ZERO);
    let end = LogEnd { log: log(1), revision, head: Position::new(3), base, clock: NTP64(0), heads };
    let batches = [voids([dot(&ann, 2)]), appends([ann.write(1)])];
    let (mut draft, _) = Draft::of(BOUNDS, end, vec![loose[1].clone()], &batches);
    draft.runs.join(ann.origin(), Position::ZERO, Position::new(4), loose);
    let [joined] = draft.runs.inserted()[..] else { panic!("{:?}", draft.runs) };
    let void: Vec<_> = joined.run.bundles().map(|bundle| bundle.is_void()).collect();
    assert_eq!((joined.position, void), (Position::new(1), vec![false, true, false, false]));
    assert_eq!(draft.runs.removed().map(|(end, _)| end.get()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(draft.runs.removed_ranges(), [Position::new(1)..=Position::new(3)]);
}

#[test]
fn ranges_of_removed_runs_take_no_position_of_another_run() {
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let mut position = Position::new(1);
    let mut place = |verified: VerifiedRun| {
        let stored = StoredRun { position, previous: verified.previous(), run: verified.run().clone() };
        position = stored.end().plus(1);
        stored
    };
    let logged = [ann.write(2), bob.write(1), ann.write(3), ann.write(1)].map(&mut place);
    let heads = [(ann.origin(), ann.head()), (bob.origin(), bob.head())].into();
    let (head, base) = (Position::new(7), Position::ZERO);
    let end = LogEnd { log: log(1), revision: Revision::new(4), head, base, clock: NTP64(0), heads };
    let batches = [voids([dot(&ann, 2), dot(&ann, 3), dot(&ann, 6)])];
    let [first, _, third, fourth] = logged;
    let runs = vec![first, third, fourth];
    let (draft, outcomes) = Draft::of(BOUNDS, end, runs, &batches);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let ranges = [1..=2, 4..=7].map(|range| Position::new(*range.start())..=Position::new(*range.end()));
    assert_eq!(draft.runs.removed_ranges(), ranges);
}

fn trim(base: u64) -> WriteBatch {
    WriteBatch { trim: Some(Position::new(base)), ..WriteBatch::default() }
}

#[test]
fn of_a_log_that_is_trimmed_the_rest_of_the_run_that_is_cut_remains() {
    let mut ann = Author::new(1);
    let written = ann.write(5);
    let (previous, run) = (written.previous(), written.run().clone());
    let stored = StoredRun { position: Position::new(1), previous, run };
    let heads = [(ann.origin(), ann.head())].into();
    let (revision, base) = (Revision::new(7), Position::ZERO);
    let end = LogEnd { log: log(1), revision, head: Position::new(5), base, clock: NTP64(0), heads };
    let batches = [trim(2), trim(1), voids([dot(&ann, 4)]), voids([dot(&ann, 2)]), trim(6)];
    let (draft, outcomes) = Draft::of(BOUNDS, end, vec![stored.clone()], &batches);
    assert!(outcomes[..3].iter().all(Result::is_ok), "{outcomes:?}");
    let is_right = |dot: Dot, base: Position| (dot.seq.get(), base.get()) == (2, 2);
    assert!(matches!(outcomes[3], Err(StoreError::Trimmed { dot, base }) if is_right(dot, base)), "{outcomes:?}");
    assert!(matches!(outcomes[4], Err(StoreError::TrimBeyondHead { .. })), "{outcomes:?}");
    let [rest] = draft.runs.inserted()[..] else { panic!("{:?}", draft.runs) };
    let void: Vec<_> = rest.run.bundles().map(|bundle| bundle.is_void()).collect();
    assert_eq!((rest.position, void), (Position::new(3), vec![false, true, false]));
    assert_eq!(draft.runs.removed().map(|(end, _)| end.get()).collect::<Vec<_>>(), [5]);
    assert!(draft.is_trimmed());
    assert_eq!((draft.before().base, draft.into_end().base), (Position::ZERO, Position::new(2)));
}

#[test]
fn what_a_group_appends_and_trims_is_not_written() {
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let batches = [appends([ann.write(2), bob.write(2)]), trim(3), appends([ann.write(1)])];
    let (draft, outcomes) = draft(&batches);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let inserted: Vec<_> =
        draft.runs.inserted().iter().map(|stored| (stored.position.get(), stored.run.count())).collect();
    assert_eq!((inserted, draft.runs.removed().len()), (vec![(4, 1), (5, 1)], 0));
    assert_eq!((draft.head, draft.base), (Position::new(5), Position::new(3)));
}

/// The log begins anew behind what these authors have written.
fn replaced(number: u8, known: &[&Author]) -> WriteBatch {
    let heads = known.iter().map(|author| (author.origin(), author.head())).collect();
    WriteBatch { replace: Some(Replacement { log: log(number), heads }), ..WriteBatch::default() }
}

#[test]
fn a_replaced_log_begins_behind_what_its_heads_tell_of_and_keeps_nothing_else() {
    let (mut ann, mut bob, mut eve) = (Author::new(1), Author::new(2), Author::new(7));
    let before = appends([ann.write(4), bob.write(2)]);
    bob.write(1);
    let replacement = WriteBatch { trim: Some(Position::new(3)), ..replaced(2, &[&bob]) };
    let batches = [
        before,
        WriteBatch { runs: vec![bob.write(2), eve.write(1)], ..replacement },
        appends([ann.write(1)]),
        voids([dot(&bob, 3)]),
        appends([bob.write(1)]),
    ];
    let (draft, outcomes) = draft(&batches);
    assert!(matches!(outcomes[2], Err(StoreError::OutOfOrder { expected, .. }) if expected.get() == 1), "{outcomes:?}");
    assert!(matches!(outcomes[3], Err(StoreError::Trimmed { base, .. }) if base.get() == 3), "{outcomes:?}");
    let heads: Vec<_> = [1, 4].map(|index: usize| outcomes[index].as_ref().unwrap().head.get()).into();
    assert_eq!((heads, draft.log, draft.is_replaced, draft.is_trimmed()), (vec![6, 7], log(2), true, false));
    let places: Vec<_> = draft.runs.inserted().iter().map(|stored| stored.position.get()).collect();
    assert_eq!((places, draft.runs.removed().len(), draft.base), (vec![4, 6, 7], 0, Position::new(3)));
    let told: Vec<_> = draft.heads.iter().map(|(origin, head)| (*origin, *head)).collect();
    assert_eq!(told, [(bob.origin(), Some(bob.head())), (eve.origin(), Some(eve.head()))]);
    let mut status = LogStatus::fresh(log(1));
    status.heads.set(ann.origin(), ann.head());
    draft.publish(&mut status);
    assert_eq!((status.log, status.base, status.heads.len(), status.check()), (log(2), Position::new(3), 2, Ok(())));
    assert_eq!(draft.into_end().heads[&ann.origin()], Head::NONE);
}

#[test]
fn a_log_is_not_replaced_under_its_own_identity_or_by_half() {
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let first = ann.write(2);
    bob.write(4);
    let gap = WriteBatch { runs: vec![ann.write(1)], ..replaced(2, &[&bob]) };
    let batches = [appends([first]), gap, replaced(1, &[]), replaced(3, &[]), replaced(3, &[&bob]), replaced(1, &[])];
    let (mut draft, outcomes) = draft(&batches[..3]);
    assert!(matches!(outcomes[1], Err(StoreError::OutOfOrder { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(StoreError::SameLog { log: named }) if named == log(1)), "{outcomes:?}");
    assert_eq!(
        (draft.log, draft.is_replaced, draft.head, draft.runs.inserted().len()),
        (log(1), false, Position::new(2), 1)
    );
    let outcomes;
    (draft, outcomes) = self::draft(&batches);
    assert!(matches!(outcomes[4], Err(StoreError::SameLog { log: named }) if named == log(3)), "{outcomes:?}");
    // To a store the first identity is as good as another.
    assert_eq!((outcomes[5].is_ok(), draft.log, draft.is_replaced, draft.head), (true, log(1), true, Position::ZERO));
}

#[test]
fn nothing_of_a_log_that_is_replaced_is_told_one_by_one() {
    let mut ann = Author::new(1);
    let written = ann.write(5);
    let (previous, run) = (written.previous(), written.run().clone());
    let stored = StoredRun { position: Position::new(1), previous, run };
    let heads = [(ann.origin(), ann.head())].into();
    let (revision, head, base) = (Revision::new(7), Position::new(5), Position::ZERO);
    let end = LogEnd { log: log(1), revision, head, base, clock: NTP64(9), heads };
    let batches = [voids([dot(&ann, 4)]), replaced(2, &[])];
    let (draft, outcomes) = Draft::of(BOUNDS, end, vec![stored], &batches);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((draft.runs.inserted().len(), draft.runs.removed().len(), draft.heads.len()), (0, 0, 0));
    assert_eq!((draft.head, draft.base, draft.clock), (Position::ZERO, Position::ZERO, NTP64(9)));
}

#[test]
fn an_origin_that_a_rewrite_has_emptied_has_no_head() {
    let (mut ann, mut eve) = (Author::new(1), Author::new(7));
    let runs = vec![(Position::new(1), eve.write_bodies(&["a", "b"]))];
    let rewrite = Rewrite { origin: ann.origin(), after: Head::NONE, runs };
    let batches = [appends([ann.write(2)]), WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }];
    let (draft, outcomes) = draft(&batches);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((draft.heads[&ann.origin()], draft.heads[&eve.origin()]), (None, Some(eve.head())));
    assert_eq!(draft.into_end().heads[&ann.origin()], Head::NONE);
}

#[test]
fn what_a_backend_cannot_count_is_refused() {
    let mut ann = Author::new(1);
    let batches = [appends([ann.write(3)])];
    let at = |change: fn(&mut LogEnd)| {
        let mut end = end(&batches);
        change(&mut end);
        Draft::of(BOUNDS, end, Vec::new(), &batches).1.remove(0)
    };
    let refused = |outcome: Outcome| match outcome {
        Err(StoreError::TooLarge { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert!(at(|end| end.head = Position::new((1 << 40) - 3)).is_ok());
    assert_eq!(refused(at(|end| end.head = Position::new((1 << 40) - 2))), "number of bundles in one space");
    assert!(at(|end| end.revision = Revision::new((1 << 50) - 1)).is_ok());
    assert_eq!(refused(at(|end| end.revision = Revision::new(1 << 50))), "revision");
    let many = |seq| {
        let heads = Heads::from_iter([(ann.origin(), Head { seq: Seq::new(seq), ..Head::NONE })]);
        [WriteBatch { replace: Some(Replacement { log: log(2), heads }), ..WriteBatch::default() }]
    };
    assert!(draft(&many(1 << 40)).1.remove(0).is_ok());
    for seq in [(1 << 40) + 1, u64::MAX] {
        assert_eq!(refused(draft(&many(seq)).1.remove(0)), "number of bundles in one space");
    }
    let views = [WriteBatch { views: vec![(view("todo@1"), Position::new((1 << 50) + 1))], ..WriteBatch::default() }];
    assert_eq!(refused(draft(&views).1.remove(0)), "progress of a view");
}

#[test]
fn every_part_of_a_batch_counts_in_its_size() {
    let (todo, mut ann) = (view("todo@1"), Author::new(1));
    let run = || Author::new(1).write_bodies(&[vec![7; 1_000]]);
    let rewrite = Rewrite { origin: ann.origin(), after: Head::NONE, runs: vec![(Position::new(1), run())] };
    let parts = [
        (appends([run()]), 1_000),
        (WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }, 1_000),
        (writes(puts(&todo, &[("a", vec![7; 1_000])])), 1_000),
        (writes(deletes(&todo, &["a"])), 1),
        (
            voids([{
                ann.write(1);
                dot(&ann, 1)
            }]),
            1,
        ),
        (trim(1), 1),
        (replaced(2, &[]), 1),
        (replaced(2, &[&ann]), 101),
        (WriteBatch { clear: vec![todo.clone()], ..WriteBatch::default() }, 1),
        (WriteBatch { views: vec![(todo.clone(), Position::new(1))], ..WriteBatch::default() }, 1),
    ];
    let empty = WriteBatch::default().bytes();
    for (batch, least) in parts {
        assert!(batch.bytes() >= empty + least, "{} bytes: {batch:?}", batch.bytes());
    }
}

#[test]
fn a_commit_concerns_voids_by_their_runs_and_rewritten_tails_whole() {
    let (ann, bob) = (Author::new(1), Author::new(2));
    let rewrite = Rewrite { origin: bob.origin(), after: Head { seq: Seq::new(4), ..Head::NONE }, runs: Vec::new() };
    let batches = [
        voids([5, 3, 0, 4, 9].map(|seq| dot(&ann, seq))),
        WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() },
    ];
    let part =
        |author: &Author, first, last| Part { origin: author.origin(), first: Seq::new(first), last: Seq::new(last) };
    assert_eq!(concerned(&batches), [part(&ann, 3, 5), part(&ann, 9, 9), part(&bob, 5, u64::MAX)]);
    assert_eq!(origins(&batches).into_iter().collect::<Vec<_>>(), [ann.origin(), bob.origin()]);
    assert_eq!(bases(&[trim(5), trim(2), trim(5), batches[0].clone()]), [2, 5].map(Position::new).into());
}
