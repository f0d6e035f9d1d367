//! Handing out snapshots, and taking those that owners of a space upload.
//!
//! A service need not read rows to relay them. What it can check of a snapshot, it checks: hashes, the form of the rows, and the heads
//! against its own log. A device that lags or lies is refused.

use bytes::Bytes;

use super::{RETRY_AFTER_MS, ServiceError};
use crate::format::heads::Difference;
use crate::id::{Dot, Seq, SpaceId};
use crate::protocol::{AskSnapshot, Code, Piece, Problem, Reply, SnapshotInfo, Supply, Wanted};
use crate::snapshot::{Manifest, SnapshotFault, SnapshotId, open_chunk, shelf};
use crate::store::lacking::place_before_lacking;
use crate::store::{EventStore, Limit, LogStatus, RowWrite, StoreError, StoredRun, WriteBatch};

/// Numbers of missing chunks that one answer names.
const MISSING_MAX: usize = 4_096;
/// How often to look again at what others have changed meanwhile, before they are left alone.
const TRIES: usize = 16;

const COMPLETE: Wanted = Wanted { missing: Vec::new(), is_complete: true };

/// Answers with a list, a manifest or a chunk.
pub(super) async fn tell(store: &dyn EventStore, asked: AskSnapshot) -> Result<Reply, ServiceError> {
    let piece = match asked {
        AskSnapshot::List => {
            let log = store.status().await?.log;
            let list = shelf::list(store).await?.into_iter().filter(|info| info.covers.log == log);
            return Ok(Reply::Snapshots(list.collect()));
        }
        AskSnapshot::Manifest(id) => shelf::manifest(store, id).await?,
        AskSnapshot::Chunk(hash) => shelf::chunk(store, hash).await?,
    };
    let detail = "there is no such piece of a snapshot here, any more or yet; ask for the list of snapshots";
    piece.map(|bytes| Reply::Piece(Piece(bytes))).ok_or_else(|| Problem::new(Code::UnknownSnapshot, detail).into())
}

/// Takes a piece of a snapshot.
pub(super) async fn take(space: &SpaceId, store: &dyn EventStore, supply: Supply) -> Result<Reply, ServiceError> {
    let wanted = match supply {
        Supply::Manifest(Piece(bytes)) => take_manifest(space, store, bytes).await?,
        Supply::Chunk(id, index, Piece(bytes)) => take_chunk(store, id, index, bytes).await?,
    };
    Ok(Reply::Wanted(wanted))
}

/// Takes note of a snapshot that is offered, or hands it out if nothing of it is missing.
async fn take_manifest(space: &SpaceId, store: &dyn EventStore, bytes: Bytes) -> Result<Wanted, ServiceError> {
    let (manifest, id) = Manifest::decode(&bytes).map_err(bad)?;
    if manifest.space != *space {
        return Err(bad(SnapshotFault::OtherSpace(manifest.space)));
    }
    let status = store.status().await?;
    if shelf::list(store).await?.iter().any(|known| known.id == id && known.covers.log == status.log) {
        return Ok(COMPLETE);
    }
    let info = check_heads(store, &status, &manifest, id).await?;
    if !shelf::has_place(store, &info).await? {
        return Err(refused("this log has newer snapshots already, as many as it keeps; make a newer one".to_owned()));
    }
    // From now on nobody sweeps its chunks away.
    let (rows, leaves_litter) = shelf::offer(store, id, bytes).await?;
    commit(store, rows).await?;
    if leaves_litter {
        sweep(store).await?;
    }
    let mut missing = shelf::missing(store, &manifest).await?;
    if !missing.is_empty() {
        missing.truncate(MISSING_MAX);
        return Ok(Wanted { missing, is_complete: false });
    }
    shelf::verify(store, &manifest).await?.map_err(bad)?;
    publish(store, &info).await?;
    sweep(store).await?;
    Ok(COMPLETE)
}

