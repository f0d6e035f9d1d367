use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::{ChainHash, Run};
use syncline::{Event, EventType, LogId, NTP64, ReplicaId};

use super::*;

fn origin(byte: u8) -> ReplicaId {
    ReplicaId::from_bytes([byte; 16]).unwrap()
}

fn body(text: &str) -> Vec<u8> {
    encode_body(&[Event::new(EventType::new("note", 1), text.to_owned())]).unwrap()
}

/// Runs of one origin with these many bundles each.
fn runs(byte: u8, counts: &[u64]) -> Vec<VerifiedRun> {
    let mut head = Head::NONE;
    let mut run = |count: &u64| {
        let mut builder = RunBuilder::new(origin(byte), head.seq.plus(1), head.chain);
        for index in 1..=*count {
            let seq = head.seq.get() + index;
            builder.push(NTP64(seq << 32), Body::Full(&body(&format!("{byte}:{seq}"))));
        }
        let verified = builder.finish().unwrap();
        head = verified.head();
        verified
    };
    counts.iter().map(&mut run).collect()
}

/// A log of these runs.
fn log(runs: &[VerifiedRun]) -> (LogStatus, Vec<StoredRun>) {
    let mut status = LogStatus::fresh(LogId::from_bytes([1; 16]).unwrap());
    let mut stored = Vec::new();
    for verified in runs {
        let position = status.head.plus(1);
        stored.push(StoredRun { position, previous: verified.previous(), run: verified.run().clone() });
        status.head = status.head.plus(verified.run().count());
        status.heads.set(verified.run().origin(), verified.head());
    }
    (status, stored)
}

fn check((status, runs): &(LogStatus, Vec<StoredRun>)) -> Result<Checked, Damage> {
    let mut checker = Checker::new(status);
    runs.iter().try_for_each(|stored| checker.check(stored))?;
    checker.finish(status)
}

/// The log of two origins that the tests damage: a:1-3, b:1, a:4, b:2-3 at positions 1 to 7.
fn whole() -> (LogStatus, Vec<StoredRun>) {
    let (a, b) = (runs(1, &[3, 1]), runs(2, &[1, 2]));
    log(&[a[0].clone(), b[0].clone(), a[1].clone(), b[1].clone()])
}

#[test]
fn a_trimmed_log_is_checked_from_its_base_on() {
    let (mut status, runs) = whole();
    for base in 0..=7 {
        status.base = Position::new(base);
        let kept = runs.iter().filter_map(|stored| stored.clone().behind(status.base));
        let log = (status.clone(), kept.collect::<Vec<_>>());
        assert_eq!(check(&log), Ok(Checked { bundles: 7 - base, voids: 0, events: 7 - base, origins: 2 }), "{base}");
        if let [first, .., last] = &log.1[..] {
            let without = |lost: &StoredRun| log.1.iter().filter(|stored| *stored != lost).cloned().collect();
            assert!(check(&(status.clone(), without(first))).is_err(), "{base}");
            assert!(check(&(status.clone(), without(last))).is_err(), "{base}");
        }
    }
}

#[test]
fn a_whole_log_is_found_whole() {
    assert_eq!(check(&whole()), Ok(Checked { bundles: 7, voids: 0, events: 7, origins: 2 }));
}

#[test]
fn an_empty_log_is_found_whole() {
    assert_eq!(check(&log(&[])), Ok(Checked::default()));
}

#[test]
fn a_void_keeps_the_chain_and_is_counted() {
    let mut log = whole();
    log.1[0].run = log.1[0].run.with_voids(&[Seq::new(2)], log.1[0].previous);
    assert_eq!(check(&log), Ok(Checked { bundles: 7, voids: 1, events: 6, origins: 2 }));
}

#[test]
fn any_flipped_bit_of_any_run_is_found() {
    let whole = whole();
    for (index, stored) in whole.1.iter().enumerate() {
        for bit in 0..stored.run.as_bytes().len() * 8 {
            let mut bytes = stored.run.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What does not read as a run any more is the store's to report.
            let Ok(run) = Run::decode(bytes.into()) else { continue };
            let mut log = whole.clone();
            log.1[index].run = run;
            assert!(check(&log).is_err(), "bit {bit} of run {index}");
        }
    }
}

#[test]
fn a_changed_body_names_the_end_of_its_run() {
    let mut log = whole();
    let mut bytes = log.1[2].run.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    log.1[2].run = Run::decode(bytes.into()).unwrap();
    let dot = Dot { origin: origin(1), seq: Seq::new(4) };
    assert_eq!(check(&log), Err(Damage::Changed { dot, position: Position::new(5) }));
}

#[test]
fn a_body_that_is_no_events_is_named_though_its_hash_is_right() {
    let mut builder = RunBuilder::new(origin(1), Seq::new(1), ChainHash::GENESIS);
    builder.push(NTP64(1), Body::Full(b"\xff"));
    let damage = check(&log(&[builder.finish().unwrap()])).unwrap_err();
    assert!(matches!(damage, Damage::Body { position, .. } if position == Position::new(1)), "{damage}");
}

#[test]
fn a_missing_run_is_named_by_what_comes_instead() {
    let mut missing = whole();
    missing.1.remove(1);
    let damage = check(&missing).unwrap_err();
    assert!(matches!(damage, Damage::Misplaced { expected, .. } if expected == Position::new(4)), "{damage}");
    for stored in &mut missing.1[1..] {
        stored.position = Position::new(stored.position.get() - 1);
    }
    let damage = check(&missing).unwrap_err();
    assert!(matches!(damage, Damage::Gap { expected, .. } if expected == Seq::new(1)), "{damage}");
}

#[test]
fn a_log_that_ends_before_its_head_is_found() {
    let mut cut = whole();
    cut.1.pop();
    let ends = Damage::Ends { after: Position::new(5), head: Position::new(7) };
    assert_eq!(check(&cut), Err(ends));
}

#[test]
fn a_head_with_another_hash_is_found() {
    let mut log = whole();
    let head = log.0.heads.get(origin(2));
    log.0.heads.set(origin(2), Head { chain: ChainHash::from_bytes([9; 32]), ..head });
    assert!(matches!(check(&log), Err(Damage::Head { .. })));
}

#[test]
fn another_history_of_an_origin_is_found() {
    let mut log = whole();
    log.1[2].previous = ChainHash::from_bytes([9; 32]);
    let dot = Dot { origin: origin(1), seq: Seq::new(4) };
    assert_eq!(check(&log), Err(Damage::Unlinked { dot, position: Position::new(5) }));
}

#[test]
fn what_is_written_behind_the_head_meanwhile_is_not_looked_at() {
    let mut status = whole().0;
    let runs = whole().1;
    // The heads are those after position 6: the last run reaches further.
    let mut builder = RunBuilder::new(origin(2), Seq::new(1), ChainHash::GENESIS);
    (1..=2).for_each(|seq| {
        builder.push(NTP64(seq << 32), Body::Full(&body(&format!("2:{seq}"))));
    });
    status.head = Position::new(6);
    status.heads.set(origin(2), builder.finish().unwrap().head());
    assert_eq!(check(&(status, runs)).unwrap().bundles, 6);
}
