//! The comparison of one space.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline::format::run::Body;
use syncline::format::{ChainHash, Head, Run};
use syncline::id::Revision;
use syncline::store::StoredRun;
use syncline::{Dot, NTP64, Position, ReplicaId, Seq, ViewId};

use super::finding::{Finding, RowTrouble, StatusPart, Wrong};
use super::report::Report;
use super::snapshot::Snapshot;
use crate::ledger::{Found, Import, SpaceLedger};
use crate::script::{self, REPLACED, Script};

/// Adds to `report` what is in this space, and what is amiss with it.
pub fn compare(snapshot: &Snapshot, script: Script, space: u8, known: &SpaceLedger, report: &mut Report) {
    let mut log = Log::new(script, space, snapshot);
    log.follow(&snapshot.log);
    report.findings.append(&mut log.findings);
    let status = &snapshot.status;
    report
        .findings
        .extend(status_findings(snapshot, &log, space == REPLACED).map(|part| Finding::StatusWrong { part }));
    report.findings.extend(origin_findings(snapshot, &log));
    let folded = folded(snapshot, &mut report.findings);
    row_findings(snapshot, &log.trimmed, folded, &mut report.findings);
    ledger_findings(snapshot, &log, folded, known, report);
    report.bundles += log.end.get();
    let writers = script::writers(space).map(|writer| (writer, log.head(writer).seq));
    report.found.push(Found {
        space,
        log: status.log,
        revision: status.revision,
        head: status.head,
        base: status.base,
        folded,
        writers: writers.collect(),
        import: Import::None,
    });
}

/// The log, followed from its beginning. What has been trimmed of it follows from the script.
struct Log {
    script: Script,
    writers: BTreeMap<ReplicaId, u8>,
    /// Per writer the last bundle, as the chain computed here says.
    heads: BTreeMap<u8, Head>,
    /// The bundle at each place.
    places: BTreeMap<u64, Dot>,
    /// The last place.
    end: Position,
    /// What has been trimmed.
    trimmed: Vec<Run>,
    findings: Vec<Finding>,
}

impl Log {
    fn new(script: Script, space: u8, snapshot: &Snapshot) -> Self {
        let writers = script::writers(space).map(|writer| (script.origin(space, writer), writer)).collect();
        let (end, (heads, places, trimmed, findings)) = (snapshot.status.base, Default::default());
        let mut log = Self { script, writers, heads, places, end, trimmed, findings };
        if end > Position::ZERO {
            log.skip_trimmed(snapshot);
        }
        log
    }

    /// Bundles before the first that is kept of each origin have been trimmed: as many as the base says.
    fn skip_trimmed(&mut self, snapshot: &Snapshot) {
        for (origin, writer) in &self.writers {
            let kept = snapshot.log.iter().find(|stored| stored.run.origin() == *origin);
            let last = snapshot.status.heads.get(*origin).seq;
            let last = kept.map_or(last, |stored| Seq::new(stored.run.first().get() - 1));
            let runs = self.script.until(*origin, last);
            self.heads.extend(runs.last().map(|last| (*writer, last.head())));
            self.trimmed.extend(runs.into_iter().map(|verified| verified.run().clone()));
        }
        if self.trimmed.iter().map(Run::count).sum::<u64>() != self.end.get() {
            self.findings.push(Finding::StatusWrong { part: StatusPart::Base });
        }
    }

    fn follow(&mut self, runs: &[StoredRun]) {
        for stored in runs {
            if stored.position != self.end.plus(1) {
                self.findings.push(Finding::Hole { due: self.end.plus(1), found: stored.position });
            }
            self.end = stored.end();
            let first = Dot { origin: stored.run.origin(), seq: stored.run.first() };
            match self.writers.get(&first.origin) {
                Some(writer) => self.follow_run(*writer, first, stored),
                None => self.findings.push(Finding::Stranger { dot: first }),
            }
        }
    }

