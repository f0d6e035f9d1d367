//! Faults in what is refused, and in what a refusal leaves behind.

use syncline::Seq;
use syncline::format::run::Body;
use syncline::id::Revision;
use syncline::limits::{BODY_BYTES_MAX, RUN_BYTES_MAX};
use syncline::store::check::check_row;
use syncline::store::{StoreError, WriteBatch};

use crate::broken_stores::Broken;
use crate::spoil::{answers, batch, forgives, half_done, mixes_up, refuses, renamed};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = contiguity();
    all.extend(conflicts());
    all.extend(traces());
    all.extend(limits());
    all
}

fn contiguity() -> Vec<Broken> {
    vec![
        (
            "expects what it was offered",
            &["a_gap_is_refused_with_the_seq_expected"],
            answers(|_, result| match result {
                Err(StoreError::OutOfOrder { got, .. }) => Err(StoreError::OutOfOrder { expected: got.seq, got }),
                result => result,
            }),
        ),
        (
            "lets an origin start anywhere",
            &["an_origin_starts_with_its_first_bundle"],
            forgives(|error, _| matches!(error, StoreError::OutOfOrder { expected, .. } if *expected == Seq::new(1))),
        ),
        (
            "takes what it has once more",
            &["a_known_bundle_is_refused", "a_run_that_overlaps_the_log_is_refused"],
            forgives(|error, _| matches!(error, StoreError::OutOfOrder { expected, got } if got.seq < *expected)),
        ),
        (
            "looks at numbers and not at hashes",
            &["a_run_of_another_history_is_refused"],
            forgives(|error, _| matches!(error, StoreError::WrongChain { .. })),
        ),
        (
            "does not check what comes first",
            &["a_first_run_must_continue_the_empty_chain"],
            forgives(|error, _| matches!(error, StoreError::WrongChain { got } if got.seq == Seq::new(1))),
        ),
        (
            "compares all runs of a batch with the log",
            &["runs_of_one_batch_must_follow_each_other"],
            refuses(|status, batch| {
                let mut runs = batch.runs.iter().map(syncline::format::run::VerifiedRun::run);
                let late = runs.find(|run| run.first() != status.heads.get(run.origin()).seq.plus(1))?;
                let got = late.bundles().next()?.dot;
                Some(StoreError::OutOfOrder { expected: status.heads.get(got.origin).seq.plus(1), got })
            }),
        ),
        (
            "counts all origins as one",
            &["origins_are_counted_apart"],
            answers(|before, result| match result {
                Err(StoreError::OutOfOrder { got, .. }) => {
                    Err(StoreError::OutOfOrder { expected: Seq::new(before.head.get() + 1), got })
                }
                result => result,
            }),
        ),
        (
            "makes a void of nothing",
            &["a_void_of_an_unknown_bundle_is_refused"],
            forgives(|error, _| matches!(error, StoreError::NoSuchBundle { .. })),
        ),
    ]
}

fn conflicts() -> Vec<Broken> {
    vec![
        (
            "ignores the revision expected",
            &["a_stale_revision_is_a_conflict", "of_commits_from_one_revision_exactly_one_wins"],
            batch(|batch| batch.expected = None),
        ),
        (
            "takes any revision that is not older",
            &["a_revision_yet_to_come_is_a_conflict"],
            forgives(|error, _| matches!(error, StoreError::Conflict { expected, found } if expected > found)),
        ),
        (
            "lets nobody through who expects something",
            &["the_current_revision_is_accepted"],
            refuses(|status, batch| {
                batch.expected.map(|expected| StoreError::Conflict { expected, found: status.revision })
            }),
        ),
        (
            "goes by the head and not by the revision",
            &["a_commit_of_rows_alone_makes_others_stale"],
            forgives(
                |error, status| matches!(error, StoreError::Conflict { expected, .. } if *expected == Revision::new(status.head.get())),
            ),
        ),
    ]
}

/// Without what the refusals of [`traces`] are for.
fn only(part: fn(WriteBatch) -> WriteBatch) -> fn(WriteBatch) -> WriteBatch {
    part
}

