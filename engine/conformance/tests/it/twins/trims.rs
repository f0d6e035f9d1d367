//! Faults in what a trim takes away, in what it leaves, and in what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use syncline::Position;
use syncline::store::{Committed, Limit, LogStatus, StoreError, WriteBatch};

use crate::broken_stores::Broken;
use crate::fault::{Fault, Handle};
use crate::spoil::{
    asked, batch_at, commits, forgives, half_done, origin_reads, reads, refuses, restarts_as, status, statuses,
};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = bases();
    all.extend(effects());
    all.extend(refusals());
    all.extend(origins());
    all
}

fn bases() -> Vec<Broken> {
    vec![
        (
            "reads on from its base if a cursor lies below it",
            &["a_trimmed_log_is_read_from_its_base_on", "a_reader_between_two_pages_goes_on_or_is_told"],
            asked(|status, after, _| after.position = after.position.max(status.base)),
        ),
        (
            "loses the bundle behind its base",
            &["a_trimmed_log_is_read_from_its_base_on", "commits_go_on_after_a_trim"],
            asked(|status, after, _| {
                if status.base > Position::ZERO && after.position == status.base {
                    after.position = after.position.plus(1).min(status.head);
                }
            }),
        ),
        (
            "sends all readers away once it is trimmed",
            &["a_reader_between_two_pages_goes_on_or_is_told"],
            reads(|handle, (after, limit)| {
                Box::pin(async move {
                    let LogStatus { log, base, head, .. } = handle.store.status().await?;
                    if base > Position::ZERO {
                        return Err(StoreError::CursorGone { cursor: after, log, base, head });
                    }
                    handle.store.read(after, limit).await
                })
            }),
        ),
        ("goes back with its base", &["a_trim_at_or_below_the_base_changes_nothing"], goes_back()),
        (
            "does not trim twice",
            &["a_trim_at_or_below_the_base_changes_nothing"],
            refuses(|status, batch| {
                let trim = batch.trim.filter(|trim| *trim <= status.base && status.base > Position::ZERO)?;
                Some(StoreError::TrimBeyondHead { trim, head: status.head })
            }),
        ),
        (
            "forgets its base when it is opened",
            &["a_trim_is_there_after_a_restart"],
            restarts_as(|| status(|status| status.base = Position::ZERO)),
        ),
    ]
}

/// Shows the base that was asked for last.
fn goes_back() -> Fault {
    let asked = Arc::new(AtomicU64::new(0));
    let shown = asked.clone();
    let statuses = statuses(move |handle, ()| {
        let base = Position::new(shown.load(Ordering::SeqCst));
        Box::pin(async move { Ok(LogStatus { base, ..handle.store.status().await? }) })
    });
    let commits = commits(move |handle, batch| {
        batch.trim.iter().for_each(|base| asked.store(base.get(), Ordering::SeqCst));
        handle.store.commit(batch)
    });
    Fault { status: statuses.status, ..commits }
}

fn effects() -> Vec<Broken> {
    vec![
        (
            "deletes the rows, too",
            &["a_trim_keeps_heads_rows_progress_and_clock"],
            batch_at(|status, batch| {
                if batch.trim.is_some() {
                    batch.clear.extend(status.views.keys().cloned());
                }
            }),
        ),
        (
            "forgets the origins of which it keeps nothing",
            &["a_trim_keeps_heads_rows_progress_and_clock"],
            status(|status| {
                if status.base == status.head {
                    status.heads = syncline::format::Heads::new();
                }
            }),
        ),
        (
            "trims before it does the rest",
            &["a_batch_appends_changes_and_trims_at_once"],
            commits(|handle, mut batch| {
                Box::pin(async move {
                    let trim = batch.trim.take();
                    handle.store.commit(WriteBatch { trim, ..WriteBatch::default() }).await?;
                    handle.store.commit(batch).await
                })
            }),
        ),
        (
            "trims a bundle more than it was asked for once it has grown",
            &["a_log_that_grows_and_is_trimmed_in_turn_reads_the_same"],
            batch_at(|status, batch| {
                if status.head > Position::new(50) {
                    batch.trim = batch.trim.map(|base| base.plus(1).min(status.head));
                }
            }),
        ),
        (
            "takes nothing more once it keeps nothing",
            &["commits_go_on_after_a_trim"],
            refuses(|status, batch| {
                let is_over = status.base > Position::ZERO && status.base == status.head && !batch.runs.is_empty();
                is_over.then_some(StoreError::Conflict { expected: status.revision, found: status.revision })
            }),
        ),
        (
            "trims its neighbours",
            &["a_trim_leaves_other_spaces"],
            commits(|handle, batch| Box::pin(trims_all(handle, batch))),
        ),
    ]
}

