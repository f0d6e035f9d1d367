//! Faults in reading the log: cursors, pages, origins.

use syncline::Position;
use syncline::format::heads::ChainHash;
use syncline::format::run::{Body, RunBuilder};
use syncline::store::{Limit, Page, StoredRun};

use crate::broken_stores::Broken;
use crate::spoil::{asked, asked_origin, back, origin_runs, page, reads};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = cursors();
    all.extend(pages());
    all.extend(origins());
    all
}

fn cursors() -> Vec<Broken> {
    vec![
        (
            "takes cursors of any log",
            &["a_cursor_of_another_log_is_refused"],
            asked(|status, after, _| after.log = status.log),
        ),
        (
            "answers an empty page beyond its head",
            &["a_cursor_beyond_the_head_is_refused"],
            asked(|status, after, _| after.position = after.position.min(status.head)),
        ),
        (
            "sends who has read everything back to the start",
            &["a_cursor_at_the_head_reads_an_empty_last_page"],
            page(|page| {
                if page.runs.is_empty() {
                    page.next.position = Position::ZERO;
                }
            }),
        ),
        (
            "gives a cut run the hash before the whole run",
            &["a_cursor_in_the_middle_of_a_run_reads_its_rest"],
            page(|page| page.runs.iter_mut().take(1).for_each(|stored| stored.previous = ChainHash::GENESIS)),
        ),
        (
            "reads the last bundle once more",
            &["a_cursor_goes_on_where_it_stopped"],
            page(|page| {
                if !page.runs.is_empty() {
                    page.next.position = back(page.next.position, 1);
                }
            }),
        ),
    ]
}

/// Joins neighbours without looking at the limit of runs.
fn joined_without_limit(page: &mut Page) {
    let mut joined: Vec<StoredRun> = Vec::new();
    for neighbours in page.runs.chunk_by(|a, b| a.run.origin() == b.run.origin()) {
        let mut builder =
            RunBuilder::new(neighbours[0].run.origin(), neighbours[0].run.first(), neighbours[0].previous);
        neighbours.iter().flat_map(|stored| stored.run.bundles()).for_each(|bundle| {
            builder.push(bundle.time, bundle.body);
        });
        joined.push(StoredRun { run: builder.finish().unwrap().run().clone(), ..neighbours[0].clone() });
    }
    page.runs = joined;
}

fn pages() -> Vec<Broken> {
    let empty_handed = reads(|handle, (after, limit)| {
        Box::pin(async move {
            let page = handle.store.read(after, limit).await?;
            let nothing_fits = limit.items == 0 || limit.bytes < 2;
            Ok(if nothing_fits { Page { runs: Vec::new(), next: after, ..page } } else { page })
        })
    });
    vec![
        (
            "counts bundles one too many",
            &["a_page_holds_at_most_as_many_bundles_as_asked"],
            asked(|_, _, limit| limit.items = limit.items.saturating_add(1)),
        ),
        (
            "counts bodies without their framing",
            &["a_page_holds_at_most_as_many_bytes_as_asked"],
            asked(|_, _, limit| limit.bytes = limit.bytes.saturating_add(43)),
        ),
        ("gives nothing if nothing fits", &["a_page_holds_at_least_one_bundle_however_small_the_limit"], empty_handed),
        (
            "skips a bundle where a page is cut",
            &["pages_of_any_size_give_the_same_bundles"],
            page(|page| {
                if !page.is_last() {
                    page.next.position = page.next.position.plus(1);
                }
            }),
        ),
        (
            "calls every page the last",
            &["a_page_is_the_last_exactly_when_nothing_is_left"],
            page(|page| page.head = page.next.position),
        ),
        (
            "calls no page the last",
            &["a_page_is_the_last_exactly_when_nothing_is_left"],
            page(|page| page.head = page.head.plus(1)),
        ),
        (
            "gives every run the hash after it",
            &["every_run_of_a_page_brings_the_hash_before_it"],
            page(|page| {
                for stored in &mut page.runs {
                    stored.previous = stored.run.bundles().fold(stored.previous, |chain, one| one.chain_after(chain));
                }
            }),
        ),
        (
            "packs runs beyond their limit",
            &["no_run_of_a_page_exceeds_the_limit_of_runs", "voids_that_are_larger_than_their_bodies_stay_readable"],
            page(joined_without_limit),
        ),
    ]
}

fn origins() -> Vec<Broken> {
    vec![
        (
            "skips a bundle where it continues",
            &["an_origin_reads_on_from_every_seq"],
            asked_origin(|_, _, after, _| *after = if after.get() > 0 { after.plus(1) } else { *after }),
        ),
        (
            "says the same place of every run",
            &["an_origin_reads_on_from_every_seq"],
            origin_runs(|runs| runs.iter_mut().for_each(|stored| stored.position = Position::new(1))),
        ),
        (
            "repeats an origin's last bundle for ever",
            &["an_origin_reads_empty_at_its_end_and_beyond"],
            asked_origin(|status, origin, after, _| {
                let last = status.heads.get(*origin).seq.get();
                *after = (*after).min(syncline::Seq::new(last.saturating_sub(1)));
            }),
        ),
        (
            "answers another origin if it knows none",
            &["an_unknown_origin_reads_empty"],
            asked_origin(|status, origin, _, _| {
                if status.heads.get(*origin).seq == syncline::Seq::ZERO {
                    *origin = status.heads.iter().next().map_or(*origin, |(known, _)| known);
                }
            }),
        ),
        (
            "cuts no page of an origin",
            &["an_origin_is_read_in_pages_of_any_size"],
            asked_origin(|_, _, _, limit| *limit = Limit::PAGE),
        ),
        (
            "leaves voids out of an origin",
            &["voids_are_read_alike_by_position_and_by_origin"],
            origin_runs(|runs| {
                let is_void = |body: Body<'_>| matches!(body, Body::Void { .. });
                runs.retain(|stored| !stored.run.bundles().any(|bundle| is_void(bundle.body)));
            }),
        ),
    ]
}
