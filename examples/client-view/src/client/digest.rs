//! A few bytes that stand for all that a device has.

use std::fmt;

use syncline::Replica;
use syncline::format::Heads;
use syncline::projection::Projection;
use syncline::store::{EventStore, Limit, RowRange};

use super::ClientError;
use crate::views::{Conflicts, Entries, History, Names};

/// BLAKE3 of a log and of the views folded from it. Two devices with the same bundles have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    log: blake3::Hash,
    rows: blake3::Hash,
}

impl Digest {
    /// The digest of a replica that [`compose`](super::compose) has made, on a device or beside a server.
    ///
    /// # Errors
    /// [`ClientError::Replica`] if its store fails.
    pub async fn of(replica: &Replica) -> Result<Self, ClientError> {
        let store = replica.store();
        let log = Self::of_heads(&store.status().await?.heads);
        Ok(Self { log, rows: rows(&**store).await? })
    }

    /// The digest of the log alone: each origin's last bundle stands for all before it, by its chain hash.
    pub fn log(&self) -> blake3::Hash {
        self.log
    }

    /// The digest of all rows of all views.
    pub fn rows(&self) -> blake3::Hash {
        self.rows
    }

    /// The digest of a log with these heads, as of a server, which keeps no views.
    pub fn of_heads(heads: &Heads) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        for (origin, head) in heads.iter() {
            hash.update(&origin.to_bytes());
            hash.update(&head.seq.get().to_be_bytes());
            hash.update(&head.chain.to_bytes());
        }
        hash.finalize()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {}, rows {}", &self.log.to_hex()[..12], &self.rows.to_hex()[..12])
    }
}

async fn rows(store: &dyn EventStore) -> Result<blake3::Hash, ClientError> {
    let mut hash = blake3::Hasher::new();
    let views = [
        Projection::view(&Entries),
        Projection::view(&History),
        Projection::view(&Conflicts),
        Projection::view(&Names),
    ];
    for view in views {
        let mut range = RowRange::all();
        loop {
            let rows = store.scan(&view, range.clone(), Limit::PAGE).await?;
            let Some(last) = rows.last() else { break };
            range = range.after(last.key.clone());
            for row in rows {
                for part in [view.as_str().as_bytes(), &row.key, &row.value] {
                    hash.update(&(part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            }
        }
    }
    Ok(hash.finalize())
}
