//! An upload that goes on while another one is completed, and what is left over is swept away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::authority::AllowAll;
use syncline::protocol::{AskSnapshot, Request, Supply};
use syncline::snapshot::{Manifest, RowWriter, seal_chunk};
use syncline::store::{Committed, EventStore, Limit, Row, RowFold, RowKey, RowRange, StoreError, WriteBatch, forward};
use syncline::{MemoryStore, Service, ViewId};

use super::{Desk, Made};
use crate::world::*;

/// A store in front of which somebody else hands over pieces: each before the call with its number.
#[derive(Debug)]
struct Meanwhile {
    store: Arc<MemoryStore>,
    others: Service,
    calls: AtomicUsize,
    pieces: Vec<(usize, Supply)>,
}

impl Meanwhile {
    async fn go_on(&self) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        for (_, piece) in self.pieces.iter().filter(|(at, _)| *at == call) {
            let request = Request::Supply(space(), piece.clone());
            // It may be refused, as an offer that another one has replaced.
            let _ = self.others.answer(&principal(), request).await;
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Meanwhile {
    forward!(self.store: status, read, read_origin, changed);

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.go_on().await;
        self.store.load(keys).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        self.go_on().await;
        self.store.scan(view, range, limit).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.go_on().await;
        self.store.commit(batch).await
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        self.go_on().await;
        self.store.commit_folded(batch, fold).await
    }
}

/// A snapshot of one small chunk.
fn small(desk: &Desk, bundles: [u64; 2], text: &str) -> Made {
    let mut writer = RowWriter::new(ViewId::new("todo@2").unwrap());
    writer.push([(&b"text"[..], text.as_bytes())]).unwrap();
    let (rows, views) = writer.finish();
    let (chunk, named) = seal_chunk(&rows.unwrap());
    Made {
        manifest: Manifest { space: space(), heads: desk.heads(bundles), views, chunks: vec![named] },
        chunks: vec![chunk],
    }
}

/// Completes one upload while the manifest, the chunk and once more the manifest of another come before these calls. Gives the number of
/// calls.
fn complete_while(at: [usize; 3]) -> usize {
    let desk = Desk::new();
    desk.upload(&small(&desk, [1, 1], "old"));
    let (one, other) = (small(&desk, [3, 3], "one"), small(&desk, [4, 4], "other"));
    desk.supply(one.offer()).unwrap();
    desk.supply(one.chunk(0)).unwrap();
    let service = |store: Arc<dyn EventStore>| {
        Service::new(Arc::new(Swapped(store)), Arc::new(AllowAll), Arc::new(Hand::at(1_000).reader()))
    };
    let pieces = at.into_iter().zip([other.offer(), other.chunk(0), other.offer()]).collect();
    let (store, others) = (desk.store.clone(), service(desk.store.clone()));
    let meanwhile = Arc::new(Meanwhile { store, others, calls: AtomicUsize::new(0), pieces });
    let _ = block_on(service(meanwhile.clone()).answer(&principal(), Request::Supply(space(), one.offer())));
    for id in desk.ids() {
        let (manifest, _) = Manifest::decode(&desk.piece(AskSnapshot::Manifest(id)).unwrap()).unwrap();
        for chunk in manifest.chunks {
            assert!(desk.has_chunk(chunk.hash), "{at:?}: a chunk of a snapshot that is handed out is gone");
        }
    }
    desk.upload(&one);
    desk.upload(&other);
    assert_eq!(desk.ids(), [other.id(), one.id()], "{at:?}");
    meanwhile.calls.load(Ordering::SeqCst)
}

#[test]
fn no_chunk_of_a_snapshot_that_is_handed_out_is_swept_away_whatever_happens_meanwhile() {
    let calls = complete_while([usize::MAX; 3]);
    assert!(calls > 10, "{calls}");
    for offered in 0..calls {
        for completed in offered..calls {
            for sent in [offered, completed] {
                complete_while([offered, sent, completed]);
            }
        }
    }
}
