//! A service over a log that was trimmed, and what it answers of that which is gone.

use std::sync::Arc;

use syncline::authority::AllowAll;
use syncline::format::Run;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::{ChainHash, Heads};
use syncline::portable::{ExportError, Exporter};
use syncline::protocol::{Code, Have, Pull, Pulled, Push, Pushed, Reply, Request};
use syncline::service::ServiceError;
use syncline::store::{EventStore, Limit, LogStatus, WriteBatch};
use syncline::{Cursor, Dot, MemoryStore, NTP64, Position, ReplicaId, Seq, Service, StoreError};

use crate::world::{Forbids, Hand, Swapped, block_on, id, memory, principal, set, space};

/// Bundles of one origin, from its first on.
fn run(origin: ReplicaId, texts: &[&str]) -> VerifiedRun {
    let mut run = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
    for (number, text) in (1..).zip(texts) {
        run.push(NTP64(number), Body::Full(&encode_body(&[set("key", text)]).unwrap()));
    }
    run.finish().unwrap()
}

fn trim(store: &MemoryStore, base: u64) {
    let trim = Some(Position::new(base));
    block_on(store.commit(WriteBatch { trim, ..WriteBatch::default() })).unwrap();
}

fn status(store: &MemoryStore) -> LogStatus {
    block_on(store.status()).unwrap()
}

/// A service whose policy refuses a word, and its store.
fn service() -> (Service, Arc<MemoryStore>) {
    let (store, clock) = (memory(), Hand::at(1_000));
    let service = Service::new(Arc::new(Swapped(store.clone())), Arc::new(AllowAll), Arc::new(clock.reader()));
    (service.with_policy(Arc::new(Forbids("secret"))), store)
}

fn push(service: &Service, run: &Run) -> Result<Pushed, ServiceError> {
    let push = Push { runs: vec![run.clone()] };
    match block_on(service.answer(&principal(), Request::Push(space(), None, push)))?.reply {
        Reply::Push(pushed) => Ok(pushed),
        other => panic!("{other:?}"),
    }
}

fn pull(service: &Service, have: Have) -> Result<Pulled, ServiceError> {
    let pull = Pull { have, limit: Limit::PAGE, without: None };
    match block_on(service.answer(&principal(), Request::Pull(space(), pull)))?.reply {
        Reply::Pull(pulled) => Ok(pulled),
        other => panic!("{other:?}"),
    }
}

/// The heads of a log that has so many of these bundles.
fn heads_after(verified: &VerifiedRun, count: u64) -> Heads {
    let part = verified.run().until(Seq::new(count), verified.previous());
    let part = part.map(|run| VerifiedRun::verify(run, syncline::format::Head::NONE).unwrap());
    part.iter().map(|part| (part.run().origin(), part.head())).collect()
}

#[test]
fn who_lacks_a_trimmed_bundle_is_told_and_gets_no_part_of_the_log() {
    let (service, store) = service();
    let written = run(id(1), &["a", "b", "c", "d"]);
    push(&service, written.run()).unwrap();
    trim(&store, 2);
    for known in 0..=1 {
        let error = pull(&service, Have::Heads(heads_after(&written, known))).unwrap_err();
        let lacks = Dot { origin: id(1), seq: Seq::new(known + 1) };
        let is_right =
            matches!(error, ServiceError::Store(StoreError::Trimmed { dot, base }) if (dot, base.get()) == (lacks, 2));
        assert!(is_right, "{known}: {error:?}");
    }
    for known in 2..=4 {
        let pulled = pull(&service, Have::Heads(heads_after(&written, known))).unwrap();
        assert_eq!(pulled.runs.iter().map(Run::count).sum::<u64>(), 4 - known, "{known}");
    }
    let at = |position| Have::Cursor(Cursor { log: status(&store).log, position: Position::new(position) });
    let error = pull(&service, at(1)).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Problem(problem) if matches!(problem.code, Code::CursorGone { .. })),
        "{error:?}"
    );
    assert_eq!(pull(&service, at(2)).unwrap().runs.len(), 1);
}

/// So many that they are not looked up one by one in a log that keeps everything.
#[test]
fn who_lacks_bundles_of_many_origins_is_told_if_one_of_them_is_trimmed() {
    let (service, store) = service();
    let written: Vec<_> = (1..=200).map(|byte| run(id(byte), &["a"])).collect();
    block_on(store.commit(WriteBatch { runs: written.clone(), ..WriteBatch::default() })).unwrap();
    trim(&store, 50);
    let have =
        |count: usize| -> Heads { written[..count].iter().map(|one| (one.run().origin(), one.head())).collect() };
    for (count, is_told) in [(0, true), (49, true), (50, false), (120, false), (200, false)] {
        match pull(&service, Have::Heads(have(count))) {
            Ok(pulled) => assert_eq!((pulled.runs.len(), is_told), (200 - count, false)),
            Err(error) => assert!(is_told, "{count}: {error:?}"),
        }
    }
}

#[test]
fn a_push_of_trimmed_bundles_changes_nothing_and_is_told_its_refusals_again() {
    for base in 0..=4 {
        let (service, store) = service();
        let written = run(id(1), &["a", "a secret", "c", "d"]);
        let first = push(&service, written.run()).unwrap();
        assert_eq!(first.refused.len(), 1);
        trim(&store, base);
        let before = status(&store);
        let again = push(&service, written.run()).unwrap();
        assert_eq!((again.through, again.refused), (first.through, first.refused), "base {base}");
        assert_eq!(status(&store), before);
    }
}

#[test]
fn a_fork_is_noticed_wherever_a_hash_is_left_to_compare_with() {
    let others = ["another", "history", "of", "the", "same"];
    for (base, count) in [(2, 5), (4, 5), (2, 2), (2, 3), (3, 4), (4, 4)] {
        let (service, store) = service();
        push(&service, run(id(1), &["a", "b", "c", "d"]).run()).unwrap();
        trim(&store, base);
        let error = push(&service, run(id(1), &others[..count]).run()).unwrap_err();
        let is_fork = matches!(&error, ServiceError::Problem(problem) if matches!(problem.code, Code::Fork { .. }));
        assert!(is_fork, "base {base}, {count} bundles: {error:?}");
    }
}

#[test]
fn a_trimmed_log_is_not_exported_as_if_it_were_whole() {
    let (service, store) = service();
    push(&service, run(id(1), &["a", "b"]).run()).unwrap();
    trim(&store, 1);
    let error = block_on(Exporter::begin(store, space())).unwrap_err();
    assert!(matches!(error, ExportError::Trimmed { base } if base == Position::new(1)), "{error}");
}
