//! Committing the parts of a portable log to a store.

use std::sync::Arc;

use thiserror::Error;

use super::{End, Header, Part};
use crate::format::heads::Heads;
use crate::format::run::VerifiedRun;
use crate::id::{Cursor, Dot, LogId, Position, Revision};
use crate::protocol::RefusedBundle;
use crate::reserved::{self, REFUSED};
use crate::store::{EventStore, Limit, RowKey, StoreError, WriteBatch};

/// Why a portable log was not imported. What was committed before stays, and is a beginning of the file's log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The store refused or failed. [`StoreError::Conflict`]: somebody else has written to the log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log differs from the file's.
    #[error(
        "the log holds another bundle at position {at} than the file: it is not a beginning of the file's log; import into a space \
         that is empty"
    )]
    NotABeginning {
        /// The first position that differs.
        at: Position,
    },
    /// The log continues where the file ends.
    #[error(
        "the log holds {log} bundles and the file {file}: it is not a beginning of the file's log; export a newer file"
    )]
    Longer {
        /// The log's head.
        log: Position,
        /// The file's.
        file: Position,
    },
    /// After the import, the log has other heads than the file.
    #[error("the log ends at other bundles than the file says; import into a space that nobody else writes to")]
    HeadsDiffer,
    /// The file's end was not seen.
    #[error("the file was imported up to position {at} and its end was not seen; import the whole file to continue")]
    Unfinished {
        /// The last position that is imported.
        at: Position,
    },
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// What the file holds.
    pub end: End,
    /// How many of its bundles the log did not have.
    pub added: u64,
}

/// Imports a portable log: hand it every part that a [`Reader`](super::Reader) gives, in order.
///
/// Each part is committed to the end of the log as it comes, in a batch of one frame's size. In the meantime nobody else may
/// write to the log. Every commit checks this.
#[derive(Debug)]
pub struct Importer {
    store: Arc<dyn EventStore>,
    header: Header,
    log: LogId,
    /// What the log held at the start: its last position, and its heads.
    known: Position,
    heads: Heads,
    revision: Revision,
    /// The last position of the file that was taken.
    position: Position,
    end: Option<End>,
}

impl Importer {
    /// Begins an import into the log of `store`. This log must be empty, or a beginning of the file's.
    ///
    /// # Errors
    /// [`ImportError::Longer`], [`ImportError::Store`]. Nothing is changed.
    pub async fn begin(store: Arc<dyn EventStore>, header: Header) -> Result<Self, ImportError> {
        let status = store.status().await?;
        if status.head > header.head {
            return Err(ImportError::Longer { log: status.head, file: header.head });
        }
        let (log, known, heads, revision) = (status.log, status.head, status.heads, status.revision);
        Ok(Self { store, header, log, known, heads, revision, position: Position::ZERO, end: None })
    }

    /// What is imported.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How far the file has been taken; the end is the header's head.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Takes the next part. Claims are skipped: give them to the accounts.
    ///
    /// # Errors
    /// [`ImportError`]. Begin again to continue.
    ///
    /// # Cancel
    /// Dropping the future leaves unknown whether the part was committed. Begin again to continue.
    pub async fn take(&mut self, part: Part) -> Result<(), ImportError> {
        match part {
            // It was given at the start.
            Part::Header(_) => {}
            Part::Runs(appends) => self.runs(appends).await?,
            Part::Refusals(refusals) => self.refusals(refusals).await?,
            // Accounts keep them, and not the log.
            Part::Claims(_) => {}
            Part::End(end) => self.end = Some(end),
        }
        Ok(())
    }

    /// Ends the import: compares the log's heads with the file's.
    ///
    /// # Errors
    /// [`ImportError::Unfinished`] if the file's last part was not taken, [`ImportError::HeadsDiffer`],
    /// [`ImportError::Store`].
    pub async fn finish(self) -> Result<Imported, ImportError> {
        let end = self.end.ok_or(ImportError::Unfinished { at: self.position })?;
        let status = self.store.status().await?;
        if status.head != self.header.head || status.heads != self.header.heads {
            return Err(ImportError::HeadsDiffer);
        }
        Ok(Imported { end, added: self.header.head.since(self.known) })
    }

    async fn runs(&mut self, appends: Vec<VerifiedRun>) -> Result<(), ImportError> {
        let before = self.position;
        let count: u64 = appends.iter().map(|verified| verified.run().count()).sum();
        let last = before.plus(count);
        self.compare(&appends, before, last.min(self.known)).await?;
        let runs = self.unknown(appends, before)?;
        if !runs.is_empty() {
            self.commit(WriteBatch { runs, ..WriteBatch::default() }).await?;
        }
        self.position = last;
        Ok(())
    }

    /// Compares the file's bundles behind `before` with those that the log holds, up to `last`.
    async fn compare(&self, appends: &[VerifiedRun], before: Position, last: Position) -> Result<(), ImportError> {
        let mut theirs = appends.iter().flat_map(|verified| verified.run().bundles());
        let mut cursor = Cursor { log: self.log, position: before };
        while cursor.position < last {
            let at = cursor.position.plus(1);
            let items = u32::try_from(last.since(cursor.position)).unwrap_or(u32::MAX);
            let page = self.store.read(cursor, Limit { items, ..Limit::PAGE }).await?;
            let mut ours = page.runs.iter().flat_map(|stored| stored.run.bundles());
            let differs = ours.position(|ours| theirs.next() != Some(ours));
            match differs {
                Some(index) => return Err(ImportError::NotABeginning { at: at.plus(index as u64) }),
                // A log that ends before its head.
                None if page.runs.is_empty() => return Err(ImportError::NotABeginning { at }),
                None => cursor = page.next,
            }
        }
        Ok(())
    }

    /// What of the file's runs behind `before` the log does not hold.
    fn unknown(&self, appends: Vec<VerifiedRun>, before: Position) -> Result<Vec<VerifiedRun>, ImportError> {
        let (mut first, mut unknown) = (before.plus(1), Vec::new());
        for verified in appends {
            let (run, held) = (verified.run(), self.known.plus(1).since(first).min(verified.run().count()));
            first = first.plus(run.count());
            if held == 0 {
                unknown.push(verified);
            } else if let Some(rest) = run.since(run.first().plus(held)) {
                let head = self.heads.get(run.origin());
                let at = self.known.plus(1);
                unknown.push(VerifiedRun::verify(rest, head).map_err(|_| ImportError::NotABeginning { at })?);
            }
        }
        Ok(unknown)
    }

    async fn refusals(&mut self, refusals: Vec<RefusedBundle>) -> Result<(), ImportError> {
        let view = reserved::view(REFUSED);
        let key = |refused: &RefusedBundle| reserved::dot_key(Dot { origin: refused.origin, seq: refused.seq });
        let keys: Vec<_> = refusals.iter().map(|refused| RowKey::new(view.clone(), key(refused))).collect();
        let mut rows = Vec::new();
        for (refused, value) in refusals.iter().zip(self.store.load(&keys).await?) {
            let held = value.map(|value| reserved::get(REFUSED, &value)).transpose()?;
            if held.as_ref() != Some(&refused.refusal) {
                rows.push(reserved::put(REFUSED, key(refused), &refused.refusal));
            }
        }
        if !rows.is_empty() {
            self.commit(WriteBatch { rows, ..WriteBatch::default() }).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, batch: WriteBatch) -> Result<(), ImportError> {
        let batch = WriteBatch { expected: Some(self.revision), ..batch };
        self.revision = self.store.commit(batch).await?.revision;
        Ok(())
    }
}
