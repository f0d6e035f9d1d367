//! What a person is told about what they did.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::de::DeserializeOwned;
use syncline::StoreError;
use syncline::replica::ReplicaError;

use crate::client::{ClientError, Trouble};
use crate::{Client, page};

/// A form. One that cannot be taken is answered in words, as everything else is.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Client> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, client: &Client) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let rejected = |rejection: FormRejection| {
            let why = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "it is larger than 4 MB; write less, or write it in parts".to_owned(),
                _ => rejection.body_text(),
            };
            said(client, &headers, "", Err(ClientError::Form(why)))
        };
        Form::from_request(request, client).await.map(|Form(form)| Self(form)).map_err(rejected)
    }
}

/// The answer to whoever did something: a script gets one sentence. A form without a script gets back to the page at `back`, or to a page
/// that says what is the matter.
pub(super) fn said(client: &Client, headers: &HeaderMap, back: &str, done: Result<String, ClientError>) -> Response {
    let scripted = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    match done {
        Ok(sentence) if scripted => sentence.into_response(),
        Ok(_) => {
            let back = format!("/{}/{back}", client.key().as_str());
            (StatusCode::SEE_OTHER, [(LOCATION, back)]).into_response()
        }
        Err(error) if scripted => (code(&error), format!("{error}.")).into_response(),
        Err(error) => (code(&error), Html(page::failure(client, &error).into_string())).into_response(),
    }
}

pub(super) fn code(error: &ClientError) -> StatusCode {
    match error {
        ClientError::NoSuchEntry(_) | ClientError::NoSuchCopy(_) => StatusCode::NOT_FOUND,
        ClientError::Replica(ReplicaError::NoDeadLetter { .. }) => StatusCode::NOT_FOUND,
        ClientError::Replica(ReplicaError::Invalid(_) | ReplicaError::RowTooLarge { .. }) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        ClientError::Store(error) => of_store(error),
        ClientError::Sync(_) => StatusCode::BAD_GATEWAY,
        ClientError::Closed(_) | ClientError::Files { .. } => StatusCode::SERVICE_UNAVAILABLE,
        ClientError::NotCopied => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn of_store(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Backend { .. } | StoreError::InUse { .. } | StoreError::Poisoned { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Trouble> for ClientError {
    fn from(trouble: Trouble) -> Self {
        Self::Sync(trouble)
    }
}
