//! Faults that show after a restart.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};

use syncline::id::Revision;
use syncline::store::memory::MemoryStorage;
use syncline::store::{Durability, Holder, LogStatus, StoreError, WriteBatch};
use syncline::{Dot, LogId};
use syncline_conformance::new_log_id;

use crate::broken_stores::Broken;
use crate::fault::{Fault, Faulty, sound};
use crate::spoil::{refuses, restarts_as, waits};

pub(crate) fn all() -> Vec<Broken> {
    let forgetful = Fault {
        reopen: Box::new(|_| {
            let after = Faulty { storage: Arc::new(MemoryStorage::new(new_log_id)), fault: sound().into() };
            Box::pin(async { after })
        }),
        ..sound()
    };
    let worn = Fault {
        reopen: Box::new(|before| {
            Box::pin(async {
                for space in before.storage.spaces().await.unwrap() {
                    let store = before.storage.open(&space).await.unwrap();
                    store.commit(WriteBatch::default()).await.unwrap();
                }
                before.clone()
            })
        }),
        ..sound()
    };
    vec![
        ("forgets everything", &["everything_committed_is_there_after_a_restart"], forgetful),
        ("writes when it is opened", &["a_restart_changes_nothing_however_often"], worn),
        (
            "can only be read after a restart",
            &["commits_go_on_after_a_restart"],
            restarts_as(|| {
                refuses(|status, _| {
                    let (backend, what) = ("twin", status.log.to_string());
                    Some(StoreError::InUse { backend, what, by: Holder::ThisProcess })
                })
            }),
        ),
        ("takes another id after a restart", &["a_cursor_outlives_a_restart"], restarts_as(renamed_log)),
        ("makes voids in memory only", &["a_void_stays_void_after_a_restart"], voids_in_memory()),
        ("lists the spaces that have bundles", &["spaces_are_there_after_a_restart"], restarts_as(listed_by_bundles)),
        (
            "wakes nobody after a restart",
            &["waits_go_on_after_a_restart"],
            restarts_as(|| waits(|_, _| Box::pin(pending()))),
        ),
        (
            "promises less than it keeps",
            &["durability_says_whether_a_restart_loses_all"],
            Fault { durability: Durability::Volatile, ..sound() },
        ),
    ]
}

fn renamed_log() -> Fault {
    let other = LogId::from_bytes([0xee; 16]).unwrap();
    Fault {
        status: Box::new(move |handle, ()| {
            Box::pin(async move { Ok(LogStatus { log: other, ..handle.store.status().await? }) })
        }),
        read: Box::new(move |handle, (mut after, limit)| {
            Box::pin(async move {
                let LogStatus { log, base, head, .. } = handle.store.status().await?;
                if after.log != other {
                    return Err(StoreError::CursorGone { cursor: after, log: other, base, head });
                }
                after.log = log;
                let mut page = handle.store.read(after, limit).await?;
                page.next.log = other;
                Ok(page)
            })
        }),
        ..sound()
    }
}

fn listed_by_bundles() -> Fault {
    Fault {
        spaces: Box::new(|storage| {
            Box::pin(async move {
                let mut spaces = Vec::new();
                for space in storage.spaces().await? {
                    if storage.open(&space).await?.status().await?.revision > Revision::ZERO {
                        spaces.push(space);
                    }
                }
                Ok(spaces)
            })
        }),
        ..sound()
    }
}

/// Keeps a list of voids next to the log and shows bundles through it, until a restart empties the list.
fn voids_in_memory() -> Fault {
    let voids: Arc<Mutex<BTreeSet<Dot>>> = Arc::default();
    let (shown, kept) = (voids.clone(), voids.clone());
    Fault {
        commit: Box::new(move |handle, mut batch| {
            let mut voids = kept.lock().unwrap();
            voids.extend(batch.voids.drain(..));
            handle.store.commit(batch)
        }),
        read: Box::new(move |handle, (after, limit)| {
            let voids = shown.lock().unwrap().clone();
            Box::pin(async move {
                let mut page = handle.store.read(after, limit).await?;
                for stored in &mut page.runs {
                    let own = voids.iter().filter(|dot| dot.origin == stored.run.origin());
                    stored.run = stored.run.with_voids(&own.map(|dot| dot.seq).collect::<Vec<_>>(), stored.previous);
                }
                Ok(page)
            })
        }),
        reopen: Box::new(move |before| {
            voids.lock().unwrap().clear();
            Box::pin(async { before.clone() })
        }),
        ..sound()
    }
}
