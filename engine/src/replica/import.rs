//! Taking a snapshot into the store: its chunks first, then the log begins anew, then the rows are written.
//!
//! Nothing changes for the application until all chunks are there and all rows in them were checked. Then one commit puts the
//! snapshot's heads in the place of the log, keeps every bundle that the snapshot does not cover, and clears the views. The rows follow
//! some at a time. If that is interrupted, the next opening goes on, without the peer. The bundles that were kept are folded on top.

use bytes::Bytes;

use super::checkpoint::{self, Checkpoint};
use super::kept::Unfit;
use super::peers::Known;
use super::sent::sent_row;
use super::turn::Turn;
use super::{Inner, locked};
use crate::format::run::Run;
use crate::id::{LogId, Position, Seq};
use crate::reserved::{self, CheckpointRow, IMPORT, UNREADABLE};
use crate::snapshot::{Filled, ImportRow, Manifest, RowPlace, RowReader, SnapshotFault, SnapshotId, open_chunk, shelf};
use crate::store::{EventStore, Replacement, RowKey, RowWrite, StoreError, ViewId, WriteBatch, whole};

/// Bytes of a snapshot's rows that are written in one commit. Writers wait meanwhile.
const STEP: u64 = 4 * 1024 * 1024;

/// How far a replica is with a snapshot that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Bytes of chunks that have come.
    pub bytes: u64,
    /// How many bytes of chunks there are.
    pub of_bytes: u64,
    /// Rows that are written, of those of all views in the snapshot.
    pub rows: u64,
    /// How many rows there are.
    pub of_rows: u64,
}

impl Bootstrap {
    pub(super) fn begin(snapshot: SnapshotId, manifest: &Manifest) -> Self {
        Self { snapshot, bytes: 0, of_bytes: manifest.chunk_bytes(), rows: 0, of_rows: manifest.rows() }
    }
}

