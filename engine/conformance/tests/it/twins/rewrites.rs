//! Faults in writing a tail again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use syncline::format::Head;
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::StoreError;
use syncline::{Dot, Position, Seq};
use syncline_conformance::Author;

use crate::broken_stores::Broken;
use crate::fault::Fault;
use crate::spoil::{asked_origin, batch, batch_at, commits, forgives, page, reads, refuses, restarts_as, status};

/// Remembers that a tail has been rewritten.
fn noting(rewritten: Arc<AtomicBool>, then: fn(bool) -> bool) -> Fault {
    commits(move |handle, batch| {
        let before = rewritten.fetch_or(batch.rewrite.is_some(), Ordering::SeqCst);
        Box::pin(async move {
            if then(before) {
                let found = handle.store.status().await?.revision;
                return Err(StoreError::Conflict { expected: found, found });
            }
            handle.store.commit(batch).await
        })
    })
}

/// Refuses every cursor from the middle of a log once its tail has been rewritten.
fn forgetful_of_places() -> Fault {
    let rewritten = Arc::new(AtomicBool::new(false));
    let noted = rewritten.clone();
    let reads = reads(move |handle, (after, limit)| {
        let is_gone = noted.load(Ordering::SeqCst) && after.position > Position::ZERO;
        Box::pin(async move {
            let status = handle.store.status().await?;
            if is_gone {
                let (log, base, head) = (status.log, status.base, status.head);
                return Err(StoreError::CursorGone { cursor: after, log, base, head });
            }
            handle.store.read(after, limit).await
        })
    });
    Fault { read: reads.read, ..noting(rewritten, |_| false) }
}

/// Makes the bundles void again that were void before the rewrite.
fn clinging_to_voids() -> Fault {
    let voids: Arc<Mutex<BTreeSet<Dot>>> = Arc::default();
    commits(move |handle, mut batch| {
        let mut voids = voids.lock().unwrap();
        voids.extend(batch.voids.iter().copied());
        if batch.rewrite.is_some() {
            batch.voids.extend(voids.iter().copied());
        }
        handle.store.commit(batch)
    })
}

pub(crate) fn all() -> Vec<Broken> {
    let mut all = tails();
    all.extend(refusals());
    all
}

fn tails() -> Vec<Broken> {
    vec![
        (
            "leaves the tail as it was",
            &["a_rewritten_tail_takes_the_places_of_the_old_one"],
            batch(|batch| batch.rewrite = None),
        ),
        (
            "remembers origins that have nothing left",
            &["a_rewritten_tail_may_move_to_another_origin"],
            status(|status| {
                let ann = Author::new(1).origin();
                if !status.heads.iter().any(|(origin, _)| origin == ann) {
                    status.heads.set(ann, Head::NONE);
                }
            }),
        ),
        (
            "puts the bundles of a page into the order of their numbers",
            &["a_tail_that_moved_before_its_new_origin_is_read_where_it_lies"],
            page(|page| page.runs.sort_by_key(|stored| (stored.run.origin(), stored.run.first()))),
        ),
        (
            "reads the new origin under the old one's name",
            &["a_rewritten_tail_is_read_alike_by_position_and_by_origin"],
            asked_origin(|_, origin, _, _| {
                if *origin == Author::new(7).origin() {
                    *origin = Author::new(1).origin();
                }
            }),
        ),
        (
            "takes nothing more after a rewrite",
            &["commits_follow_the_rewritten_tail"],
            noting(Arc::default(), |rewritten| rewritten),
        ),
        (
            "does one thing a batch",
            &["a_batch_goes_on_behind_its_rewrite"],
            batch(|batch| {
                if batch.rewrite.is_some() {
                    batch.runs.clear();
                    batch.voids.clear();
                }
            }),
        ),
        (
            "never sets its clock back",
            &["a_rewrite_sets_the_clock_back"],
            batch_at(|status, batch| batch.clock = batch.clock.max(status.clock)),
        ),
        ("clings to its voids", &["a_rewrite_takes_voids_away"], clinging_to_voids()),
        (
            "counts on where an origin has ended that was emptied",
            &["an_origin_that_was_emptied_may_begin_anew"],
            refuses(|status, batch| {
                let mut runs = batch.runs.iter().map(|verified| verified.run());
                let anew = runs.find(|run| run.first() == Seq::new(1) && status.revision >= Revision::new(2))?;
                let got = Dot { origin: anew.origin(), seq: anew.first() };
                Some(StoreError::OutOfOrder { expected: Seq::new(10), got })
            }),
        ),
        ("forgets its places", &["a_cursor_outlives_a_rewrite"], forgetful_of_places()),
        (
            "takes up its old clock when it is opened",
            &["a_rewritten_tail_is_there_after_a_restart"],
            restarts_as(|| status(|status| status.clock = status.clock.max(NTP64(1 << 60)))),
        ),
    ]
}

fn refusals() -> Vec<Broken> {
    vec![
        (
            "rewrites behind any history",
            &["a_rewrite_behind_what_the_log_does_not_hold_is_refused"],
            forgives(|error, _| matches!(error, StoreError::WrongChain { .. })),
        ),
        (
            "leaves places empty",
            &["a_rewrite_that_fills_other_places_is_refused"],
            forgives(|error, _| matches!(error, StoreError::Misplaced { .. })),
        ),
        (
            "leaves a hole before the new tail",
            &["a_rewritten_tail_must_follow_what_stays"],
            forgives(|error, _| matches!(error, StoreError::OutOfOrder { .. })),
        ),
    ]
}
