//! Taking a snapshot from the peer: when a replica begins, and when it lacks bundles that the peer has trimmed.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Session, SyncError};
use crate::format::run::Run;
use crate::format::time::NTP64;
use crate::id::{Dot, Position, Seq};
use crate::protocol::{AskSnapshot, Code, Have, Problem, Pull, Reply, Request, SNAPSHOT_VERSION, SnapshotInfo};
use crate::replica::import::Bootstrap;
use crate::replica::kept::Unfit;
use crate::replica::locked;
use crate::replica::peers::Known;
use crate::replica::sync::report::{Bootstrapped, Held};
use crate::reserved::PeerRow;
use crate::snapshot::{Chunk, Manifest, RowReader, SnapshotFault, SnapshotId, open_chunk, shelf};
use crate::store::Limit;
use crate::transport::TransportError;

/// A replica without bundles takes a snapshot that has at least so many. Fewer are folded as fast.
const BUNDLES_MIN: u64 = 4_096;
/// Bytes of runs that are fetched again, at most, because they follow the snapshot and have been trimmed here.
const AGAIN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Chunks that are on the way at once.
const AHEAD: usize = 4;
/// Chunks that are stored in one commit.
const AT_ONCE: usize = 8;

impl Session<'_> {
    /// Takes a snapshot if this replica has nothing yet, and the peer has much.
    pub(super) async fn begin_with_snapshot(&mut self) -> Result<(), SyncError> {
        let is_fresh = self.inner.turn().await.status.head == Position::ZERO;
        if is_fresh && self.theirs.heads.bundles() >= u128::from(BUNDLES_MIN) {
            self.bootstrap(BUNDLES_MIN).await?;
        }
        Ok(())
    }

    /// Takes the peer's newest snapshot that has this replica's views, and at least so many bundles. Returns whether there was one that it
    /// could take. Own bundles, and all others that the snapshot does not cover, are kept.
    pub(super) async fn bootstrap(&mut self, bundles_min: u64) -> Result<bool, SyncError> {
        if self.inner.whole_log || self.inner.shared || self.report.bootstrapped.is_some() {
            return Ok(false);
        }
        let taken = match self.newest().await? {
            Some(info) if info.bundles >= bundles_min => self.take(&info).await,
            _ => return Ok(false),
        };
        *locked(&self.inner.bootstrap) = None;
        match taken {
            // Newer ones have taken its place meanwhile.
            Err(SyncError::Transport(TransportError::Refused(Problem { code: Code::UnknownSnapshot, .. }))) => {
                Ok(false)
            }
            taken => taken,
        }
    }

    /// The peer's snapshot that covers most, of those that have all views of this replica.
    async fn newest(&self) -> Result<Option<SnapshotInfo>, SyncError> {
        let Reply::Hello(hello) = self.peer.call(Request::Hello).await?.reply else {
            return Err(SyncError::Unexpected);
        };
        if !hello.versions.contains(&SNAPSHOT_VERSION) {
            return Ok(None);
        }
        let Reply::Snapshots(list) = self.ask(AskSnapshot::List).await? else { return Err(SyncError::Unexpected) };
        let log = self.row.cursor.log;
        let fits = |info: &SnapshotInfo| {
            info.covers.log == log && self.inner.projections.views().all(|view| info.views.contains(view))
        };
        Ok(list.into_iter().filter(fits).max_by_key(|info| info.bundles))
    }

    async fn take(&mut self, info: &SnapshotInfo) -> Result<bool, SyncError> {
        let Reply::Piece(bytes) = self.ask(AskSnapshot::Manifest(info.id)).await? else {
            return Err(SyncError::Unexpected);
        };
        let broken = |fault| SyncError::Snapshot { id: info.id, fault };
        let (manifest, id) = Manifest::decode(&bytes.0).map_err(broken)?;
        if id != info.id {
            return Err(SyncError::Unexpected);
        }
        if manifest.space != self.inner.space {
            return Err(broken(SnapshotFault::OtherSpace(manifest.space)));
        }
        if let Some(held) = self.too_far_ahead(&manifest) {
            self.report.held = Some(held);
            return Ok(false);
        }
        let proven = self.proven(&manifest).await?;
        let mut again = Vec::new();
        let mut kept = self.inner.turn().await.kept_beside(&manifest, proven, &again).await?;
        if matches!(kept, Err(Unfit::Trimmed)) {
            again = self.fetch_behind(info).await?;
            kept = self.inner.turn().await.kept_beside(&manifest, proven, &again).await?;
        }
        if let Err(unfit) = kept {
            return unfit_for_now(unfit);
        }
        if !self.is_told_of_own(&manifest).await? {
            return Ok(false);
        }
        self.inner.note_import(id, bytes.0).await?;
        if let Err(fault) = self.fetch_chunks(id, &manifest).await? {
            return if self.inner.end_import().await? { Err(broken(fault)) } else { Ok(false) };
        }
        let row = PeerRow { cursor: info.covers, ..self.row };
        let known = Known { row, ..self.known() };
        let kept = match self.inner.replace_log((id, &manifest), known, (proven, &again)).await? {
            Ok(kept) => kept,
            Err(unfit) => {
                self.inner.end_import().await?;
                // If another handle has ended it, then chunks that came later are named by nothing.
                self.inner.sweep().await?;
                return unfit_for_now(unfit);
            }
        };
        self.row = locked(&self.inner.peers).known(row.cursor.log).unwrap_or(row);
        self.report.bootstrapped =
            Some(Bootstrapped { snapshot: id, bundles: info.bundles, rows: manifest.rows(), kept });
        self.inner.fill_rows().await?;
        self.inner.catch_up().await?;
        Ok(true)
    }

    /// Whether this replica knows what became of its own bundles in a snapshot. What was refused is gone from the rows, and the bundle
    /// itself goes with the log: nothing would be left to tell the application. So the peer is asked first, with another push of what it
    /// has.
    async fn is_told_of_own(&mut self, manifest: &Manifest) -> Result<bool, SyncError> {
        let last = self.own_seq().await.min(manifest.heads.get(self.own).seq);
        self.push_own(last).await?;
        let takes_nothing = |problem: &Problem| matches!(problem.code, Code::Forbidden { .. });
        if self.row.acked < last && self.report.stopped.as_ref().is_some_and(takes_nothing) {
            // Those who may read see what it has refused, and not why.
            match self.common_history().await {
                Err(SyncError::Transport(TransportError::Refused(_))) => {}
                common => self.row.acked = self.row.acked.max(common?),
            }
        }
        Ok(self.row.acked >= last)
    }

    /// What the peer's log has behind a snapshot, because some of it has been trimmed here. Nothing if that is gone there, too, or too
    /// much to be held in memory: then a newer snapshot has to come.
    async fn fetch_behind(&self, info: &SnapshotInfo) -> Result<Vec<Run>, SyncError> {
        let (mut runs, mut bytes, mut from) = (Vec::new(), 0, info.covers);
        loop {
            let batch = match self.fetch(self.behind(from), None).await {
                Err(SyncError::Transport(TransportError::Refused(_))) => return Ok(Vec::new()),
                batch => batch?,
            };
            bytes += batch.runs.iter().map(|run| run.as_bytes().len()).sum::<usize>();
            if bytes > AGAIN_BYTES_MAX {
                return Ok(Vec::new());
            }
            runs.extend(batch.runs);
            if batch.end.is_some() {
                return Ok(runs);
            }
            from = batch.next;
        }
    }

    /// A head of the snapshot whose time is too far in the future. It would take the clock along.
    fn too_far_ahead(&self, manifest: &Manifest) -> Option<Held> {
        let vouched = if self.clocks.may_vouch() { self.clock } else { NTP64(0) };
        manifest.heads.iter().find_map(|(origin, head)| {
            let drift = self.inner.clock.check(head.time, Some(vouched)).err()?;
            Some(Held { dot: Dot { origin, seq: head.seq }, drift })
        })
    }

    /// The last of the own bundles that the peer has as they are here. If the peer has more own bundles than this replica, because this
    /// one went back to a backup, then the hash before the next one is compared. What is written while the snapshot comes is not proven.
    async fn proven(&self, manifest: &Manifest) -> Result<Seq, SyncError> {
        let ours = self.inner.turn().await.status.heads.get(self.own);
        let theirs = self.theirs.heads.get(self.own).seq;
        if theirs <= ours.seq {
            // The histories were compared when the session began.
            return Ok(theirs);
        }
        let mut known = manifest.heads.clone();
        known.set(self.own, ours);
        let pull = Pull { have: Have::Heads(known), without: None, limit: Limit::items(1) };
        let page = match self.peer.call(Request::Pull(self.inner.space.clone(), pull)).await {
            Ok(answer) => match answer.reply {
                Reply::Pull(page) => page,
                _ => return Err(SyncError::Unexpected),
            },
            Err(TransportError::Refused(_)) => return Ok(Seq::ZERO),
            Err(error) => return Err(error.into()),
        };
        let next = page.runs.iter().find(|run| run.origin() == self.own && run.first() == ours.seq.plus(1));
        let chain = |run: &Run| run.bundles().fold(ours.chain, |chain, next| next.chain_after(chain));
        let is_proven = next.is_some_and(|run| chain(run).check() == run.check());
        Ok(if is_proven { ours.seq } else { Seq::ZERO })
    }

    /// Fetches the chunks that are not here yet, and checks the rows of all. What has come is stored, so that a way that is cut costs no
    /// chunk twice.
    ///
    /// # Errors
    /// `Ok(Err)` if what is stored is not what the manifest says. A chunk that comes damaged is not stored, and ends the sync.
    async fn fetch_chunks(&self, id: SnapshotId, manifest: &Manifest) -> Result<Result<(), SnapshotFault>, SyncError> {
        let missing = shelf::missing(&*self.inner.store, manifest).await?;
        let lacking = missing.iter().map(|index| u64::from(manifest.chunks[*index as usize].bytes)).sum::<u64>();
        let mut progress = Bootstrap { bytes: manifest.chunk_bytes() - lacking, ..Bootstrap::begin(id, manifest) };
        *locked(&self.inner.bootstrap) = Some(progress);
        let missing = &BTreeSet::from_iter(missing);
        let chunk = |index: u32| async move {
            let is_new = missing.contains(&index);
            (index, is_new, self.chunk(&manifest.chunks[index as usize], is_new).await)
        };
        let count = u32::try_from(manifest.chunks.len()).expect("a manifest bounds its chunks");
        let mut coming = stream::iter((0..count).map(chunk)).buffered(AHEAD).ready_chunks(AT_ONCE);
        let mut reader = RowReader::new(manifest);
        while let Some(come) = coming.next().await {
            let (mut rows, mut failed, mut checked) = (Vec::new(), None, Ok(()));
            for (index, is_new, sealed) in come {
                let named = &manifest.chunks[index as usize];
                let opened = sealed.map(|sealed| (open_chunk(index, named, &sealed, manifest.rows_in(index)), sealed));
                match opened {
                    Ok((Ok(opened), sealed)) => {
                        checked = checked.and_then(|()| reader.check(&opened));
                        if is_new {
                            rows.push(shelf::chunk_row(named.hash, sealed));
                            progress.bytes += u64::from(named.bytes);
                        }
                    }
                    Ok((Err(fault), _)) if is_new => failed = Some(SyncError::Snapshot { id, fault }),
                    Ok((Err(fault), _)) => checked = checked.and(Err(fault)),
                    Err(error) => failed = Some(error),
                }
            }
            if !rows.is_empty() {
                self.inner.turn().await.commit_rows(rows).await?;
            }
            *locked(&self.inner.bootstrap) = Some(progress);
            failed.map_or(Ok(()), Err)?;
            if checked.is_err() {
                return Ok(checked);
            }
        }
        Ok(reader.end())
    }

    /// One chunk, from the peer or from the store.
    async fn chunk(&self, named: &Chunk, is_missing: bool) -> Result<Bytes, SyncError> {
        if !is_missing {
            return Ok(shelf::chunk(&*self.inner.store, named.hash).await?.unwrap_or_default());
        }
        match self.ask(AskSnapshot::Chunk(named.hash)).await? {
            Reply::Piece(sealed) => Ok(sealed.0),
            _ => Err(SyncError::Unexpected),
        }
    }

    async fn ask(&self, asked: AskSnapshot) -> Result<Reply, SyncError> {
        Ok(self.peer.call(Request::Snapshot(self.inner.space.clone(), asked)).await?.reply)
    }
}

/// A snapshot that would lose a bundle is left alone. One of another history is an error.
fn unfit_for_now(unfit: Unfit) -> Result<bool, SyncError> {
    match unfit {
        Unfit::Trimmed | Unfit::Overtaken => Ok(false),
        Unfit::Differs(at) => Err(SyncError::Unequal { at }),
        Unfit::Unchained(unchained) => Err(SyncError::Diverged(unchained)),
        Unfit::Unproven(at) => Err(SyncError::Forked { at }),
    }
}
