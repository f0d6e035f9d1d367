//! Making a snapshot: the rows at a checkpoint, read while writers go on.
//!
//! The checkpoint is moved to the end of the log first, and stays there until all rows are read. A row that changes in the meantime has
//! a pre-image, so the snapshot has the value that it had.

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use super::checkpoint::Checkpoint;
use super::{Inner, Replica, ReplicaError, locked};
use crate::format::heads::Heads;
use crate::format::wire::DecodeError;
use crate::id::Cursor;
use crate::projection::Aside;
use crate::protocol::{Piece, Reply, Request, SnapshotInfo, Supply, Wanted};
use crate::reserved::{self, MAKING, UNREADABLE};
use crate::snapshot::{Chunk, Manifest, RowWriter, seal_chunk, shelf};
use crate::store::{Limit, Row, RowKey, RowRange, RowWrite, StoreError, ViewId, WriteBatch};
use crate::transport::{Transport, TransportError};

/// The reason why no snapshot was made, or why a peer did not take it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No peer has answered for some own bundles yet, and a refusal of one would change the rows. Sync first.
    #[error("{bundles} own bundles are pending, and a peer may still refuse them; sync first")]
    Pending {
        /// How many.
        bundles: u64,
    },
    /// This event is missing in the rows, because this program does not know its version. Upgrade the program first.
    #[error("an event of bundle {} is put aside: {}; make the snapshot with a program that reads it", .0.dot, .0.cause)]
    Unread(Box<Aside>),
    /// A view was folded again, or the checkpoint moved, while rows were read; or another handle on the store has replaced the snapshot
    /// since. Try again.
    #[error(
        "a view was rebuilt, or another handle on this store moved the checkpoint or made another snapshot, in the meantime; try again"
    )]
    Disturbed,
    /// A limit of snapshots is exceeded.
    #[error(transparent)]
    TooLarge(#[from] DecodeError),
    /// The replica or its store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The peer did not answer, or refused. What it has taken it keeps: the next upload of the same snapshot goes on from there.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The peer answered another question, or asks for chunks that there are not.
    #[error("the peer answered another question; check that both speak the same protocol")]
    Unexpected,
}

impl From<StoreError> for SnapshotError {
    fn from(error: StoreError) -> Self {
        Self::Replica(error.into())
    }
}

/// What a snapshot is of.
struct Subject {
    at: Cursor,
    heads: Heads,
    views: Vec<ViewId>,
    /// How often views had been cleared since the replica was opened.
    clears: u64,
}

/// Keeps the checkpoint where it is, until it is dropped.
struct Pin<'a>(&'a AtomicBool);

