//! The peer's heads: found by comparing digests, or told in full by a peer of protocol version 1.

use super::SyncError;
use crate::format::heads::{Heads, Part, Prefix};
use crate::format::time::NTP64;
use crate::id::{Cursor, Position, SpaceId};
use crate::limits::{COMPARE_PARTS_MAX, HEADS_MAX};
use crate::protocol::{Code, Compare, Compared, DIGEST_VERSION, Have, PeerHeads, Reply, Request};
use crate::replica::peers::Heard;
use crate::replica::{Inner, locked};
use crate::transport::{Transport, TransportError};
use crate::trust::Contact;

/// Subtrees that are asked for in one comparison. More than a log of [`HEADS_MAX`] origins has: only a peer that contradicts itself leads
/// so far.
const PARTS_MAX: usize = 2 * HEADS_MAX;

/// A peer's word at the beginning of a sync.
pub(super) struct Met {
    pub(super) theirs: Gathered,
    /// Both clocks when its first heads came.
    pub(super) clocks: Contact,
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
    let clocks = begin(inner, begun.head, answer.clock);
    let theirs = all_heads(peer, &inner.space, begun).await?;
    Ok(Met { theirs, clocks, digests: false })
}

/// Notes that a peer has begun to tell what it has. If the rest does not come, the status must not speak of the peer before. Gives both
/// clocks at this moment.
fn begin(inner: &Inner, head: Cursor, theirs: NTP64) -> Contact {
    let clocks = Contact { theirs, ours: inner.clock.uncorrected() };
    let Cursor { log, position } = head;
    locked(&inner.peers).hear(Heard { log, head: position, missing: 0, lacking: None, clocks, doubt: None });
    clocks
}

async fn by_digest(inner: &Inner, peer: &dyn Transport, since: Option<Cursor>) -> Result<Met, SyncError> {
    // Of a peer that is not known yet, the whole tree is asked for at once: if it has few origins, that is all of them.
    let parts = if since.is_none() { vec![Prefix::default()] } else { Vec::new() };
    let (clock, mut told) = compare(peer, &inner.space, Compare { since, parts }).await?;
    let mut clocks = begin(inner, told.head, clock);
    let known = locked(&inner.holdings).of(told.head.log);
    let since = known.as_ref().map(|known| known.head).filter(|known| Some(known.log) != since.map(|since| since.log));
    if since.is_some() {
        // The peer is another one than last time.
        let (clock, again) = compare(peer, &inner.space, Compare { since, parts: Vec::new() }).await?;
        (clocks, told) = (begin(inner, again.head, clock), again);
    }
    locked(&inner.holdings).spoke(Some(told.head.log));
    let base = match known {
        Some(known) => known.heads,
        None => inner.turn().await.status.heads.clone(),
    };
    let theirs = find(peer, &inner.space, base, told).await?;
    locked(&inner.holdings).note(theirs.held());
    Ok(Met { theirs, clocks, digests: true })
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
    if base.digest() == told.digest {
        return Ok(Gathered { begun: told.head, heads: base, end: told.head.position });
    }
    let (log, all_are_told) = (told.head.log, matches!(told.parts[..], [Part::Heads(_)]));
    if (all_are_told || !base.is_empty())
        && let Some(at) = descend(peer, space, &mut base, told).await?
    {
        return Ok(Gathered { begun: at, heads: base, end: at.position });
    }
    let answer = peer.call(Request::Heads(space.clone())).await?;
    let Reply::Heads(heads) = answer.reply else { return Err(SyncError::Unexpected) };
    if heads.head.log != log {
        return Err(SyncError::Replaced);
    }
    all_heads(peer, space, heads).await
}

/// Makes `heads` those of the peer, by the subtrees that differ. `begun` is its first answer, perhaps with the tree's root. Returns where
/// the peer's log ended when it had these heads; `None` if it has moved on meanwhile, so that they are of several moments.
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

/// All heads of a peer that has sent the first of them.
///
/// # Errors
/// As [`Transport::call`]; [`SyncError::Replaced`] if another log answers.
pub(super) async fn all_heads(peer: &dyn Transport, space: &SpaceId, first: PeerHeads) -> Result<Gathered, SyncError> {
    let PeerHeads { head: begun, mut heads } = first;
    let (mut end, mut rest) = (begun.position, heads.end_of_full_page());
    while let Some(after) = rest {
        let answer = peer.call(Request::HeadsAfter(space.clone(), after)).await?;
        let Reply::Heads(page) = answer.reply else { return Err(SyncError::Unexpected) };
        if page.head.log != begun.log {
            return Err(SyncError::Replaced);
        }
        end = end.max(page.head.position);
        // A peer that does not know this request begins again and would never end.
        rest = page.heads.end_of_full_page().filter(|last| *last > after);
        page.heads.iter().for_each(|(origin, head)| heads.set(origin, head));
    }
    Ok(Gathered { begun, heads, end })
}

/// All heads of a peer. If they took several answers, they may be of several moments, since others append to its log.
pub(super) struct Gathered {
    /// Where the log ended at the first moment. The log had all these heads, or earlier ones.
    pub(super) begun: Cursor,
    pub(super) heads: Heads,
    /// Where it ended at the last one. It has every bundle up to these heads before this place.
    pub(super) end: Position,
}

impl Gathered {
    /// What the peer holds, for the next comparison. It tells what has moved since the first moment.
    fn held(&self) -> PeerHeads {
        PeerHeads { head: self.begun, heads: self.heads.clone() }
    }

    /// The heads that the log had when it ended at this place, if these are of this one moment.
    pub(super) fn at(self, place: Cursor) -> Option<Heads> {
        (self.begun == place && self.end == place.position).then_some(self.heads)
    }
}

/// How to ask for what a log with these heads lacks. More heads than one message carries cannot be told: then the log is read from its
/// start, and what is known is skipped here.
pub(super) fn have(heads: Heads) -> Have {
    Have::Heads(if heads.len() > HEADS_MAX { Heads::new() } else { heads })
}
