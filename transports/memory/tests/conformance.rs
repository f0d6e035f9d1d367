//! The laws of a transport, held within one process.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{TransportHarness, transport_suite};
use syncline_memory::MemoryTransport;

struct Memory;

#[async_trait]
impl TransportHarness for Memory {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(MemoryTransport::new(service, token).await?))
    }

    async fn crash(&self) -> bool {
        false // the peer lives in this process
    }

    async fn cut(&self) -> bool {
        false
    }

    async fn mend(&self) {}
}

transport_suite!(Memory);