    fn follow_run(&mut self, writer: u8, first: Dot, stored: &StoredRun) {
        let before = self.heads.get(&writer).copied().unwrap_or(Head::NONE);
        if first.seq != before.seq.plus(1) {
            self.findings.push(Finding::SeqBroken { due: before.seq.plus(1), found: first });
        }
        let wrong = |dot: Dot, what: Wrong| Finding::WrongBundle { dot, what };
        if stored.previous != before.chain {
            self.findings.push(wrong(first, Wrong::Previous));
        }
        let mut head = before;
        for (step, bundle) in (0..).zip(stored.run.bundles()) {
            if bundle.body != Body::Full(&self.script.body(bundle.dot)) {
                self.findings.push(wrong(bundle.dot, Wrong::Body));
            }
            if bundle.time != self.script.time(bundle.dot.seq) {
                self.findings.push(wrong(bundle.dot, Wrong::Time));
            }
            self.places.insert(stored.position.plus(step).get(), bundle.dot);
            head = Head { seq: bundle.dot.seq, chain: bundle.chain_after(head.chain), time: bundle.time };
        }
        if head.chain.check() != stored.run.check() {
            self.findings.push(wrong(Dot { seq: head.seq, ..first }, Wrong::Check));
        }
        self.heads.insert(writer, head);
    }

    fn head(&self, writer: u8) -> Head {
        self.heads.get(&writer).copied().unwrap_or(Head::NONE)
    }
}

fn status_findings(snapshot: &Snapshot, log: &Log, is_replaced: bool) -> impl Iterator<Item = StatusPart> {
    let status = &snapshot.status;
    let heads: BTreeMap<ReplicaId, Head> = status.heads.iter().collect();
    let origin = |writer: u8| log.writers.iter().find(|(_, of)| **of == writer).map(|(origin, _)| *origin);
    let followed: BTreeMap<_, _> =
        log.heads.iter().filter_map(|(writer, head)| Some((origin(*writer)?, *head))).collect();
    let time = followed.values().map(|head| head.time).fold(NTP64(0), NTP64::max);
    // A replaced log begins with heads whose times nobody has told. The replica that replaces it commits to it before there are bundles.
    let clock = if is_replaced { status.high_water() } else { status.clock };
    let is_begun = status.head > Position::ZERO || (is_replaced && status.revision > Revision::ZERO);
    let wrong = [
        (status.head != log.end, StatusPart::Head),
        (heads != followed, StatusPart::Heads),
        // Every commit tells the time of its last bundle.
        (clock != time, StatusPart::Clock),
        ((status.revision > Revision::ZERO) != is_begun, StatusPart::Revision),
    ];
    wrong.into_iter().filter_map(|(is_wrong, part)| is_wrong.then_some(part))
}

/// Bundles with their places and hashes, however they are packed.
fn unpacked(runs: &[StoredRun]) -> Vec<(Position, Dot, ChainHash)> {
    let mut all = Vec::new();
    for stored in runs {
        let mut chain = stored.previous;
        for (step, bundle) in (0..).zip(stored.run.bundles()) {
            chain = bundle.chain_after(chain);
            all.push((stored.position.plus(step), bundle.dot, chain));
        }
    }
    all
}

fn origin_findings(snapshot: &Snapshot, log: &Log) -> Vec<Finding> {
    let by_place = unpacked(&snapshot.log);
    let differs = |origin: &&ReplicaId| {
        let of_log: Vec<_> = by_place.iter().filter(|(_, dot, _)| dot.origin == **origin).copied().collect();
        snapshot.origins.get(*origin).map_or(Vec::new(), |runs| unpacked(runs)) != of_log
    };
    let seq = |origin: &ReplicaId| log.writers.get(origin).map_or(Seq::ZERO, |writer| log.head(*writer).seq);
    let differing = log.writers.keys().filter(differs);
    differing.map(|origin| Finding::OriginsDiffer { dot: Dot { origin: *origin, seq: seq(origin) } }).collect()
}

/// Up to where the views are folded: one place for all, since every commit that folds folds them all.
fn folded(snapshot: &Snapshot, findings: &mut Vec<Finding>) -> Position {
    let at = |view: ViewId| snapshot.status.views.get(&view).copied().unwrap_or(Position::ZERO);
    let places: Vec<_> = script::views().into_iter().map(at).collect();
    if places.windows(2).any(|pair| pair[0] != pair[1]) {
        findings.push(Finding::FoldsDiffer);
    }
    places.into_iter().min().unwrap_or(Position::ZERO)
}

