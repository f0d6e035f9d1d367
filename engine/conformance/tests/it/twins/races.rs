//! Faults that show where many tasks, handles or spaces meet: waiting, moments, races, borders.

use std::cell::Cell;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use syncline::LogId;
use syncline::id::Revision;
use syncline::store::memory::{MemoryStorage, MemoryStore};
use syncline::store::{Committed, EventStore, Limit, LogStatus, Page, Storage, StoreError, WriteBatch};
use syncline_conformance::{new_log_id, space};
use tokio::sync::{RwLock, Semaphore};
use tokio::task::yield_now;

use crate::broken_stores::Broken;
use crate::fault::{Fault, sound};
use crate::spoil::{commits, loads, reads, scans, statuses, waits};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = watchers();
    all.extend(crowds());
    all.extend(moments());
    all.extend(pools());
    all.extend(writers());
    all.extend(spaces());
    all.extend(borders());
    all
}

fn watchers() -> Vec<Broken> {
    vec![
        (
            "waits for the next commit only",
            &["a_wait_for_the_past_returns_at_once"],
            waits(|handle, since| {
                Box::pin(async move {
                    let now = handle.store.status().await?.revision;
                    handle.store.changed(since.max(now)).await
                })
            }),
        ),
        ("wakes nobody", &["a_commit_wakes_who_waits"], waits(|_, _| Box::pin(pending()))),
        (
            "wakes for bundles only",
            &["a_commit_without_bundles_wakes_who_waits"],
            waits(|handle, mut since| {
                Box::pin(async move {
                    let head = handle.store.status().await?.head;
                    while handle.store.status().await?.head == head {
                        since = handle.store.changed(since).await?;
                    }
                    Ok(since)
                })
            }),
        ),
    ]
}

fn crowds() -> Vec<Broken> {
    let (busy, latest) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
    vec![
        (
            "wakes one of many",
            &["a_commit_wakes_everybody_who_waits"],
            waits(move |handle, since| {
                let is_first = !busy.swap(true, Ordering::SeqCst);
                if is_first { handle.store.changed(since) } else { Box::pin(pending()) }
            }),
        ),
        (
            "looks first and listens later",
            &["a_commit_just_before_the_wait_is_not_missed"],
            waits(|handle, since| {
                Box::pin(async move {
                    let now = handle.store.status().await?.revision;
                    if now > since {
                        return Ok(now);
                    }
                    yield_now().await;
                    let listens_from = handle.store.status().await?.revision;
                    handle.store.changed(listens_from).await
                })
            }),
        ),
        (
            "wakes for every commit, wanted or not",
            &["a_wait_ends_only_behind_what_was_seen"],
            waits(|handle, _| {
                Box::pin(async move {
                    let now = handle.store.status().await?.revision;
                    handle.store.changed(now).await
                })
            }),
        ),
        (
            "remembers the latest who waits",
            &["a_wait_given_up_leaves_the_others"],
            waits(move |handle, since| {
                let (latest, own) = (latest.clone(), latest.fetch_add(1, Ordering::SeqCst) + 1);
                Box::pin(async move {
                    let revision = handle.store.changed(since).await;
                    if latest.load(Ordering::SeqCst) != own {
                        pending::<()>().await;
                    }
                    revision
                })
            }),
        ),
        (
            "wakes those who share a handle",
            &["a_commit_through_one_handle_wakes_another"],
            waits(|handle, mut since| {
                Box::pin(async move {
                    loop {
                        since = handle.store.changed(since).await?;
                        if handle.committed.load(Ordering::SeqCst) >= since.get() {
                            return Ok(since);
                        }
                    }
                })
            }),
        ),
    ]
}

