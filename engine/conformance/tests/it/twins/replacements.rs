//! Faults in what a replacement takes away, in what it leaves, and in what is said of it.

use syncline::Position;
use syncline::store::{Committed, Replacement, StoreError, WriteBatch};
use syncline_conformance::new_log_id;

use crate::broken_stores::Broken;
use crate::fault::Handle;
use crate::spoil::{asked, batch, batch_at, commits, forgives, half_done, origin_reads, refuses, restarts_as, status};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = effects();
    all.extend(answers());
    all.extend(refusals());
    all
}

fn effects() -> Vec<Broken> {
    vec![
        (
            "keeps the heads that a replacement does not name",
            &["a_replaced_log_begins_behind_what_its_heads_tell_of", "the_bundles_of_a_replaced_log_are_gone"],
            batch_at(|status, batch| {
                if let Some(Replacement { heads, .. }) = &mut batch.replace {
                    *heads = status.heads.iter().chain(heads.iter()).collect();
                }
            }),
        ),
        (
            "deletes the rows, too",
            &["a_replacement_keeps_rows_progress_and_clock"],
            batch_at(|status, batch| {
                if batch.replace.is_some() {
                    batch.clear.extend(status.views.keys().cloned());
                }
            }),
        ),
        (
            "replaces its log behind the rest of the batch",
            &["a_batch_goes_on_behind_its_replacement", "a_log_that_grows_and_is_replaced_in_turn_reads_the_same"],
            commits(|handle, mut batch| {
                Box::pin(async move {
                    let replace = batch.replace.take();
                    handle.store.commit(batch).await?;
                    handle.store.commit(WriteBatch { replace, ..WriteBatch::default() }).await
                })
            }),
        ),
        (
            "cannot be without heads",
            &["a_log_that_is_replaced_without_heads_begins_with_nothing"],
            batch(|batch| batch.replace = batch.replace.take().filter(|replacement| !replacement.heads.is_empty())),
        ),
        (
            "takes nothing more once its log is replaced",
            &["commits_go_on_behind_a_replacement"],
            refuses(|status, batch| {
                let is_over = status.base > Position::ZERO && batch.replace.is_none() && batch.rows.is_empty();
                is_over.then_some(StoreError::Conflict { expected: status.revision, found: status.revision })
            }),
        ),
        (
            "replaces its neighbours",
            &["a_replacement_leaves_other_spaces"],
            commits(|handle, batch| Box::pin(replaces_all(handle, batch))),
        ),
        (
            "goes back to another identity when it is opened",
            &["a_replacement_is_there_after_a_restart"],
            restarts_as(|| status(|status| status.log = new_log_id())),
        ),
    ]
}

async fn replaces_all(handle: &Handle, batch: WriteBatch) -> Result<Committed, StoreError> {
    let own = handle.store.status().await?.log;
    for name in handle.storage.spaces().await?.iter().filter(|_| batch.replace.is_some()) {
        let store = handle.storage.open(name).await?;
        if store.status().await?.log != own {
            let replace = batch.replace.clone().map(|replacement| Replacement { log: new_log_id(), ..replacement });
            store.commit(WriteBatch { replace, ..WriteBatch::default() }).await?;
        }
    }
    handle.store.commit(batch).await
}

fn answers() -> Vec<Broken> {
    vec![
        (
            "serves cursors of any identity",
            &["no_cursor_into_a_replaced_log_is_served", "a_reader_of_a_log_that_is_replaced_is_told_and_never_misled"],
            asked(|status, after, _| after.log = status.log),
        ),
        (
            "has nothing of an origin whose bundles a replacement took",
            &["the_bundles_of_a_replaced_log_are_gone"],
            origin_reads(|handle, (origin, after, limit)| {
                Box::pin(async move {
                    match handle.store.read_origin(origin, after, limit).await {
                        Err(StoreError::Trimmed { .. }) => Ok(Vec::new()),
                        answer => answer,
                    }
                })
            }),
        ),
    ]
}

fn is_same(error: &StoreError) -> bool {
    matches!(error, StoreError::SameLog { .. })
}

fn is_too_much(error: &StoreError) -> bool {
    matches!(error, StoreError::TooLarge { .. })
}

fn refusals() -> Vec<Broken> {
    vec![
        (
            "does not mind its own identity",
            &["a_replacement_under_the_same_identity_is_refused_and_leaves_no_trace"],
            forgives(|error, _| is_same(error)),
        ),
        (
            "does the rest of a batch that replaces a log by itself",
            &["a_replacement_under_the_same_identity_is_refused_and_leaves_no_trace"],
            half_done(is_same, |batch| WriteBatch { replace: None, ..batch }),
        ),
        (
            "replaces its log although somebody has written",
            &["a_replacement_from_another_revision_is_a_conflict_and_leaves_no_trace"],
            batch(|batch| batch.expected = batch.expected.filter(|_| batch.replace.is_none())),
        ),
        (
            "replaces its log although the rest is refused",
            &[
                "a_run_that_does_not_follow_the_new_heads_is_refused_and_leaves_no_trace",
                "a_replacement_is_judged_before_the_rest_of_its_batch",
            ],
            half_done(
                |error| !is_same(error) && !matches!(error, StoreError::Conflict { .. }),
                |WriteBatch { replace, .. }| WriteBatch { replace, ..WriteBatch::default() },
            ),
        ),
        (
            "counts on from any number",
            &["a_replacement_by_more_than_can_be_counted_is_refused_and_leaves_no_trace"],
            forgives(|error, _| is_too_much(error)),
        ),
        (
            "looks at the replacement last",
            &["a_replacement_is_judged_before_the_rest_of_its_batch"],
            refuses(|status, batch| {
                let trim = batch.trim.filter(|trim| batch.replace.is_some() && *trim <= status.head);
                let rewrite = batch.rewrite.as_ref().filter(|_| batch.replace.is_some());
                trim.map(|trim| StoreError::TrimBeyondHead { trim, head: status.head })
                    .or_else(|| rewrite.map(|rewrite| StoreError::Misplaced { origin: rewrite.origin }))
            }),
        ),
    ]
}
