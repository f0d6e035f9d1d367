//! A running server over a storage in memory, and what to check about it.

use std::sync::Arc;
use std::time::Duration;

use syncline::authority::Policy;
use syncline::format::event::encode_body;
use syncline::format::run::VerifiedRun;
use syncline::protocol::{Answer, Push, Pushed, Reply, Request};
use syncline::store::{Limit, LogStatus, Storage};
use syncline::{Cursor, Event, MemoryStorage, NTP64, Service, Transport, TransportError};
use syncline_conformance::{Author, NOTE, new_log_id, space};
use syncline_http::{HttpTransport, HttpTransportBuilder, RouterOptions, Server, ServerOptions, Shutdown, router};
use tokio::task::JoinHandle;

use crate::people::{ANN, People, SPACE};

/// The server's physical clock, which stands still.
pub(crate) const NOW: NTP64 = NTP64(1_000_000 << 32);
/// A time-out for what never comes: long enough for honest peers on a busy machine.
pub(crate) const SOON: Duration = Duration::from_millis(500);

/// What a test wants otherwise than usual.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) router: RouterOptions,
    pub(crate) server: ServerOptions,
    pub(crate) policy: Option<Arc<dyn Policy>>,
    pub(crate) origins_max: Option<usize>,
}

/// A running server.
pub(crate) struct Site {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) people: Arc<People>,
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) service: Arc<Service>,
    pub(crate) shutdown: Shutdown,
    pub(crate) serving: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::plan(Plan::default()).await
    }

    pub(crate) async fn plan(plan: Plan) -> Self {
        let people = Arc::new(People::default());
        let storage = Arc::new(MemoryStorage::new(new_log_id));
        let mut service = Service::new(storage.clone(), people.clone(), Arc::new(|| NOW));
        if let Some(policy) = plan.policy {
            service = service.with_policy(policy);
        }
        if let Some(origins) = plan.origins_max {
            service = service.with_origins_max(origins);
        }
        let service = Arc::new(service);
        let server = Server::bind("127.0.0.1:0").await.unwrap().with_options(plan.server);
        let (address, shutdown) = (server.address(), Shutdown::new());
        let serving = tokio::spawn(server.serve(router(service.clone(), plan.router), shutdown.clone()));
        Self { address, people, storage, service, shutdown, serving }
    }

    /// The address of a route.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of one of the space's routes.
    pub(crate) fn route(&self, route: &str) -> String {
        self.url(&format!("/v1/spaces/{SPACE}/{route}"))
    }

    /// A client of this server that does not repeat.
    pub(crate) fn client(&self, token: &str) -> HttpTransportBuilder {
        HttpTransport::builder(&self.url(""), token).attempts(1)
    }

    /// The owner's client.
    pub(crate) fn ann(&self) -> HttpTransport {
        self.client(ANN).build().unwrap()
    }

    /// The log at this moment: equal statuses are equal logs, heads and all.
    pub(crate) async fn log(&self) -> LogStatus {
        self.storage.open(&space(SPACE)).await.unwrap().status().await.unwrap()
    }

    /// The end of the log.
    pub(crate) async fn head(&self) -> Cursor {
        let LogStatus { log, head, .. } = self.log().await;
        Cursor { log, position: head }
    }

    /// Stores a few bundles of `author`, so that there is a log to be left alone.
    pub(crate) async fn seed(&self, author: &mut Author) -> LogStatus {
        pushed(self.ann().call(push([author.write(3)])).await);
        self.log().await
    }
}

/// A push of these runs.
pub(crate) fn push(runs: impl IntoIterator<Item = VerifiedRun>) -> Request {
    Request::Push(space(SPACE), None, message(runs))
}

/// The message of such a push.
pub(crate) fn message(runs: impl IntoIterator<Item = VerifiedRun>) -> Push {
    Push { runs: runs.into_iter().map(|verified| verified.run().clone()).collect() }
}

/// A pull of everything behind `cursor`.
pub(crate) fn pull(cursor: Cursor) -> Request {
    let have = syncline::protocol::Have::Cursor(cursor);
    Request::Pull(space(SPACE), syncline::protocol::Pull { have, without: None, limit: Limit::PAGE })
}

/// The body of a bundle that carries `bytes`, in as many events as it takes.
pub(crate) fn body(bytes: &[u8]) -> Vec<u8> {
    let events: Vec<_> = bytes.chunks(200_000).map(|part| Event::new(NOTE, part.to_vec())).collect();
    encode_body(&events).unwrap()
}

/// What became of a push that must succeed, and takes every bundle.
pub(crate) fn pushed(answer: Result<Answer, TransportError>) -> Pushed {
    match answer.expect("the push is taken").reply {
        Reply::Push(pushed) => {
            assert_eq!(pushed.refused, []);
            pushed
        }
        other => panic!("{other:?} answers no push"),
    }
}
