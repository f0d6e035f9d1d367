//! Faults of commits that fold stored rows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::FutureExt as _;
use syncline::limits::ROW_BYTES_MAX;
use syncline::store::{RowFold, RowWrite, StoreError, WriteBatch};
use tokio::task::yield_now;

use crate::broken_stores::Broken;
use crate::fault::{Fault, sound};
use crate::spoil::folds;

pub(crate) fn all() -> Vec<Broken> {
    let mut all = contents();
    all.extend(moments());
    all.extend(panics());
    all
}

fn contents() -> Vec<Broken> {
    vec![
        (
            "hands a fold the rows in the order of their keys",
            &["a_fold_gets_the_rows_in_the_order_asked"],
            folds(|handle, (batch, mut fold)| {
                fold.keys.sort();
                handle.store.commit_folded(batch, fold)
            }),
        ),
        (
            "forgets what the fold has made",
            &["what_a_fold_makes_is_committed_with_its_batch"],
            folds(|handle, (batch, fold)| {
                handle.store.commit_folded(batch, fold.then(|rows| rows.map(|_| Vec::new())))
            }),
        ),
        (
            "commits the batch of a fold that declines",
            &["nothing_of_a_declined_fold_is_committed"],
            folds(|handle, (batch, fold)| {
                handle.store.commit_folded(batch, fold.then(|rows| Some(rows.unwrap_or_default())))
            }),
        ),
        (
            "calls the fold before it looks at the revision",
            &["a_fold_at_another_revision_is_a_conflict_and_not_called"],
            folds(|handle, (batch, fold)| {
                Box::pin(async move {
                    let (keys, stored) = (fold.keys.clone(), handle.store.load(&fold.keys).await?);
                    let made = fold.make(stored);
                    handle.store.commit_folded(batch, RowFold::new(keys, |_| made)).await
                })
            }),
        ),
        (
            "looks at the rows of a fold before anything else",
            &["of_several_errors_of_a_folded_batch_the_first_is_told"],
            folds(|handle, (batch, fold)| {
                Box::pin(async move {
                    let (keys, stored) = (fold.keys.clone(), handle.store.load(&fold.keys).await?);
                    let made = fold.make(stored);
                    let size = |row: &RowWrite| row.value.as_ref().map_or(0, bytes::Bytes::len);
                    let size = made.iter().flatten().map(size).max().unwrap_or(0);
                    if size > ROW_BYTES_MAX {
                        return Err(StoreError::TooLarge { what: "row", size, max: ROW_BYTES_MAX });
                    }
                    handle.store.commit_folded(batch, RowFold::new(keys, |_| made)).await
                })
            }),
        ),
    ]
}

fn moments() -> Vec<Broken> {
    vec![
        (
            "commits the batch first and what the fold has made later",
            &[
                "a_batch_refused_behind_its_fold_leaves_no_trace",
                "a_folded_commit_given_up_is_done_wholly_or_not_at_all",
            ],
            folds(|handle, (batch, fold)| {
                Box::pin(async move {
                    let stored = handle.store.load(&fold.keys).await?;
                    let made = fold.make(stored);
                    let Some(rows) = made else { return Ok(None) };
                    handle.store.commit(batch).await?;
                    yield_now().await;
                    handle.store.commit(WriteBatch { rows, ..WriteBatch::default() }).await.map(Some)
                })
            }),
        ),
        (
            "loads before its transaction",
            &["folds_and_commits_lose_no_update", "a_fold_gets_the_rows_of_the_revision_before_its_commit"],
            folds(|handle, (batch, fold)| {
                Box::pin(async move {
                    let stored = handle.store.load(&fold.keys).await?;
                    yield_now().await;
                    handle.store.commit_folded(batch, RowFold::new(Vec::new(), |_| fold.make(stored))).await
                })
            }),
        ),
    ]
}

fn panics() -> Vec<Broken> {
    let ended = Arc::new(AtomicBool::new(false));
    let also = ended.clone();
    let gone = || StoreError::Poisoned { backend: "twin", why: "the writer has panicked".into() };
    let spoilt = folds(move |handle, (batch, fold)| {
        let ended = ended.clone();
        Box::pin(async move {
            let call = AssertUnwindSafe(handle.store.commit_folded(batch, fold)).catch_unwind();
            call.await.unwrap_or_else(|panic| {
                ended.store(true, Ordering::SeqCst);
                std::panic::resume_unwind(panic)
            })
        })
    });
    let dies = Fault {
        commit: Box::new(move |handle, batch| {
            let ended = also.load(Ordering::SeqCst);
            Box::pin(async move { if ended { Err(gone()) } else { handle.store.commit(batch).await } })
        }),
        commit_folded: spoilt.commit_folded,
        ..sound()
    };
    let swallows = folds(|handle, (batch, fold)| {
        Box::pin(async move {
            let call = AssertUnwindSafe(handle.store.commit_folded(batch, fold)).catch_unwind();
            call.await.unwrap_or(Ok(None))
        })
    });
    let law: &[&str] = &["a_panic_of_a_fold_reaches_its_caller_and_harms_nobody_else"];
    vec![("cannot be used after a fold has panicked", law, dies), ("takes a panic for an answer", law, swallows)]
}
