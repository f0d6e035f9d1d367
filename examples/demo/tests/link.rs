//! A link keeps the laws of a transport, and its own switch is what cuts it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use demo::{Link, Messages, Passage};
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{Relays, TransportHarness, transport_suite};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};
use tokio::sync::watch;

/// Servers, and the links to them.
#[derive(Default)]
struct Linked {
    servers: Relays,
    links: Mutex<Vec<Link>>,
}

impl Linked {
    fn set_all(&self, passage: Passage) {
        self.links.lock().unwrap().iter().for_each(|link| link.set(passage));
    }
}

#[async_trait]
impl TransportHarness for Linked {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let serve = async |service| {
            let server = Server::bind("127.0.0.1:0").await.unwrap();
            let address = server.address();
            (address, tokio::spawn(server.serve(router(service, RouterOptions::default()), Shutdown::new())))
        };
        let url = format!("http://{}", self.servers.address(service, serve).await);
        let below = HttpTransport::builder(&url, token).attempts(1).build().unwrap();
        let link = Link::over(Arc::new(below), Messages::new(watch::Sender::new(0)));
        self.links.lock().unwrap().push(link.clone());
        Ok(Arc::new(link))
    }

    async fn crash(&self) -> bool {
        self.servers.crash().await;
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
