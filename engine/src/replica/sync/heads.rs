//! The peer's heads: found by comparing digests, or told in full by a peer of protocol version 1.

use super::SyncError;
use crate::format::heads::{Heads, Part, Prefix};
use crate::format::time::NTP64;
use crate::id::{Cursor, SpaceId};
use crate::limits::{COMPARE_PARTS_MAX, HEADS_MAX};
use crate::protocol::{Code, Compare, Compared, DIGEST_VERSION, Have, PeerHeads, Reply, Request};
use crate::replica::{Inner, locked};
use crate::transport::{Transport, TransportError};

/// Subtrees that are asked for in one comparison. More than a log of [`HEADS_MAX`] origins has: only a peer that contradicts itself leads
/// so far.
const PARTS_MAX: usize = 2 * HEADS_MAX;

/// A peer's word at the beginning of a sync.
pub(super) struct Met {
    pub(super) theirs: PeerHeads,
    pub(super) clock: NTP64,
    /// Whether the peer compares digests.
    pub(super) digests: bool,
}

/// Asks a peer how far its log reaches. If the peer spoken to last compares digests, this one is taken for the same. If that fails, hello
/// decides.
pub(super) async fn meet(inner: &Inner, peer: &dyn Transport) -> Result<Met, SyncError> {
    let last = locked(&inner.holdings).last();
    let failed = match last {
        Some(since) => match by_digest(inner, peer, Some(since)).await {
            Err(SyncError::Transport(error)) if may_be_version(&error) => Some(error),
            met => return met,
        },
        None => None,
    };
    let answer = peer.call(Request::Hello).await?;
    let Reply::Hello(hello) = answer.reply else { return Err(SyncError::Unexpected) };
    let digests = hello.versions.contains(&DIGEST_VERSION);
    match failed {
        Some(error) if digests => Err(error.into()),
        _ if digests => by_digest(inner, peer, None).await,
        _ => in_full(inner, peer).await,
    }
}

/// Whether a request may have failed because the peer does not know it.
fn may_be_version(error: &TransportError) -> bool {
    match error {
        TransportError::Refused(problem) => matches!(problem.code, Code::Malformed | Code::Unsupported),
        TransportError::Interrupted(_) | TransportError::Garbled(_) | TransportError::Foreign { .. } => true,
        TransportError::Unreachable(_) => false,
    }
}

async fn in_full(inner: &Inner, peer: &dyn Transport) -> Result<Met, SyncError> {
    locked(&inner.holdings).spoke(None);
    let answer = peer.call(Request::Heads(inner.space.clone())).await?;
    let Reply::Heads(begun) = answer.reply else { return Err(SyncError::Unexpected) };
    let theirs = all_heads(peer, &inner.space, begun).await?.heads;
    Ok(Met { theirs, clock: answer.clock, digests: false })
}

async fn by_digest(inner: &Inner, peer: &dyn Transport, since: Option<Cursor>) -> Result<Met, SyncError> {
    // Of a peer that is not known yet, the whole tree is asked for at once: if it has few origins, that is all of them.
    let parts = if since.is_none() { vec![Prefix::default()] } else { Vec::new() };
    let (mut clock, mut told) = compare(peer, &inner.space, Compare { since, parts }).await?;
    let known = locked(&inner.holdings).of(told.head.log);
    let since = known.as_ref().map(|known| known.head).filter(|known| Some(known.log) != since.map(|since| since.log));
    if since.is_some() {
        // The peer is another one than last time.
        (clock, told) = compare(peer, &inner.space, Compare { since, parts: Vec::new() }).await?;
    }
    locked(&inner.holdings).spoke(Some(told.head.log));
    let base = match known {
        Some(known) => known.heads,
        None => inner.turn().await.status.heads.clone(),
    };
    let theirs = find(peer, &inner.space, base, told).await?.heads;
    locked(&inner.holdings).note(theirs.clone());
    Ok(Met { theirs, clock, digests: true })
}

