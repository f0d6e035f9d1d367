//! Snapshots: lists and pieces as the peer has them, and uploads that reach it.

use futures_util::future::join_all;
use syncline::protocol::{AskSnapshot, Code, Piece, Reply, Request, Supply, Wanted};
use syncline::snapshot::{Chunk, ChunkHash, Manifest, RowsDigest, RowsOf, SnapshotId};

use super::problem::assert_refused;
use crate::peer::{Line, OWNER, Peer, READER, Snapshot, WRITER, noise};
use crate::{Author, SPACE, TransportHarness, appends, space, view};

const NOTHING_YET: Wanted = Wanted { missing: Vec::new(), is_complete: false };
const COMPLETE: Wanted = Wanted { missing: Vec::new(), is_complete: true };

fn ask(asked: AskSnapshot) -> Request {
    Request::Snapshot(space(SPACE), asked)
}

/// A peer whose log has bundles of one author.
async fn filled() -> Peer {
    let peer = Peer::new();
    peer.log(SPACE).await.commit(appends([Author::new(1).write(3)])).await;
    peer
}

async fn piece(line: &Line, asked: AskSnapshot) -> Piece {
    match line.call(ask(asked)).await.reply {
        Reply::Piece(piece) => piece,
        other => panic!("a piece was asked for, not {other:?}"),
    }
}

async fn wanted(line: &Line, supply: Request) -> Wanted {
    match line.call(supply).await.reply {
        Reply::Wanted(wanted) => wanted,
        other => panic!("a piece was handed over, and {other:?} came back"),
    }
}

/// A replica chooses by what the list says, and takes the first that it can use.
pub async fn snapshots_are_listed_as_the_peer_has_them(harness: &dyn TransportHarness) {
    let peer = filled().await;
    Snapshot::of(&peer).await.publish(&peer).await;
    peer.log(SPACE).await.commit(appends([Author::new(2).write(2)])).await;
    Snapshot::of(&peer).await.publish(&peer).await;
    let line = peer.connect_as(harness, READER).await;
    for (name, count) in [(SPACE, 2), ("other", 0)] {
        let request = Request::Snapshot(space(name), AskSnapshot::List);
        let answer = line.call(request.clone()).await;
        let Reply::Snapshots(list) = &answer.reply else { panic!("a list was asked for, not {answer:?}") };
        assert_eq!(list.len(), count, "{name}");
        assert_eq!(Ok(answer), peer.answer(READER, request).await);
    }
}

/// Pieces are named by their hashes: a transport that changes one byte makes them worthless.
pub async fn pieces_of_a_snapshot_come_byte_for_byte(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    snapshot.publish(&peer).await;
    let line = peer.connect_as(harness, READER).await;
    assert_eq!(piece(&line, AskSnapshot::Manifest(snapshot.id)).await.0, snapshot.manifest);
    for (hash, chunk) in snapshot.hashes.iter().zip(&snapshot.chunks) {
        assert_eq!(piece(&line, AskSnapshot::Chunk(*hash)).await.0, chunk);
    }
}

/// A replica fetches several chunks at once.
pub async fn concurrent_pieces_come_each_for_its_own(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    snapshot.publish(&peer).await;
    let line = peer.connect_as(harness, READER).await;
    let calls = (0..12).map(|call| {
        let (line, at) = (line.clone(), call % snapshot.chunks.len());
        let (hash, chunk) = (snapshot.hashes[at], snapshot.chunks[at].clone());
        tokio::spawn(async move { assert!(piece(&line, AskSnapshot::Chunk(hash)).await.0 == chunk, "chunk {at}") })
    });
    for call in join_all(calls).await {
        call.expect("each call gets its own chunk");
    }
}

/// What an owner hands over piece by piece is a snapshot that everybody gets.
pub async fn a_snapshot_that_is_handed_over_is_handed_out(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    let line = peer.connect_as(harness, OWNER).await;
    assert_eq!(wanted(&line, snapshot.offer()).await, Wanted { missing: vec![0, 1, 2], is_complete: false });
    for index in [2, 0, 1] {
        assert_eq!(wanted(&line, snapshot.chunk(index)).await, NOTHING_YET, "chunk {index}");
    }
    for _ in 0..2 {
        assert_eq!(wanted(&line, snapshot.offer()).await, COMPLETE);
    }
    let answer = peer.answer(READER, ask(AskSnapshot::List)).await.expect("a reader may ask");
    let Reply::Snapshots(list) = answer.reply else { panic!("a list was asked for, not {answer:?}") };
    assert_eq!(list.iter().map(|info| info.id).collect::<Vec<_>>(), [snapshot.id]);
}

