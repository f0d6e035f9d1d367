//! Snapshots that are not what they should be: one typed answer each, nothing changed, and the next attempt works.

use async_trait::async_trait;
use bytes::Bytes;
use syncline::format::Head;
use syncline::protocol::{Answer, AskSnapshot, Piece, Reply, Request};
use syncline::replica::SyncError;
use syncline::snapshot::{Manifest, RowWriter, SnapshotFault, open_chunk, seal_chunk};
use syncline::transport::forward_watch;
use syncline::{NTP64, Projection, Replica, SpaceId, Transport, TransportError};
use syncline_memory::MemoryTransport;

use super::{Server, assert_equal, is_tidy, open, sync, write};
use crate::world::*;

/// Hands out another manifest and another chunk than the peer.
#[derive(Debug)]
struct Tampers {
    way: MemoryTransport,
    manifest: Bytes,
    chunk: Bytes,
}

#[async_trait]
impl Transport for Tampers {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let instead = match &request {
            Request::Snapshot(_, AskSnapshot::Manifest(_)) => Some(&self.manifest),
            Request::Snapshot(_, AskSnapshot::Chunk(_)) => Some(&self.chunk),
            _ => None,
        };
        if let Some(bytes) = instead {
            let answer = self.way.call(Request::Hello).await?;
            return Ok(Answer { reply: Reply::Piece(Piece(bytes.clone())), ..answer });
        }
        let mut answer = self.way.call(request).await?;
        if let Reply::Snapshots(list) = &mut answer.reply
            && let Ok((_, id)) = Manifest::decode(&self.manifest)
        {
            list.iter_mut().for_each(|info| info.id = id);
        }
        Ok(answer)
    }

    forward_watch!(self.way);
}

/// A snapshot as it is handed out: its manifest and its one chunk.
struct Handed {
    manifest: Bytes,
    chunk: Bytes,
}

impl Handed {
    fn by(server: &Server) -> Self {
        let ask = |asked| match block_on(way(&server.service).call(Request::Snapshot(space(), asked))).unwrap().reply {
            Reply::Piece(Piece(bytes)) => bytes,
            other => panic!("{other:?}"),
        };
        let id = block_on(server.keeper.snapshots()).unwrap()[0].id;
        let manifest = ask(AskSnapshot::Manifest(id));
        let chunk = ask(AskSnapshot::Chunk(Manifest::decode(&manifest).unwrap().0.chunks[0].hash));
        Self { manifest, chunk }
    }

    /// The same with another manifest.
    fn with(self, change: impl FnOnce(&mut Manifest)) -> Self {
        let (mut manifest, _) = Manifest::decode(&self.manifest).unwrap();
        change(&mut manifest);
        Self { manifest: manifest.encode().unwrap().0, ..self }
    }

    /// The same with other bytes of rows, which the manifest names.
    fn with_rows(self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let (manifest, _) = Manifest::decode(&self.manifest).unwrap();
        let mut rows = open_chunk(0, &manifest.chunks[0], &self.chunk, manifest.rows_in(0)).unwrap().to_vec();
        change(&mut rows);
        let (chunk, named) = seal_chunk(&rows);
        Self { chunk, ..self.with(|manifest| manifest.chunks = vec![named]) }
    }
}

fn served() -> (Server, Replica) {
    let server = Server::new();
    let one = open(&server, 1);
    (0..9).for_each(|number| _ = write(&one, &number.to_string(), "x"));
    sync(&one, &server);
    server.fold();
    (server, one)
}

/// What a replica is told if it gets such a snapshot. Checks that nothing has changed, and that an honest way mends it.
fn told(change: impl FnOnce(Handed) -> Handed) -> SyncError {
    let (server, one) = served();
    let two = open(&server, 2);
    write(&two, "own", "1");
    let before = block_on(two.store().status()).unwrap();
    let Handed { manifest, chunk } = change(Handed::by(&server));
    let error = match block_on(two.sync(&Tampers { way: way(&server.service), manifest, chunk })) {
        Err(error) => error,
        Ok(report) => panic!("{report:?}"),
    };
    let after = block_on(two.store().status()).unwrap();
    assert_eq!((before.log, before.heads, before.base), (after.log, after.heads, after.base), "{error}");
    assert_eq!(pairs(&two).len(), 1);
    assert!(sync(&two, &server).bootstrapped.is_some());
    assert!(is_tidy(&two));
    assert_equal(&server, &[&one, &two]);
    error
}

