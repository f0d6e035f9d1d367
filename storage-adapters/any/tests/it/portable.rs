//! One log, one file, from every backend.

use std::sync::Arc;

use proptest::prelude::*;
use syncline::portable::{Exporter, Importer, Part, Reader};
use syncline::store::{EventStore, Storage, WriteBatch};
use syncline::{Dot, ReplicaId, Seq};
use syncline_any::Scheme;
use syncline_conformance::{Author, space};

use crate::stores::Place;

/// By commit: who writes, how many bundles, how large.
type Drawn = Vec<(u8, usize, usize)>;

fn drawn() -> impl Strategy<Value = Drawn> {
    let size = prop_oneof![8 => 0usize..200, 1 => 20_000usize..80_000];
    prop::collection::vec((1u8..4, 1usize..12, size), 1..30)
}

/// Writes what was drawn. Which commits hold it differs from store to store: `at_once` commits are joined to one.
async fn write(store: &dyn EventStore, drawn: &Drawn, at_once: usize) {
    let mut authors = [1, 2, 3].map(Author::new);
    for commits in drawn.chunks(at_once) {
        let mut runs = Vec::new();
        for (author, bundles, size) in commits {
            let bodies = vec![vec![*author; *size]; *bundles];
            runs.push(authors[usize::from(*author) - 1].write_bodies(&bodies));
        }
        store.commit(WriteBatch { runs, ..WriteBatch::default() }).await.unwrap();
    }
    let (author, ..) = drawn[0];
    let first = Dot { origin: ReplicaId::from_bytes([author; 16]).unwrap(), seq: Seq::new(1) };
    store.commit(WriteBatch { voids: vec![first], ..WriteBatch::default() }).await.unwrap();
}

async fn export(store: Arc<dyn EventStore>) -> Vec<u8> {
    let mut exporter = Exporter::begin(store, space("notes")).await.unwrap();
    let mut file = Vec::new();
    while let Some(frame) = exporter.next().await.unwrap() {
        file.extend_from_slice(&frame);
    }
    file
}

async fn import(file: &[u8], store: Arc<dyn EventStore>) {
    let (mut reader, mut importer) = (Reader::new(), None);
    reader.push(file);
    while let Some(part) = reader.part().unwrap() {
        match (part, &mut importer) {
            (Part::Header(header), _) => importer = Some(Importer::begin(store.clone(), header).await.unwrap()),
            (part, importer) => importer.as_mut().unwrap().take(part).await.unwrap(),
        }
    }
    reader.finish().unwrap();
    importer.unwrap().finish().await.unwrap();
}

fn check(drawn: &Drawn) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (place, copies) = (Place::new(), Place::new());
        let mut first: Option<Vec<u8>> = None;
        for (at_once, scheme) in (1..).zip(Scheme::ALL) {
            let storage = place.open(scheme).await;
            let store = storage.open(&space("notes")).await.unwrap();
            write(&*store, drawn, at_once).await;
            let file = export(store).await;
            assert!(first.as_ref().is_none_or(|first| *first == file), "{scheme} exports other bytes");
            first = Some(file);
        }
        let file = first.unwrap();
        for scheme in Scheme::ALL {
            let copy = copies.open(scheme).await;
            let copy = copy.open(&space("notes")).await.unwrap();
            import(&file, copy.clone()).await;
            assert!(export(copy).await == file, "what {scheme} has imported it exports otherwise");
        }
    });
}

#[test]
fn every_backend_exports_a_log_as_the_same_bytes_and_brings_it_back() {
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let checked = runner.run(&drawn(), |drawn| {
        check(&drawn);
        Ok(())
    });
    checked.unwrap();
}
