//! Portable logs: files that are the same from every store, and that bring a log back as it was.

mod claims;
mod damage;
mod golden;
mod moments;
mod packing;
mod resuming;

use std::sync::Arc;

use bytes::Bytes;
use syncline::format::Heads;
use syncline::format::event::encode_body;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::portable::{ExportError, Exporter, ImportError, Imported, Importer, Part, ReadError, Reader};
use syncline::store::WriteBatch;
use syncline::{Event, EventStore, EventType, MemoryStore, NTP64, Position, ReplicaId};

use crate::world::{id, memory, space};

/// Writes bundles of several origins, one after the other, without any store.
#[derive(Default)]
struct Writer {
    heads: Heads,
    clock: u64,
}

impl Writer {
    /// The next bundle of the origin `byte`, as a run of its own.
    fn bundle(&mut self, byte: u8, body: &[u8]) -> VerifiedRun {
        self.run(byte, &[body])
    }

    /// The next bundles of the origin `byte`, as one run.
    fn run(&mut self, byte: u8, bodies: &[&[u8]]) -> VerifiedRun {
        self.run_of(id(byte), bodies)
    }

    /// The next bundles of this origin, as one run.
    fn run_of(&mut self, origin: ReplicaId, bodies: &[&[u8]]) -> VerifiedRun {
        let head = self.heads.get(origin);
        let mut builder = RunBuilder::new(origin, head.seq.plus(1), head.chain);
        for body in bodies {
            self.clock += 16;
            builder.push(NTP64(self.clock), Body::Full(body));
        }
        let verified = builder.finish().unwrap();
        self.heads.set(origin, verified.head());
        verified
    }
}

/// The body of one small event.
fn note(text: &str) -> Vec<u8> {
    encode_body(&[Event::new(EventType::new("note.taken", 1), text.to_owned())]).unwrap()
}

/// A log of these runs.
async fn log(runs: Vec<VerifiedRun>) -> Arc<MemoryStore> {
    let store = memory();
    append(&*store, runs).await;
    store
}

async fn append(store: &dyn EventStore, runs: Vec<VerifiedRun>) {
    store.commit(WriteBatch { runs, ..WriteBatch::default() }).await.unwrap();
}

/// The frames of an export; the first holds the file's beginning too.
async fn frames(store: &Arc<MemoryStore>) -> Vec<Bytes> {
    try_frames(store).await.unwrap()
}

async fn try_frames(store: &Arc<MemoryStore>) -> Result<Vec<Bytes>, ExportError> {
    let mut exporter = Exporter::begin(store.clone(), space()).await?;
    let mut frames = Vec::new();
    while let Some(frame) = exporter.next().await? {
        frames.push(frame);
    }
    assert!(exporter.end().is_some_and(|end| end.bundles == exporter.header().head.get()));
    Ok(frames)
}

async fn export(store: &Arc<MemoryStore>) -> Vec<u8> {
    frames(store).await.concat()
}

/// Why an import came to nothing.
#[derive(Debug)]
enum Stopped {
    Read(ReadError),
    Import(ImportError),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<ImportError> for Stopped {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

/// Imports a file that comes in pieces of this size.
async fn import_in(pieces: usize, file: &[u8], store: &Arc<MemoryStore>) -> Result<Imported, Stopped> {
    let (mut reader, mut importer) = (Reader::new(), None);
    for piece in file.chunks(pieces) {
        reader.push(piece);
        while let Some(part) = reader.part()? {
            match (part, &mut importer) {
                (Part::Header(header), _) => importer = Some(Importer::begin(store.clone(), header).await?),
                (part, Some(importer)) => importer.take(part).await?,
                (_, None) => panic!("a header comes first"),
            }
        }
    }
    reader.finish()?;
    Ok(importer.expect("a header came").finish().await?)
}

async fn import(file: &[u8], store: &Arc<MemoryStore>) -> Result<Imported, Stopped> {
    import_in(64 * 1024, file, store).await
}

async fn head(store: &Arc<MemoryStore>) -> Position {
    store.status().await.unwrap().head
}
