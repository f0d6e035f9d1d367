//! Where a store keeps snapshots: in rows of the engine, so that every adapter has them.
//!
//! A chunk is kept under its hash, a manifest under the snapshot's id. So snapshots share the chunks that are alike, and what a cut
//! download or upload has brought is found again. Chunks that no manifest names any more are cleared away.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{ChunkHash, Manifest, SnapshotFault, SnapshotId};
use crate::limits::ROW_BYTES_MAX;
use crate::protocol::SnapshotInfo;
use crate::reserved::{self, CHUNKS, IMPORT, MAKING, MANIFESTS, OFFERED, SNAPSHOTS};
use crate::store::{EventStore, Limit, Row, RowKey, RowRange, RowWrite, StoreError, whole};

/// Snapshots that a store hands out at once: a download of the last but one can end.
pub(crate) const KEPT: usize = 2;
/// Chunks that are looked for at once.
const LOOK_UP: usize = 8;

/// The snapshots that a store hands out, those that cover most bundles first.
pub(crate) async fn list(store: &dyn EventStore) -> Result<Vec<SnapshotInfo>, StoreError> {
    let rows = store.scan(&reserved::view(SNAPSHOTS), RowRange::all(), Limit::items(u32::MAX)).await?;
    let info = |row: &Row| reserved::get::<SnapshotInfo>(SNAPSHOTS, &row.value);
    let mut list = rows.iter().map(info).collect::<Result<Vec<_>, _>>()?;
    list.sort_by_key(rank);
    Ok(list)
}

/// The manifest of a snapshot, as it was written.
pub(crate) async fn manifest(store: &dyn EventStore, id: SnapshotId) -> Result<Option<Bytes>, StoreError> {
    Ok(whole::load(store, &[key(MANIFESTS, id.to_bytes())]).await?.remove(0))
}

/// The chunk with this hash.
pub(crate) async fn chunk(store: &dyn EventStore, hash: ChunkHash) -> Result<Option<Bytes>, StoreError> {
    Ok(store.load(&[key(CHUNKS, hash.to_bytes())]).await?.remove(0))
}

/// The numbers of the chunks that a store lacks.
pub(crate) async fn missing(store: &dyn EventStore, manifest: &Manifest) -> Result<Vec<u32>, StoreError> {
    let mut missing = Vec::new();
    for (start, chunks) in (0u32..).step_by(LOOK_UP).zip(manifest.chunks.chunks(LOOK_UP)) {
        let keys: Vec<_> = chunks.iter().map(|chunk| key(CHUNKS, chunk.hash.to_bytes())).collect();
        let found = store.load(&keys).await?;
        missing.extend((start..).zip(found).filter(|(_, chunk)| chunk.is_none()).map(|(index, _)| index));
    }
    Ok(missing)
}

/// Reads all rows of a snapshot whose chunks are kept, and checks them.
///
/// # Errors
/// `Ok(Err)` with [`SnapshotFault`] if they are not what the manifest says.
pub(crate) async fn verify(
    store: &dyn EventStore,
    manifest: &Manifest,
) -> Result<Result<(), SnapshotFault>, StoreError> {
    let mut rows = super::RowReader::new(manifest);
    for (index, named) in (0u32..).zip(&manifest.chunks) {
        let sealed = chunk(store, named.hash).await?.unwrap_or_default();
        let opened = super::open_chunk(index, named, &sealed, manifest.rows_in(index));
        if let Err(fault) = opened.and_then(|opened| rows.check(&opened)) {
            return Ok(Err(fault));
        }
    }
    Ok(rows.end())
}

/// The snapshot that the store's replica takes, if there is one.
pub(crate) async fn import(store: &dyn EventStore) -> Result<Option<SnapshotId>, StoreError> {
    let row = store.load(&[RowKey::new(reserved::view(IMPORT), Bytes::new())]).await?.remove(0);
    Ok(row.map(|row| reserved::get::<super::ImportRow>(IMPORT, &row)).transpose()?.map(|row| row.id))
}

/// The row of a chunk.
pub(crate) fn chunk_row(hash: ChunkHash, sealed: Bytes) -> RowWrite {
    RowWrite { key: key(CHUNKS, hash.to_bytes()), value: Some(sealed) }
}

/// The row that says of a chunk that a snapshot which is being made needs it.
pub(crate) fn making_row(index: u32, hash: ChunkHash) -> RowWrite {
    reserved::put(MAKING, index.to_be_bytes().to_vec().into(), &hash)
}

