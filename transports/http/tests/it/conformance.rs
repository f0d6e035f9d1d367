//! The laws of a transport, held over HTTP in both forms.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{Relays, TransportHarness, transport_suite};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};

/// Servers, and how to speak to them.
#[derive(Default)]
struct Http {
    json: bool,
    relays: Relays,
}

impl Http {
    fn json() -> Self {
        Self { json: true, ..Self::default() }
    }
}

#[async_trait]
impl TransportHarness for Http {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let serve = async |service| {
            let server = Server::bind("127.0.0.1:0").await.unwrap();
            let address = server.address();
            (address, tokio::spawn(server.serve(router(service, RouterOptions::default()), Shutdown::new())))
        };
        let url = format!("http://{}", self.relays.address(service, serve).await);
        let client = HttpTransport::builder(&url, token).attempts(1);
        Ok(Arc::new(if self.json { client.json() } else { client }.build().unwrap()))
    }

    async fn crash(&self) -> bool {
        self.relays.crash().await;
        true
    }

    async fn cut(&self) -> bool {
        self.relays.cut().await;
        true
    }

    async fn mend(&self) {
        self.relays.mend();
    }
}

mod binary {
    use super::*;

    transport_suite!(Http::default());
}

mod json {
    use super::*;

    transport_suite!(Http::json());
}