/// Hands a snapshot out that was checked, if it is still the one that is offered.
async fn publish(store: &dyn EventStore, info: &SnapshotInfo) -> Result<(), ServiceError> {
    for _ in 0..TRIES {
        let expected = Some(store.status().await?.revision);
        if !shelf::is_offered(store, info.id).await? {
            break;
        }
        let rows = shelf::publish(store, info.clone()).await?;
        match store.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
            Err(StoreError::Conflict { .. }) => {}
            committed => return Ok(committed.map(drop)?),
        }
    }
    let detail =
        "another snapshot was offered while this one was checked, or others write all the time; offer it again";
    Err(Problem::new(Code::Busy { retry_after_ms: RETRY_AFTER_MS }, detail).into())
}

async fn take_chunk(store: &dyn EventStore, id: SnapshotId, index: u32, bytes: Bytes) -> Result<Wanted, ServiceError> {
    let unknown = || {
        let detail = format!("nobody has offered snapshot {id} with a chunk {index}; send its manifest first");
        ServiceError::from(Problem::new(Code::UnknownSnapshot, detail))
    };
    let manifest = shelf::manifest(store, id).await?.ok_or_else(unknown)?;
    let (manifest, _) = Manifest::decode(&manifest).map_err(bad)?;
    let named = usize::try_from(index).ok().and_then(|index| manifest.chunks.get(index)).ok_or_else(unknown)?;
    open_chunk(index, named, &bytes, manifest.rows_in(index)).map_err(bad)?;
    commit(store, vec![shelf::chunk_row(named.hash, bytes)]).await?;
    Ok(Wanted { missing: Vec::new(), is_complete: false })
}

/// Checks the heads of a snapshot against the log: it must be of this very history, and reach as far as the log has been trimmed.
async fn check_heads(
    store: &dyn EventStore,
    status: &LogStatus,
    manifest: &Manifest,
    id: SnapshotId,
) -> Result<SnapshotInfo, ServiceError> {
    for Difference { origin, ours, theirs } in status.heads.differences(&manifest.heads) {
        let at = Dot { origin, seq: theirs.seq };
        let refuse = |why| Err(refused(format!("the heads of the snapshot name bundle {at}, {why}")));
        if theirs.seq > ours.seq {
            return refuse("which this log lacks; push it before the snapshot");
        }
        if theirs.seq == ours.seq {
            return refuse("which is another one in this log; the device that made the snapshot has a forked history");
        }
        if theirs.seq == Seq::ZERO {
            continue;
        }
        // The bundle itself may be trimmed. What follows it proves its hash, and bounds its time.
        let is_before = |next: &StoredRun| {
            let first = next.run.bundles().next();
            next.previous == theirs.chain && first.is_some_and(|first| theirs.time < first.time)
        };
        match store.read_origin(origin, theirs.seq, Limit::items(1)).await {
            Ok(next) if next.first().is_some_and(is_before) => {}
            Ok(_) => return refuse("which is another one in this log; the device has a forked history"),
            Err(StoreError::Trimmed { .. }) => return refuse("and this log is trimmed beyond it; make a newer one"),
            Err(error) => return Err(error.into()),
        }
    }
    let covers = match place_before_lacking(store, status, &manifest.heads, |_| true).await {
        Ok(covers) if covers.position >= status.base => covers,
        Ok(_) | Err(StoreError::Trimmed { .. }) => {
            return Err(refused("the snapshot lacks bundles that this log has trimmed; make a newer one".to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(SnapshotInfo::of(manifest, id, covers))
}

/// Deletes what no snapshot needs any more. If others write all the time, then the next sweep does it.
async fn sweep(store: &dyn EventStore) -> Result<(), StoreError> {
    let chunks = shelf::chunk_hashes(store).await?;
    for _ in 0..TRIES {
        let expected = Some(store.status().await?.revision);
        let rows = shelf::litter_among(store, &chunks, shelf::import(store).await?).await?;
        if rows.is_empty() {
            break;
        }
        match store.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
            Err(StoreError::Conflict { .. }) => {}
            committed => return committed.map(drop),
        }
    }
    Ok(())
}

async fn commit(store: &dyn EventStore, rows: Vec<RowWrite>) -> Result<(), StoreError> {
    store.commit(WriteBatch { rows, ..WriteBatch::default() }).await.map(drop)
}

fn bad(fault: SnapshotFault) -> ServiceError {
    refused(fault.to_string())
}

fn refused(detail: String) -> ServiceError {
    Problem::new(Code::BadSnapshot, detail).into()
}
