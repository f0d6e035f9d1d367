//! Faults in what a commit leaves in the log: bundles, voids, progress, clock, revision.

use std::sync::{Arc, Mutex};

use syncline::format::heads::ChainHash;
use syncline::format::run::Body;
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::{Committed, Limit, LogStatus, StoreError, ViewId};
use syncline::{Dot, Position, Seq};

use crate::broken_stores::Broken;
use crate::fault::Fault;
use crate::spoil::{
    answers, asked_origin, batch, batch_at, commits, page, refuses, status, statuses, with_bodies, without_sign,
};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = bundles();
    all.extend(heads());
    all.extend(voids());
    all.extend(views_and_clock());
    all
}

fn bundles() -> Vec<Broken> {
    vec![
        (
            "starts its clock at one",
            &["a_new_log_is_empty"],
            status(|status| status.clock = status.clock.max(NTP64(1))),
        ),
        (
            "numbers runs instead of bundles",
            &["positions_count_up_in_commit_order_without_holes"],
            page(|page| {
                let numbered = (1..).map(Position::new).zip(&mut page.runs);
                numbered.for_each(|(number, stored)| stored.position = number);
            }),
        ),
        (
            "answers the head before the commit",
            &["a_commit_answers_what_status_shows_afterwards"],
            answers(|before, result| result.map(|committed| Committed { head: before.head, ..committed })),
        ),
        (
            "skips empty batches",
            &["an_empty_batch_raises_the_revision_and_nothing_else"],
            commits(|handle, batch| {
                Box::pin(async move {
                    if batch.runs.is_empty() && batch.rows.is_empty() {
                        let status = handle.store.status().await?;
                        return Ok(Committed { revision: status.revision, head: status.head });
                    }
                    handle.store.commit(batch).await
                })
            }),
        ),
        (
            "sorts a batch by origin",
            &["runs_of_one_batch_lie_in_the_order_given"],
            batch(|batch| batch.runs.sort_by_key(|verified| verified.run().origin())),
        ),
        (
            "keeps bodies as text",
            &["bodies_are_kept_byte_for_byte"],
            page(|page| {
                for stored in &mut page.runs {
                    *stored = with_bodies(stored, |body| match body {
                        Body::Full(bytes) => String::from_utf8_lossy(bytes).into_owned().into_bytes(),
                        Body::Void { .. } => Vec::new(),
                    });
                }
            }),
        ),
    ]
}

fn heads() -> Vec<Broken> {
    vec![
        (
            "keeps times as integers with a sign",
            &["times_are_kept_over_their_whole_range"],
            status(|status| {
                for (origin, mut head) in status.heads.clone().iter() {
                    head.time = without_sign(head.time);
                    status.heads.set(origin, head);
                }
            }),
        ),
        (
            "forgets the chain hash of its heads",
            &["heads_name_the_last_bundle_of_every_origin"],
            status(|status| {
                for (origin, mut head) in status.heads.clone().iter() {
                    head.chain = ChainHash::GENESIS;
                    status.heads.set(origin, head);
                }
            }),
        ),
        (
            "takes ids for text that ends with a zero",
            &["origins_of_any_bytes_are_kept_apart"],
            asked_origin(|status, origin, _, _| {
                let text = |bytes: [u8; 16]| bytes.into_iter().take_while(|byte| *byte != 0).collect::<Vec<_>>();
                let alike = status.heads.iter().find(|(known, _)| text(known.to_bytes()) == text(origin.to_bytes()));
                *origin = alike.map_or(*origin, |(known, _)| known);
            }),
        ),
        (
            "counts in sixteen bits",
            &["a_long_run_is_kept_whole"],
            status(|status| status.head = Position::new(status.head.get() & 0xffff)),
        ),
        (
            "sorts positions as text",
            &["positions_sort_as_numbers_around_powers_of_ten"],
            page(|page| page.runs.sort_by_key(|stored| stored.position.to_string())),
        ),
        (
            "lets a relay wait for its turn",
            &["without_an_expectation_only_contiguity_counts"],
            refuses(|status, batch| {
                let late = batch.expected.is_none() && !batch.runs.is_empty() && status.revision > Revision::ZERO;
                late.then_some(StoreError::Conflict { expected: Revision::ZERO, found: status.revision })
            }),
        ),
    ]
}