impl Inner {
    /// Notes which snapshot is being fetched. If another handle on this store has just taken one, its rows are written first.
    pub(super) async fn note_import(&self, id: SnapshotId, manifest: Bytes) -> Result<(), StoreError> {
        let import = ImportRow { id, filled: None };
        let mut noted = shelf::manifest_rows(id, manifest);
        noted.push(import_row(&import));
        let mut turn = self.turn().await;
        loop {
            while turn.fill_some().await? {}
            let (expected, rows) = (Some(turn.status.revision), noted.clone());
            match turn.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        (turn.import, turn.takes) = (Some(import), Some(id));
        Ok(())
    }

    /// Gives up the snapshot that this handle fetches, and clears away what nothing needs. Returns whether it still was being fetched:
    /// another handle on this store may have given it up, or taken one.
    pub(super) async fn end_import(&self) -> Result<bool, StoreError> {
        let mut turn = self.turn().await;
        loop {
            let is_ours = turn.is_fetching();
            let rows = match &turn.import {
                Some(import) if !is_ours => shelf::litter(&*self.store, Some(import.id)).await?,
                _ => end_of_import(&*self.store).await?,
            };
            let expected = Some(turn.status.revision);
            match turn.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Ok(_) if is_ours => turn.import = None,
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            return Ok(is_ours);
        }
    }

    /// Puts a snapshot in the place of the log. Its chunks must be here, and checked. `proven` and `again` are those of
    /// [`kept_beside`](Turn::kept_beside). Gives how many bundles were kept, or why it was not done: then nothing has changed.
    pub(super) async fn replace_log(
        &self,
        (id, manifest): (SnapshotId, &Manifest),
        mut known: Known,
        (proven, again): (Seq, &[Run]),
    ) -> Result<Result<u64, Unfit>, StoreError> {
        let mut turn = self.turn().await;
        turn.settle().await;
        turn.reload().await?;
        loop {
            if !turn.is_fetching() {
                return Ok(Err(Unfit::Overtaken));
            }
            let kept = match turn.kept_beside(manifest, proven, again).await? {
                Ok(kept) => kept,
                Err(unfit) => return Ok(Err(unfit)),
            };
            let own = manifest.heads.get(turn.id).seq;
            if known.row.acked < own.min(turn.status.heads.get(turn.id).seq) {
                // What became of a bundle that another handle on this store has written is not known yet.
                return Ok(Err(Unfit::Overtaken));
            }
            known.row.acked = known.row.acked.max(own);
            let row = locked(&self.peers).row_for(turn.id, known);
            let mut batch = turn.replacement(id, manifest);
            batch.rows.extend(known.rows(&row));
            let sent = Some(own).filter(|own| *own > Seq::ZERO).map(|own| turn.sent.with_returned(own));
            batch.rows.extend(sent.iter().map(sent_row));
            let bundles = kept.iter().map(|verified| verified.run().count()).sum();
            batch.runs = kept;
            match turn.commit(batch).await {
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
            sent.into_iter().for_each(|sent| turn.sent.has_returned(sent, own));
            locked(&self.peers).note_met(row, known.met);
            turn.reload().await?;
            return Ok(Ok(bundles));
        }
    }

    /// Writes the rows of a snapshot that was taken, if not all are written yet. A step per turn, so that writers get in between.
    pub(super) async fn fill_rows(&self) -> Result<(), StoreError> {
        while self.turn().await.fill_some().await? {}
        Ok(())
    }
}

impl Turn<'_> {
    /// Whether the snapshot that this handle has begun to fetch, or has found begun, is still being fetched.
    pub(super) fn is_fetching(&self) -> bool {
        self.import.as_ref().is_some_and(|import| import.filled.is_none() && Some(import.id) == self.takes)
    }

    /// The commit that puts a snapshot in the place of the log, without the bundles that are kept.
    fn replacement(&self, id: SnapshotId, manifest: &Manifest) -> WriteBatch {
        let at = Position::new(u64::try_from(manifest.heads.bundles()).expect("the manifest was checked"));
        let views: Vec<ViewId> = self.inner.projections.views().cloned().collect();
        let stored = self.status.views.keys().filter(|view| !view.is_reserved()).cloned();
        let engines = [checkpoint::view(), reserved::view(UNREADABLE)];
        let clear = stored.chain(views.iter().cloned()).chain(engines).collect();
        let filled = Filled { next: RowPlace::start(manifest), at, views };
        WriteBatch {
            expected: Some(self.status.revision),
            replace: Some(Replacement { log: self.next_log(id), heads: manifest.heads.clone() }),
            clear,
            rows: vec![import_row(&ImportRow { id, filled: Some(filled) })],
            ..WriteBatch::default()
        }
    }

    /// The log's identity once it has begun anew. The engine knows no chance: the old identity is random, and this one follows from it.
    fn next_log(&self, snapshot: SnapshotId) -> LogId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"syncline log that takes a snapshot");
        hasher.update(&self.status.log.to_bytes()).update(&snapshot.to_bytes());
        hasher.update(&self.status.revision.get().to_be_bytes());
        let hash = *hasher.finalize().as_bytes();
        let (id, _) = hash.split_first_chunk::<16>().expect("a hash has 32 bytes");
        LogId::from_bytes(*id).expect("nobody finds a hash that begins with 16 zero bytes")
    }

    /// Writes some rows of a snapshot that was taken. Returns whether there were any left, and so may be more.
    pub(super) async fn fill_some(&mut self) -> Result<bool, StoreError> {
        let known = self.import.clone();
        let Some(ImportRow { id, filled: Some(filled) }) = known.clone() else { return Ok(false) };
        let bytes = shelf::manifest(&*self.inner.store, id).await?.unwrap_or_default();
        let read = match Manifest::decode(&bytes) {
            Ok((manifest, _)) => self.next_rows(&manifest, &filled).await?.map(|rows| (manifest, rows)),
            Err(fault) => Err(fault),
        };
        let (manifest, (rows, next)) = match read {
            Ok(read) => read,
            Err(fault) => {
                self.reload().await?;
                // Another handle on this store may have written the rest.
                if self.import != known {
                    return Ok(true);
                }
                let at = format!("snapshot {id}, whose rows are being written");
                return Err(StoreError::Corrupt { backend: "engine", at, why: fault.to_string() });
            }
        };
        let is_last = next.bytes() == manifest.row_bytes();
        let mut batch = WriteBatch { expected: Some(self.status.revision), rows, ..WriteBatch::default() };
        let import = ImportRow { id, filled: Some(Filled { next, ..filled.clone() }) };
        if is_last {
            batch.rows.extend(end_of_import(&*self.inner.store).await?);
            batch.rows.push(reserved::checkpoint_row(&CheckpointRow { position: filled.at }));
            batch.views =
                filled.views.iter().cloned().chain([checkpoint::view()]).map(|view| (view, filled.at)).collect();
        } else {
            batch.rows.push(import_row(&import));
        }
        match self.commit(batch).await {
            Ok(_) => {}
            Err(StoreError::Conflict { .. }) => return Ok(true),
            Err(error) => return Err(error),
        }
        let done = Bootstrap { bytes: manifest.chunk_bytes(), ..Bootstrap::begin(id, &manifest) };
        *locked(&self.inner.bootstrap) = Some(Bootstrap { rows: next.rows(&manifest), ..done }).filter(|_| !is_last);
        self.import = Some(import).filter(|_| !is_last);
        if is_last {
            self.checkpoint = Checkpoint::At(filled.at);
        }
        Ok(true)
    }

    /// The next rows of a snapshot as they are to be written, and where the ones behind them begin.
    async fn next_rows(
        &self,
        manifest: &Manifest,
        filled: &Filled,
    ) -> Result<Result<(Vec<RowWrite>, RowPlace), SnapshotFault>, StoreError> {
        let mut reader = RowReader::at(manifest, filled.next);
        let (first, mut skip) = filled.next.chunk();
        let (mut rows, mut notes) = (Vec::new(), Vec::new());
        for (index, named) in (first..).zip(manifest.chunks.iter().skip(first as usize)) {
            let sealed = shelf::chunk(&*self.inner.store, named.hash).await?.unwrap_or_default();
            let read = open_chunk(index, named, &sealed, manifest.rows_in(index)).and_then(|opened| {
                reader.push(&opened[std::mem::take(&mut skip)..])?;
                while let Some((view, row)) = reader.row()? {
                    let view = &manifest.views[view].view;
                    let row = RowWrite { key: RowKey::new(view.clone(), row.key), value: Some(row.value) };
                    match view.as_str() {
                        UNREADABLE => notes.extend(filled.wants_note(&row).then_some(row)),
                        _ if filled.views.contains(view) => rows.push(row),
                        _ => {}
                    }
                }
                Ok(())
            });
            if let Err(fault) = read {
                return Ok(Err(fault));
            }
            if reader.place().bytes() - filled.next.bytes() >= STEP {
                break;
            }
        }
        let mut rows = whole::writes(rows, &whole::Stubs::new(), self.inner.piece_bytes);
        rows.extend(notes);
        Ok(Ok((rows, reader.place())))
    }
}

impl Filled {
    /// Whether a note is of one of the views that are written.
    fn wants_note(&self, row: &RowWrite) -> bool {
        let noted = reserved::noted_event(&row.key.key);
        noted.is_some_and(|(view, ..)| view.is_none_or(|view| self.views.contains(&view)))
    }
}

/// The rows that forget a snapshot that was taken, with its chunks.
async fn end_of_import(store: &dyn EventStore) -> Result<Vec<RowWrite>, StoreError> {
    let mut rows = shelf::litter_of_manifests(store).await?;
    rows.push(RowWrite { key: RowKey::new(reserved::view(IMPORT), Bytes::new()), value: None });
    Ok(rows)
}

fn import_row(row: &ImportRow) -> RowWrite {
    reserved::put(IMPORT, Bytes::new(), row)
}
