//! Who asks, and about what.

use std::fmt::Display;
use std::str::FromStr;

use axum::RequestPartsExt;
use axum::extract::{Query, RawPathParams};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde::Deserialize;
use syncline::authority::{Authority, Principal, Role};
use syncline::protocol::{Code, Problem};
use syncline::service::ServiceError;
use syncline::{ReplicaId, SpaceId};

use super::App;
use super::fault::{Fault, Hint, told};

/// Somebody who has proved who they are.
pub(super) struct Caller {
    pub(super) principal: Principal,
    /// What they proved it with, to be looked at again while a stream lasts. `None` if the application vouches for them.
    credential: Option<String>,
}

impl Caller {
    /// The principal that the application has put next to the request, else the bearer token's owner.
    pub(super) async fn of(app: &App, parts: &Parts) -> Result<Self, Fault> {
        if let Some(principal) = parts.extensions.get::<Principal>() {
            return Ok(Self { principal: principal.clone(), credential: None });
        }
        let Some(token) = bearer(&parts.headers) else {
            let detail = "no bearer token came with the request; send `Authorization: Bearer …`";
            return Err(Fault::new(Code::Unauthorized, detail).with_hint(Hint::SendToken));
        };
        match app.service.authority().authenticate(token).await.map_err(ServiceError::from)? {
            Some(principal) => Ok(Self { principal, credential: Some(token.to_owned()) }),
            None => Err(Fault::from(invalid_token()).with_hint(Hint::SendAnotherToken)),
        }
    }

    /// Makes sure that the token and the grant still hold.
    pub(super) async fn recheck(&self, authority: &dyn Authority, space: &SpaceId) -> Result<(), Problem> {
        let failed = |error| told(&ServiceError::Authority(error));
        if let Some(token) = &self.credential
            && authority.authenticate(token).await.map_err(failed)?.as_ref() != Some(&self.principal)
        {
            return Err(invalid_token());
        }
        match authority.role(&self.principal, space).await.map_err(failed)? {
            Some(role) if role >= Role::Reader => Ok(()),
            _ => Err(Problem::new(Code::UnknownSpace, format!("{} has lost its grant for {space}", self.principal))),
        }
    }
}

fn invalid_token() -> Problem {
    Problem::new(Code::Unauthorized, "the token is unknown, expired or revoked; ask for a new one")
}

/// The token of the only `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The query of a push.
#[derive(Deserialize)]
struct Sender {
    own: Option<ReplicaId>,
}

/// The replica that the sender of a push names as its own.
pub(super) fn own(parts: &Parts) -> Result<Option<ReplicaId>, Fault> {
    let Query(Sender { own }) = Query::try_from_uri(&parts.uri).map_err(|_| {
        let detail =
            "the query does not name the sender's replica; send `?own=…` with its id, 32 hex digits, or leave it out";
        Fault::new(Code::Malformed, detail)
    })?;
    Ok(own)
}

/// What the path has at the parameter of this name. An application may have mounted the router below parameters of its own.
pub(super) async fn path<T: FromStr<Err: Display>>(parts: &mut Parts, name: &str) -> Result<T, Fault> {
    let malformed = |why: String| Fault::new(Code::Malformed, why);
    let params = parts.extract::<RawPathParams>().await.map_err(|error| malformed(error.body_text()))?;
    let value = params.iter().filter(|(known, _)| *known == name).last().map_or("", |(_, value)| value);
    value.parse().map_err(|error: T::Err| malformed(format!("the path's `{name}` does not read: {error}")))
}
