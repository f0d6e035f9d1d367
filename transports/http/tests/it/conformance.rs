//! The laws of a transport, held over HTTP in both forms.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{TransportHarness, transport_suite};
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
    url: String,
    task: JoinHandle<()>,
}

impl Http {
    fn json() -> Self {
        Self { json: true, ..Self::default() }
    }

    /// Where the service is served, if it is.
    fn address(&self, service: &Arc<Service>) -> Option<String> {
        let serving = self.serving.lock().unwrap();
        serving.iter().find(|serving| Arc::ptr_eq(&serving.service, service)).map(|serving| serving.url.clone())
    }
}

#[async_trait]
impl TransportHarness for Http {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let url = match self.address(&service) {
            Some(url) => url,
            None => {
                let server = Server::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", server.address());
                let options = RouterOptions::default();
                let task = tokio::spawn(server.serve(router(service.clone(), options), Shutdown::new()));
                self.serving.lock().unwrap().push(Serving { service, url: url.clone(), task });
                url
            }
        };
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
}

mod binary {
    use super::*;

    transport_suite!(Http::default());
}

mod json {
    use super::*;

    transport_suite!(Http::json());
}
