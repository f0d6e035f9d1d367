//! The services of a harness, each behind a relay.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline::Service;
use tokio::task::JoinHandle;

use crate::Relay;

/// What a [`TransportHarness`](crate::TransportHarness) over TCP needs beside its client: services that are served, reached by a
/// [`Relay`] each, crashed and cut.
#[derive(Default)]
pub struct Relays(Mutex<Vec<Served>>);

struct Served {
    service: Arc<Service>,
    relay: Arc<Relay>,
    task: JoinHandle<()>,
}

impl Relays {
    /// The address of the relay before a service. If the service is not served yet, `serve` begins it, and returns where it listens and
    /// the task that serves.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn address<F>(&self, service: Arc<Service>, serve: impl FnOnce(Arc<Service>) -> F) -> SocketAddr
    where
        F: Future<Output = (SocketAddr, JoinHandle<()>)>,
    {
        let known = self.served().iter().find(|served| Arc::ptr_eq(&served.service, &service)).map(Served::address);
        if let Some(address) = known {
            return address;
        }
        let (address, task) = serve(service.clone()).await;
        let relay = Arc::new(Relay::to(address).await.expect("there are free ports"));
        let served = Served { service, relay, task };
        let address = served.address();
        self.served().push(served);
        address
    }

    /// Ends all services at once.
    ///
    /// # Panics
    /// If one has ended before.
    pub async fn crash(&self) {
        let all = std::mem::take(&mut *self.served());
        for Served { task, .. } in all {
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()), "a service is served until it crashes");
        }
    }

    /// Cuts the way to all services. Returns when all connections are broken.
    pub async fn cut(&self) {
        let relays: Vec<_> = self.served().iter().map(|served| served.relay.clone()).collect();
        for relay in relays {
            relay.cut().await;
        }
    }

    /// Lets new connections pass again.
    pub fn mend(&self) {
        self.served().iter().for_each(|served| served.relay.mend());
    }

    fn served(&self) -> MutexGuard<'_, Vec<Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    fn address(&self) -> SocketAddr {
        self.relay.address()
    }
}

impl std::fmt::Debug for Relays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Relays").field(&self.served().len()).finish()
    }
}
