//! Takes bundles: checks everything, then stores everything in one commit.

use std::collections::{BTreeMap, BTreeSet};

use super::{Service, ServiceError};
use crate::authority::Principal;
use crate::format::heads::{ChainHash, Head, Heads};
use crate::format::run::{Bundle, Run, Unchained, VerifiedRun};
use crate::id::{Dot, Position, ReplicaId, Seq, SpaceId};
use crate::limits::{PAGE_BYTES_MAX, PAGE_RUNS_MAX, PUSH_ORIGINS_MAX};
use crate::protocol::{Code, Problem, Push, Pushed, Refusal, RefusedBundle};
use crate::reserved::{self, REFUSED};
use crate::store::{Committed, EventStore, Limit, Row, RowWrite, StoreError, WriteBatch};

/// How often a push is checked again because another push of the same origin was faster.
const RACES_MAX: usize = 16;

/// What a checked push would change, and what it answers.
#[derive(Default)]
struct Checked {
    heads: Heads,
    appends: Vec<VerifiedRun>,
    rows: Vec<RowWrite>,
    refused: Vec<RefusedBundle>,
}

impl Service {
    pub(super) async fn push(
        &self,
        principal: &Principal,
        space: &SpaceId,
        store: &dyn EventStore,
        own: Option<ReplicaId>,
        push: Push,
    ) -> Result<Pushed, ServiceError> {
        check_sizes(&push)?;
        for _ in 0..RACES_MAX {
            let owners = self.check_owners(principal, &push).await?;
            let status = store.status().await?;
            self.check_number_of_origins(space, &push, &status.heads)?;
            let claimable = owners.claimable(own, &status.heads);
            let mut checked = Checked { heads: status.heads, ..Checked::default() };
            for run in &push.runs {
                self.check_run(principal, space, store, run, &mut checked).await?;
            }
            let through = through(&push, &checked.heads);
            let pushed = Pushed { log: status.log, through, placed: None, refused: checked.refused };
            let new: u64 = checked.appends.iter().map(|verified| verified.run().count()).sum();
            if new == 0 {
                return Ok(pushed);
            }
            // Last of all: a push that is refused leaves no claim behind.
            if let Some(origin) = claimable.filter(|origin| brings(&checked.appends, *origin)) {
                self.claim(principal, origin).await?;
            }
            let batch = WriteBatch { runs: checked.appends, rows: checked.rows, ..WriteBatch::default() };
            match store.commit(batch).await {
                Ok(Committed { head, .. }) => {
                    let first = Position::new(head.get() + 1 - new);
                    return Ok(Pushed { placed: Some((first, head)), ..pushed });
                }
                Err(StoreError::OutOfOrder { .. } | StoreError::WrongChain { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let code = Code::Busy { retry_after_ms: 100 };
        Err(Problem::new(code, "other pushes of the same origin keep coming first; push again").into())
    }

    /// Refuses new origins that the log has no room for: one message must be able to tell its heads.
    fn check_number_of_origins(&self, space: &SpaceId, push: &Push, heads: &Heads) -> Result<(), Problem> {
        let is_new = |origin: &ReplicaId| heads.get(*origin).seq == Seq::ZERO;
        let new: BTreeSet<ReplicaId> = push.runs.iter().map(Run::origin).filter(is_new).collect();
        if new.is_empty() || heads.len() + new.len() <= self.origins_max {
            return Ok(());
        }
        let (has, max) = (heads.len(), self.origins_max);
        let detail = format!(
            "space {space} has bundles of {has} origins, and {} new ones would exceed {max}; continue in another space",
            new.len()
        );
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        Err(Problem::new(Code::TooManyOrigins { max }, detail))
    }

    /// Checks one run against the heads so far: its known part for forks, its new part for everything else.
    async fn check_run(
        &self,
        principal: &Principal,
        space: &SpaceId,
        store: &dyn EventStore,
        run: &Run,
        checked: &mut Checked,
    ) -> Result<(), ServiceError> {
        let head = checked.heads.get(run.origin());
        if run.first() > head.seq.plus(1) {
            let at = Dot { origin: run.origin(), seq: run.first() };
            return Err(unchained(Unchained::Gap { head: head.seq, got: at }).into());
        }
        if run.first() <= head.seq {
            check_known(store, run, head).await?;
            checked.refused.extend(known_refusals(store, run, head.seq).await?);
        }
        let Some(new) = run.since(head.seq.plus(1)) else { return Ok(()) };
        self.check_times(&new, &checked.heads).await?;
        let mut verified = VerifiedRun::verify(new, head).map_err(unchained)?;
        let refused = self.refusals(principal, space, verified.run()).await;
        if !refused.is_empty() {
            let seqs: Vec<Seq> = refused.iter().map(|refused| refused.seq).collect();
            verified = verified.with_voids(&seqs);
        }
        checked.heads.set(run.origin(), verified.head());
        checked.appends.extend(verified.pieces());
        checked.rows.extend(refused.iter().map(|refused| {
            let dot = Dot { origin: refused.origin, seq: refused.seq };
            reserved::put(REFUSED, reserved::dot_key(dot), &refused.refusal)
        }));
        checked.refused.extend(refused);
        Ok(())
    }

    /// Which bundles the policy refuses. Bodies that cannot be read as events are refused by the service itself, since every
    /// replica would put them aside.
    async fn refusals(&self, principal: &Principal, space: &SpaceId, run: &Run) -> Vec<RefusedBundle> {
        let mut refused = Vec::new();
        for bundle in run.bundles() {
            let verdict = match (bundle.events().find_map(Result::err), &self.policy) {
                (Some(error), _) => Err(Refusal::new("malformed-body", error.to_string())),
                (None, Some(policy)) if !bundle.is_void() => policy.admit(principal, space, &bundle).await,
                (None, _) => Ok(()),
            };
            if let Err(refusal) = verdict {
                refused.push(RefusedBundle { origin: bundle.dot.origin, seq: bundle.dot.seq, refusal });
            }
        }
        refused
    }
}

fn check_sizes(push: &Push) -> Result<(), Problem> {
    let bytes: usize = push.runs.iter().map(|run| run.as_bytes().len()).sum();
    let origins = push.runs.iter().map(Run::origin).collect::<BTreeSet<_>>().len();
    let sizes = [
        ("runs", push.runs.len(), PAGE_RUNS_MAX),
        ("bytes of runs", bytes, PAGE_BYTES_MAX),
        ("origins", origins, PUSH_ORIGINS_MAX),
    ];
    match sizes.into_iter().find(|(_, size, max)| size > max) {
        Some((what, size, max)) => {
            Err(Problem::new(Code::TooLarge, format!("a push of {size} {what} exceeds {max}; push in several parts")))
        }
        None => Ok(()),
    }
}

/// Whether there are new bundles of this origin.
fn brings(appends: &[VerifiedRun], origin: ReplicaId) -> bool {
    appends.iter().any(|verified| verified.run().origin() == origin)
}

fn through(push: &Push, heads: &Heads) -> Vec<(ReplicaId, Seq)> {
    let mut origins: Vec<_> = push.runs.iter().map(|run| (run.origin(), run.last())).collect();
    origins.sort();
    origins.dedup_by_key(|(origin, _)| *origin);
    origins.into_iter().map(|(origin, _)| (origin, heads.get(origin).seq)).collect()
}

/// Compares the part of a run that the log has already: the same bundles, or a fork.
///
/// Of what was trimmed the log knows no hash but that before the first bundle kept. If there is nothing to compare with, the bundles
/// count as known. If they were a fork, what follows them does not fit the origin's head, and the comparison of heads shows it.
async fn check_known(store: &dyn EventStore, run: &Run, head: Head) -> Result<(), ServiceError> {
    let last = run.last().min(head.seq);
    let before = chain_after(store, run.origin(), Seq::new(run.first().get() - 1), head).await?;
    let ours = chain_after(store, run.origin(), last, head).await?;
    let known = run.bundles().take_while(|bundle| bundle.dot.seq <= last);
    let theirs = before.map(|before| known.fold(before, |chain, bundle| bundle.chain_after(chain)));
    let is_known = match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours == theirs,
        (Some(ours), None) if last == run.last() => ours.check() == run.check(),
        _ => true,
    };
    if is_known {
        return Ok(());
    }
    let at = Dot { origin: run.origin(), seq: last };
    Err(fork(at).into())
}

/// The chain hash after an origin's bundle `seq`, which the log with this head holds; `None` if it was trimmed.
async fn chain_after(
    store: &dyn EventStore,
    origin: ReplicaId,
    seq: Seq,
    head: Head,
) -> Result<Option<ChainHash>, ServiceError> {
    if seq == Seq::ZERO {
        return Ok(Some(ChainHash::GENESIS));
    }
    if seq == head.seq {
        return Ok(Some(head.chain));
    }
    let next = match store.read_origin(origin, seq, Limit::items(1)).await {
        Err(StoreError::Trimmed { .. }) => return Ok(None),
        next => next?,
    };
    // Nothing is stored behind `seq` only if the head is that of an earlier run in the same push: overlapping runs.
    let overlap = || Problem::new(Code::Malformed, "two runs of one push overlap; push each bundle once");
    Ok(Some(next.first().ok_or_else(overlap)?.previous))
}

/// The refusals of bundles that the log holds as voids already, so that a lost answer is answered again, and so that anyone who still
/// has the bodies learns of it. Of those that it has trimmed, its rows alone tell.
async fn known_refusals(store: &dyn EventStore, run: &Run, head: Seq) -> Result<Vec<RefusedBundle>, StoreError> {
    let (origin, last) = (run.origin(), run.last().min(head));
    let range = reserved::dot_range(origin, run.first(), last);
    let rows = store.scan(&reserved::view(REFUSED), range, Limit::items(u32::MAX)).await?;
    let refusal = |row: Row| Some((reserved::key_dot(&row.key)?.seq, reserved::get(REFUSED, &row.value)));
    let mut reasons: BTreeMap<Seq, Result<Refusal, StoreError>> = rows.into_iter().filter_map(refusal).collect();
    let (mut refused, mut from) = (Vec::new(), Seq::new(run.first().get() - 1));
    while from < last {
        let stored = match store.read_origin(origin, from, Limit::PAGE).await {
            Err(StoreError::Trimmed { dot: Dot { seq, .. }, .. }) => {
                let known = reasons.remove(&seq).transpose()?;
                refused.extend(known.map(|refusal| RefusedBundle { origin, seq, refusal }));
                from = seq;
                continue;
            }
            stored => stored?,
        };
        let Some(end) = stored.last().map(|stored| stored.run.last()) else { break };
        let bundles = stored.iter().flat_map(|stored| stored.run.bundles()).filter(|bundle| bundle.dot.seq <= last);
        for bundle in bundles.filter(Bundle::is_void) {
            // It came as a void from a device that had been told elsewhere.
            let unknown = || {
                Ok(Refusal::new(
                    "refused-elsewhere",
                    "another server has refused this bundle; its reason is not known here",
                ))
            };
            let refusal = reasons.remove(&bundle.dot.seq).unwrap_or_else(unknown)?;
            refused.push(RefusedBundle { origin, seq: bundle.dot.seq, refusal });
        }
        from = end;
    }
    Ok(refused)
}

fn fork(at: Dot) -> Problem {
    let detail = format!(
        "bundle {at} differs from the one this log holds: its replica was cloned or restored; take a new replica id"
    );
    Problem::new(Code::Fork { at }, detail)
}

fn unchained(error: Unchained) -> Problem {
    match error {
        Unchained::Gap { head, got } => Problem::new(Code::Gap { at: got, expected: head.plus(1) }, error.to_string()),
        Unchained::WrongChain { at } => fork(at),
        Unchained::TimeWentBack { .. } => Problem::new(Code::Malformed, error.to_string()),
    }
}
