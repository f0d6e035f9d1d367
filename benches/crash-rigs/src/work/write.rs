//! One writer of one space.

use std::sync::Arc;

use rand::RngExt as _;
use syncline::format::{Run, VerifiedRun};
use syncline::store::{EventStore, Limit, LogStatus, WriteBatch};
use syncline::{Cursor, Position, StoreError};

use super::pipe::Pipe;
use crate::chance::Chance;
use crate::message::{Message, now};
use crate::record::{Acknowledged, Intended};
use crate::script::{self, BATCH_MAX, REPLACED, Script, TRIMMED};

/// How often a fold that lost a race is computed again while others append, at most. Then these wait for it.
const RACES_MAX: u32 = 2;
/// Folded bundles that a trim leaves, at most.
const KEPT_MAX: u64 = 60;

/// Writes as one origin. Even numbers fold rows, odd ones append alone and leave the folding to the others. In the space whose log is
/// replaced all append, and its replica folds.
pub(super) struct Writer {
    pub(super) script: Script,
    pub(super) space: u8,
    pub(super) number: u8,
    pub(super) store: Arc<dyn EventStore>,
    /// Those who fold take turns, as the replica of an application does.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// Those who append pass together, and who folds alone.
    pub(super) gate: Arc<tokio::sync::RwLock<()>>,
    pub(super) chance: Chance,
    pub(super) pipe: Pipe,
}

impl Writer {
    /// Writes until a commit fails, and says so.
    pub(super) async fn run(&mut self) {
        loop {
            let folds = self.number.is_multiple_of(2) && self.space != REPLACED;
            let written = if folds { self.fold().await } else { self.append().await };
            if let Err(error) = written {
                // If nobody listens any more, nobody is to be told.
                let _ = self.pipe.say(&Message::Failed(error.to_string()));
                return;
            }
        }
    }

    /// Sizes from 1 to 500, small ones more often.
    fn count(&mut self) -> u64 {
        let most = [1, 1, 8, 60, BATCH_MAX][self.chance.random_range(0..5)];
        self.chance.random_range(1..=most)
    }

    async fn append(&mut self) -> Result<(), StoreError> {
        let count = self.count();
        let gate = self.gate.clone();
        let _pass = gate.read().await;
        let next = self.next(&self.store.status().await?, count);
        self.commit(next, WriteBatch::default(), Position::ZERO).await
    }

    async fn fold(&mut self) -> Result<(), StoreError> {
        let count = self.count();
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        for _ in 0..self.chance.random_range(0..=RACES_MAX) {
            match self.try_fold(count).await {
                Err(StoreError::Conflict { .. }) => {}
                written => return written,
            }
        }
        let gate = self.gate.clone();
        let _alone = gate.write().await;
        self.try_fold(count).await
    }

    async fn try_fold(&mut self, count: u64) -> Result<(), StoreError> {
        let status = self.store.status().await?;
        let next = self.next(&status, count);
        let folded = status.head.plus(next.run().count());
        let batch = self.rows(&status, &next, folded).await?;
        let batch = WriteBatch { trim: self.trim(&status), ..batch };
        self.commit(next, batch, folded).await
    }

    /// Where the log of the space that is trimmed is cut: within what is folded, anywhere near its end.
    fn trim(&mut self, status: &LogStatus) -> Option<Position> {
        if self.space != TRIMMED {
            return None;
        }
        let folded = status.views.values().min()?.get();
        Some(Position::new(folded - self.chance.random_range(0..=KEPT_MAX.min(folded / 2))))
    }

    fn next(&self, status: &LogStatus, count: u64) -> VerifiedRun {
        let origin = self.script.origin(self.space, self.number);
        self.script.next(origin, status.heads.get(origin), count)
    }

    /// The rows after these bundles, and after all that lie before them and are not folded yet.
    async fn rows(&self, status: &LogStatus, next: &VerifiedRun, folded: Position) -> Result<WriteBatch, StoreError> {
        let views = script::views();
        let done = status.views.get(&views[0]).copied().unwrap_or(Position::ZERO);
        let mut runs: Vec<Run> = Vec::new();
        let mut cursor = Cursor { log: status.log, position: done };
        while cursor.position < status.head {
            let page = self.store.read(cursor, Limit::PAGE).await?;
            cursor = page.next;
            // What others have committed in the meantime makes this commit a conflict, so that folding it too does no harm.
            runs.extend(page.runs.into_iter().map(|stored| stored.run));
        }
        runs.push(next.run().clone());
        let plan = script::projections().plan(&runs);
        let keys = plan.rows();
        let loaded = self.store.load(&keys).await?;
        let fold = plan.fold(keys, loaded);
        if let Some((view, why)) = fold.damaged.into_iter().next() {
            let at = format!("a row of {view} in space {}", self.space);
            return Err(StoreError::Corrupt { backend: "rows", at, why });
        }
        let views = views.into_iter().map(|view| (view, folded)).collect();
        Ok(WriteBatch { expected: Some(status.revision), rows: fold.rows, views, ..WriteBatch::default() })
    }

    /// Commits the bundles with the rest of the batch, and tells before and after.
    async fn commit(&self, next: VerifiedRun, batch: WriteBatch, folded: Position) -> Result<(), StoreError> {
        let (space, writer, head) = (self.space, self.number, next.head());
        let (last, base) = (head.seq, batch.trim.unwrap_or(Position::ZERO));
        self.say(&Message::Intended(Intended { space, writer, last }))?;
        let done = self.store.commit(WriteBatch { clock: head.time, runs: vec![next], ..batch }).await?;
        let (revision, head, when) = (done.revision, done.head, now());
        self.say(&Message::Acknowledged(Acknowledged { space, writer, last, revision, head, folded, base, when }))
    }

    fn say(&self, message: &Message) -> Result<(), StoreError> {
        self.pipe.say(message).map_err(|error| crate::control::failed("pipe", error))
    }
}
