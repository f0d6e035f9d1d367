//! A sound log, and twins of it that are broken in one way each.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Head, Run, VerifiedRun};
use syncline::id::Revision;
use syncline::store::{EventStore, StoredRun, WriteBatch};
use syncline::{LogId, MemoryStore, NTP64, Position, Seq};
use syncline_crash::check::{Finding, Report, Snapshot, compare};
use syncline_crash::ledger::{SpaceLedger, WriterLedger};
use syncline_crash::record::{Acknowledged, Intended};
use syncline_crash::script::{Script, projections, views};

const SPACE: u8 = 1;
const SCRIPT: u64 = 7;

/// A space with the bundles of two writers, five commits of four bundles, all folded; and what is known of it.
fn sound() -> (Snapshot, SpaceLedger) {
    sound_from(Position::ZERO)
}

/// The same, if the last commit has trimmed the log up to here.
fn sound_from(base: Position) -> (Snapshot, SpaceLedger) {
    let script = Script::new(SCRIPT);
    let store = MemoryStore::new(LogId::from_bytes([9; 16]).unwrap());
    let mut ledger = syncline_crash::ledger::Ledger::default();
    let snapshot = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        for commit in 0..5 {
            let writer = commit % 2;
            let status = store.status().await.unwrap();
            let origin = script.origin(SPACE, writer);
            let next = script.next(origin, status.heads.get(origin), 4);
            let folded = status.head.plus(4);
            let plan = projections().plan([next.run()]);
            let keys = plan.rows();
            let loaded = store.load(&keys).await.unwrap();
            let rows = plan.fold(keys, loaded).rows;
            let views = views().into_iter().map(|view| (view, folded)).collect();
            let (last, clock) = (next.head().seq, next.head().time);
            ledger.intend(Intended { space: SPACE, writer, last });
            let trim = Some(base).filter(|_| commit == 4);
            let batch = WriteBatch { runs: vec![next], rows, views, clock, trim, ..WriteBatch::default() };
            let done = store.commit(batch).await.unwrap();
            let (revision, head) = (done.revision, done.head);
            ledger.acknowledge(Acknowledged {
                space: SPACE,
                writer,
                last,
                revision,
                head,
                folded,
                base: trim.unwrap_or_default(),
                when: 0,
            });
        }
        Snapshot::read(&store).await.unwrap()
    });
    let mut known = ledger.spaces.remove(&SPACE).unwrap();
    known.log = Some(snapshot.status.log);
    (snapshot, known)
}

fn report(snapshot: &Snapshot, known: &SpaceLedger) -> Report {
    let mut report = Report::default();
    compare(snapshot, Script::new(SCRIPT), SPACE, known, &mut report);
    report
}

/// What the check says of the sound log after it has been broken.
fn broken(breaking: impl FnOnce(&mut Snapshot)) -> Vec<Finding> {
    let (mut snapshot, known) = sound();
    breaking(&mut snapshot);
    report(&snapshot, &known).findings
}

/// Does the same to both readings of the log.
fn each_run(snapshot: &mut Snapshot, mut change: impl FnMut(&mut Vec<StoredRun>)) {
    change(&mut snapshot.log);
    snapshot.origins.values_mut().for_each(change);
}

/// The same run with other bodies or times, properly packed and hashed.
fn rewritten(stored: &StoredRun, time: u64, body: impl Fn(&[u8]) -> Vec<u8>) -> VerifiedRun {
    let run = &stored.run;
    let mut builder = RunBuilder::new(run.origin(), run.first(), stored.previous);
    for bundle in run.bundles() {
        let Body::Full(bytes) = bundle.body else { panic!("nothing is void") };
        builder.push(NTP64(bundle.time.0 + time), Body::Full(&body(bytes)));
    }
    builder.finish().unwrap()
}

#[test]
fn a_sound_log_has_no_findings() {
    let (snapshot, known) = sound();
    let report = report(&snapshot, &known);
    assert_eq!((report.findings, report.bundles, report.lost), (vec![], 20, 0));
}

#[test]
fn a_sound_log_that_was_trimmed_anywhere_has_no_findings() {
    for base in 1..=16 {
        let (snapshot, known) = sound_from(Position::new(base));
        let report = report(&snapshot, &known);
        assert_eq!((report.findings, report.bundles, report.lost), (vec![], 20, 0), "{base}");
    }
}

