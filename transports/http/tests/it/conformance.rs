//! The laws of a transport, held over HTTP in both forms.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{Relay, TransportHarness, transport_suite};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};
use tokio::task::JoinHandle;

/// Servers, and how to speak to them.
#[derive(Default)]
struct Http {
    json: bool,
    serving: Mutex<Vec<Serving>>,
}

struct Serving {
    service: Arc<Service>,
    relay: Arc<Relay>,
    task: JoinHandle<()>,
}

impl Http {
    fn json() -> Self {
        Self { json: true, ..Self::default() }
    }

    /// The way to the service, if it is served.
    fn relay(&self, service: &Arc<Service>) -> Option<Arc<Relay>> {
        let serving = self.serving.lock().unwrap();
        serving.iter().find(|serving| Arc::ptr_eq(&serving.service, service)).map(|serving| serving.relay.clone())
    }

    /// The ways to all services.
    fn relays(&self) -> Vec<Arc<Relay>> {
        self.serving.lock().unwrap().iter().map(|serving| serving.relay.clone()).collect()
    }
}

#[async_trait]
impl TransportHarness for Http {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let relay = match self.relay(&service) {
            Some(relay) => relay,
            None => {
                let server = Server::bind("127.0.0.1:0").await.unwrap();
                let relay = Arc::new(Relay::to(server.address()).await.unwrap());
                let options = RouterOptions::default();
                let task = tokio::spawn(server.serve(router(service.clone(), options), Shutdown::new()));
                self.serving.lock().unwrap().push(Serving { service, relay: relay.clone(), task });
                relay
            }
        };
        let url = format!("http://{}", relay.address());
        let client = HttpTransport::builder(&url, token).attempts(1);
        Ok(Arc::new(if self.json { client.json() } else { client }.build().unwrap()))
    }

    async fn crash(&self) -> bool {
        let serving = std::mem::take(&mut *self.serving.lock().unwrap());
        for Serving { task, .. } in serving {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        true
    }

    async fn cut(&self) -> bool {
        for relay in self.relays() {
            relay.cut().await;
        }
        true
    }

    async fn mend(&self) {
        self.relays().iter().for_each(|relay| relay.mend());
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
