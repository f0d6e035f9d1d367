//! Syncline's transport within one process: the peer is a [`Service`] in the same program.
//!
//! For stacks composed in one process, and for tests that want a peer without sockets. It delivers at once and loses nothing;
//! the convergence lab has transports that do.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::protocol::Request;
//! use syncline::{LogId, MemoryStorage, NTP64, Service, Transport, authority::AllowAll};
//! use syncline_memory::MemoryTransport;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let storage = Arc::new(MemoryStorage::new(|| LogId::from_bytes([7; 16]).expect("not zero")));
//! let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32))));
//! let transport = MemoryTransport::new(service, "a token").await.unwrap();
//! assert_eq!(transport.call(Request::Hello).await.unwrap().clock, NTP64(1 << 32));
//! # });
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use syncline::authority::Principal;
use syncline::protocol::{Answer, Code, Notice, Problem, Request};
use syncline::service::ServiceError;
use syncline::{Cursor, Service, SpaceId, Transport, TransportError};

/// The connection to a service in the same process, as one principal.
#[derive(Debug, Clone)]
pub struct MemoryTransport {
    service: Arc<Service>,
    principal: Principal,
}

impl MemoryTransport {
    /// Connects with a credential, as a device would.
    ///
    /// # Errors
    /// [`TransportError::Refused`] with [`Code::Unauthorized`] if the service does not know the credential.
    pub async fn new(service: Arc<Service>, credential: &str) -> Result<Self, TransportError> {
        let known = service.authority().authenticate(credential).await;
        match known.map_err(|error| told(ServiceError::Authority(error)))? {
            Some(principal) => Ok(Self { service, principal }),
            None => {
                Err(Problem::new(Code::Unauthorized, "the token is unknown, expired or revoked; ask for a new one")
                    .into())
            }
        }
    }

    /// Connects as a principal that the program has established itself.
    pub fn trusted(service: Arc<Service>, principal: Principal) -> Self {
        Self { service, principal }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        self.service.answer(&self.principal, request).await.map_err(told)
    }

    async fn watch(
        &self,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError> {
        let notices = self.service.watch(&self.principal, space, after).await.map_err(told)?;
        Ok(notices.map(|notice| notice.map_err(told)).boxed())
    }
}

/// A peer learns of a service's own failures only that there was one.
fn told(error: ServiceError) -> TransportError {
    error.to_problem().into()
}
