//! Snapshots that somebody hands to a service: what is sound is handed out, and what is not gets one typed answer, changes nothing, and
//! does not stand in the way of the next attempt.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use syncline::authority::{AllowAll, Authority, AuthorityError, Claim, Principal, Role};
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::{ChainHash, Head, Heads};
use syncline::protocol::{AskSnapshot, Code, Piece, Problem, Reply, Request, SnapshotInfo, Supply, Wanted};
use syncline::snapshot::{CHUNK_BYTES, ChunkHash, Manifest, RowWriter, SnapshotId, seal_chunk};
use syncline::store::{EventStore, LogStatus, WriteBatch};
use syncline::{MemoryStore, NTP64, Position, ReplicaId, Seq, Service, SpaceId, ViewId};

use crate::world::*;

mod bad;
mod kept;
mod meanwhile;

/// A service over a log of two origins, whose bundles lie one of each by turns.
struct Desk {
    service: Service,
    store: Arc<MemoryStore>,
    runs: Vec<VerifiedRun>,
}

/// Bundles of each origin in the log.
const EACH: u64 = 4;

impl Desk {
    fn new() -> Self {
        Self::under(Arc::new(AllowAll))
    }

    fn under(authority: Arc<dyn Authority>) -> Self {
        let (store, clock) = (memory(), Hand::at(1_000));
        let service = Service::new(Arc::new(Swapped(store.clone())), authority, Arc::new(clock.reader()));
        let desk = Self { service, store, runs: [1, 2].map(|byte| run(id(byte))).to_vec() };
        for seq in (1..=EACH).map(Seq::new) {
            for run in &desk.runs {
                desk.commit(WriteBatch { runs: vec![piece(run, seq)], ..WriteBatch::default() });
            }
        }
        desk
    }

    fn commit(&self, batch: WriteBatch) {
        block_on(self.store.commit(batch)).unwrap();
    }

    fn status(&self) -> LogStatus {
        block_on(self.store.status()).unwrap()
    }

    /// The heads of the log when each origin had so many bundles.
    fn heads(&self, bundles: [u64; 2]) -> Heads {
        let head = |(run, count): (&VerifiedRun, u64)| Some((run.run().origin(), head(run, Seq::new(count))?));
        self.runs.iter().zip(bundles).filter_map(head).collect()
    }

    fn ask(&self, request: Request) -> Result<Reply, Problem> {
        let answer = block_on(self.service.answer(&principal(), request));
        answer.map(|answer| answer.reply).map_err(|error| error.to_problem())
    }

    fn supply(&self, supply: Supply) -> Result<Wanted, Problem> {
        match self.ask(Request::Supply(space(), supply))? {
            Reply::Wanted(wanted) => Ok(wanted),
            other => panic!("{other:?}"),
        }
    }

    fn piece(&self, asked: AskSnapshot) -> Result<Bytes, Problem> {
        match self.ask(Request::Snapshot(space(), asked))? {
            Reply::Piece(Piece(bytes)) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }

    fn list(&self) -> Vec<SnapshotInfo> {
        match self.ask(Request::Snapshot(space(), AskSnapshot::List)).unwrap() {
            Reply::Snapshots(list) => list,
            other => panic!("{other:?}"),
        }
    }

    fn ids(&self) -> Vec<SnapshotId> {
        self.list().into_iter().map(|info| info.id).collect()
    }

    fn has_chunk(&self, hash: ChunkHash) -> bool {
        match self.piece(AskSnapshot::Chunk(hash)) {
            Ok(_) => true,
            Err(problem) => panic_unless(problem.code == Code::UnknownSnapshot, &problem),
        }
    }

    /// Hands over all of a snapshot, and gives its id.
    fn upload(&self, made: &Made) -> SnapshotId {
        let Wanted { missing, .. } = self.supply(made.offer()).unwrap();
        for index in missing {
            self.supply(made.chunk(index)).unwrap();
        }
        assert_eq!(self.supply(made.offer()), Ok(COMPLETE));
        made.id()
    }
}

const COMPLETE: Wanted = Wanted { missing: Vec::new(), is_complete: true };
const NOTHING_YET: Wanted = Wanted { missing: Vec::new(), is_complete: false };

/// False, or the end of the test.
fn panic_unless(right: bool, problem: &Problem) -> bool {
    assert!(right, "{problem:?}");
    false
}

/// So many bundles of an origin as the log has of it.
fn run(origin: ReplicaId) -> VerifiedRun {
    let mut run = RunBuilder::new(origin, Seq::new(1), ChainHash::GENESIS);
    for number in 1..=EACH {
        run.push(NTP64(number * 10), Body::Full(&encode_body(&[set("key", &number.to_string())]).unwrap()));
    }
    run.finish().unwrap()
}

/// The head of an origin that has the first bundles up to this one.
fn head(run: &VerifiedRun, seq: Seq) -> Option<Head> {
    let part = run.run().until(seq, run.previous())?;
    Some(VerifiedRun::verify(part, Head::NONE).unwrap().head())
}

/// One of its bundles.
fn piece(run: &VerifiedRun, seq: Seq) -> VerifiedRun {
    let before = head(run, Seq::new(seq.get() - 1)).unwrap_or(Head::NONE);
    let upto = run.run().until(seq, run.previous()).unwrap();
    VerifiedRun::verify(upto.since(seq).unwrap(), before).unwrap()
}

/// A snapshot made by hand.
#[derive(Clone)]
struct Made {
    manifest: Manifest,
    chunks: Vec<Bytes>,
}

impl Made {
    /// One of these heads, in three chunks. The first is the same in all of them, the others differ by `text`.
    fn of(heads: Heads, text: &str) -> Self {
        let mut writer = RowWriter::new(ViewId::new("board@1").unwrap());
        let (zeros, text) = (vec![0; CHUNK_BYTES], text.repeat(CHUNK_BYTES / text.len()));
        let mut full = writer.push([(&b"zeros"[..], &zeros[..])]).unwrap();
        writer.next_view(ViewId::new("todo@2").unwrap());
        full.extend(writer.push([(&b"text"[..], text.as_bytes())]).unwrap());
        let (last, views) = writer.finish();
        let (chunks, named) = full.into_iter().chain(last).map(|rows| seal_chunk(&rows)).unzip();
        Self { manifest: Manifest { space: space(), heads, views, chunks: named }, chunks }
    }

