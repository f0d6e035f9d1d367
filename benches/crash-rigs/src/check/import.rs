//! A snapshot that a crash has interrupted on its way into the place of a log.

use std::sync::Arc;

use syncline::store::{EventStore, Limit, RowRange};
use syncline::{ReplicaError, StoreError, ViewId};

use super::Finding;
use crate::ledger::Import;
use crate::peer;
use crate::script::Script;

/// Says which snapshot a replica takes.
const IMPORT: &str = "syncline.import@1";
/// What is kept of it as long as it is needed.
const NEEDED: [&str; 3] = ["syncline.chunks@1", "syncline.manifests@1", "syncline.making@1"];

/// Opens the replica, which writes the rows of a snapshot that has replaced the log. Says how far it had come before.
pub(super) async fn end(script: Script, store: &Arc<dyn EventStore>) -> Result<Import, ReplicaError> {
    let was_there = count(&**store, &view(IMPORT)).await? > 0;
    peer::compose(script, store.clone()).open(peer::id(script)).await?;
    // Only an import that has replaced the log goes on without a peer.
    let is_there = count(&**store, &view(IMPORT)).await? > 0;
    Ok(match (was_there, is_there) {
        (false, _) => Import::None,
        (true, true) => Import::Fetching,
        (true, false) => Import::Filling,
    })
}

/// What is left of snapshots, if none is being taken.
pub(super) async fn left_behind(store: &dyn EventStore) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    if count(store, &view(IMPORT)).await? == 0 {
        for view in NEEDED.map(view) {
            let rows = count(store, &view).await?;
            findings.extend((rows > 0).then_some(Finding::LeftBehind { view, rows }));
        }
    }
    Ok(findings)
}

async fn count(store: &dyn EventStore, view: &ViewId) -> Result<usize, StoreError> {
    Ok(store.scan(view, RowRange::all(), Limit::items(u32::MAX)).await?.len())
}

fn view(name: &str) -> ViewId {
    ViewId::new(name).expect("the name is well formed")
}
