use super::*;
use crate::format::event::{Event, EventType, encode_body};
use proptest::prelude::*;

fn origin() -> ReplicaId {
    ReplicaId::from_bytes(*b"origin of a test").unwrap()
}

/// Packs bodies as one run that starts an origin's log.
fn pack(bodies: &[Vec<u8>]) -> VerifiedRun {
    let mut builder = RunBuilder::new(origin(), Seq::new(1), ChainHash::GENESIS);
    for (index, body) in bodies.iter().enumerate() {
        builder.push(NTP64(1_000 + 7 * index as u64), Body::Full(body));
    }
    builder.finish().unwrap()
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20)
}

proptest! {
    #[test]
    fn a_run_reads_back_as_it_was_packed(bodies in bodies()) {
        let verified = pack(&bodies);
        let run = Run::decode(verified.run().as_bytes().clone()).unwrap();
        prop_assert_eq!(&run, verified.run());
        let read: Vec<_> = run.bundles().map(|bundle| match bundle.body {
            Body::Full(bytes) => bytes.to_vec(),
            Body::Void { .. } => unreachable!(),
        }).collect();
        prop_assert_eq!(read, bodies);
        prop_assert_eq!(VerifiedRun::verify(run, Head::NONE).unwrap(), verified);
    }

    #[test]
    fn cutting_and_joining_runs_changes_nothing(bodies in bodies(), cut in 1u64..20) {
        let whole = pack(&bodies);
        let cut = Seq::new(cut.min(whole.run().count()));
        let front = whole.run().until(cut, ChainHash::GENESIS).unwrap();
        let front = VerifiedRun::verify(front, Head::NONE).unwrap();
        match whole.run().since(cut.plus(1)) {
            None => prop_assert_eq!(front, whole),
            Some(back) => {
                prop_assert_eq!(&Run::decode(back.as_bytes().clone()).unwrap(), &back);
                let back = VerifiedRun::verify(back, front.head()).unwrap();
                prop_assert_eq!(back.head(), whole.head());
                prop_assert_eq!(&build::join(&[front.run().clone(), back.run().clone()]), whole.run());
            }
        }
    }

    #[test]
    fn making_voids_keeps_every_hash(bodies in bodies(), chosen in prop::collection::vec(1u64..20, 0..5)) {
        let whole = pack(&bodies);
        let seqs: Vec<_> = chosen.into_iter().map(Seq::new).collect();
        let voided = whole.run().with_voids(&seqs, ChainHash::GENESIS);
        let read = Run::decode(voided.as_bytes().clone()).unwrap();
        prop_assert_eq!(VerifiedRun::verify(read, Head::NONE).unwrap().head(), whole.head());
        for bundle in voided.bundles() {
            prop_assert_eq!(matches!(bundle.body, Body::Void { .. }), seqs.contains(&bundle.dot.seq));
        }
    }

    #[test]
    fn one_changed_bit_is_refused_or_seen_in_the_chain(bodies in bodies(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let verified = pack(&bodies);
        let mut bytes = verified.run().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let noticed = match Run::decode(bytes.into()) {
            Err(_) => true,
            Ok(run) => run.origin() != origin() || VerifiedRun::verify(run, Head::NONE).is_err(),
        };
        prop_assert!(noticed);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(run) = Run::decode(bytes.into()) {
            run.bundles().for_each(|bundle| bundle.events().for_each(drop));
        }
    }

    #[test]
    fn json_and_binary_say_the_same(bodies in bodies()) {
        let run = pack(&bodies).run().with_voids(&[Seq::new(2)], ChainHash::GENESIS);
        let json = serde_json::to_string(&run).unwrap();
        prop_assert_eq!(serde_json::from_str::<Run>(&json).unwrap(), run);
    }
}

#[test]
fn packing_joins_what_belongs_together_and_nothing_else() {
    let whole = pack(&vec![vec![7; 9]; 9]).run().clone();
    let single = |seq| whole.since(Seq::new(seq)).unwrap().until(Seq::new(seq), ChainHash::GENESIS);
    let singles: Vec<Run> = [1, 2, 3, 5, 6].into_iter().map(|seq| single(seq).unwrap()).collect();
    let packed: Vec<_> = build::pack(singles).iter().map(|run| (run.first().get(), run.last().get())).collect();
    assert_eq!(packed, [(1, 3), (5, 6)]);
}

#[test]
fn a_run_that_voids_have_made_too_long_is_split_and_says_the_same() {
    let whole = pack(&vec![Vec::new(); 200_000]);
    let seqs: Vec<_> = (1..=200_000).map(Seq::new).collect();
    let voided = whole.clone().with_voids(&seqs);
    assert!(Run::decode(voided.run().as_bytes().clone()).is_err(), "it is too long to be read");
    let mut head = Head::NONE;
    for piece in voided.pieces() {
        let run = Run::decode(piece.run().as_bytes().clone()).unwrap();
        head = VerifiedRun::verify(run, head).unwrap().head();
        assert_eq!(head, piece.head());
    }
    assert_eq!(head, whole.head());
}

#[test]
fn a_run_that_does_not_follow_says_how() {
    let first = pack(&[vec![1], vec![2]]);
    let origin_gap = VerifiedRun::verify(first.run().since(Seq::new(2)).unwrap(), Head::NONE).unwrap_err();
    assert!(matches!(origin_gap, Unchained::Gap { head, .. } if head == Seq::ZERO));
    let other = pack(&[vec![1], vec![3]]).run().since(Seq::new(2)).unwrap();
    let after_one =
        VerifiedRun::verify(first.run().until(Seq::new(1), ChainHash::GENESIS).unwrap(), Head::NONE).unwrap();
    assert!(VerifiedRun::verify(other.clone(), after_one.head()).is_ok());
    let forged = Head { chain: ChainHash::from_bytes([9; 32]), ..after_one.head() };
    assert!(matches!(VerifiedRun::verify(other.clone(), forged), Err(Unchained::WrongChain { .. })));
    let late = Head { time: NTP64(u64::MAX), ..after_one.head() };
    assert!(matches!(VerifiedRun::verify(other, late), Err(Unchained::TimeWentBack { .. })));
}

#[test]
fn a_run_of_an_unknown_version_is_refused_by_name() {
    let mut bytes = pack(&[vec![1]]).run().as_bytes().to_vec();
    bytes[0] = 2;
    let error = Run::decode(bytes.into()).unwrap_err();
    assert_eq!(error, DecodeError::UnsupportedVersion { what: "run", found: 2, newest: 1 });
}

#[test]
fn times_that_do_not_rise_are_refused() {
    let mut bytes = build::header(origin(), Seq::new(1), [0; 8], NTP64(5));
    bytes.extend_from_slice(&[0, 0, 0]);
    let error = Run::decode(bytes.into()).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { why: "times do not rise", .. }));
}

#[test]
fn a_single_event_takes_at_most_forty_bytes_beside_its_payload() {
    let payload = vec![7; 60];
    let body = encode_body(&[Event::new(EventType::new("attribute", 1), payload.clone())]).unwrap();
    let verified = pack(&[body]);
    assert!(
        verified.run().as_bytes().len() - payload.len() <= 40,
        "{}",
        verified.run().as_bytes().len() - payload.len()
    );
}