/// The rows of a manifest.
pub(crate) fn manifest_rows(id: SnapshotId, bytes: Bytes) -> Vec<RowWrite> {
    let row = RowWrite { key: key(MANIFESTS, id.to_bytes()), value: Some(bytes) };
    whole::writes(vec![row], &whole::Stubs::new(), ROW_BYTES_MAX)
}

/// The rows that note what is offered, and forget what was offered before. Says whether there was something: it is litter then.
pub(crate) async fn offer(
    store: &dyn EventStore,
    id: SnapshotId,
    manifest: Bytes,
) -> Result<(Vec<RowWrite>, bool), StoreError> {
    let earlier = ids(store, OFFERED).await?.into_iter().filter(|earlier| *earlier != id);
    let mut rows: Vec<_> = earlier.map(|earlier| gone(OFFERED, earlier)).collect();
    let leaves_litter = !rows.is_empty();
    rows.extend(manifest_rows(id, manifest));
    rows.push(reserved::put(OFFERED, id.to_bytes().to_vec().into(), &()));
    Ok((rows, leaves_litter))
}

/// Whether somebody is handing over this snapshot. As long as this is noted, its chunks stay.
pub(crate) async fn is_offered(store: &dyn EventStore, id: SnapshotId) -> Result<bool, StoreError> {
    Ok(store.load(&[key(OFFERED, id.to_bytes())]).await?.remove(0).is_some())
}

/// Whether a snapshot would be handed out, beside those that are.
pub(crate) async fn has_place(store: &dyn EventStore, info: &SnapshotInfo) -> Result<bool, StoreError> {
    let (kept, _) = ranked(store, info).await?;
    Ok(kept.iter().any(|kept| kept.id == info.id))
}

/// The rows that let a store hand out a snapshot whose manifest and chunks it has, and no longer those that are too many.
pub(crate) async fn publish(store: &dyn EventStore, info: SnapshotInfo) -> Result<Vec<RowWrite>, StoreError> {
    let (kept, dropped) = ranked(store, &info).await?;
    let mut rows: Vec<_> = dropped.iter().map(|info| gone(SNAPSHOTS, info.id)).collect();
    rows.push(gone(OFFERED, info.id));
    if kept.iter().any(|kept| kept.id == info.id) {
        rows.push(reserved::put(SNAPSHOTS, info.id.to_bytes().to_vec().into(), &info));
    }
    Ok(rows)
}

/// The rows that let a store hand out no snapshot, and delete what nothing needs then: these chunks, but for those of `import`, which the
/// store's replica takes.
pub(crate) async fn unpublish(
    store: &dyn EventStore,
    chunks: &[ChunkHash],
    import: Option<SnapshotId>,
) -> Result<Vec<RowWrite>, StoreError> {
    let mut rows = litter_if(false, store, chunks, import).await?;
    rows.extend(ids(store, SNAPSHOTS).await?.into_iter().map(|id| gone(SNAPSHOTS, id)));
    Ok(rows)
}

/// The snapshots that a store hands out once it has this one, and those that go. Those of a log that another one has replaced go, too.
async fn ranked(
    store: &dyn EventStore,
    info: &SnapshotInfo,
) -> Result<(Vec<SnapshotInfo>, Vec<SnapshotInfo>), StoreError> {
    let others = list(store).await?.into_iter().filter(|known| known.id != info.id);
    let (mut kept, mut dropped): (Vec<_>, Vec<_>) = others.partition(|known| known.covers.log == info.covers.log);
    kept.push(info.clone());
    kept.sort_by_key(rank);
    dropped.extend(kept.drain(KEPT.min(kept.len())..));
    Ok((kept, dropped))
}

/// Those that cover most come first.
fn rank(info: &SnapshotInfo) -> impl Ord + use<> {
    std::cmp::Reverse((info.bundles, info.id))
}

/// The rows that delete what nothing needs any more: manifests and chunks. `import` is the snapshot that the store's replica takes.
pub(crate) async fn litter(store: &dyn EventStore, import: Option<SnapshotId>) -> Result<Vec<RowWrite>, StoreError> {
    let chunks = chunk_hashes(store).await?;
    litter_among(store, &chunks, import).await
}

