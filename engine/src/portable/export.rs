//! Turning a log into the bytes of a portable log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::frame::{Filler, FrameWriter, Kind};
use super::layout::{self, Counts};
use super::recut::Recut;
use super::{End, Header, PORTABLE_VERSION, PORTABLE_VERSION_WITH_CLAIMS};
use crate::archive::{Archive, ArchiveError, Archived, History, HistoryError};
use crate::authority::Principal;
use crate::format::heads::Heads;
use crate::format::run::{Run, VerifiedRun};
use crate::id::{Cursor, LogId, Position, ReplicaId, Seq, SpaceId};
use crate::protocol::{Refusal, RefusedBundle};
use crate::reserved::{self, REFUSED};
use crate::store::memory::MemoryStore;
use crate::store::{EventStore, Limit, Row, RowRange, StoreError, StoredRun};

/// How much is read at once.
const PAGE_BYTES: u32 = 1024 * 1024;

/// Why a log was not exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log was trimmed: a file of the rest would not be the log.
    #[error(
        "the log keeps only what lies behind position {base}; name the archive that has the rest, or export it from a replica or a server \
         that keeps all of it"
    )]
    Trimmed {
        /// The log's base.
        base: Position,
    },
    /// The archive has not got what was trimmed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What was read does not continue what was read before.
    #[error(
        "bundle {at} of the log does not continue what was exported before it: it was rewritten in the meantime, or it is damaged; \
         export again, and if that fails too, restore a backup"
    )]
    Changed {
        /// The bundle's position.
        at: Position,
    },
}

impl From<HistoryError> for ExportError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Archive(error) => error.into(),
            HistoryError::Store(error) => error.into(),
        }
    }
}

/// Exports a log, frame by frame: everything up to its head at the start. Later bundles are left out.
#[derive(Debug)]
pub struct Exporter {
    store: Arc<dyn EventStore>,
    /// What the log does not keep any more, if it is not read yet.
    history: Option<History>,
    header: Header,
    claims: BTreeMap<ReplicaId, Principal>,
    /// How far the log has been read.
    cursor: Cursor,
    /// Per origin how far it has been read, every hash computed.
    heads: Heads,
    recut: Recut,
    payload: Filler,
    counts: Counts,
    frames: FrameWriter,
    ready: VecDeque<Bytes>,
    next: Next,
}

/// What is read next.
#[derive(Debug)]
enum Next {
    Header,
    Runs,
    Refusals(RowRange),
    Nothing(End),
}

impl Exporter {
    /// Begins the export of a store's log under this name.
    ///
    /// # Errors
    /// [`ExportError::Store`]; [`ExportError::Trimmed`].
    pub async fn begin(store: Arc<dyn EventStore>, space: SpaceId) -> Result<Self, ExportError> {
        let status = store.status().await?;
        if status.base > Position::ZERO {
            return Err(ExportError::Trimmed { base: status.base });
        }
        Ok(Self::new(store, None, Header { space, head: status.head, heads: status.heads }, status.log))
    }

    /// Begins the export of a log that may have been trimmed: what it does not keep comes from an archive. The file is the same as if the
    /// log had kept everything.
    ///
    /// # Errors
    /// [`ExportError::Store`]; [`ExportError::Archive`] if the archive leaves something out.
    pub async fn begin_whole(
        store: Arc<dyn EventStore>,
        archive: Arc<dyn Archive>,
        space: SpaceId,
    ) -> Result<Self, ExportError> {
        let status = store.status().await?;
        let history = History::of(store.clone(), archive, &space).await?;
        Ok(Self::new(store, Some(history), Header { space, head: status.head, heads: status.heads }, status.log))
    }

    /// Begins the export of all that an archive has of a space, if its log is lost. Reads the archive twice: the first part of a file
    /// says how it ends. Reasons of refusals are not in an archive.
    ///
    /// # Errors
    /// [`ExportError::Archive`].
    pub async fn begin_archived(archive: Arc<dyn Archive>, space: SpaceId) -> Result<Self, ExportError> {
        let Archived { log, end, heads, .. } = History::alone(archive.clone(), &space).await?.verify().await?;
        let history = History::alone(archive, &space).await?;
        let empty = Arc::new(MemoryStore::new(log));
        Ok(Self::new(empty, Some(history), Header { space, head: end, heads }, log))
    }

    fn new(store: Arc<dyn EventStore>, history: Option<History>, header: Header, log: LogId) -> Self {
        let (recut, payload, counts) = (Recut::default(), Filler::default(), Counts::default());
        let (heads, frames, ready) = (Heads::new(), FrameWriter::new(PORTABLE_VERSION), VecDeque::new());
        let (cursor, claims, next) = (Cursor::start(log), BTreeMap::new(), Next::Header);
        Self { store, history, header, claims, cursor, heads, recut, payload, counts, frames, ready, next }
    }

    /// Writes into the file which devices own the log's origins. Claims of other origins are left out. Without claims, the file is as
    /// in earlier builds. The digest stays the same.
    #[must_use]
    pub fn with_claims(mut self, mut claims: BTreeMap<ReplicaId, Principal>) -> Self {
        claims.retain(|origin, _| self.header.heads.get(*origin).seq > Seq::ZERO);
        let version = if claims.is_empty() { PORTABLE_VERSION } else { PORTABLE_VERSION_WITH_CLAIMS };
        (self.claims, self.frames) = (claims, FrameWriter::new(version));
        self
    }

    /// What is exported.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How far the log has been read; the end is the header's head.
    pub fn position(&self) -> Position {
        self.cursor.position
    }

    /// What was exported, once the last frame has been handed out.
    pub fn end(&self) -> Option<End> {
        match self.next {
            Next::Nothing(end) if self.ready.is_empty() => Some(end),
            _ => None,
        }
    }