fn traces() -> Vec<Broken> {
    vec![
        (
            "looks at rows first of all",
            &["of_several_errors_the_first_is_told"],
            refuses(|_, batch| batch.rows.iter().find_map(|row| check_row(&row.key, row.value.as_ref()).err())),
        ),
        (
            "writes rows before it looks at the revision",
            &["a_batch_refused_for_a_conflict_leaves_no_trace"],
            half_done(
                |error| matches!(error, StoreError::Conflict { .. }),
                only(|batch| WriteBatch { rows: batch.rows, ..WriteBatch::default() }),
            ),
        ),
        (
            "keeps the runs before a gap",
            &["a_batch_refused_for_a_gap_leaves_no_trace"],
            half_done(
                |error| matches!(error, StoreError::OutOfOrder { .. }),
                only(|mut batch| {
                    batch.runs.pop();
                    WriteBatch { runs: batch.runs, ..WriteBatch::default() }
                }),
            ),
        ),
        (
            "moves its clock before it looks at hashes",
            &["a_batch_refused_for_a_wrong_chain_leaves_no_trace"],
            half_done(
                |error| matches!(error, StoreError::WrongChain { .. }),
                only(|batch| WriteBatch { clock: batch.clock, ..WriteBatch::default() }),
            ),
        ),
        (
            "makes voids up to the unknown one",
            &["a_batch_refused_for_an_unknown_void_leaves_no_trace", "a_void_of_an_unknown_bundle_is_refused"],
            half_done(
                |error| matches!(error, StoreError::NoSuchBundle { .. }),
                only(|batch| WriteBatch { voids: batch.voids[..1].to_vec(), ..WriteBatch::default() }),
            ),
        ),
        (
            "notes progress before it looks at rows",
            &["a_batch_refused_for_a_large_row_leaves_no_trace"],
            half_done(
                |error| matches!(error, StoreError::TooLarge { what: "row", .. }),
                only(|batch| WriteBatch { views: batch.views, ..WriteBatch::default() }),
            ),
        ),
        (
            "clears views before it looks at keys",
            &["a_batch_refused_for_a_long_key_leaves_no_trace"],
            half_done(
                |error| matches!(error, StoreError::TooLarge { what: "row key", .. }),
                only(|batch| WriteBatch { clear: batch.clear, ..WriteBatch::default() }),
            ),
        ),
    ]
}

fn limits() -> Vec<Broken> {
    vec![
        (
            "has less room for bodies",
            &["the_largest_body_passes"],
            refuses(|_, batch| {
                let mut bundles = batch.runs.iter().flat_map(|verified| verified.run().bundles());
                let large = |body: Body<'_>| matches!(body, Body::Full(bytes) if bytes.len() >= BODY_BYTES_MAX);
                let (size, max) = (BODY_BYTES_MAX, BODY_BYTES_MAX - 1);
                bundles.any(|bundle| large(bundle.body)).then_some(StoreError::TooLarge { what: "body", size, max })
            }),
        ),
        (
            "has less room for runs",
            &["the_largest_run_passes"],
            refuses(|_, batch| {
                let max = RUN_BYTES_MAX - 4_096;
                let mut sizes = batch.runs.iter().map(|verified| verified.run().as_bytes().len());
                sizes.find(|size| *size > max).map(|size| StoreError::TooLarge { what: "run", size, max })
            }),
        ),
        (
            "cuts keys at 1,023 bytes",
            &["the_longest_key_passes_and_one_byte_more_does_not"],
            mixes_up(|key| key.key.truncate(1_023)),
        ),
        (
            "takes keys of any length",
            &["the_longest_key_passes_and_one_byte_more_does_not"],
            forgives(|error, _| matches!(error, StoreError::TooLarge { what: "row key", .. })),
        ),
        (
            "takes rows of any size",
            &["the_largest_row_passes_and_one_byte_more_does_not"],
            forgives(|error, _| matches!(error, StoreError::TooLarge { what: "row", .. })),
        ),
        (
            "writes at most 16 MiB of rows a batch",
            &["many_of_the_largest_rows_pass_in_one_batch_and_one_load"],
            batch(|batch| {
                let mut room = 16 * 1024 * 1024;
                batch.rows.retain(|row| {
                    let size = row.value.as_ref().map_or(0, |value| value.len());
                    let fits = size <= room;
                    room -= size.min(room);
                    fits
                });
            }),
        ),
        ("takes a thousand runs a batch", &["many_runs_pass_in_one_batch"], batch(|batch| batch.runs.truncate(1_000))),
        (
            "cuts names at half their length",
            &["the_longest_names_pass"],
            mixes_up(|key| {
                key.view = renamed(&key.view, |name| match name.split_once('@') {
                    Some((name, version)) => format!("{}@{version}", &name[..name.len().min(32)]),
                    None => name.to_owned(),
                });
            }),
        ),
    ]
}
