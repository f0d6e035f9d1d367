//! Short ways to a fault: change what goes into a method, or what comes out of it.

use bytes::Bytes;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::{
    Committed, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, StoreError, StoredRun, ViewId, WriteBatch,
};
use syncline::{Cursor, Position, ReplicaId, Seq};

use crate::fault::{Answer, Fault, Handle, sound};

macro_rules! replaces {
    ($($name:ident: $method:ident($asked:ty) -> $answer:ty;)+) => { $(
        /// Replaces the whole method.
        pub(crate) fn $name(
            $method: impl for<'a> Fn(&'a Handle, $asked) -> Answer<'a, $answer> + Send + Sync + 'static,
        ) -> Fault {
            Fault { $method: Box::new($method), ..sound() }
        }
    )+ };
}

replaces! {
    statuses: status(()) -> LogStatus;
    reads: read((Cursor, Limit)) -> Page;
    origin_reads: read_origin((ReplicaId, Seq, Limit)) -> Vec<StoredRun>;
    loads: load(Vec<RowKey>) -> Vec<Option<Bytes>>;
    scans: scan((ViewId, RowRange, Limit)) -> Vec<Row>;
    commits: commit(WriteBatch) -> Committed;
    folds: commit_folded((WriteBatch, RowFold)) -> Option<Committed>;
    waits: changed(Revision) -> Revision;
}

/// Changes what status shows.
pub(crate) fn status(spoil: fn(&mut LogStatus)) -> Fault {
    statuses(move |handle, ()| {
        Box::pin(async move {
            let mut status = handle.store.status().await?;
            spoil(&mut status);
            Ok(status)
        })
    })
}

/// Changes what a page is asked for.
pub(crate) fn asked(spoil: fn(&LogStatus, &mut Cursor, &mut Limit)) -> Fault {
    reads(move |handle, (mut after, mut limit)| {
        Box::pin(async move {
            spoil(&handle.store.status().await?, &mut after, &mut limit);
            handle.store.read(after, limit).await
        })
    })
}

/// Changes pages.
pub(crate) fn page(spoil: fn(&mut Page)) -> Fault {
    reads(move |handle, (after, limit)| {
        Box::pin(async move {
            let mut page = handle.store.read(after, limit).await?;
            spoil(&mut page);
            Ok(page)
        })
    })
}

/// Changes what is asked of an origin.
pub(crate) fn asked_origin(spoil: fn(&LogStatus, &mut ReplicaId, &mut Seq, &mut Limit)) -> Fault {
    origin_reads(move |handle, (mut origin, mut after, mut limit)| {
        Box::pin(async move {
            spoil(&handle.store.status().await?, &mut origin, &mut after, &mut limit);
            handle.store.read_origin(origin, after, limit).await
        })
    })
}

/// Changes an origin's runs.
pub(crate) fn origin_runs(spoil: fn(&mut Vec<StoredRun>)) -> Fault {
    origin_reads(move |handle, (origin, after, limit)| {
        Box::pin(async move {
            let mut runs = handle.store.read_origin(origin, after, limit).await?;
            spoil(&mut runs);
            Ok(runs)
        })
    })
}

/// Changes loaded rows.
pub(crate) fn loaded(spoil: fn(&mut Vec<Option<Bytes>>)) -> Fault {
    loads(move |handle, keys| {
        Box::pin(async move {
            let mut rows = handle.store.load(&keys).await?;
            spoil(&mut rows);
            Ok(rows)
        })
    })
}

/// Changes what a scan is asked for.
pub(crate) fn range(spoil: fn(&mut RowRange, &mut Limit)) -> Fault {
    scans(move |handle, (view, mut range, mut limit)| {
        spoil(&mut range, &mut limit);
        Box::pin(async move { handle.store.scan(&view, range, limit).await })
    })
}

/// Changes scanned rows.
pub(crate) fn rows(spoil: fn(&mut Vec<Row>)) -> Fault {
    scans(move |handle, (view, range, limit)| {
        Box::pin(async move {
            let mut rows = handle.store.scan(&view, range, limit).await?;
            spoil(&mut rows);
            Ok(rows)
        })
    })
}