    /// The next bytes of the file, `None` behind the last.
    ///
    /// # Errors
    /// [`ExportError`]. The file is incomplete then and cannot be continued.
    ///
    /// # Cancel
    /// Dropping the future loses nothing: the next call continues.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            match &self.next {
                Next::Header => self.write_header(),
                Next::Runs if self.cursor.position < self.header.head => self.read_runs().await?,
                Next::Runs => self.end_runs()?,
                Next::Refusals(range) => {
                    let range = range.clone();
                    self.read_refusals(range).await?;
                }
                Next::Nothing(_) => return Ok(None),
            }
        }
    }

    fn write_header(&mut self) {
        self.write(Kind::Header, &layout::put_title(&self.header));
        let entries: Vec<_> = self.header.heads.iter().map(|(origin, head)| layout::put_head(origin, head)).collect();
        entries.iter().for_each(|entry| self.fill(Kind::Heads, entry));
        self.flush(Kind::Heads);
        self.next = Next::Runs;
    }

    async fn read_runs(&mut self) -> Result<(), ExportError> {
        if let Some(history) = &mut self.history {
            match history.next().await? {
                Some(runs) => return runs.into_iter().try_for_each(|verified| self.add(verified)),
                None => self.history = None,
            }
        }
        let left = self.header.head.since(self.cursor.position);
        let limit = Limit { items: u32::try_from(left).unwrap_or(u32::MAX), bytes: PAGE_BYTES };
        let page = self.store.read(self.cursor, limit).await?;
        if page.runs.is_empty() {
            return Err(ExportError::Changed { at: self.cursor.position.plus(1) });
        }
        for stored in page.runs {
            let verified = self.check(stored)?;
            self.add(verified)?;
        }
        Ok(())
    }

    /// Checks that a run of the log is the next one.
    fn check(&self, stored: StoredRun) -> Result<VerifiedRun, ExportError> {
        let at = self.cursor.position.plus(1);
        let head = self.heads.get(stored.run.origin());
        if stored.position != at || stored.previous != head.chain {
            return Err(ExportError::Changed { at });
        }
        VerifiedRun::verify(stored.run, head).map_err(|_| ExportError::Changed { at })
    }

    /// Packs the bundles of the next run again.
    fn add(&mut self, verified: VerifiedRun) -> Result<(), ExportError> {
        let end = self.cursor.position.plus(verified.run().count());
        if end > self.header.head {
            return Err(ExportError::Changed { at: self.cursor.position.plus(1) });
        }
        for bundle in verified.run().bundles() {
            if let Some(run) = self.recut.push(&bundle) {
                self.write_run(&run);
            }
        }
        self.cursor.position = end;
        self.heads.set(verified.run().origin(), verified.head());
        Ok(())
    }

    fn write_run(&mut self, run: &Run) {
        self.counts.add(run);
        self.fill(Kind::Runs, &layout::put_run(run));
    }

    fn end_runs(&mut self) -> Result<(), ExportError> {
        if self.heads != self.header.heads {
            return Err(ExportError::Changed { at: self.header.head });
        }
        if let Some(run) = self.recut.finish() {
            self.write_run(&run);
        }
        self.flush(Kind::Runs);
        self.next = Next::Refusals(RowRange::all());
        Ok(())
    }

    async fn read_refusals(&mut self, range: RowRange) -> Result<(), ExportError> {
        let rows = self.store.scan(&reserved::view(REFUSED), range.clone(), Limit::bytes(PAGE_BYTES)).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else {
            self.flush(Kind::Refusals);
            self.write_claims();
            self.next = Next::Nothing(self.write_end());
            return Ok(());
        };
        for row in rows {
            let refused = refused(&row)?;
            // Later ones than the head at the start are not of this moment.
            if refused.seq <= self.header.heads.get(refused.origin).seq {
                self.counts.refusals += 1;
                self.fill(Kind::Refusals, &layout::put_refusal(&refused));
            }
        }
        self.next = Next::Refusals(range.after(last));
        Ok(())
    }

    fn write_claims(&mut self) {
        let (claims, mut entries) = (std::mem::take(&mut self.claims), Filler::default());
        let full = claims.iter().filter_map(|(origin, owner)| entries.push(&layout::put_claim(*origin, owner)));
        let full: Vec<_> = full.collect();
        for entries in full.into_iter().chain(entries.finish()) {
            self.write(Kind::Claims, &layout::put_claims(claims.len() as u64, &entries));
        }
    }

    fn write_end(&mut self) -> End {
        let digest = self.write(Kind::End, &layout::put_counts(self.counts));
        self.counts.end(digest)
    }

    fn fill(&mut self, kind: Kind, entry: &[u8]) {
        if let Some(payload) = self.payload.push(entry) {
            self.write(kind, &payload);
        }
    }

    fn flush(&mut self, kind: Kind) {
        if let Some(payload) = self.payload.finish() {
            self.write(kind, &payload);
        }
    }

    fn write(&mut self, kind: Kind, payload: &[u8]) -> super::Digest {
        let (frame, digest) = self.frames.frame(kind, payload);
        self.ready.push_back(frame);
        digest
    }
}

fn refused(row: &Row) -> Result<RefusedBundle, StoreError> {
    let dot = reserved::key_dot(&row.key).ok_or_else(|| StoreError::Corrupt {
        backend: "engine",
        at: format!("a key of {REFUSED}"),
        why: "it names no bundle".to_owned(),
    })?;
    let Refusal { code, message } = reserved::get(REFUSED, &row.value)?;
    // An application may have made one that is longer than it should be.
    Ok(RefusedBundle { origin: dot.origin, seq: dot.seq, refusal: Refusal::new(code, message) })
}
