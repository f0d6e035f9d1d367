//! Every law of a transport, held over TCP; and a transport that never connects again, which the laws catch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Service, Transport, TransportError};
use syncline_conformance::{Relays, TransportHarness, run, transport, transport_suite};
use syncline_example_tcp::{Line, TcpTransport, serve};
use tokio::net::TcpListener;

/// Servers, and ways to them that can be cut.
#[derive(Default)]
struct Tcp {
    /// Whether connections that break are not replaced.
    only_lines: bool,
    relays: Relays,
}

#[async_trait]
impl TransportHarness for Tcp {
    async fn connect(&self, service: Arc<Service>, token: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let serve = async |service| {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
            let address = listener.local_addr().expect("it is bound");
            (address, tokio::spawn(serve(listener, service)))
        };
        let address = self.relays.address(service, serve).await;
        Ok(match self.only_lines {
            true => Arc::new(Line::connect(address, token).await?),
            false => Arc::new(TcpTransport::new(address, token)),
        })
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
