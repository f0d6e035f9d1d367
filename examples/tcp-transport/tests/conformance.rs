//! Every law of a transport, held over TCP; and a transport that never connects again, which the laws catch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{Relay, TransportHarness, run, transport, transport_suite};
use syncline_example_tcp::{Line, TcpTransport, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Servers, and ways to them that can be cut.
#[derive(Default)]
struct Tcp {
    /// Whether connections that break are not replaced.
    only_lines: bool,
    serving: Mutex<Vec<Serving>>,
}

struct Serving {
    service: Arc<Service>,
    relay: Arc<Relay>,
    task: JoinHandle<()>,
}

impl Tcp {
    fn relays(&self) -> Vec<Arc<Relay>> {
        self.serving.lock().expect("no law panics in here").iter().map(|serving| serving.relay.clone()).collect()
    }

    /// The way to the service, which is served from now on if it was not yet.
    async fn relay(&self, service: Arc<Service>) -> Arc<Relay> {
        let is_same = |serving: &&Serving| Arc::ptr_eq(&serving.service, &service);
        let known = self.serving.lock().expect("no law panics in here").iter().find(is_same).map(|it| it.relay.clone());
        if let Some(relay) = known {
            return relay;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let relay = Arc::new(Relay::to(address).await.expect("there are free ports"));
        let task = tokio::spawn(serve(listener, service.clone()));
        self.serving.lock().expect("no law panics in here").push(Serving { service, relay: relay.clone(), task });
        relay
    }
}

#[async_trait]
impl TransportHarness for Tcp {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let address = self.relay(service).await.address();
        Ok(match self.only_lines {
            true => Arc::new(Line::connect(address, token).await?),
            false => Arc::new(TcpTransport::new(address, token)),
        })
    }

    async fn crash(&self) -> bool {
        let serving = std::mem::take(&mut *self.serving.lock().expect("no law panics in here"));
        for Serving { task, .. } in serving {
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()), "it serves until it is stopped");
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

transport_suite!(Tcp::default());

#[test]
fn a_transport_that_never_connects_again_is_caught() {
    let holds = |law: &transport::TransportLaw| {
        let harness = Tcp { only_lines: true, ..Tcp::default() };
        let prove = AssertUnwindSafe(|| run::law(async { (law.prove)(&harness).await }));
        catch_unwind(prove).is_ok()
    };
    let caught: Vec<_> = transport::LAWS.iter().filter(|law| !holds(law)).map(|law| law.name).collect();
    assert_eq!(
        caught,
        [
            "a_broken_connection_is_replaced",
            "a_connection_that_broke_while_idle_is_replaced",
            "calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated",
            "a_watch_is_interrupted_by_a_cut_and_may_begin_again",
        ]
    );
}
