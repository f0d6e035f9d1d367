//! Faults in rows and scans.

use std::ops::Bound;
use std::sync::{Arc, Mutex};

use syncline::store::{Direction, Limit, RowRange};
use syncline_conformance::view;

use crate::broken_stores::Broken;
use crate::fault::Fault;
use crate::spoil::{batch, batch_at, commits, loaded, loads, mixes_up, range, renamed, rows, scans};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = by_key();
    all.extend(by_range());
    all
}

fn by_key() -> Vec<Broken> {
    let never_replaces = commits(|handle, mut batch| {
        Box::pin(async move {
            let keys: Vec<_> = batch.rows.iter().map(|row| row.key.clone()).collect();
            let mut known = handle.store.load(&keys).await?.into_iter();
            batch.rows.retain(|row| known.next().flatten().is_none() || row.value.is_none());
            handle.store.commit(batch).await
        })
    });
    let in_key_order = loads(|handle, mut keys| {
        keys.sort();
        Box::pin(async move { handle.store.load(&keys).await })
    });
    vec![
        (
            "takes an empty row for none",
            &["a_row_reads_back_as_written"],
            loaded(|rows| rows.iter_mut().for_each(|row| *row = row.take().filter(|row| !row.is_empty()))),
        ),
        (
            "takes no row for an empty one",
            &["an_absent_row_is_none"],
            loaded(|rows| rows.iter_mut().for_each(|row| *row = Some(row.take().unwrap_or_default()))),
        ),
        ("never replaces a row", &["a_later_write_replaces_a_row"], never_replaces),
        (
            "empties rows instead of deleting them",
            &["a_deleted_row_is_absent"],
            batch(|batch| batch.rows.iter_mut().for_each(|row| row.value = Some(row.value.take().unwrap_or_default()))),
        ),
        ("answers in the order of keys", &["rows_are_answered_in_the_order_asked"], in_key_order),
        (
            "takes keys for text that ends with a zero",
            &["keys_of_any_bytes_are_kept_apart"],
            mixes_up(|key| {
                let end = key.key.iter().position(|byte| *byte == 0).unwrap_or(key.key.len());
                key.key.truncate(end);
            }),
        ),
        (
            "knows one version of each view",
            &["one_key_of_two_views_is_two_rows"],
            mixes_up(|key| key.view = renamed(&key.view, |name| format!("{}@1", name.split('@').next().unwrap()))),
        ),
        (
            "loses the last of many rows, after some commits",
            &["random_steps_are_seen_as_the_oracle_sees_them"],
            batch_at(|status, batch| {
                if status.revision.get() > 3 && batch.rows.len() > 3 {
                    batch.rows.pop();
                }
            }),
        ),
        ("loads 32,766 rows", &["many_rows_pass_in_one_batch_and_one_load"], loaded(|rows| rows.truncate(32_766))),
    ]
}

fn by_range() -> Vec<Broken> {
    let beyond_the_view = scans(|handle, (asked, range, limit)| {
        Box::pin(async move {
            let mut rows = handle.store.scan(&asked, range.clone(), limit).await?;
            if asked == view("todo@1") {
                rows.extend(handle.store.scan(&view("todo@10"), range, limit).await?);
            }
            Ok(rows)
        })
    });
    vec![
        (
            "sorts bytes with a sign",
            &["rows_are_scanned_in_the_order_of_their_bytes"],
            rows(|rows| rows.sort_by_key(|row| row.key.iter().map(|byte| *byte as i8).collect::<Vec<_>>())),
        ),
        (
            "takes every end as part of its range",
            &["a_scan_keeps_its_bounds"],
            range(|range, _| {
                if let Bound::Excluded(end) = &range.end {
                    range.end = Bound::Included(end.clone());
                }
            }),
        ),
        (
            "reads every range forward",
            &["a_scan_backward_is_the_same_scan_from_its_end"],
            range(|range, _| range.direction = Direction::Forward),
        ),
        (
            "reads an empty range as every range",
            &["a_range_that_holds_nothing_scans_empty"],
            range(|range, _| {
                if range.is_empty() {
                    *range = RowRange::all();
                }
            }),
        ),
        (
            "reads on behind a prefix",
            &["a_prefix_scans_exactly_its_keys"],
            range(|range, _| range.end = Bound::Unbounded),
        ),
        (
            "scans one row too few",
            &["a_scan_holds_as_many_rows_as_asked"],
            range(|_, limit| limit.items = limit.items.saturating_sub(1)),
        ),
        ("counts no bytes", &["a_scan_holds_at_most_as_many_bytes_as_asked"], range(|_, limit| limit.bytes = u32::MAX)),
        (
            "skips a row where it continues",
            &["pages_of_a_scan_join_without_repeats_or_gaps"],
            range(|range, _| {
                if let Bound::Excluded(last) = &range.start {
                    range.start = Bound::Excluded([&last[..], &[0]].concat().into());
                }
            }),
        ),
        ("pages by counting rows", &["a_scan_by_pages_under_writes_gives_untouched_rows_once"], by_offset()),
        ("scans on into the next view", &["scans_of_two_views_do_not_mix"], beyond_the_view),
    ]
}

/// Continues by how many rows it has given, instead of by the last key.
fn by_offset() -> Fault {
    let given = Arc::new(Mutex::new(0));
    scans(move |handle, (view, mut range, limit)| {
        let given = given.clone();
        let goes_on = matches!(range.start, Bound::Excluded(_));
        if goes_on {
            range.start = Bound::Unbounded;
        }
        Box::pin(async move {
            let all = handle.store.scan(&view, range, Limit::items(u32::MAX)).await?;
            let mut given = given.lock().unwrap();
            let from = if goes_on { *given } else { 0 };
            let rows: Vec<_> = all.into_iter().skip(from).take(limit.items as usize).collect();
            *given = from + rows.len();
            Ok(rows)
        })
    })
}
