//! Every law of a store, held by LMDB.

use std::sync::Arc;

use syncline::{Storage, StoreError};
use syncline_conformance::{Scratch, StoreHarness, store_suite};

#[derive(Default)]
struct Lmdb(Scratch);

#[async_trait::async_trait]
impl StoreHarness for Lmdb {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(syncline_example_lmdb::open(self.0.renew().join("laws")).expect("it opens"))
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(syncline_example_lmdb::open(self.0.path().join("laws")).expect("it opens")))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        let second = syncline_example_lmdb::open(self.0.path().join("laws"));
        Some(second.map(|storage| Arc::new(storage) as Arc<dyn Storage>))
    }
}

store_suite!(Lmdb::default());
