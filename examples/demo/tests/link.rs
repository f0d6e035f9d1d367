//! A link keeps the laws of a transport, and its own switch is what cuts it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use demo::{Link, Messages, Passage};
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{TransportHarness, transport_suite};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Servers, and the links to them.
#[derive(Default)]
struct Linked {
    serving: Mutex<Vec<Serving>>,
    links: Mutex<Vec<Link>>,
}

struct Serving {
    service: Arc<Service>,
    url: String,
    task: JoinHandle<()>,
}

impl Linked {
    /// Where the service is served, if it is.
    fn url(&self, service: &Arc<Service>) -> Option<String> {
        let serving = self.serving.lock().unwrap();
        serving.iter().find(|serving| Arc::ptr_eq(&serving.service, service)).map(|serving| serving.url.clone())
    }

    fn set_all(&self, passage: Passage) {
        self.links.lock().unwrap().iter().for_each(|link| link.set(passage));
    }
}

#[async_trait]
impl TransportHarness for Linked {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let url = match self.url(&service) {
            Some(url) => url,
            None => {
                let server = Server::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", server.address());
                let routes = router(service.clone(), RouterOptions::default());
                let task = tokio::spawn(server.serve(routes, Shutdown::new()));
                self.serving.lock().unwrap().push(Serving { service, url: url.clone(), task });
                url
            }
        };
        let below = HttpTransport::builder(&url, token).attempts(1).build().unwrap();
        let link = Link::over(Arc::new(below), Messages::new(watch::Sender::new(0)));
        self.links.lock().unwrap().push(link.clone());
        Ok(Arc::new(link))
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
        self.set_all(Passage::Cut);
        true
    }

    async fn mend(&self) {
        self.set_all(Passage::Whole);
    }
}

transport_suite!(Linked::default());
