//! Archives that are not what they should be: one typed answer each, nothing changed, and the next attempt works.

use syncline::archive::{Segment, SegmentFault};
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Head, Heads, VerifiedRun};
use syncline::store::{Replacement, WriteBatch};
use syncline::{Dot, LogId, Seq};

use super::*;

/// What the archive says once it was changed, asked for a past state, for the whole log, and for a rebuild.
fn told(
    kept: &Kept,
    archive: &MemoryArchive,
    change: impl Fn(&mut BTreeMap<(SpaceId, SegmentName), Bytes>),
) -> ArchiveError {
    let before = (rows(&kept.store), archive.change(|segments| segments.clone()));
    archive.change(change);
    let rebuilt = block_on(kept.keeper.rebuild(&Pairs.view()));
    assert!(matches!(rebuilt, Err(ReplicaError::Archive(_))), "{rebuilt:?}");
    let state = block_on(kept.keeper.view(Pairs).unwrap().state_at(NTP64(u64::MAX)));
    assert!(matches!(state, Err(ReplicaError::Archive(_))));
    let exported =
        block_on(Exporter::begin_whole(kept.store.clone(), kept.archive.clone(), space())).and_then(exported);
    let Err(ExportError::Archive(error)) = exported else { panic!("it is told") };
    archive.change(|segments| *segments = before.1);
    assert!(rows(&kept.store) == before.0);
    block_on(kept.keeper.rebuild(&Pairs.view())).unwrap();
    assert!(rows(&kept.store) == before.0, "what came back is right again");
    error
}

fn archived() -> (Kept, Arc<MemoryArchive>, SegmentName) {
    let archive = Arc::new(MemoryArchive::new());
    let kept = Kept::new(1, archive.clone());
    for end in [10, 20, 30] {
        kept.write(end - 10..end);
        kept.trim(0);
    }
    kept.write(30..40);
    let second = kept.names()[1];
    (kept, archive, second)
}

fn key(name: SegmentName) -> (SpaceId, SegmentName) {
    (space(), name)
}

#[test]
fn a_segment_that_is_missing_is_named_by_its_first_bundle() {
    let (kept, archive, second) = archived();
    let error = told(&kept, &archive, |segments| drop(segments.remove(&key(second))));
    assert!(matches!(error, ArchiveError::Missing { behind, .. } if behind == Position::new(10)), "{error}");
    assert!(error.to_string().contains("no segment with bundle 11"), "{error}");
}

#[test]
fn every_changed_byte_of_a_segment_is_noticed() {
    let (kept, archive, second) = archived();
    let bytes = archive.change(|segments| segments[&key(second)].clone());
    for place in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] ^= 0x20;
        assert!(Segment::decode(&changed.into()).is_err(), "byte {place}");
        assert!(Segment::decode(&bytes.slice(..place)).is_err(), "cut at {place}");
    }
    let damage = |segments: &mut BTreeMap<_, Bytes>| {
        let mut changed = bytes.to_vec();
        changed[bytes.len() / 2] ^= 1;
        segments.insert(key(second), changed.into());
    };
    let error = told(&kept, &archive, damage);
    assert!(matches!(error, ArchiveError::Damaged { name, why: SegmentFault::Hash, .. } if name == second), "{error}");
}

#[test]
fn a_segment_under_the_name_of_another_or_of_another_space_is_noticed() {
    let (kept, archive, second) = archived();
    let first = kept.names()[0];
    let error = told(&kept, &archive, |segments| drop(segments.insert(key(second), segments[&key(first)].clone())));
    assert!(matches!(error, ArchiveError::Damaged { why: SegmentFault::Misnamed { .. }, .. }), "{error}");
    let foreign = |segments: &mut BTreeMap<_, Bytes>| {
        let mut segment = Segment::decode(&segments[&key(second)]).unwrap();
        segment.space = SpaceId::new("another").unwrap();
        segments.insert(key(second), segment.encode().unwrap());
    };
    assert!(matches!(told(&kept, &archive, foreign), ArchiveError::Damaged { why: SegmentFault::Misnamed { .. }, .. }));
}

#[test]
fn a_segment_of_a_newer_format_asks_for_an_upgrade() {
    let (kept, archive, second) = archived();
    let mut newer = archive.change(|segments| segments[&key(second)].to_vec());
    newer[12] += 1;
    let error = told(&kept, &archive, |segments| drop(segments.insert(key(second), newer.clone().into())));
    assert!(error.to_string().contains("upgrade Syncline"), "{error}");
}

#[test]
fn bundles_of_another_history_are_noticed_in_the_middle_and_at_the_end() {
    let (kept, archive, second) = archived();
    for name in [second, kept.names()[2]] {
        let other = |segments: &mut BTreeMap<_, Bytes>| {
            let mut builder = RunBuilder::new(id(1), Seq::new(name.after.get() + 1), ChainHash::from_bytes([7; 32]));
            for number in 0..10 {
                let body = syncline::format::event::encode_body(&[set("a", "other")]).unwrap();
                builder.push(NTP64((1_000 + name.after.get() + number) << 32), Body::Full(&body));
            }
            let runs = vec![builder.finish().unwrap().run().clone()];
            segments.insert(key(name), Segment { space: space(), name, runs }.encode().unwrap());
        };
        let error = told(&kept, &archive, other);
        let at = Dot { origin: id(1), seq: Seq::new(name.after.get() + 1) };
        assert!(matches!(error, ArchiveError::Contradicts { at: found, .. } if found == at), "{error}");
    }
}