/// The same of the chunks that manifests name, without reading any chunk. For a store whose other chunks are somebody else's to clear away.
pub(crate) async fn litter_of_manifests(store: &dyn EventStore) -> Result<Vec<RowWrite>, StoreError> {
    let mut chunks = BTreeSet::new();
    for id in ids(store, MANIFESTS).await? {
        let bytes = manifest(store, id).await?.unwrap_or_default();
        if let Ok((manifest, _)) = Manifest::decode(&bytes) {
            chunks.extend(manifest.chunks.iter().map(|chunk| chunk.hash));
        }
    }
    litter_among(store, &Vec::from_iter(chunks), None).await
}

/// The same of these chunks alone.
///
/// Others go on meanwhile, so the order counts. Chunks are looked for before what names them: one that somebody brings later is not
/// among them. What is being made or offered is looked for before what is handed out, which it may become.
pub(crate) async fn litter_among(
    store: &dyn EventStore,
    chunks: &[ChunkHash],
    import: Option<SnapshotId>,
) -> Result<Vec<RowWrite>, StoreError> {
    litter_if(true, store, chunks, import).await
}

/// The same, if the store goes on to hand out snapshots or does not.
async fn litter_if(
    hands_out: bool,
    store: &dyn EventStore,
    chunks: &[ChunkHash],
    import: Option<SnapshotId>,
) -> Result<Vec<RowWrite>, StoreError> {
    let kept: BTreeSet<_> = ids(store, MANIFESTS).await?.into_iter().collect();
    let mut named = BTreeSet::new();
    for row in &store.scan(&reserved::view(MAKING), RowRange::all(), Limit::items(u32::MAX)).await? {
        named.insert(reserved::get::<ChunkHash>(MAKING, &row.value)?);
    }
    let mut wanted: BTreeSet<SnapshotId> = ids(store, OFFERED).await?.into_iter().chain(import).collect();
    if hands_out {
        wanted.extend(ids(store, SNAPSHOTS).await?);
    }
    for id in &wanted {
        let bytes = manifest(store, *id).await?.unwrap_or_default();
        if let Ok((manifest, _)) = Manifest::decode(&bytes) {
            named.extend(manifest.chunks.iter().map(|chunk| chunk.hash));
        }
    }
    let chunks = chunks.iter().filter(|hash| !named.contains(hash));
    let mut rows: Vec<_> = chunks.map(|hash| RowWrite { key: key(CHUNKS, hash.to_bytes()), value: None }).collect();
    for id in kept.difference(&wanted) {
        let key = [key(MANIFESTS, id.to_bytes())];
        let stubs = whole::stubs(&key, &store.load(&key).await?)?;
        let [key] = key;
        rows.extend(whole::writes(vec![RowWrite { key, value: None }], &stubs, ROW_BYTES_MAX));
    }
    Ok(rows)
}

/// The hashes of all chunks that are kept.
pub(crate) async fn chunk_hashes(store: &dyn EventStore) -> Result<Vec<ChunkHash>, StoreError> {
    let (mut hashes, mut range) = (Vec::new(), RowRange::all());
    loop {
        let rows = store.scan(&reserved::view(CHUNKS), range.clone(), Limit::bytes(4 * 1024 * 1024)).await?;
        let Some(last) = rows.last() else { return Ok(hashes) };
        range = range.after(last.key.clone());
        let hash = |key: &[u8]| key.try_into().ok().map(ChunkHash::from_bytes);
        hashes.extend(rows.iter().filter_map(|row| hash(&row.key)));
    }
}

/// The snapshots that a view of the engine names by its keys.
async fn ids(store: &dyn EventStore, name: &str) -> Result<Vec<SnapshotId>, StoreError> {
    let (mut ids, mut range) = (Vec::new(), RowRange::all());
    loop {
        let rows = store.scan(&reserved::view(name), range.clone(), Limit::PAGE).await?;
        let Some(last) = rows.last() else { return Ok(ids) };
        range = range.after(last.key.clone());
        let id = |key: &[u8]| key.try_into().ok().map(SnapshotId::from_bytes);
        ids.extend(rows.iter().filter_map(|row| id(&row.key)));
    }
}

fn gone(name: &str, id: SnapshotId) -> RowWrite {
    RowWrite { key: key(name, id.to_bytes()), value: None }
}

fn key(name: &str, key: [u8; 32]) -> RowKey {
    RowKey::new(reserved::view(name), key.to_vec())
}