/// Changes what is committed.
pub(crate) fn batch(spoil: fn(&mut WriteBatch)) -> Fault {
    commits(move |handle, mut batch| {
        spoil(&mut batch);
        handle.store.commit(batch)
    })
}

/// Changes what is committed, by what status shows.
pub(crate) fn batch_at(spoil: fn(&LogStatus, &mut WriteBatch)) -> Fault {
    commits(move |handle, mut batch| {
        Box::pin(async move {
            spoil(&handle.store.status().await?, &mut batch);
            handle.store.commit(batch).await
        })
    })
}

/// Refuses some batches itself.
pub(crate) fn refuses(refusal: fn(&LogStatus, &WriteBatch) -> Option<StoreError>) -> Fault {
    commits(move |handle, batch| {
        Box::pin(async move {
            let status = handle.store.status().await?;
            refusal(&status, &batch).map_or(Ok(()), Err)?;
            handle.store.commit(batch).await
        })
    })
}

/// Changes answers to commits.
pub(crate) fn answers(spoil: fn(&LogStatus, Result<Committed, StoreError>) -> Result<Committed, StoreError>) -> Fault {
    commits(move |handle, batch| {
        Box::pin(async move {
            let before = handle.store.status().await?;
            spoil(&before, handle.store.commit(batch).await)
        })
    })
}

/// Claims to have done what it has refused.
pub(crate) fn forgives(forgives: fn(&StoreError, &LogStatus) -> bool) -> Fault {
    commits(move |handle, batch| {
        Box::pin(async move {
            let status = handle.store.status().await?;
            match handle.store.commit(batch).await {
                Err(error) if forgives(&error, &status) => {
                    Ok(Committed { revision: status.revision.plus(1), head: status.head })
                }
                result => result,
            }
        })
    })
}

/// Refuses rightly, and has done a part of the batch.
pub(crate) fn half_done(is_meant: fn(&StoreError) -> bool, part: fn(WriteBatch) -> WriteBatch) -> Fault {
    commits(move |handle, batch| {
        Box::pin(async move {
            let result = handle.store.commit(batch.clone()).await;
            if result.as_ref().is_err_and(is_meant) {
                handle.store.commit(part(batch)).await?;
            }
            result
        })
    })
}

/// Mixes up rows: what it takes for the key, and what for the view.
pub(crate) fn mixes_up(mix_up: fn(&mut RowKey)) -> Fault {
    let written = commits(move |handle, mut batch| {
        batch.rows.iter_mut().for_each(|row| mix_up(&mut row.key));
        handle.store.commit(batch)
    });
    let read = loads(move |handle, mut keys| {
        keys.iter_mut().for_each(mix_up);
        Box::pin(async move { handle.store.load(&keys).await })
    });
    Fault { load: read.load, ..written }
}

/// Another database after a restart.
pub(crate) fn restarts_as(fault: fn() -> Fault) -> Fault {
    Fault {
        reopen: Box::new(move |before| {
            let after = crate::fault::Faulty { storage: before.storage.clone(), fault: fault().into() };
            Box::pin(async { after })
        }),
        ..sound()
    }
}

/// The run with other bodies, hashed again.
pub(crate) fn with_bodies(stored: &StoredRun, change: impl Fn(Body<'_>) -> Vec<u8>) -> StoredRun {
    let mut builder = RunBuilder::new(stored.run.origin(), stored.run.first(), stored.previous);
    for bundle in stored.run.bundles() {
        builder.push(bundle.time, Body::Full(&change(bundle.body)));
    }
    StoredRun { run: builder.finish().unwrap().run().clone(), ..stored.clone() }
}

/// The view with another name.
pub(crate) fn renamed(view: &ViewId, rename: impl Fn(&str) -> String) -> ViewId {
    ViewId::new(&rename(view.as_str())).unwrap()
}

/// A time without its highest bit, as an integer with a sign keeps it.
pub(crate) fn without_sign(time: NTP64) -> NTP64 {
    NTP64(time.0 & (u64::MAX >> 1))
}

/// The position this many steps before.
pub(crate) fn back(position: Position, steps: u64) -> Position {
    Position::new(position.get().saturating_sub(steps))
}
