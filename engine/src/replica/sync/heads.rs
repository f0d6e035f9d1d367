//! The peer's heads, in as many messages as they take: one, unless its log has more origins than a log may have today.

use super::SyncError;
use crate::format::heads::Heads;
use crate::id::SpaceId;
use crate::limits::HEADS_MAX;
use crate::protocol::{Have, PeerHeads, Reply, Request};
use crate::transport::Transport;

/// All heads of a peer that has sent the first of them. They are those of its log at `head` or, if other bundles came in the meantime,
/// later ones.
///
/// # Errors
/// As [`Transport::call`]; [`SyncError::Replaced`] if another log answers.
pub(super) async fn all_heads(peer: &dyn Transport, space: &SpaceId, begun: PeerHeads) -> Result<Gathered, SyncError> {
    let mut gathered = Gathered { heads: begun, is_one_moment: true };
    let mut end = gathered.heads.heads.end_of_full_page();
    while let Some(after) = end {
        let answer = peer.call(Request::HeadsAfter(space.clone(), after)).await?;
        let Reply::Heads(page) = answer.reply else { return Err(SyncError::Unexpected) };
        if page.head.log != gathered.heads.head.log {
            return Err(SyncError::Replaced);
        }
        gathered.is_one_moment &= page.head == gathered.heads.head;
        // A peer that does not know this request begins again and would never end.
        end = page.heads.end_of_full_page().filter(|end| *end > after);
        page.heads.iter().for_each(|(origin, head)| gathered.heads.heads.set(origin, head));
    }
    Ok(gathered)
}

/// All heads of a peer.
pub(super) struct Gathered {
    pub(super) heads: PeerHeads,
    /// All of them are from the moment at which the log ended where `heads` says.
    pub(super) is_one_moment: bool,
}

/// How to ask for what a log with these heads lacks. More heads than one message carries cannot be told: then the log is read from its
/// start, and what is known is skipped here.
pub(super) fn have(heads: Heads) -> Have {
    Have::Heads(if heads.len() > HEADS_MAX { Heads::new() } else { heads })
}
