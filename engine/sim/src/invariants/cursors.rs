//! A cursor never stands behind a bundle that was not read: it moves in the commit that stores what it covers.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline::LogId;
use syncline::tools::PeerRow;

use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::watched_log::WatchedLog;

/// Up to where each reader's cursor into each log has been checked: reader, its restarts from older states, log.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<(String, u32, LogId), u64>);

impl Marks {
    /// Everything up to the cursor into `peer` is in the reader's log. Left to the comparison of heads are logs that went back under the
    /// same identity, and bundles under an identity of the reader's that a clone of it has written.
    pub(crate) fn check(
        &mut self,
        peer: Option<Arc<WatchedLog>>,
        (reader, image): (&WatchedLog, &Image),
        row: PeerRow,
    ) -> Result<(), Finding> {
        // A store that is somebody else's by mistake may name its own log as a peer's: nothing can be missing there.
        let Some(peer) = peer.filter(|peer| !std::ptr::eq(&**peer, reader)) else { return Ok(()) };
        let theirs = peer.image();
        if !theirs.trusted {
            return Ok(());
        }
        let mark = self.0.entry((reader.name.clone(), image.generation, row.cursor.log)).or_default();
        let position = row.cursor.position.get();
        let missing = if position > theirs.head() {
            Some(format!("beyond the end of the log at {}", theirs.head()))
        } else {
            let new = &theirs.positions[(*mark).min(position) as usize..position as usize];
            let missing =
                new.iter().find(|dot| image.entry(**dot).is_none() && !image.identities.contains(&dot.origin));
            missing.map(|missing| format!("behind bundle {missing}, which is not here"))
        };
        *mark = (*mark).max(position);
        match missing {
            None => Ok(()),
            Some(what) => {
                let detail = format!("the cursor into {} stands at {position}, {what}", peer.name);
                Err(Finding { law: Law::CursorsNeverSkip, detail })
            }
        }
    }
}
