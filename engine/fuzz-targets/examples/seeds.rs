//! Writes the first inputs of every corpus: well-formed ones, from which a fuzzer finds the others.
//!
//! `cargo run -p syncline-fuzz-targets --example seeds`

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_executor::block_on;
use syncline::archive::{Segment, SegmentName};
use syncline::attributes::{Attribute, AttributeRow, Attributes, Op, Value};
use syncline::format::codec;
use syncline::format::event::encode_body;
use syncline::format::heads::Prefix;
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{ChainHash, Head, Heads, Run, Stamp, VerifiedRun};
use syncline::projection::RowState;
use syncline::protocol::{AskSnapshot, Code, Compare, Have, Piece, Problem, Pull, Push, Request, Supply};
use syncline::snapshot::{ChunkHash, Manifest, RowWriter, SnapshotId, seal_chunk};
use syncline::store::{EventStore, Limit, WriteBatch};
use syncline::{
    Cursor, Dot, Event, EventRef, EventType, LogId, MemoryStore, NTP64, Position, Projection, ReplicaId, Seq, SpaceId,
    ViewId,
};
use syncline_fuzz_targets::{export, unsealed, unsealed_segment, unsealed_snapshot};

fn main() -> io::Result<()> {
    let (run, stock) = (run(), Attribute::new("article/7", "stock").expect("well formed"));
    let row = row(&stock);
    write("run", "packed", run.as_bytes())?;
    write("run", "with-a-void", run.with_voids(&[Seq::new(2)], ChainHash::GENESIS).as_bytes())?;
    write("run", "single", run.until(Seq::new(1), ChainHash::GENESIS).expect("it begins with 1").as_bytes())?;
    write("body", "known-and-own-kinds", &encode_body(&events()).expect("within limits"))?;
    write("body", "empty", b"")?;
    write("body", "one", &encode_body(&events()[..1]).expect("within limits"))?;
    for (name, request) in requests(&run) {
        write("message", name, &codec::encode(&request))?;
        write("message_json", name, &serde_json::to_vec(&request).expect("messages are JSON"))?;
    }
    let gap = Code::Gap { at: Dot { origin: origin(), seq: Seq::new(9) }, expected: Seq::new(4) };
    write("message_json", "problem", &serde_json::to_vec(&Problem::new(gap, "a gap")).expect("problems are JSON"))?;
    let red = Value::string("red").expect("short");
    let ops = [
        Op::set(&stock, 5),
        Op::delete(&stock),
        row.add(&stock, -3),
        row.insert(&stock, red.clone()),
        row.remove(&stock, red),
    ];
    for (number, event) in ops.iter().enumerate() {
        write("attribute_payload", &format!("op-{number}"), &event.payload)?;
    }
    write("attribute_row", "counter-and-set", &row.encode())?;
    write("attribute_row", "empty", &AttributeRow::default().encode())?;
    write("attribute_row", "plain", &folded(&[Op::set(&stock, 5)]).encode())?;
    write("text", "token", syncline::authority::accounts::Token::from_secret([7; 32]).reveal().as_bytes())?;
    write("text", "id", origin().to_string().as_bytes())?;
    write("text", "kind", b"todo.renamed@1")?;
    for (name, file) in logs(&run) {
        write("portable", name, &file)?;
        write("portable_frames", name, &unsealed(&file))?;
    }
    for (name, views) in SNAPSHOTS {
        let (manifest, rows) = snapshot(views);
        write("snapshot", &format!("{name}-manifest"), &manifest)?;
        write("snapshot", name, &unsealed_snapshot(&manifest, &rows))?;
    }
    for (name, runs) in
        [("one", vec![run.clone()]), ("with-a-void", vec![run.with_voids(&[Seq::new(2)], ChainHash::GENESIS)])]
    {
        let segment = segment(runs);
        write("segment", name, &segment)?;
        write("segment", &format!("{name}-unsealed"), &unsealed_segment(&segment))?;
    }
    write("snapshot", "packed-chunk", &[&[0, 0], &*seal_chunk(&[7; 100]).0].concat())?;
    Ok(())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn origin() -> ReplicaId {
    ReplicaId::from_bytes(*b"origin of a seed").expect("not zero")
}

fn events() -> Vec<Event> {
    let own = EventType::new("todo.renamed", 1);
    let set = Op::set(&Attribute::new("todo/1", "title").expect("well formed"), true);
    vec![set.clone(), set, Event::new(own.clone(), "one"), Event::new(own, "")]
}

fn run() -> Run {
    let mut builder = RunBuilder::new(origin(), Seq::new(1), ChainHash::GENESIS);
    let body = encode_body(&events()).expect("within limits");
    for time in [1u64 << 60, (1 << 60) + 1, (1 << 60) + (1 << 40)] {
        builder.push(NTP64(time), Body::Full(&body));
    }
    builder.finish().expect("it has bundles").run().clone()
}

fn requests(run: &Run) -> Vec<(&'static str, Request)> {
    let space = SpaceId::new("team").expect("well formed");
    let cursor = Cursor::start(LogId::from_bytes([3; 16]).expect("not zero"));
    let (snapshot, piece) = (SnapshotId::from_bytes([7; 32]), Piece(Bytes::from_static(b"\0\x01\xffany")));
    let pull = |have| Request::Pull(space.clone(), Pull { have, without: Some(origin()), limit: Limit::PAGE });
    vec![
        ("hello", Request::Hello),
        ("heads", Request::Heads(space.clone())),
        ("pull-by-cursor", pull(Have::Cursor(cursor))),
        ("pull-by-heads", pull(Have::Heads(Heads::new()))),
        ("pull-tail", pull(Have::Tail(cursor))),
        ("compare", Request::Compare(space.clone(), Compare { since: Some(cursor), parts: vec![Prefix::default()] })),
        ("snapshots", Request::Snapshot(space.clone(), AskSnapshot::List)),
        ("manifest", Request::Snapshot(space.clone(), AskSnapshot::Manifest(snapshot))),
        ("chunk", Request::Snapshot(space.clone(), AskSnapshot::Chunk(ChunkHash::from_bytes([8; 32])))),
        ("supply-manifest", Request::Supply(space.clone(), Supply::Manifest(piece.clone()))),
        ("supply-chunk", Request::Supply(space.clone(), Supply::Chunk(snapshot, 3, piece))),
        ("push", Request::Push(space.clone(), Some(run.origin()), Push { runs: vec![run.clone()] })),
    ]
}

fn segment(runs: Vec<Run>) -> Bytes {
    let (log, space) = (LogId::from_bytes([3; 16]).expect("not zero"), SpaceId::new("team").expect("well formed"));
    let last = Position::new(7 + runs.iter().map(Run::count).sum::<u64>());
    let name = SegmentName { after: Position::new(7), last, log };
    Segment { space, name, runs }.encode().expect("within limits")
}

/// Exported logs: all that one can hold, nothing, one bundle, several.
fn logs(run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    let file = |runs: Vec<VerifiedRun>, refused: Option<Dot>| {
        let store = Arc::new(MemoryStore::new(LogId::from_bytes([3; 16]).expect("not zero")));
        let voids = refused.into_iter().collect();
        block_on(async {
            let batch = WriteBatch { runs, voids, ..WriteBatch::default() };
            store.commit(batch).await.expect("the runs are sound");
            export(store, SpaceId::new("team").expect("well formed")).await
        })
    };
    let verified = |run: Run| VerifiedRun::verify(run, Head::NONE).expect("it is an origin's first run");
    let first = run.until(Seq::new(1), ChainHash::GENESIS).expect("it begins with 1");
    let refused = Dot { origin: origin(), seq: Seq::new(2) };
    let other = {
        let other = ReplicaId::from_bytes([6; 16]).expect("not zero");
        let mut builder = RunBuilder::new(other, Seq::new(1), ChainHash::GENESIS);
        builder.push(NTP64(5), Body::Full(b"not even an event"));
        builder.finish().expect("it has a bundle")
    };
    vec![
        ("with-refusals", include_bytes!("../../tests/it/golden/portable-v1.synclog").to_vec()),
        ("empty", file(Vec::new(), None)),
        ("single", file(vec![verified(first)], None)),
        ("two-origins-and-a-void", file(vec![verified(run.clone()), other], Some(refused))),
    ]
}

/// The rows of a snapshot's views.
type Views = &'static [(&'static str, &'static [(&'static [u8], &'static [u8])])];

const SNAPSHOTS: [(&str, Views); 3] = [
    ("no-rows", &[("board@1", &[])]),
    ("one-row", &[("board@1", &[(b"", b"")])]),
    ("two-views", &[("board@1", &[(b"a", b"1"), (b"b", b""), (b"c", &[7; 200])]), ("todo@2", &[(b"\0", b"last")])]),
];

/// A manifest, and the bytes of its rows.
fn snapshot(of: Views) -> (Bytes, Vec<u8>) {
    let view = |name| ViewId::new(name).expect("well formed");
    let mut writer = RowWriter::new(view(of[0].0));
    for (number, (name, rows)) in of.iter().enumerate() {
        if number > 0 {
            writer.next_view(view(name));
        }
        let full = writer.push(rows.iter().copied()).expect("no row is large");
        assert!(full.is_empty(), "a seed is small");
    }
    let (rows, views) = writer.finish();
    let heads = [(origin(), Head { seq: Seq::new(3), chain: ChainHash::from_bytes([7; 32]), time: NTP64(9) })];
    let chunks = rows.iter().map(|rows| seal_chunk(rows).1).collect();
    let space = SpaceId::new("team").expect("well formed");
    let manifest = Manifest { space, heads: heads.into_iter().collect(), views, chunks };
    (manifest.encode().expect("it is small").0, rows.unwrap_or_default())
}

/// A row with all that a row can have.
fn row(attribute: &Attribute) -> AttributeRow {
    let mut row = folded(&[Op::set(attribute, 5)]);
    let more =
        [row.add(attribute, 7), row.insert(attribute, Value::string("red").expect("short")), row.add(attribute, -1)];
    fold(&mut row, &more, 100);
    row
}

fn folded(events: &[Event]) -> AttributeRow {
    let mut row = AttributeRow::default();
    fold(&mut row, events, 1);
    row
}

fn fold(row: &mut AttributeRow, events: &[Event], time: u64) {
    for (index, event) in events.iter().enumerate() {
        let dot = Dot { origin: origin(), seq: Seq::new(time) };
        let stamp = Stamp { time: NTP64(time), origin: origin(), index: index as u16 };
        let event = EventRef::new(dot, stamp, &event.event_type, &event.payload);
        let (attribute, _) = Op::decode(event.payload).expect("just encoded");
        Attributes.apply(&attribute.key(), row, &event).expect("well formed");
    }
}
