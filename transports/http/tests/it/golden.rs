//! Every message as it was first written: these bytes must read for ever.
//!
//! A new message gets its files from `SYNCLINE_GOLDEN=write cargo test -p syncline-http golden`, which never changes a file.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline::format::heads::{ChainHash, Head, Prefix};
use syncline::format::run::{Body, RunBuilder};
use syncline::format::{Heads, Run, codec};
use syncline::protocol::{
    Answer, AskSnapshot, Code, Compare, Compared, Have, Hello, Notice, PeerHeads, Piece, Problem, Pull, Pulled, Push,
    Pushed, Refusal, RefusedBundle, Reply, Request, SnapshotInfo, Supply, Tail, Wanted,
};
use syncline::snapshot::{ChunkHash, SnapshotId};
use syncline::store::Limit;
use syncline::{Cursor, Dot, LogId, NTP64, Position, ReplicaId, Seq, Transport, TransportError};
use syncline_conformance::{space, view};
use syncline_http::{HttpTransport, PROBLEM_JSON};

use crate::decoys::{Act, Decoy, answer as said};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The file's bytes; writes it first if it is missing and that is asked for.
fn golden(name: &str, fresh: &[u8]) -> Vec<u8> {
    let path = file(name);
    if !path.exists() && std::env::var_os("SYNCLINE_GOLDEN").is_some() {
        fs::write(&path, fresh).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A message reads from its files as it was meant, and is written as it was.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, message: &T) {
    let binary = golden(&format!("{name}.bin"), &codec::encode(message));
    assert_eq!(codec::decode::<T>("message", &binary).as_ref(), Ok(message), "{name}");
    assert_eq!(codec::encode(message), binary, "{name}");
    let mut pretty = serde_json::to_vec_pretty(message).unwrap();
    pretty.push(b'\n');
    let json = golden(&format!("{name}.json"), &pretty);
    assert_eq!(&serde_json::from_slice::<T>(&json).unwrap(), message, "{name}");
    assert_eq!(pretty, json, "{name}");
}

fn log() -> LogId {
    LogId::from_bytes([0x10; 16]).unwrap()
}

fn cursor(position: u64) -> Cursor {
    Cursor { log: log(), position: Position::new(position) }
}

fn origin(byte: u8) -> ReplicaId {
    ReplicaId::from_bytes([byte; 16]).unwrap()
}

/// The bytes of a piece of a snapshot: a message says nothing of what they are.
const PIECE: &[u8] = b"\0\x01\xfe\xffany bytes";

fn snapshot() -> SnapshotId {
    SnapshotId::from_bytes([0xdd; 32])
}

fn heads() -> Heads {
    let head =
        |byte, seq| Head { seq: Seq::new(seq), chain: ChainHash::from_bytes([byte; 32]), time: NTP64(seq << 32) };
    [(origin(1), head(0xaa, 1)), (origin(2), head(0xbb, 1 << 40))].into_iter().collect()
}

fn answer(reply: Reply) -> Answer {
    Answer { clock: NTP64(0x6543_2100_89ab_cdef), reply }
}

/// A run of three bundles, the second of which is void, and another origin's run of one.
fn runs() -> Vec<Run> {
    let mut three = RunBuilder::new(origin(3), Seq::new(1), ChainHash::GENESIS);
    for (time, body) in [(1 << 32, "first"), (2 << 32, "second"), (3 << 32, "third")] {
        three.push(NTP64(time), Body::Full(body.as_bytes()));
    }
    let mut one = RunBuilder::new(origin(4), Seq::new(300), ChainHash::from_bytes([0xcc; 32]));
    one.push(NTP64(0x6543_2100_0000_0010), Body::Full(b"only"));
    let three = three.finish().unwrap().with_voids(&[Seq::new(2)]);
    [three, one.finish().unwrap()].map(|verified| verified.run().clone()).to_vec()
}

#[test]
fn requests_read_for_ever() {
    let limit = Limit { items: 1_000, bytes: 1 << 20 };
    check("pull-by-cursor", &Pull { have: Have::Cursor(cursor(300)), without: Some(origin(1)), limit });
    check("pull-by-heads", &Pull { have: Have::Heads(heads()), without: None, limit });
    check("pull-tail", &Pull { have: Have::Tail(cursor(300)), without: Some(origin(1)), limit });
    let parts = vec![Prefix::default(), Prefix::default().then(0).unwrap().then(11).unwrap()];
    check("compare", &Compare { since: Some(cursor(300)), parts });
    check("push", &Push { runs: runs() });
}

#[test]
fn answers_read_for_ever() {
    let hello = Hello { versions: vec![1], run_versions: vec![1], frame_bytes_max: 9 << 20, drift_ms_max: 60_000 };
    check("answer-hello", &answer(Reply::Hello(hello)));
    check("answer-heads", &answer(Reply::Heads(PeerHeads { head: cursor(77), heads: heads() })));
    let (next, head) = (cursor(4), Position::new(4));
    check("answer-pull", &answer(Reply::Pull(Pulled { runs: runs(), next, head, heads: Some(heads()) })));
    check(
        "answer-pull-empty",
        &answer(Reply::Pull(Pulled { runs: Vec::new(), next, head: head.plus(9), heads: None })),
    );
    let digest = Some(heads().digest());
    check("answer-tail", &answer(Reply::Tail(Tail { runs: runs(), next, head, digest })));
    let many: Heads = (1..=40).map(|byte| (origin(byte), heads().get(origin(1)))).collect();
    let parts = vec![many.part(&Prefix::default()), many.part(&Prefix::default().then(2).unwrap())];
    let told = Compared { head: cursor(77), digest: many.digest(), moved: heads(), parts };
    check("answer-compare", &answer(Reply::Compare(told)));
    let refusal = Refusal::new("no-such-list", "the list is archived; write to another one");
    let refused = vec![RefusedBundle { origin: origin(1), seq: Seq::new(2), refusal }];
    let through = vec![(origin(1), Seq::new(3)), (origin(2), Seq::new(1 << 40))];
    let placed = Some((Position::new(5), Position::new(7)));
    check("answer-push", &answer(Reply::Push(Pushed { log: log(), through, placed, refused })));
}

#[test]
fn messages_about_snapshots_read_for_ever() {
    check("piece", &Piece(PIECE.to_vec().into()));
    let views = ["board@1", "todo@2"].map(view).to_vec();
    let info =
        SnapshotInfo { id: snapshot(), covers: cursor(300), bundles: 1 << 40, views, rows: 20_000, bytes: 70 << 20 };
    check("answer-snapshots", &answer(Reply::Snapshots(vec![info])));
    check("answer-piece", &answer(Reply::Piece(Piece(PIECE.to_vec().into()))));
    check("answer-wanted", &answer(Reply::Wanted(Wanted { missing: vec![0, 7, 65_535], is_complete: false })));
}

/// Over HTTP the path says what is asked; other transports carry the whole request in binary form.
#[test]
fn whole_requests_about_snapshots_read_for_ever() {
    let piece = Piece(PIECE.to_vec().into());
    for (name, request) in [
        ("request-list", Request::Snapshot(space("notes"), AskSnapshot::List)),
        ("request-manifest", Request::Snapshot(space("notes"), AskSnapshot::Manifest(snapshot()))),
        ("request-chunk", Request::Snapshot(space("notes"), AskSnapshot::Chunk(ChunkHash::from_bytes([0xee; 32])))),
        ("request-supply-manifest", Request::Supply(space("notes"), Supply::Manifest(piece.clone()))),
        ("request-supply-chunk", Request::Supply(space("notes"), Supply::Chunk(snapshot(), 65_535, piece))),
    ] {
        let binary = golden(&format!("{name}.bin"), &codec::encode(&request));
        assert_eq!(codec::decode::<Request>("message", &binary).as_ref(), Ok(&request), "{name}");
        assert_eq!(codec::encode(&request), binary, "{name}");
    }
}

#[test]
fn notices_read_for_ever() {
    check("notice", &Notice { head: cursor(300) });
}

/// Every kind of problem, as it is in its file.
fn problems() -> Vec<(&'static str, Code)> {
    let at = Dot { origin: origin(1), seq: Seq::new(5) };
    vec![
        ("malformed", Code::Malformed),
        ("unsupported", Code::Unsupported),
        ("too-large", Code::TooLarge),
        ("unauthorized", Code::Unauthorized),
        ("forbidden", Code::Forbidden { origins: Vec::new() }),
        ("unknown-space", Code::UnknownSpace),
        ("cursor-gone", Code::CursorGone { cursor: cursor(300) }),
        ("trimmed", Code::Trimmed { at }),
        ("unknown-snapshot", Code::UnknownSnapshot),
        ("bad-snapshot", Code::BadSnapshot),
        ("gap", Code::Gap { at, expected: Seq::new(4) }),
        ("fork", Code::Fork { at }),
        ("too-many-origins", Code::TooManyOrigins { max: 65_536 }),
        ("clock-ahead", Code::ClockAhead { at, ahead_ms: 3_600_000, allowed_ms: 60_000 }),
        ("busy", Code::Busy { retry_after_ms: 1_500 }),
        ("internal", Code::Internal),
    ]
}

#[tokio::test]
async fn problems_read_for_ever() {
    for (kind, code) in problems() {
        let document = fs::read(file(&format!("problem-{kind}.json"))).unwrap();
        let decoy =
            Decoy::start([Act::Say(said("400 Bad Request", &[("content-type", PROBLEM_JSON)], &document))]).await;
        let transport = HttpTransport::builder(&decoy.url(), "token").attempts(1).build().unwrap();
        match transport.call(Request::Hello).await {
            Err(TransportError::Refused(problem)) => assert_eq!(problem, Problem::new(code, "what to do next")),
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn watch_streams_read_for_ever() {
    for (name, media_type, json) in
        [("watch.bin", "application/vnd.syncline.stream.v1", false), ("watch.txt", "text/event-stream", true)]
    {
        let stream = fs::read(file(name)).unwrap();
        let decoy = Decoy::start([Act::Say(said("200 OK", &[("content-type", media_type)], &stream))]).await;
        let builder = HttpTransport::builder(&decoy.url(), "token").attempts(1);
        let transport = if json { builder.json() } else { builder }.build().unwrap();
        let mut notices = transport.watch(&space("notes"), cursor(0)).await.unwrap();
        for position in [0, 300] {
            assert_eq!(notices.next().await.unwrap().unwrap(), Notice { head: cursor(position) });
        }
        let end = notices.next().await.unwrap().unwrap_err();
        assert!(
            matches!(end, TransportError::Refused(problem) if problem.code == Code::Busy { retry_after_ms: 1_500 })
        );
    }
}