#[test]
fn a_trim_that_is_not_what_it_says_is_found() {
    let (sound, known) = sound_from(Position::new(6));
    let findings = |change: fn(&mut Snapshot)| {
        let mut snapshot = sound.clone();
        change(&mut snapshot);
        report(&snapshot, &known).findings
    };
    // Off by one, on either side.
    for change in
        [|it: &mut Snapshot| it.status.base = Position::new(5), |it: &mut Snapshot| it.status.base = Position::new(7)]
    {
        let found = findings(change);
        assert!(found.iter().any(|finding| matches!(finding, Finding::Hole { .. })), "{found:?}");
    }
    // More of an origin has gone than the base says.
    let found = findings(|it| it.log.retain(|stored| stored.position.get() > 8));
    assert!(found.iter().any(|finding| name(finding) == "status-wrong"), "{found:?}");
    // A row went with its bundles.
    let found = findings(|it| drop(it.rows.pop_first()));
    assert!(found.iter().all(|finding| name(finding) == "row-wrong") && !found.is_empty(), "{found:?}");
}

#[test]
fn an_acknowledged_trim_that_is_undone_is_a_loss() {
    let (mut known, snapshot) = (sound_from(Position::new(6)).1, sound().0);
    known.log = Some(snapshot.status.log);
    let report = report(&snapshot, &known);
    assert!(report.is_consistent(), "{:?}", report.findings);
    assert_eq!(report.findings.iter().map(name).collect::<Vec<_>>(), ["base-behind"]);
}

#[test]
fn the_last_acknowledged_commit_is_missed() {
    // As a store loses it: all of the last transaction.
    let (mut snapshot, known) = sound();
    let last = snapshot.log.pop().unwrap();
    let origin = last.run.origin();
    snapshot.origins.get_mut(&origin).unwrap().pop();
    let before = snapshot.log.iter().rfind(|stored| stored.run.origin() == origin).unwrap();
    let chain = before.run.bundles().fold(before.previous, |chain, bundle| bundle.chain_after(chain));
    let head = Head { seq: before.run.last(), chain, time: before.run.last_time() };
    let status = &mut snapshot.status;
    status.heads.set(origin, head);
    status.clock = status.heads.iter().map(|(_, head)| head.time).max().unwrap();
    (status.head, status.revision) = (Position::new(16), Revision::new(4));
    let runs: Vec<Run> = snapshot.log.iter().map(|stored| stored.run.clone()).collect();
    let plan = projections().plan(&runs);
    let keys = plan.rows();
    let none = vec![None; keys.len()];
    let rows = plan.fold(keys, none).rows;
    snapshot.rows = rows.into_iter().map(|row| ((row.key.view, row.key.key), row.value.unwrap())).collect();
    snapshot.status.views.values_mut().for_each(|place| *place = Position::new(16));
    let report = report(&snapshot, &known);
    assert_eq!(report.lost, 4);
    assert!(report.is_consistent(), "{:?}", report.findings);
    let names: BTreeSet<_> = report.findings.iter().map(name).collect();
    assert_eq!(names, BTreeSet::from(["fold-behind", "lost", "revision-behind"].map(str::to_owned)));
}

#[test]
fn a_hole_is_found() {
    let findings = broken(|snapshot| drop(snapshot.log.remove(2)));
    assert!(findings.iter().any(|finding| matches!(finding, Finding::Hole { due, .. } if due.get() == 9)));
    assert!(findings.iter().any(|finding| matches!(finding, Finding::SeqBroken { .. })));
    assert!(!Report { findings, ..Report::default() }.is_consistent());
}

#[test]
fn a_bundle_with_another_body_is_found_even_where_its_hash_is_right() {
    let findings = broken(|snapshot| {
        each_run(snapshot, |runs| {
            for stored in runs.iter_mut().filter(|stored| stored.position.get() == 17) {
                stored.run = rewritten(stored, 0, |body| [body, body].concat()).run().clone();
            }
        });
    });
    assert_eq!(BTreeSet::from_iter(findings.iter().map(name)).len(), 3, "{findings:?}");
    for expected in ["wrong-bundle", "status-wrong", "row-wrong"] {
        assert!(findings.iter().any(|finding| name(finding) == expected), "{expected}: {findings:?}");
    }
}

#[test]
fn a_bundle_with_another_time_is_found() {
    let findings = broken(|snapshot| {
        each_run(snapshot, |runs| {
            for stored in runs.iter_mut().filter(|stored| stored.position.get() == 17) {
                stored.run = rewritten(stored, 1, <[u8]>::to_vec).run().clone();
            }
        });
    });
    assert!(findings.iter().any(|finding| name(finding) == "wrong-bundle"), "{findings:?}");
}