/// The peer's heads of now, if those at the end of an earlier answer are known.
///
/// # Errors
/// As [`find`].
pub(super) async fn refresh(peer: &dyn Transport, space: &SpaceId, known: &PeerHeads) -> Result<Gathered, SyncError> {
    let (_, told) = compare(peer, space, Compare { since: Some(known.head), parts: Vec::new() }).await?;
    if told.head.log != known.head.log {
        return Err(SyncError::Replaced);
    }
    find(peer, space, known.heads.clone(), told).await
}

/// Asks once.
pub(super) async fn compare(
    peer: &dyn Transport,
    space: &SpaceId,
    ask: Compare,
) -> Result<(NTP64, Compared), SyncError> {
    let answer = peer.call(Request::Compare(space.clone(), ask)).await?;
    let Reply::Compare(told) = answer.reply else { return Err(SyncError::Unexpected) };
    Ok((answer.clock, told))
}

/// All heads of a peer that has told its digest and what has moved. `base` is as near to them as is known. Subtrees that differ are asked
/// for. If nothing is known here, or the peer's log moves on all the time, all heads are.
///
/// # Errors
/// As [`all_heads`].
async fn find(peer: &dyn Transport, space: &SpaceId, mut base: Heads, told: Compared) -> Result<Gathered, SyncError> {
    told.moved.iter().for_each(|(origin, head)| base.set(origin, head));
    let begun = told.head;
    if base.digest() == told.digest {
        return Ok(Gathered { heads: PeerHeads { head: begun, heads: base }, is_one_moment: true });
    }
    let all_are_told = matches!(told.parts[..], [Part::Heads(_)]);
    if (all_are_told || !base.is_empty())
        && let Some(end) = descend(peer, space, &mut base, told).await?
    {
        return Ok(Gathered { heads: PeerHeads { head: begun, heads: base }, is_one_moment: begun == end });
    }
    let answer = peer.call(Request::Heads(space.clone())).await?;
    let Reply::Heads(heads) = answer.reply else { return Err(SyncError::Unexpected) };
    if heads.head.log != begun.log {
        return Err(SyncError::Replaced);
    }
    let gathered = all_heads(peer, space, heads).await?;
    let is_one_moment = gathered.is_one_moment && gathered.heads.head == begun;
    Ok(Gathered { heads: PeerHeads { head: begun, ..gathered.heads }, is_one_moment })
}

/// Makes `heads` those of the peer, by the subtrees that differ. `begun` is its first answer, perhaps with the tree's root. Returns the end
/// of the peer's log then; `None` if it has moved on in the meantime.
async fn descend(
    peer: &dyn Transport,
    space: &SpaceId,
    heads: &mut Heads,
    begun: Compared,
) -> Result<Option<Cursor>, SyncError> {
    let log = begun.head.log;
    let mut root = Some(begun).filter(|begun| !begun.parts.is_empty());
    let (mut open, mut asked) = (vec![Prefix::default()], 0);
    while asked < PARTS_MAX {
        let parts = open.split_off(open.len().saturating_sub(COMPARE_PARTS_MAX));
        let told = match root.take() {
            Some(root) => root,
            None => compare(peer, space, Compare { since: None, parts: parts.clone() }).await?.1,
        };
        if told.head.log != log {
            return Err(SyncError::Replaced);
        }
        if told.parts.len() != parts.len() {
            return Err(SyncError::Unexpected);
        }
        asked += parts.len();
        for (prefix, part) in parts.into_iter().zip(told.parts) {
            match part {
                Part::Heads(below) => heads.replace_below(&prefix, &below),
                Part::Digests(digests) => {
                    let below = (0..16).filter_map(|digit| prefix.then(digit)).zip(*digests);
                    open.extend(
                        below.filter(|(below, told)| heads.digest_below(below) != *told).map(|(below, _)| below),
                    );
                }
            }
        }
        if open.is_empty() {
            return Ok((heads.digest() == told.digest).then_some(told.head));
        }
    }
    Ok(None)
}

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
