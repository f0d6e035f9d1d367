//! Telling other processes of commits.
//!
//! Not within the transaction: the server would then let commits wait for each other's flush of the disk, those of different
//! spaces too, because it sends announcements in the order of commits. Here they follow the commit, many in one, and what gets
//! lost with a process the others find by looking ([`crate::listen`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use syncline::SpaceId;
use syncline::id::Revision;

use crate::error::Result;
use crate::pool::Pool;
use crate::work::Work;

/// Between two announcements of one process. What is committed in the meantime shares the second.
const PAUSE: Duration = Duration::from_millis(5);

/// What one announcement may hold: the server takes 8,000 bytes, and a space's name and revision need less than 90.
const _: () = assert!(syncline::limits::SPACE_BYTES_MAX + 1 + 20 < 8_000);

/// Commits that are yet to be announced.
pub(crate) struct Announcer {
    channel: String,
    pool: Arc<Pool>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The last revision of each space.
    revisions: BTreeMap<SpaceId, Revision>,
    /// Somebody is announcing and will look again.
    busy: bool,
}

impl Announcer {
    pub(crate) fn new(channel: String, pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self { channel, pool, waiting: Mutex::default() })
    }

    /// Has a commit announced, soon and by a task of its own.
    pub(crate) fn announce(self: &Arc<Self>, space: &SpaceId, revision: Revision) {
        let mut waiting = self.waiting();
        waiting.revisions.insert(space.clone(), revision);
        if !std::mem::replace(&mut waiting.busy, true) {
            tokio::spawn(self.clone().announce_all());
        }
    }

    async fn announce_all(self: Arc<Self>) {
        loop {
            let texts = self.take();
            if texts.is_empty() {
                return;
            }
            // A failure is nobody's concern: who is not told finds out by looking.
            let _ = self.send(&texts).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, texts: &[String]) -> Result<()> {
        let mut lease = self.pool.lease().await?;
        lease.start(Work::Statements).await?;
        let notify = "SELECT count(pg_notify($1, text)) FROM unnest($2::text[]) AS text";
        sqlx::query(notify).bind(&self.channel).bind(texts).execute(&mut *lease).await?;
        lease.end().await?;
        lease.give_back();
        Ok(())
    }

    /// What waits. If nothing does, who asks is no longer busy.
    fn take(&self) -> Vec<String> {
        let mut waiting = self.waiting();
        let taken = std::mem::take(&mut waiting.revisions);
        waiting.busy = !taken.is_empty();
        taken.iter().map(|(space, revision)| format!("{space} {revision}")).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The space and the revision of an announcement.
pub(crate) fn read(text: &str) -> Option<(&str, Revision)> {
    let (space, revision) = text.split_once(' ')?;
    Some((space, Revision::new(revision.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_read_back_and_those_of_others_do_not() {
        assert_eq!(read("notes 7"), Some(("notes", Revision::new(7))));
        for text in ["", "notes", "notes x", "notes -1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