#[test]
fn a_wrong_chain_hash_is_found() {
    let findings = broken(|snapshot| {
        each_run(snapshot, |runs| {
            for stored in runs.iter_mut().filter(|stored| stored.position.get() == 17) {
                stored.previous = ChainHash::GENESIS;
            }
        });
    });
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["wrong-bundle"]);
}

#[test]
fn a_wrong_hash_in_the_heads_is_found() {
    let findings = broken(|snapshot| {
        let origin = Script::new(SCRIPT).origin(SPACE, 0);
        let head = snapshot.status.heads.get(origin);
        snapshot.status.heads.set(origin, Head { chain: ChainHash::GENESIS, ..head });
    });
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["status-wrong"]);
}

#[test]
fn a_row_that_is_stale_missing_or_invented_is_found() {
    let changes: [fn(&mut BTreeMap<_, Bytes>); 3] = [
        |rows| *rows.first_entry().unwrap().get_mut() = Bytes::from_static(b"old"),
        |rows| drop(rows.pop_first()),
        |rows| drop(rows.insert((views()[0].clone(), Bytes::from_static(b"no such key")), Bytes::new())),
    ];
    for change in changes {
        let findings = broken(|snapshot| change(&mut snapshot.rows));
        assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["row-wrong"]);
    }
}

#[test]
fn a_view_that_claims_to_be_folded_less_far_than_it_is_is_found() {
    let behind = |snapshot: &mut Snapshot| {
        snapshot.status.views.values_mut().for_each(|place| *place = Position::new(8));
    };
    let findings = broken(behind);
    assert!(findings.iter().any(|finding| name(finding) == "row-wrong"));
    let findings = broken(|snapshot| drop(snapshot.status.views.pop_first()));
    assert!(findings.contains(&Finding::FoldsDiffer));
}

#[test]
fn a_status_that_does_not_fit_the_log_is_found() {
    let changes: [fn(&mut Snapshot); 3] = [
        |snapshot| snapshot.status.head = Position::new(21),
        |snapshot| snapshot.status.clock = NTP64(1),
        |snapshot| snapshot.status.heads.remove(Script::new(SCRIPT).origin(SPACE, 1)),
    ];
    for change in changes {
        let findings = broken(change);
        assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["status-wrong"], "{findings:?}");
    }
    let findings = broken(|snapshot| snapshot.status.base = Position::new(1));
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["status-wrong", "hole"], "{findings:?}");
}

#[test]
fn a_log_that_reads_otherwise_by_origins_is_found() {
    let findings = broken(|snapshot| {
        snapshot.origins.values_mut().next().unwrap().pop();
    });
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["origins-differ"]);
}

#[test]
fn a_commit_that_is_there_in_part_is_found() {
    let (snapshot, mut known) = sound();
    // The last commit was to end two bundles later.
    let writer: &mut WriterLedger = known.writers.get_mut(&0).unwrap();
    writer.ends.remove(&12);
    writer.ends.insert(14);
    let findings = report(&snapshot, &known).findings;
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["torn-commit"]);
}

#[test]
fn a_bundle_that_nobody_wrote_is_found() {
    let (snapshot, mut known) = sound();
    let writer = known.writers.get_mut(&0).unwrap();
    writer.ends.remove(&12);
    writer.acknowledged = Seq::new(8);
    known.places.remove(&20);
    let findings = report(&snapshot, &known).findings;
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["torn-commit"]);
    let other = Script::new(SCRIPT + 1);
    let mut report = Report::default();
    compare(&snapshot, other, SPACE, &SpaceLedger::default(), &mut report);
    assert!(report.findings.iter().any(|finding| name(finding) == "stranger"));
}

#[test]
fn a_bundle_that_moved_is_found() {
    let (snapshot, mut known) = sound();
    known.places.insert(19, (0, Seq::new(12)));
    let findings = report(&snapshot, &known).findings;
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["misplaced"]);
}

#[test]
fn a_log_in_the_place_of_another_is_found() {
    let findings = broken(|snapshot| snapshot.status.log = LogId::from_bytes([8; 16]).unwrap());
    assert_eq!(findings.iter().map(name).collect::<Vec<_>>(), ["other-log"]);
}

pub(crate) fn name(finding: &Finding) -> String {
    match serde_json::to_value(finding).unwrap() {
        serde_json::Value::String(name) => name,
        value => value.as_object().unwrap().keys().next().unwrap().clone(),
    }
}
