//! A space that a principal has entered.

use super::{Service, ServiceError};
use crate::authority::{Principal, Role};
use crate::caught::caught_in;
use crate::id::{ReplicaId, SpaceId};
use crate::protocol::{Answer, AskSnapshot, Compare, Pull, Push, Request, Supply};

/// A principal in a space, with a role that was found to suffice. A transport that receives a request piece by piece enters first, and
/// reads the content of the request afterwards: who may not push cannot make it read megabytes.
///
/// Each call asks for the role once more, because minutes may have passed while the content arrived.
#[derive(Debug, Clone)]
pub struct Entered<'a> {
    service: &'a Service,
    principal: &'a Principal,
    space: SpaceId,
}

impl Service {
    /// Makes sure that a principal has at least this role in a space, and gives the space as this principal may use it. A space
    /// without a grant looks like no space.
    ///
    /// # Errors
    /// [`ServiceError::Problem`] with [`Code::Forbidden`](crate::protocol::Code::Forbidden) if the role does not suffice, and with
    /// [`Code::UnknownSpace`](crate::protocol::Code::UnknownSpace) if there is none; [`ServiceError::Authority`],
    /// [`ServiceError::Panicked`].
    pub async fn enter<'a>(
        &'a self,
        principal: &'a Principal,
        space: SpaceId,
        needed: Role,
    ) -> Result<Entered<'a>, ServiceError> {
        let permitted = caught_in(self.permit(principal, &space, needed)).await;
        permitted.unwrap_or_else(|why| Err(ServiceError::Panicked(why)))?;
        Ok(Entered { service: self, principal, space })
    }
}

impl Entered<'_> {
    /// The heads of the log: all, or those behind an origin.
    ///
    /// # Errors
    /// As [`Service::answer`]; so for all calls.
    pub async fn heads(&self, after: Option<ReplicaId>) -> Result<Answer, ServiceError> {
        let space = self.space.clone();
        self.ask(match after {
            Some(origin) => Request::HeadsAfter(space, origin),
            None => Request::Heads(space),
        })
        .await
    }

    /// How far the log reaches, by digests.
    pub async fn compare(&self, asked: Compare) -> Result<Answer, ServiceError> {
        self.ask(Request::Compare(self.space.clone(), asked)).await
    }

    /// One page of what the replica lacks.
    pub async fn pull(&self, pull: Pull) -> Result<Answer, ServiceError> {
        self.ask(Request::Pull(self.space.clone(), pull)).await
    }

    /// Takes bundles of a replica that names `own` as its identity.
    ///
    /// # Cancel
    /// The bundles may still be stored. It is safe to repeat the call.
    pub async fn push(&self, own: Option<ReplicaId>, push: Push) -> Result<Answer, ServiceError> {
        self.ask(Request::Push(self.space.clone(), own, push)).await
    }

    /// The list of snapshots, or a piece of one.
    pub async fn snapshot(&self, asked: AskSnapshot) -> Result<Answer, ServiceError> {
        self.ask(Request::Snapshot(self.space.clone(), asked)).await
    }

    /// Takes a piece of a snapshot from an owner.
    ///
    /// # Cancel
    /// The piece may still be stored. It is safe to repeat the call.
    pub async fn supply(&self, supply: Supply) -> Result<Answer, ServiceError> {
        self.ask(Request::Supply(self.space.clone(), supply)).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, ServiceError> {
        self.service.answer(self.principal, request).await
    }
}