async fn trims_all(handle: &Handle, batch: WriteBatch) -> Result<Committed, StoreError> {
    let own = handle.store.status().await?.log;
    for name in handle.storage.spaces().await?.iter().filter(|_| batch.trim.is_some()) {
        let store = handle.storage.open(name).await?;
        if store.status().await?.log != own {
            store.commit(WriteBatch { trim: batch.trim, ..WriteBatch::default() }).await?;
        }
    }
    handle.store.commit(batch).await
}

fn is_trimmed(error: &StoreError) -> bool {
    matches!(error, StoreError::Trimmed { .. })
}

fn is_beyond(error: &StoreError) -> bool {
    matches!(error, StoreError::TrimBeyondHead { .. })
}

fn refusals() -> Vec<Broken> {
    vec![
        (
            "trims what is yet to come",
            &["a_trim_beyond_the_head_is_refused_and_leaves_no_trace"],
            forgives(|error, _| is_beyond(error)),
        ),
        (
            "does the rest of a batch that trims too much",
            &["a_trim_beyond_the_head_is_refused_and_leaves_no_trace"],
            half_done(is_beyond, |batch| WriteBatch { trim: None, ..batch }),
        ),
        (
            "looks at the trim first",
            &["a_trim_is_refused_after_everything_else"],
            refuses(|status, batch| {
                let trim = batch.trim.filter(|trim| *trim > status.head)?;
                Some(StoreError::TrimBeyondHead { trim, head: status.head })
            }),
        ),
        (
            "changes what it no longer has",
            &[
                "a_void_of_a_trimmed_bundle_is_refused_and_leaves_no_trace",
                "a_rewrite_reaches_down_to_the_base_and_no_further",
            ],
            forgives(|error, _| is_trimmed(error)),
        ),
        (
            "does the rest of a batch that changes what is gone",
            &[
                "a_void_of_a_trimmed_bundle_is_refused_and_leaves_no_trace",
                "a_rewrite_reaches_down_to_the_base_and_no_further",
            ],
            half_done(is_trimmed, |batch| WriteBatch { voids: Vec::new(), rewrite: None, ..batch }),
        ),
        (
            "rewrites no tail that reaches down to its base",
            &["a_rewrite_reaches_down_to_the_base_and_no_further"],
            refuses(|status, batch| {
                let rewrite = batch.rewrite.as_ref().filter(|_| status.base > Position::ZERO)?;
                let first = rewrite.runs.first().map(|(position, _)| *position)?;
                let origin = rewrite.origin;
                (first == status.base.plus(1)).then_some(StoreError::Misplaced { origin })
            }),
        ),
        (
            "takes again what it has trimmed",
            &["a_trimmed_bundle_is_not_taken_again"],
            forgives(|error, status| matches!(error, StoreError::OutOfOrder { .. }) && status.base == status.head),
        ),
    ]
}

fn origins() -> Vec<Broken> {
    vec![
        (
            "has nothing of an origin if it has lost the next bundle",
            &["an_origin_is_read_down_to_the_base_and_no_further"],
            origin_reads(|handle, (origin, after, limit)| {
                Box::pin(async move {
                    match handle.store.read_origin(origin, after, limit).await {
                        Err(error) if is_trimmed(&error) => Ok(Vec::new()),
                        answer => answer,
                    }
                })
            }),
        ),
        (
            "reads an origin up to what is gone, and calls it all",
            &["an_origin_with_a_trimmed_bundle_in_its_middle_is_not_read_past_it"],
            origin_reads(|handle, (origin, after, limit)| {
                Box::pin(async move {
                    match handle.store.read_origin(origin, after, limit).await {
                        Err(StoreError::Trimmed { dot, .. }) if dot.seq > after.plus(1) => {
                            let left = u32::try_from(dot.seq.since(after) - 1).unwrap();
                            handle.store.read_origin(origin, after, Limit::items(left)).await
                        }
                        answer => answer,
                    }
                })
            }),
        ),
    ]
}