#[test]
fn an_archive_that_ends_with_another_history_than_the_log_goes_on_with_is_noticed() {
    let (kept, archive, _) = archived();
    let their_archive = Arc::new(MemoryArchive::new());
    let other = Kept::new(1, their_archive.clone());
    other.write(1_000..1_030);
    other.trim(0);
    let theirs = their_archive.change(|segments| segments.clone());
    let error = told(&kept, &archive, |segments| *segments = theirs.clone());
    assert!(matches!(error, ArchiveError::Contradicts { .. }), "{error}");
}

/// Bundles of an origin.
fn run(origin: u8, bundles: u64) -> VerifiedRun {
    let mut builder = RunBuilder::new(id(origin), Seq::new(1), ChainHash::GENESIS);
    for number in 1..=bundles {
        let body = syncline::format::event::encode_body(&[set("a", "x")]).unwrap();
        builder.push(NTP64(number << 32), Body::Full(&body));
    }
    builder.finish().unwrap()
}

/// Its first bundles.
fn first(run: &VerifiedRun, bundles: u64) -> VerifiedRun {
    VerifiedRun::verify(run.run().until(Seq::new(bundles), ChainHash::GENESIS).unwrap(), Head::NONE).unwrap()
}

#[test]
fn as_many_bundles_as_a_replaced_log_has_trimmed_are_not_taken_for_the_same() {
    let (one, two) = (run(1, 8), run(2, 8));
    // The archive has six of the one and four of the other. The log begins behind five of each, or behind what the archive has.
    for (ones, twos) in [(5, 5), (4, 6), (6, 4)] {
        let (archive, store) = (Arc::new(MemoryArchive::new()), memory());
        let log = block_on(store.status()).unwrap().log;
        let name = SegmentName { after: Position::ZERO, last: Position::new(10), log };
        let runs = vec![first(&one, 6).run().clone(), first(&two, 4).run().clone()];
        let segment = Segment { space: space(), name, runs }.encode().unwrap();
        block_on(archive.put(&space(), name, segment)).unwrap();
        let heads: Heads = [(id(1), first(&one, ones).head()), (id(2), first(&two, twos).head())].into_iter().collect();
        let rest = |run: &VerifiedRun, from: u64| {
            VerifiedRun::verify(run.run().since(Seq::new(from + 1)).unwrap(), first(run, from).head()).unwrap()
        };
        let runs = vec![rest(&one, ones), rest(&two, twos)];
        let replace = Some(Replacement { log: LogId::from_bytes([8; 16]).unwrap(), heads });
        block_on(store.commit(WriteBatch { replace, runs, ..WriteBatch::default() })).unwrap();
        let history = block_on(History::of(store, archive, &space())).unwrap();
        let verified = block_on(history.verify());
        assert_eq!(verified.is_ok(), (ones, twos) == (6, 4), "{ones} and {twos}: {verified:?}");
    }
}

#[test]
fn nothing_of_another_history_is_folded_into_a_view_that_waits() {
    let (kept, archive, _) = archived();
    let right = archive.change(|segments| segments.clone());
    // The first segment is of another history, and only the last one shows it.
    let first = kept.names()[0];
    let runs = vec![run(7, 10).run().clone()];
    let other = Segment { space: space(), name: first, runs }.encode().unwrap();
    archive.change(|segments| drop(segments.insert(key(first), other)));
    let compose = compose(kept.store.clone(), &kept.clock).projection(Counts).archive(archive.clone());
    let replica = block_on(compose.shared_with_service().open(id(9))).unwrap();
    assert_eq!(block_on(replica.status()).unwrap().views_without_history, [Counts.view()]);
    archive.change(|segments| *segments = right);
    block_on(replica.catch_up()).unwrap();
    let rows = block_on(replica.view(Counts).unwrap().all(RowRange::all())).unwrap();
    assert_eq!(rows.iter().map(|(_, count)| count).sum::<u64>(), 40);
    assert_eq!(rows.len(), 7, "no row of the other history");
}

#[test]
fn names_read_back_and_nothing_else_is_a_name() {
    let name = SegmentName { after: Position::ZERO, last: Position::new(7), log: LogId::from_bytes([1; 16]).unwrap() };
    assert_eq!(name.to_string().parse::<SegmentName>().unwrap(), name);
    let good = name.to_string();
    for bad in ["", "x", &good[1..], &good.replace("7", "0"), &format!("+{}", &good[1..]), &format!("{good}.tmp")] {
        assert!(bad.parse::<SegmentName>().is_err(), "{bad}");
    }
}
