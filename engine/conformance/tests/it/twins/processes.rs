//! Faults that show where several processes share one database.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};

use syncline::store::memory::MemoryStorage;
use syncline::store::{Retry, StoreError, WriteBatch};
use syncline_conformance::new_log_id;

use crate::broken_stores::Broken;
use crate::fault::{Fault, Faulty, sound};
use crate::spoil::{commits, reads, statuses, waits};

pub(crate) fn all() -> Vec<Broken> {
    vec![
        (
            "gives a second process an empty database",
            &["a_second_process_shares_the_log_or_is_told_that_it_is_in_use"],
            Fault {
                beside: Box::new(|_| {
                    Ok(Faulty { storage: Arc::new(MemoryStorage::new(new_log_id)), fault: sound().into() })
                }),
                ..sound()
            },
        ),
        (
            "fails for a second process as it would for a broken disk",
            &["a_second_process_shares_the_log_or_is_told_that_it_is_in_use"],
            Fault {
                beside: Box::new(|_| {
                    let source = "resource temporarily unavailable".into();
                    Err(StoreError::Backend { backend: "twin", retry: Retry::Never, source })
                }),
                ..sound()
            },
        ),
        (
            "shows some bundles of another process later than those behind them",
            &["a_polling_reader_in_another_process_never_skips"],
            beside_is(late_reader),
        ),
        (
            "lets each process remember the status",
            &["a_commit_is_seen_by_another_process_once_it_returns"],
            beside_is(|| {
                statuses(|handle, ()| {
                    Box::pin(async move {
                        let known = handle.status.lock().unwrap().clone();
                        let status = match known {
                            Some(known) => known,
                            None => handle.store.status().await?,
                        };
                        *handle.status.lock().unwrap() = Some(status.clone());
                        Ok(status)
                    })
                })
            }),
        ),
        (
            "compares the revision with what the process remembers",
            &["a_revision_that_another_process_has_left_behind_is_a_conflict"],
            beside_is(|| commits(|handle, batch| handle.store.commit(WriteBatch { expected: None, ..batch }))),
        ),
        (
            "wakes those of its own process",
            &["a_commit_of_another_process_wakes_who_waits"],
            beside_is(|| waits(|_, _| Box::pin(pending()))),
        ),
    ]
}

/// A second process whose storage has this fault, each time again.
fn beside_is(fault: fn() -> Fault) -> Fault {
    let beside = move |first: &Faulty| Ok(Faulty { storage: first.storage.clone(), fault: fault().into() });
    Fault { beside: Box::new(beside), ..sound() }
}

/// Shows some bundles of a page only when it is read for the second time.
pub(super) fn late_reader() -> Fault {
    let seen = Mutex::new(BTreeSet::new());
    reads(move |handle, (after, limit)| {
        let is_first_look = seen.lock().unwrap().insert(after.position);
        Box::pin(async move {
            let mut page = handle.store.read(after, limit).await?;
            if is_first_look && page.runs.len() > 1 {
                page.runs.remove(0);
            }
            Ok(page)
        })
    })
}
