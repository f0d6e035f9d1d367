//! The engine's own rows, for tools that look into a replica's store: the convergence lab reads them, and spoils them on purpose.
//!
//! Nothing here is for applications, and all of it may change with any version.

pub use crate::reserved::{
    CHECKPOINT, CHUNKS, CLOCKS, DEAD_LETTERS, IDENTITY, IMPORT, MAKING, MANIFESTS, PEERS, READINGS, SENT, SNAPSHOTS,
    UNREADABLE,
};
pub use crate::reserved::{
    CheckpointRow, PeerRow, SentRow, checkpoint_row, is_pre_image, pre_images, read_note, sent_row,
};
pub use crate::store::whole::is_piece;

use crate::id::ReplicaId;
use crate::reserved::get;
use crate::store::{RowWrite, StoreError};

/// What a replica keeps in its store about itself and its peers, as far as a tool has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnRow {
    /// Who it is.
    Identity(ReplicaId),
    /// Up to which own bundle others may have copies.
    Sent(SentRow),
    /// How far it has read a peer's log.
    Peer(PeerRow),
    /// From where its rows can be folded again.
    Checkpoint(CheckpointRow),
}

impl OwnRow {
    /// Reads a row as it is written, `None` if it is none of these or is being deleted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the row is one of these and does not read back.
    pub fn read(row: &RowWrite) -> Result<Option<Self>, StoreError> {
        let Some(value) = &row.value else { return Ok(None) };
        Ok(match row.key.view.as_str() {
            IDENTITY => Some(Self::Identity(get(IDENTITY, value)?)),
            SENT => Some(Self::Sent(get(SENT, value)?)),
            PEERS => Some(Self::Peer(get(PEERS, value)?)),
            CHECKPOINT => Some(Self::Checkpoint(get(CHECKPOINT, value)?)),
            _ => None,
        })
    }
}
