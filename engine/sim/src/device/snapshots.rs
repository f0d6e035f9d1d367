//! A device that takes a snapshot, or makes one and hands it to its peer.

use std::sync::Arc;

use syncline::replica::{Bootstrapped, SnapshotError};
use syncline::{Replica, ReplicaError, Transport};

use super::Device;
use crate::fault::Fault;
use crate::finding::Law;

impl Device {
    /// A sync has begun the log anew with a snapshot, or with none.
    pub(super) fn took(&self, taken: Option<Bootstrapped>) {
        let Some(Bootstrapped { bundles, kept, .. }) = taken else { return };
        self.sim().fault(Fault::SnapshotTaken, || {
            format!("device {} has taken a snapshot of {bundles} bundles, and kept {kept} beside it", self.index)
        });
    }

    /// Makes a snapshot and hands it to a peer, which takes it unless it has newer ones.
    pub(crate) async fn upload_snapshot(self: Arc<Self>, way: Arc<dyn Transport>) {
        let Some(replica) = self.replica() else { return };
        match replica.upload_snapshot(&*way).await {
            Ok(made) => self.sim().fault(Fault::SnapshotUploaded, || {
                format!("device {} has handed in a snapshot of {} bundles", self.index, made.bundles)
            }),
            Err(SnapshotError::Replica(ReplicaError::Store(error))) => self.failed("upload", &error),
            // Own bundles are pending, a view was rebuilt meanwhile or lacks history, or the peer is away or does not want it.
            Err(
                error @ (SnapshotError::Pending { .. }
                | SnapshotError::Disturbed
                | SnapshotError::Replica(ReplicaError::NeedsHistory { .. })
                | SnapshotError::Transport(_)),
            ) => {
                self.sim().tell(|| format!("device {} hands in no snapshot: {error}", self.index));
            }
            Err(error) if lacks_what_is_aside(&replica, &error).await => {
                self.sim().tell(|| format!("device {} hands in no snapshot: {error}", self.index));
            }
            Err(error) => {
                let detail = format!("device {}: an upload fails without a cause: {error}", self.index);
                self.sim().found(Law::ComesToRest, detail);
            }
        }
    }
}

/// Whether no snapshot was made because the program does not read all events, and the replica says so of itself, too.
pub(crate) async fn lacks_what_is_aside(replica: &Replica, error: &SnapshotError) -> bool {
    match error {
        SnapshotError::Unread(_) => replica.status().await.map_or(true, |status| status.unreadable > 0),
        _ => false,
    }
}
