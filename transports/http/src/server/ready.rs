//! Whether the server can do its work: what a load balancer asks.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use syncline::Service;
use syncline::protocol::{Code, Problem};
use syncline::service::ServiceError;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::App;
use super::fault::{Fault, told};

/// How long an answer is valid, so that many questions cost the store little.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to ask again.
const RETRY_AFTER_MS: u64 = 1_000;

/// What was found out last, and when.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), Problem>)>>);

impl Readiness {
    /// Asks the store, unless somebody has just done so. The lock is held while the store answers, and never for a peer.
    async fn ask(&self, service: &Service) -> Result<(), Problem> {
        let mut known = self.0.lock().await;
        if let Some((_, found)) = known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return found.clone();
        }
        let found = match timeout(PATIENCE, service.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(away(&error)),
            Err(_) => {
                tracing::warn!(seconds = PATIENCE.as_secs(), "the store does not answer");
                Err(Problem::new(Code::Busy { retry_after_ms: RETRY_AFTER_MS }, "the store does not answer; ask again"))
            }
        };
        *known = Some((Instant::now(), found.clone()));
        found
    }
}

/// The server is not ready for any kind of error. The log says which, and the answer says when to ask again.
fn away(error: &ServiceError) -> Problem {
    told(error);
    Problem::new(
        Code::Busy { retry_after_ms: RETRY_AFTER_MS },
        "the store cannot be used now; the server's log says why",
    )
}

/// `GET /readyz`.
pub(super) async fn ready(State(app): State<App>) -> Response {
    match app.ready.ask(&app.service).await {
        Ok(()) => "ready".into_response(),
        Err(problem) => Fault::from(problem).into_response(),
    }
}