fn moments() -> Vec<Broken> {
    let two_statuses = statuses(|handle, ()| {
        Box::pin(async move {
            let before = handle.store.status().await?;
            yield_now().await;
            Ok(LogStatus { heads: handle.store.status().await?.heads, ..before })
        })
    });
    let many_loads = loads(|handle, keys| {
        Box::pin(async move {
            let mut rows = Vec::new();
            for key in keys {
                rows.extend(handle.store.load(&[key]).await?);
                yield_now().await;
            }
            Ok(rows)
        })
    });
    let two_scans = scans(|handle, (view, range, limit)| {
        Box::pin(async move {
            let mut rows = handle.store.scan(&view, range.clone(), Limit::items(1)).await?;
            yield_now().await;
            if let Some(first) = rows.first().cloned() {
                rows.extend(handle.store.scan(&view, range.after(first.key), limit).await?);
            }
            Ok(rows)
        })
    });
    let late_head = reads(|handle, (after, limit)| {
        Box::pin(async move {
            let page = handle.store.read(after, limit).await?;
            yield_now().await;
            Ok(Page { head: handle.store.status().await?.head, ..page })
        })
    });
    vec![
        ("reads heads apart from the head", &["status_is_one_moment"], two_statuses),
        ("loads rows one by one", &["rows_loaded_together_are_of_one_moment"], many_loads),
        ("scans rows one by one", &["rows_scanned_together_are_of_one_moment"], two_scans),
        ("reads the head after the page", &["a_page_is_of_one_moment"], late_head),
        (
            "commits bundles first and rows later",
            &["rows_and_bundles_move_together", "a_commit_given_up_is_done_wholly_or_not_at_all"],
            commits(|handle, batch| {
                Box::pin(async move {
                    let rows = WriteBatch { rows: batch.rows.clone(), ..WriteBatch::default() };
                    handle.store.commit(WriteBatch { rows: Vec::new(), ..batch }).await?;
                    yield_now().await;
                    handle.store.commit(rows).await
                })
            }),
        ),
        (
            "lets each handle remember the status",
            &["a_commit_is_seen_by_everybody_once_it_returns", "two_opens_of_one_space_share_one_log"],
            statuses(|handle, ()| {
                Box::pin(async move {
                    let own = Revision::new(handle.committed.load(Ordering::SeqCst));
                    let known = handle.status.lock().unwrap().clone().filter(|known| known.revision >= own);
                    let status = match known {
                        Some(known) => known,
                        None => handle.store.status().await?,
                    };
                    *handle.status.lock().unwrap() = Some(status.clone());
                    Ok(status)
                })
            }),
        ),
    ]
}

/// Connections of a pool that a call keeps until it is polled to its end.
fn pools() -> Vec<Broken> {
    let (pool, line) = (Arc::new(Semaphore::new(16)), Arc::new(RwLock::new(())));
    vec![
        (
            "lets a caller's future hold a connection",
            &["a_call_left_half_polled_holds_up_no_other"],
            statuses(move |handle, ()| {
                let pool = pool.clone();
                Box::pin(async move {
                    let _connection = pool.acquire().await.unwrap();
                    yield_now().await;
                    handle.store.status().await
                })
            }),
        ),
        (
            "lets a caller's future stand in the line for a lock",
            &["a_call_left_half_polled_holds_up_no_other"],
            commits(move |handle, batch| {
                let line = line.clone();
                Box::pin(async move {
                    let _alone = line.write().await;
                    yield_now().await;
                    handle.store.commit(batch).await
                })
            }),
        ),
    ]
}

fn writers() -> Vec<Broken> {
    let refused = Arc::new(AtomicBool::new(false));
    vec![
        (
            "shows some bundles later than those behind them",
            &["a_polling_reader_never_skips"],
            super::processes::late_reader(),
        ),
        (
            "answers a group of commits alike",
            &["every_concurrent_commit_gets_its_own_place"],
            commits(|handle, batch| {
                Box::pin(async move {
                    handle.store.commit(batch).await?;
                    yield_now().await;
                    let status = handle.store.status().await?;
                    Ok(Committed { revision: status.revision, head: status.head })
                })
            }),
        ),
        (
            "fails the commit that shares a transaction with a refused one",
            &["a_refusal_among_concurrent_commits_is_its_own"],
            commits(move |handle, batch| {
                let refused = refused.clone();
                Box::pin(async move {
                    if refused.swap(false, Ordering::SeqCst) {
                        let found = handle.store.status().await?.revision;
                        return Err(StoreError::Conflict { expected: found, found });
                    }
                    let result = handle.store.commit(batch).await;
                    refused.store(result.is_err(), Ordering::SeqCst);
                    result
                })
            }),
        ),
        (
            "compares the revision before its transaction",
            &["of_commits_from_one_revision_exactly_one_wins", "reload_and_retry_loses_no_update"],
            commits(|handle, batch| {
                Box::pin(async move {
                    let found = handle.store.status().await?.revision;
                    if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
                        return Err(StoreError::Conflict { expected, found });
                    }
                    yield_now().await;
                    handle.store.commit(WriteBatch { expected: None, ..batch }).await
                })
            }),
        ),
    ]
}

