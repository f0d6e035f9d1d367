//! Every law of a store.

use std::sync::Arc;

use outside_adapter::Journal;
use syncline::{Storage, StoreError};
use syncline_conformance::{Scratch, StoreHarness, new_log_id, store_suite};

#[derive(Default)]
struct Outside(Scratch);

#[async_trait::async_trait]
impl StoreHarness for Outside {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(Journal::open(&self.0.renew().join("journal"), new_log_id).await.unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Journal::open(&self.0.path().join("journal"), new_log_id).await.unwrap()))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        let second = Journal::open(&self.0.path().join("journal"), new_log_id).await;
        Some(second.map(|journal| Arc::new(journal) as Arc<dyn Storage>))
    }
}

store_suite!(Outside::default());