impl<'a> Pin<'a> {
    fn new(pinned: &'a AtomicBool) -> Self {
        pinned.store(true, Ordering::Relaxed);
        Self(pinned)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Replica {
    /// Makes a snapshot of all views that this replica maintains, at the end of the log, and keeps it in the store. A
    /// [`Service`](crate::Service) on the same store hands it out from then on, with the one before; older ones go. Writers go on in the
    /// meantime. Memory is that of a few chunks.
    ///
    /// # Errors
    /// [`SnapshotError`], all but those of peers. The snapshots that there were stay. With a
    /// [view without history](super::ReplicaStatus::views_without_history) it is [`ReplicaError::NeedsHistory`]: a snapshot has all views
    /// of its maker.
    ///
    /// # Cancel
    /// Nothing of it is handed out. What was stored of it goes when the next one is made.
    pub async fn make_snapshot(&self) -> Result<SnapshotInfo, SnapshotError> {
        let _alone = self.inner.making.lock().await;
        let _pin = Pin::new(&self.inner.pinned);
        let subject = self.inner.begin_snapshot().await?;
        let (manifest, covers) = self.inner.write_chunks(subject).await?;
        let (bytes, id) = manifest.encode()?;
        let info = SnapshotInfo::of(&manifest, id, covers);
        let mut rows = shelf::manifest_rows(id, bytes);
        rows.extend(shelf::publish(&*self.inner.store, info.clone()).await?);
        rows.extend(self.inner.forget_making().await?);
        self.inner.turn().await.commit_rows(rows).await?;
        self.inner.sweep().await?;
        Ok(info)
    }

    /// Makes a snapshot and hands it to a peer, which must have all bundles that it covers, and this device's user must own the space
    /// there. The peer hands it out from then on. This store keeps it only if a service [shares](super::Compose::shared_with_service) it.
    ///
    /// # Errors
    /// [`SnapshotError`].
    ///
    /// # Cancel
    /// The peer keeps the chunks that it has. It hands nothing out that is not complete.
    pub async fn upload_snapshot(&self, peer: &dyn Transport) -> Result<SnapshotInfo, SnapshotError> {
        // An upload ends with the deletion of what it has made, and two may have made the same.
        let _alone = self.inner.uploading.lock().await;
        let info = self.make_snapshot().await?;
        let bytes = shelf::manifest(&*self.inner.store, info.id).await?.ok_or(SnapshotError::Disturbed)?;
        let (manifest, id) = Manifest::decode(&bytes).map_err(|_| SnapshotError::Disturbed)?;
        loop {
            let Wanted { missing, is_complete } = self.supply(peer, Supply::Manifest(Piece(bytes.clone()))).await?;
            if is_complete {
                if !self.inner.shared {
                    self.inner.forget_snapshots().await?;
                }
                return Ok(info);
            }
            if missing.is_empty() {
                return Err(SnapshotError::Unexpected);
            }
            for index in missing {
                let chunk = manifest.chunks.get(index as usize).ok_or(SnapshotError::Unexpected)?;
                let chunk = shelf::chunk(&*self.inner.store, chunk.hash).await?.ok_or(SnapshotError::Disturbed)?;
                self.supply(peer, Supply::Chunk(id, index, Piece(chunk))).await?;
            }
        }
    }

    async fn supply(&self, peer: &dyn Transport, supply: Supply) -> Result<Wanted, SnapshotError> {
        match peer.call(Request::Supply(self.inner.space.clone(), supply)).await?.reply {
            Reply::Wanted(wanted) => Ok(wanted),
            _ => Err(SnapshotError::Unexpected),
        }
    }

    /// The snapshots that this store hands out, those that cover most bundles first.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn snapshots(&self) -> Result<Vec<SnapshotInfo>, ReplicaError> {
        Ok(shelf::list(&*self.inner.store).await?)
    }
}

impl Inner {
    /// Moves the checkpoint to the end of the log, and notes what there is at this moment.
    async fn begin_snapshot(&self) -> Result<Subject, SnapshotError> {
        let mut turn = self.turn().await;
        turn.settle().await;
        turn.reload().await?;
        turn.has_history()?;
        let Some((at, Some(heads))) = turn.move_checkpoint_now().await? else {
            if let Some(aside) = turn.first_unread().await? {
                return Err(SnapshotError::Unread(Box::new(aside)));
            }
            let own = turn.status.heads.get(turn.id).seq;
            return Err(SnapshotError::Pending { bundles: own.since(locked(&self.peers).acked()) });
        };
        // The rows lack what is put aside because of its version, and nobody could fold it later.
        if let Some(aside) = turn.first_unread().await?.filter(|aside| aside.dot.seq <= heads.get(aside.dot.origin).seq)
        {
            return Err(SnapshotError::Unread(Box::new(aside)));
        }
        let rows = self.forget_making().await?;
        turn.commit_rows(rows).await?;
        let mut views: Vec<_> = self.projections.views().cloned().chain([reserved::view(UNREADABLE)]).collect();
        views.sort();
        let at = Cursor { log: turn.status.log, position: at };
        Ok(Subject { at, heads, views, clears: turn.clears })
    }

    /// Reads the rows, and stores them chunk by chunk.
    async fn write_chunks(&self, subject: Subject) -> Result<(Manifest, Cursor), SnapshotError> {
        let mut views = subject.views.iter();
        let first = views.next().expect("the notes are among the views");
        let (mut writer, mut chunks) = (RowWriter::new(first.clone()), Vec::new());
        for view in [first].into_iter().chain(views) {
            if view != first {
                writer.next_view(view.clone());
            }
            let mut range = Some(RowRange::all());
            while let Some(from) = range {
                let rows;
                (rows, range) = match view.as_str() {
                    UNREADABLE => self.notes_within(&subject.heads, from).await?,
                    _ => self.page_at_checkpoint(view, from).await?,
                };
                let full = writer.push(rows.iter().map(|row| (&row.key[..], &row.value[..])))?;
                self.store_chunks(full, &mut chunks).await?;
                self.check_undisturbed(&subject, false).await?;
            }
        }
        let (last, views) = writer.finish();
        self.store_chunks(last, &mut chunks).await?;
        self.check_undisturbed(&subject, true).await?;
        let Subject { at, heads, .. } = subject;
        Ok((Manifest { space: self.space.clone(), heads, views, chunks }, at))
    }