/// Megabytes are not sent again because a connection broke.
pub async fn an_upload_goes_on_where_it_was_cut(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    let line = peer.connect_as(harness, OWNER).await;
    wanted(&line, snapshot.offer()).await;
    wanted(&line, snapshot.chunk(1)).await;
    drop(line);
    let line = peer.connect_as(harness, OWNER).await;
    assert_eq!(wanted(&line, snapshot.offer()).await, Wanted { missing: vec![0, 2], is_complete: false });
    wanted(&line, snapshot.chunk(0)).await;
    wanted(&line, snapshot.chunk(2)).await;
    assert_eq!(wanted(&line, snapshot.offer()).await, COMPLETE);
}

/// A snapshot of 64 GiB of rows has megabytes of manifest. They pass in both directions.
pub async fn a_manifest_of_many_chunks_passes(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let heads = peer.log(SPACE).await.status().await.heads;
    let hashes = noise(32 * syncline::limits::SNAPSHOT_CHUNKS_MAX, 1);
    let hash = |bytes: &[u8]| ChunkHash::from_bytes(bytes.try_into().expect("it is cut into 32 bytes"));
    let chunks: Vec<_> = hashes.chunks(32).map(|bytes| Chunk { bytes: 9, hash: hash(bytes) }).collect();
    let bytes = (chunks.len() * syncline::snapshot::CHUNK_BYTES) as u64;
    let views = vec![RowsOf { view: view("large@1"), rows: 1, bytes, digest: RowsDigest::from_bytes([7; 32]) }];
    let (manifest, id) = Manifest { space: space(SPACE), heads, views, chunks }.encode().expect("it is allowed");
    let line = peer.connect_as(harness, OWNER).await;
    let supply = Request::Supply(space(SPACE), Supply::Manifest(Piece(manifest.clone())));
    let first: Vec<u32> = (0..4_096).collect();
    assert_eq!(wanted(&line, supply).await, Wanted { missing: first, is_complete: false });
    assert!(piece(&line, AskSnapshot::Manifest(id)).await.0 == manifest);
}

/// A snapshot that was dropped meanwhile is no failure: the replica asks for the list.
pub async fn a_snapshot_that_the_peer_lacks_is_unknown(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let (id, hash) = (SnapshotId::from_bytes([7; 32]), ChunkHash::from_bytes([7; 32]));
    for asked in [AskSnapshot::Manifest(id), AskSnapshot::Chunk(hash)] {
        assert_refused(harness, &peer, READER, ask(asked), Code::UnknownSnapshot).await;
    }
    let snapshot = Snapshot::of(&peer).await;
    assert_refused(harness, &peer, OWNER, snapshot.chunk(0), Code::UnknownSnapshot).await;
}

/// What the peer does not take is refused in its words: they name the damaged chunk.
pub async fn a_bad_snapshot_comes_back_with_what_is_wrong(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    let other = Snapshot::with(&space("other"), peer.log(SPACE).await.status().await.heads);
    let offer = Request::Supply(space(SPACE), Supply::Manifest(Piece(other.manifest)));
    assert_refused(harness, &peer, OWNER, offer, Code::BadSnapshot).await;
    peer.connect_as(harness, OWNER).await.call(snapshot.offer()).await;
    let wrong = Supply::Chunk(snapshot.id, 1, Piece(snapshot.chunks[0].clone()));
    assert_refused(harness, &peer, OWNER, Request::Supply(space(SPACE), wrong), Code::BadSnapshot).await;
}

/// Everybody folds from what is handed out, so only owners hand it over.
pub async fn an_upload_takes_an_owner(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let snapshot = Snapshot::of(&peer).await;
    for token in [READER, WRITER] {
        for request in [snapshot.offer(), snapshot.chunk(0)] {
            assert_refused(harness, &peer, token, request, Code::Forbidden { origins: Vec::new() }).await;
        }
    }
}