/// The fault of a snapshot that a replica is told of.
fn fault(change: impl FnOnce(Handed) -> Handed) -> SnapshotFault {
    match told(change) {
        SyncError::Snapshot { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_manifest_or_one_of_a_newer_version_is_told() {
    let flip = |at: usize| {
        fault(move |handed| {
            let mut manifest = handed.manifest.to_vec();
            manifest[at] ^= 1;
            Handed { manifest: manifest.into(), ..handed }
        })
    };
    assert_eq!(flip(0), SnapshotFault::NotASnapshot);
    assert_eq!(flip(40), SnapshotFault::ManifestHash);
    let newer = fault(|handed| {
        let mut manifest = handed.manifest.to_vec();
        manifest[12] = 9;
        Handed { manifest: manifest.into(), ..handed }
    });
    assert_eq!(newer, SnapshotFault::UnsupportedVersion { found: 9 });
    let cut = fault(|handed| Handed { manifest: handed.manifest.slice(..20), ..handed });
    assert_eq!(cut, SnapshotFault::ManifestHash);
}

#[test]
fn another_spaces_snapshot_is_told() {
    let other = SpaceId::new("other").unwrap();
    let named = other.clone();
    assert_eq!(fault(move |handed| handed.with(|manifest| manifest.space = named)), SnapshotFault::OtherSpace(other));
}

#[test]
fn a_damaged_chunk_is_named() {
    let damaged = fault(|handed| {
        let mut chunk = handed.chunk.to_vec();
        *chunk.last_mut().unwrap() ^= 1;
        Handed { chunk: chunk.into(), ..handed }
    });
    assert!(matches!(damaged, SnapshotFault::Chunk { index: 0, .. }), "{damaged}");
    let short = fault(|handed| Handed { chunk: handed.chunk.slice(..5), ..handed });
    assert!(matches!(short, SnapshotFault::Chunk { index: 0, .. }), "{short}");
}

#[test]
fn rows_that_are_not_those_of_the_manifest_are_told_before_the_log_is_given_up() {
    let changed = fault(|handed| handed.with_rows(|rows| *rows.last_mut().unwrap() ^= 1));
    assert!(matches!(&changed, SnapshotFault::Rows { view, .. } if *view == Pairs.view()), "{changed}");
    let unsorted = fault(|handed| {
        let mut writer = RowWriter::new(Pairs.view());
        writer.push([(&b"b"[..], &b"1"[..]), (&b"a"[..], &b"1"[..])]).unwrap();
        let (rows, views) = writer.finish();
        let (chunk, named) = seal_chunk(&rows.unwrap());
        Handed { chunk, ..handed.with(|manifest| (manifest.views, manifest.chunks) = (views, vec![named])) }
    });
    assert!(matches!(&unsorted, SnapshotFault::Rows { .. }), "{unsorted}");
}

#[test]
fn heads_from_far_in_the_future_do_not_set_the_clock() {
    let (server, one) = served();
    let two = open(&server, 2);
    let handed = Handed::by(&server).with(|manifest| {
        let head = manifest.heads.get(id(1));
        manifest.heads.set(id(1), Head { time: NTP64(5_000_000 << 32), ..head });
    });
    let Handed { manifest, chunk } = handed;
    let report = block_on(two.sync(&Tampers { way: way(&server.service), manifest, chunk })).unwrap();
    assert!(report.held.is_some() && report.bootstrapped.is_none() && !report.is_complete(), "{report:?}");
    assert!(block_on(two.write(&[set("a", "b")])).unwrap().time < NTP64(2_000 << 32));
    assert_equal(&server, &[&one, &two]);
}