fn voids() -> Vec<Broken> {
    vec![
        ("keeps refused bodies", &["a_void_loses_its_body_and_keeps_every_hash"], batch(|batch| batch.voids.clear())),
        (
            "does not find an origin's first bundle",
            &["any_bundle_of_a_packed_run_can_become_void"],
            batch(|batch| batch.voids.retain(|dot| dot.seq != Seq::new(1))),
        ),
        (
            "makes one void a batch",
            &["several_bundles_become_void_in_one_batch"],
            batch(|batch| batch.voids.truncate(1)),
        ),
        (
            "makes voids before it appends",
            &["a_bundle_may_arrive_and_become_void_in_one_batch"],
            refuses(|status, batch| {
                let unknown = batch.voids.iter().find(|dot| dot.seq > status.heads.get(dot.origin).seq);
                unknown.map(|dot| StoreError::NoSuchBundle { dot: *dot })
            }),
        ),
        (
            "fills the voids that a peer brings",
            &["a_run_that_brings_voids_is_stored_as_it_is"],
            page(|page| {
                for stored in &mut page.runs {
                    *stored = with_bodies(stored, |body| match body {
                        Body::Full(bytes) => bytes.to_vec(),
                        Body::Void { bytes, .. } => vec![0; bytes as usize],
                    });
                }
            }),
        ),
        (
            "makes a void once",
            &["making_a_void_again_changes_nothing"],
            commits(|handle, batch| {
                Box::pin(async move {
                    for Dot { origin, seq } in batch.voids.iter().copied().filter(|dot| dot.seq > Seq::ZERO) {
                        let before = Seq::new(seq.get() - 1);
                        let found = handle.store.read_origin(origin, before, Limit::items(1)).await?;
                        let mut bundles = found.iter().flat_map(|stored| stored.run.bundles());
                        if bundles.any(|bundle| matches!(bundle.body, Body::Void { .. })) {
                            return Err(StoreError::NoSuchBundle { dot: Dot { origin, seq } });
                        }
                    }
                    handle.store.commit(batch).await
                })
            }),
        ),
        (
            "ends an origin at its void",
            &["an_origin_goes_on_behind_its_void"],
            commits(|handle, batch| {
                Box::pin(async move {
                    for verified in &batch.runs {
                        let got = Dot { origin: verified.run().origin(), seq: verified.run().first() };
                        let before = Seq::new(got.seq.get().saturating_sub(2));
                        let last = handle.store.read_origin(got.origin, before, Limit::items(1)).await?;
                        let mut bundles = last.iter().flat_map(|stored| stored.run.bundles());
                        if bundles.any(|bundle| matches!(bundle.body, Body::Void { .. })) {
                            return Err(StoreError::WrongChain { got });
                        }
                    }
                    handle.store.commit(batch).await
                })
            }),
        ),
    ]
}

fn views_and_clock() -> Vec<Broken> {
    vec![
        (
            "keeps one progress for all views",
            &["progress_is_kept_for_each_view"],
            status(|status| {
                let most = status.views.values().max().copied().unwrap_or_default();
                status.views.values_mut().for_each(|position| *position = most);
            }),
        ),
        (
            "lets no view go back",
            &["progress_is_what_was_written_last"],
            batch_at(|status, batch| {
                for (view, position) in &mut batch.views {
                    *position = status.views.get(view).map_or(*position, |known| (*position).max(*known));
                }
            }),
        ),
        ("clears no view", &["clearing_a_view_removes_its_rows_and_its_progress"], batch(|batch| batch.clear.clear())),
        (
            "clears views by the start of their names",
            &["clearing_a_view_leaves_all_others"],
            batch_at(|status, batch| {
                let cleared = std::mem::take(&mut batch.clear);
                let alike = |view: &&ViewId| cleared.iter().any(|name| view.as_str().starts_with(name.as_str()));
                batch.clear = status.views.keys().filter(alike).cloned().collect();
            }),
        ),
        (
            "clears after it writes",
            &["a_cleared_view_may_be_written_in_the_same_batch"],
            batch(|batch| batch.rows.retain(|row| !batch.clear.contains(&row.key.view))),
        ),
        (
            "clears only what it knows",
            &["clearing_an_unknown_view_is_nothing_special"],
            refuses(|status, batch| {
                let unknown = batch.clear.iter().any(|view| !status.views.contains_key(view));
                unknown.then_some(StoreError::Conflict { expected: status.revision, found: status.revision })
            }),
        ),
        ("keeps the last time", &["the_clock_keeps_the_largest_time"], remembering_clock(|_, new| new)),
        (
            "compares times with a sign",
            &["the_clock_covers_all_64_bits"],
            remembering_clock(|old, new| if new.0 as i64 > old.0 as i64 { new } else { old }),
        ),
        (
            "takes bundles' times for the clock's",
            &["the_time_of_a_bundle_does_not_move_the_clock"],
            batch(|batch| {
                let times = batch.runs.iter().map(|verified| verified.head().time);
                batch.clock = times.max().unwrap_or(batch.clock).max(batch.clock);
            }),
        ),
    ]
}

/// Keeps a clock of its own, which `keep` moves.
fn remembering_clock(keep: fn(NTP64, NTP64) -> NTP64) -> Fault {
    let clock = Arc::new(Mutex::new(NTP64(0)));
    let shown = clock.clone();
    let shows = statuses(move |handle, ()| {
        let clock = *shown.lock().unwrap();
        Box::pin(async move { Ok(LogStatus { clock, ..handle.store.status().await? }) })
    });
    let keeps = commits(move |handle, batch| {
        let mut clock = clock.lock().unwrap();
        *clock = keep(*clock, batch.clock);
        handle.store.commit(batch)
    });
    Fault { status: shows.status, ..keeps }
}