    async fn store_chunks(
        &self,
        full: impl IntoIterator<Item = Vec<u8>>,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), SnapshotError> {
        for rows in full {
            let (sealed, chunk) = seal_chunk(&rows);
            let index = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
            let rows = vec![shelf::chunk_row(chunk.hash, sealed), shelf::making_row(index, chunk.hash)];
            self.turn().await.commit_rows(rows).await?;
            chunks.push(chunk);
        }
        Ok(())
    }

    /// Makes sure that the rows read so far are those at the checkpoint. At the end the store itself is asked.
    async fn check_undisturbed(&self, subject: &Subject, at_end: bool) -> Result<(), SnapshotError> {
        let mut turn = self.turn().await;
        if at_end {
            turn.reload().await?
        } else {
            turn.refresh().await?
        }
        let stays = turn.checkpoint == Checkpoint::At(subject.at.position) && turn.status.log == subject.at.log;
        let behind = |view: &&ViewId| !view.is_reserved() && turn.folded(view) < subject.at.position;
        if !stays || turn.clears != subject.clears || subject.views.iter().find(behind).is_some() {
            return Err(SnapshotError::Disturbed);
        }
        Ok(())
    }

    /// Notes of events in bundles that the snapshot covers. Taken with its rows, so that whoever takes them knows what they lack.
    async fn notes_within(&self, heads: &Heads, range: RowRange) -> Result<(Vec<Row>, Option<RowRange>), StoreError> {
        let mut rows = self.store.scan(&reserved::view(UNREADABLE), range.clone(), Limit::PAGE).await?;
        let next = rows.last().map(|last| range.after(last.key.clone()));
        let is_within = |row: &Row| {
            let noted = reserved::noted_event(&row.key);
            noted.is_some_and(|(view, dot, _)| {
                let maintained = self.projections.views().any(|known| view.as_ref().is_none_or(|view| view == known));
                maintained && dot.seq <= heads.get(dot.origin).seq
            })
        };
        rows.retain(is_within);
        Ok((rows, next))
    }

    /// Deletes the snapshots that this store would hand out.
    async fn forget_snapshots(&self) -> Result<(), StoreError> {
        self.clear_away(false).await
    }

    /// Clears away what no snapshot needs any more.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        self.clear_away(true).await
    }

    /// Clears away what no snapshot needs, if the store goes on to hand out those that it has or does not. What is needed is looked up in
    /// the turn that deletes the rest, and once more if another handle has committed: a snapshot may just begin to be taken or made.
    async fn clear_away(&self, hands_out: bool) -> Result<(), StoreError> {
        // This reads every chunk, and writers do not wait for it. A chunk that comes later is not among these.
        let chunks = shelf::chunk_hashes(&*self.store).await?;
        let mut turn = self.turn().await;
        loop {
            let import = shelf::import(&*self.store).await?;
            let rows = match hands_out {
                true => shelf::litter_among(&*self.store, &chunks, import).await?,
                false => shelf::unpublish(&*self.store, &chunks, import).await?,
            };
            if rows.is_empty() {
                return Ok(());
            }
            let expected = Some(turn.status.revision);
            match turn.commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await {
                Err(StoreError::Conflict { .. }) => {}
                committed => return committed.map(drop),
            }
        }
    }

    /// The rows that forget which chunks a snapshot needs that is being made.
    async fn forget_making(&self) -> Result<Vec<RowWrite>, StoreError> {
        let view = reserved::view(MAKING);
        let rows = self.store.scan(&view, RowRange::all(), Limit::items(u32::MAX)).await?;
        Ok(rows.into_iter().map(|row| RowWrite { key: RowKey::new(view.clone(), row.key), value: None }).collect())
    }
}