/// The part of a run that lies at or before a place.
fn until(stored: &StoredRun, place: Position) -> Option<Run> {
    let count = place.plus(1).since(stored.position).min(stored.run.count());
    let last = Seq::new(stored.run.first().get() + count.checked_sub(1)?);
    stored.run.until(last, stored.previous)
}

fn row_findings(snapshot: &Snapshot, trimmed: &[Run], folded: Position, findings: &mut Vec<Finding>) {
    let kept = snapshot.log.iter().filter_map(|stored| until(stored, folded));
    let runs: Vec<Run> = trimmed.iter().cloned().chain(kept).collect();
    let plan = script::projections().plan(&runs);
    let rows = plan.rows();
    let none = vec![None; rows.len()];
    let fold = plan.fold(rows, none);
    let right: BTreeMap<(ViewId, Bytes), Bytes> =
        fold.rows.into_iter().filter_map(|row| Some(((row.key.view, row.key.key), row.value?))).collect();
    let hex = |key: &Bytes| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut wrong = |(view, key): &(ViewId, Bytes), what| {
        findings.push(Finding::RowWrong { view: view.clone(), key: hex(key), what });
    };
    for (place, value) in &right {
        match snapshot.rows.get(place) {
            Some(found) if found == value => {}
            Some(_) => wrong(place, RowTrouble::Stale),
            None => wrong(place, RowTrouble::Missing),
        }
    }
    snapshot.rows.keys().filter(|place| !right.contains_key(*place)).for_each(|place| {
        wrong(place, RowTrouble::Invented);
    });
}

/// What the ledger knows better.
fn ledger_findings(snapshot: &Snapshot, log: &Log, folded: Position, known: &SpaceLedger, report: &mut Report) {
    let status = &snapshot.status;
    let mut add = |is_wrong: bool, finding: Finding| report.findings.extend(is_wrong.then_some(finding));
    let other = known.log.filter(|log| *log != status.log);
    if let Some(acknowledged) = other.filter(|_| !known.begun.contains(&status.log)) {
        let is_earlier = known.earlier.contains(&status.log);
        add(
            true,
            match status.head {
                Position::ZERO => Finding::Gone { known: acknowledged },
                _ if is_earlier => Finding::LogBehind { found: status.log, acknowledged },
                _ => Finding::OtherLog { known: acknowledged, found: status.log },
            },
        );
    }
    let (found, acknowledged) = (status.revision, known.revision);
    add(found < acknowledged, Finding::RevisionBehind { found, acknowledged });
    // Places in one log say nothing of those in another.
    let is_same = other.is_none();
    add(is_same && status.base < known.base, Finding::BaseBehind { found: status.base, acknowledged: known.base });
    add(is_same && folded < known.folded, Finding::FoldBehind { found: folded, acknowledged: known.folded });
    for (origin, writer) in &log.writers {
        let known = known.writers.get(writer).cloned().unwrap_or_default();
        let last = Dot { origin: *origin, seq: log.head(*writer).seq };
        let acknowledged = known.acknowledged;
        report.lost += acknowledged.since(last.seq);
        add(last.seq < acknowledged, Finding::Lost { last, acknowledged });
        add(last.seq > Seq::ZERO && !known.ends.contains(&last.seq.get()), Finding::TornCommit { last });
    }
    // A commit that is lost left its place to others; one that is not must lie where it lay.
    let kept = status.base.get() + 1..=log.end.get();
    for (place, (writer, seq)) in known.places.iter().filter(|(place, _)| is_same && kept.contains(place)) {
        let dot =
            log.writers.iter().find(|(_, of)| *of == writer).map(|(origin, _)| Dot { origin: *origin, seq: *seq });
        if let Some(dot) = dot.filter(|dot| log.places.get(place) != Some(dot)) {
            let found = log.places.iter().find(|(_, at)| **at == dot).map(|(place, _)| Position::new(*place));
            add(true, Finding::Misplaced { dot, acknowledged: Position::new(*place), found });
        }
    }
}
