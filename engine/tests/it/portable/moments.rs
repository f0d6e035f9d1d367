//! An export is of one moment, and keeps the reasons of refusals.

use std::sync::Arc;

use syncline::authority::AllowAll;
use syncline::format::heads::Head;
use syncline::portable::Header;
use syncline::replica::Outcome;
use syncline::store::{Rewrite, WriteBatch};
use syncline::{Service, Storage};

use super::*;
use crate::world::{Forbids, Hand, Swapped, block_on, replica, set, storage, way};

#[test]
fn what_is_written_meanwhile_is_not_in_the_file() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, &[1; 40_000]), writer.bundle(2, &[2; 40_000])]).await;
        let before = export(&store).await;
        let mut exporter = Exporter::begin(store.clone(), space()).await.unwrap();
        let mut file = Vec::new();
        while let Some(frame) = exporter.next().await.unwrap() {
            file.extend_from_slice(&frame);
            append(&*store, vec![writer.bundle(1, b"late")]).await;
        }
        assert_eq!(file, before);
    });
}

#[test]
fn a_tail_rewritten_meanwhile_is_noticed() {
    block_on(async {
        let mut writer = Writer::default();
        // Large enough to be read in several pages.
        let store = log((0..40).map(|_| writer.bundle(1, &[1; 60_000])).collect()).await;
        append(&*store, vec![writer.bundle(2, b"mistaken")]).await;
        let mut exporter = Exporter::begin(store.clone(), space()).await.unwrap();
        while exporter.position() == Position::ZERO {
            exporter.next().await.unwrap();
        }
        let rewritten = Writer { clock: 1 << 32, ..Writer::default() }.bundle(2, b"corrected");
        let rewrite = Rewrite { origin: id(2), after: Head::NONE, runs: vec![(Position::new(41), rewritten)] };
        store.commit(WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }).await.unwrap();
        let error = loop {
            match exporter.next().await {
                Ok(frame) => assert!(frame.is_some(), "the export has ended well"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ExportError::Changed { at } if at == Position::new(41)), "{error}");
        assert!(exporter.end().is_none());
    });
}

#[test]
fn the_reasons_of_refusals_come_along() {
    let clock = Hand::at(100);
    let (from, writer) = (storage(), replica(1, &clock));
    let service = Service::new(from.clone(), Arc::new(AllowAll), Arc::new(clock.reader()));
    let service = Arc::new(service.with_policy(Arc::new(Forbids("secret"))));
    let refused = block_on(writer.write(&[set("a", "secret")])).unwrap();
    block_on(writer.write(&[set("b", "fine")])).unwrap();
    let (file, copy) = block_on(async {
        // Its answer is lost, so that the writer has yet to learn of the refusal.
        let lossy = crate::world::LosesAnswers(way(&service), |request| {
            matches!(request, syncline::protocol::Request::Push(..))
        });
        writer.sync(&lossy).await.unwrap_err();
        let file = export_of(from.open(&space()).await.unwrap()).await;
        let copy = memory();
        let imported = import(&file, &copy).await.unwrap();
        assert_eq!((imported.end.bundles, imported.end.voids, imported.end.refusals), (2, 1, 1));
        (file, copy)
    });
    let moved = Arc::new(Service::new(Arc::new(Swapped(copy.clone())), Arc::new(AllowAll), Arc::new(clock.reader())));
    block_on(writer.sync(&way(&moved))).unwrap();
    let outcome = block_on(writer.outcome(refused.dot)).unwrap();
    assert!(
        matches!(outcome, Outcome::Refused(refusal) if refusal.code == "forbidden-word"),
        "the moved log knows why"
    );
    assert_eq!(block_on(export(&copy)), file);
}

async fn export_of(store: Arc<dyn EventStore>) -> Vec<u8> {
    let mut exporter = Exporter::begin(store, space()).await.unwrap();
    let mut file = Vec::new();
    while let Some(frame) = exporter.next().await.unwrap() {
        file.extend_from_slice(&frame);
    }
    file
}

#[test]
fn the_header_tells_the_space_and_how_far_it_reaches() {
    block_on(async {
        let mut writer = Writer::default();
        let store = log(vec![writer.bundle(1, b"one"), writer.bundle(2, b"two")]).await;
        let exporter = Exporter::begin(store, space()).await.unwrap();
        let expected = Header { space: space(), head: Position::new(2), heads: writer.heads };
        assert_eq!(exporter.header(), &expected);
    });
}