thread_local! {
    /// How many logs the storage of this thread has made.
    static LOGS: Cell<u8> = const { Cell::new(0) };
}

fn counted_log() -> LogId {
    LOGS.set(LOGS.get() + 1);
    LogId::from_bytes([LOGS.get(); 16]).unwrap()
}

fn spaces() -> Vec<Broken> {
    let own_store = || -> Arc<dyn EventStore> { Arc::new(MemoryStore::new(new_log_id())) };
    vec![
        (
            "gives every handle a log of its own",
            &["two_opens_of_one_space_share_one_log"],
            Fault { open: Box::new(move |_, _| Box::pin(async move { Ok(own_store()) })), ..sound() },
        ),
        (
            "counts an opening as a commit",
            &["opening_a_space_again_changes_nothing"],
            Fault {
                open: Box::new(|storage, space| {
                    Box::pin(async move {
                        let store = storage.open(&space).await?;
                        store.commit(WriteBatch::default()).await?;
                        Ok(store)
                    })
                }),
                ..sound()
            },
        ),
        (
            "creates a space twice if two come at once",
            &["a_space_opened_by_many_at_once_is_one_log"],
            Fault {
                open: Box::new(move |storage, space| {
                    Box::pin(async move {
                        let is_new = !storage.spaces().await?.contains(&space);
                        yield_now().await;
                        let store = storage.open(&space).await?;
                        Ok(if is_new { own_store() } else { store })
                    })
                }),
                ..sound()
            },
        ),
    ]
}

fn borders() -> Vec<Broken> {
    fn one_log() -> LogId {
        LogId::from_bytes([1; 16]).unwrap()
    }
    let counted: fn() -> Arc<dyn Storage> = || {
        LOGS.set(0);
        Arc::new(MemoryStorage::new(counted_log))
    };
    vec![
        (
            "gives all logs one id",
            &["two_spaces_are_two_logs", "two_storages_never_share_a_log"],
            Fault { fresh: || Arc::new(MemoryStorage::new(one_log)), ..sound() },
        ),
        ("counts its logs from one", &["two_storages_never_share_a_log"], Fault { fresh: counted, ..sound() }),
        (
            "takes a name's signs for wildcards",
            &["spaces_do_not_mix"],
            Fault {
                open: Box::new(|storage, name| {
                    Box::pin(async move { storage.open(&space(&name.as_str().replace(['_', '-', '.'], "-"))).await })
                }),
                ..sound()
            },
        ),
        (
            "clears a view in every space",
            &["clearing_a_view_leaves_other_spaces"],
            commits(|handle, batch| {
                Box::pin(async move {
                    for space in handle.storage.spaces().await? {
                        let clear = batch.clear.clone();
                        let store = handle.storage.open(&space).await?;
                        if !clear.is_empty() && store.status().await?.log != handle.store.status().await?.log {
                            store.commit(WriteBatch { clear, ..WriteBatch::default() }).await?;
                        }
                    }
                    handle.store.commit(batch).await
                })
            }),
        ),
        (
            "lists spaces backwards",
            &["spaces_are_listed_in_the_order_of_their_names"],
            Fault {
                spaces: Box::new(|storage| {
                    Box::pin(async move {
                        let mut spaces = storage.spaces().await?;
                        spaces.reverse();
                        Ok(spaces)
                    })
                }),
                ..sound()
            },
        ),
    ]
}