    fn bytes(&self) -> Bytes {
        self.manifest.encode().unwrap().0
    }

    fn id(&self) -> SnapshotId {
        self.manifest.encode().unwrap().1
    }

    fn hash(&self, index: u32) -> ChunkHash {
        self.manifest.chunks[index as usize].hash
    }

    fn offer(&self) -> Supply {
        Supply::Manifest(Piece(self.bytes()))
    }

    fn chunk(&self, index: u32) -> Supply {
        Supply::Chunk(self.id(), index, Piece(self.chunks[index as usize].clone()))
    }
}

#[test]
fn a_snapshot_is_handed_out_once_all_of_it_is_there() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([2, 3]), "a");
    assert_eq!(desk.supply(made.offer()), Ok(Wanted { missing: vec![0, 1, 2], is_complete: false }));
    for (index, missing) in [(1, vec![0, 2]), (1, vec![0, 2]), (0, vec![2])] {
        assert_eq!(desk.supply(made.chunk(index)), Ok(NOTHING_YET), "chunk {index}");
        assert_eq!(desk.supply(made.offer()), Ok(Wanted { missing, is_complete: false }));
        assert_eq!(desk.list(), []);
    }
    desk.supply(made.chunk(2)).unwrap();
    assert_eq!(desk.list(), []);
    assert_eq!(desk.supply(made.offer()), Ok(COMPLETE));
    let status = desk.status();
    // The log has bundles 1 and 2 of the first origin, and 1 to 3 of the second, at the places 1, 3 and 2, 4, 6.
    let covers = syncline::Cursor { log: status.log, position: Position::new(4) };
    let views = made.manifest.views.iter().map(|of| of.view.clone()).collect();
    let bytes = made.chunks.iter().map(|chunk| chunk.len() as u64).sum();
    assert_eq!(desk.list(), [SnapshotInfo { id: made.id(), covers, bundles: 5, views, rows: 2, bytes }]);
    assert_eq!(desk.piece(AskSnapshot::Manifest(made.id())), Ok(made.bytes()));
    for (index, chunk) in (0..).zip(&made.chunks) {
        assert_eq!(desk.piece(AskSnapshot::Chunk(made.hash(index))).as_ref(), Ok(chunk));
    }
    assert_eq!((status.heads, status.head), (desk.heads([EACH; 2]), Position::new(2 * EACH)));
}

#[test]
fn a_snapshot_that_is_handed_out_may_be_handed_over_again() {
    let desk = Desk::new();
    let made = Made::of(desk.heads([4, 4]), "a");
    desk.upload(&made);
    assert_eq!(desk.supply(made.offer()), Ok(COMPLETE));
    assert_eq!(desk.supply(made.chunk(0)), Ok(NOTHING_YET));
    assert_eq!(desk.ids(), [made.id()]);
}

/// Gives everybody one role.
#[derive(Debug)]
struct Is(Role);

#[async_trait]
impl Authority for Is {
    async fn authenticate(&self, _: &str) -> Result<Option<Principal>, AuthorityError> {
        Ok(Some(principal()))
    }

    async fn role(&self, _: &Principal, _: &SpaceId) -> Result<Option<Role>, AuthorityError> {
        Ok(Some(self.0))
    }

    async fn owners(&self, _: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>, AuthorityError> {
        Ok(BTreeMap::new())
    }

    async fn claim(&self, _: &Principal, _: ReplicaId) -> Result<Claim, AuthorityError> {
        Ok(Claim::Held)
    }
}

#[test]
fn only_an_owner_hands_a_snapshot_over_and_every_reader_may_take_it() {
    for role in [Role::Reader, Role::Writer] {
        let desk = Desk::under(Arc::new(Is(role)));
        let (made, before) = (Made::of(desk.heads([4, 4]), "a"), desk.status().revision);
        for supply in [made.offer(), made.chunk(0)] {
            let problem = desk.supply(supply).unwrap_err();
            assert_eq!(problem.code, Code::Forbidden { origins: Vec::new() });
        }
        assert_eq!((desk.status().revision, desk.list()), (before, Vec::new()));
    }
    let desk = Desk::under(Arc::new(Is(Role::Owner)));
    let made = Made::of(desk.heads([4, 4]), "a");
    desk.upload(&made);
    let clock: Arc<dyn syncline::clock::PhysicalClock> = Arc::new(|| NTP64(1_000 << 32));
    let service = Service::new(Arc::new(Swapped(desk.store.clone())), Arc::new(Is(Role::Reader)), clock);
    let reader = Desk { service, ..desk };
    assert_eq!((reader.ids(), reader.has_chunk(made.hash(2))), (vec![made.id()], true));
}
