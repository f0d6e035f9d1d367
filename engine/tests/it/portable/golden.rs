//! A portable log as it was first written: these bytes must read, and be written, for ever.
//!
//! `SYNCLINE_GOLDEN=write cargo test -p syncline golden` writes the file if it is missing, and never changes it.

use std::fs;
use std::path::PathBuf;

use syncline::format::codec;
use syncline::protocol::{Refusal, RefusedBundle};
use syncline::store::{RowKey, RowWrite, WriteBatch};
use syncline::{Dot, Seq, ViewId};

use super::*;
use crate::world::block_on;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/portable-v1.synclog")
}

/// Two origins in turn, a run that was packed, a large bundle, a void with a reason.
async fn fixed() -> Arc<MemoryStore> {
    let mut writer = Writer { clock: 7_000_000_000_000_000_000, ..Writer::default() };
    let large = note(&"long ".repeat(300));
    let store = log(vec![
        writer.bundle(1, &note("milk")),
        writer.run(2, &[&note("bread"), &note("salt")]),
        writer.bundle(2, &note("rude")),
        writer.bundle(1, &large),
    ])
    .await;
    let refused = Dot { origin: id(2), seq: Seq::new(3) };
    let mut key = refused.origin.to_bytes().to_vec();
    key.extend_from_slice(&refused.seq.get().to_be_bytes());
    let value = Some(codec::encode(&Refusal::new("rude", "be kind")).into());
    let view = ViewId::new("syncline.refused@1").unwrap();
    let rows = vec![RowWrite { key: RowKey::new(view, key), value }];
    store.commit(WriteBatch { voids: vec![refused], rows, ..WriteBatch::default() }).await.unwrap();
    store
}

#[test]
fn the_golden_file_is_written_and_read_as_ever() {
    block_on(async {
        let (store, path) = (fixed().await, path());
        let fresh = export(&store).await;
        if !path.exists() && std::env::var_os("SYNCLINE_GOLDEN").is_some() {
            fs::write(&path, &fresh).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(fresh, golden);
        let copy = memory();
        let imported = import(&golden, &copy).await.unwrap();
        let end = imported.end;
        assert_eq!((end.bundles, end.voids, end.runs, end.refusals), (5, 1, 3, 1));
        assert_eq!(copy.status().await.unwrap().heads, store.status().await.unwrap().heads);
    });
}

#[test]
fn the_golden_file_holds_what_was_written_into_it() {
    let golden = fs::read(path()).unwrap();
    let mut reader = Reader::new();
    reader.push(&golden);
    let parts: Vec<Part> = std::iter::from_fn(|| reader.part().unwrap()).collect();
    let [Part::Header(header), Part::Runs(runs), Part::Refusals(refusals), Part::End(_)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!((header.space.clone(), header.head.get(), header.heads.len()), (space(), 5, 2));
    let packed: Vec<_> = runs.iter().map(|verified| (verified.run().origin(), verified.run().count())).collect();
    assert_eq!(packed, [(id(1), 1), (id(2), 3), (id(1), 1)]);
    let refusal = Refusal::new("rude", "be kind");
    assert_eq!(refusals, &[RefusedBundle { origin: id(2), seq: Seq::new(3), refusal }]);
    assert_eq!(runs[1].run().bundles().map(|bundle| bundle.is_void()).collect::<Vec<_>>(), [false, false, true]);
}
