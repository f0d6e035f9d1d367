//! The end of a server, and what breaks inside one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline::authority::{Policy, Principal};
use syncline::format::run::Bundle;
use syncline::protocol::{Code, Refusal, Request};
use syncline::{SpaceId, Transport, TransportError};
use syncline_conformance::Author;
use syncline_http::ServerOptions;
use tokio::sync::Semaphore;

use crate::asking::{get, send};
use crate::people::ANN;
use crate::site::{Plan, SOON, Site, push, pushed};

/// Holds every bundle back until the test lets it pass.
#[derive(Debug)]
struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self { arrived: Semaphore::new(0), open: Semaphore::new(0) })
    }

    /// Waits until a bundle waits.
    async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Policy for Gate {
    async fn admit(&self, _: &Principal, _: &SpaceId, _: &Bundle<'_>) -> Result<(), Refusal> {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        Ok(())
    }
}

/// Panics at every bundle.
#[derive(Debug)]
struct Bug;

#[async_trait]
impl Policy for Bug {
    async fn admit(&self, _: &Principal, _: &SpaceId, _: &Bundle<'_>) -> Result<(), Refusal> {
        panic!("a bug of the application's")
    }
}

#[tokio::test]
async fn a_running_request_finishes_after_the_shutdown_has_begun() {
    let gate = Gate::closed();
    let site = Site::plan(Plan { policy: Some(gate.clone()), ..Plan::default() }).await;
    let client = site.ann();
    let running = tokio::spawn(async move { client.call(push([Author::new(1).write(1)])).await });
    gate.arrival().await;
    let head = site.head().await;
    assert_eq!(head.position.get(), 0);
    site.shutdown.begin();
    // Nobody else gets in once the listening socket is closed.
    let late = loop {
        match site.ann().call(Request::Hello).await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(late, TransportError::Unreachable(_) | TransportError::Interrupted(_)), "{late}");
    gate.open.add_permits(1);
    pushed(running.await.unwrap());
    site.serving.await.unwrap();
    assert!(site.shutdown.has_begun());
}

#[tokio::test]
async fn a_request_that_does_not_finish_within_the_grace_is_cut() {
    let gate = Gate::closed();
    let server = ServerOptions::default().with_grace(SOON);
    let site = Site::plan(Plan { policy: Some(gate.clone()), server, ..Plan::default() }).await;
    let client = site.ann();
    let running = tokio::spawn(async move { client.call(push([Author::new(1).write(1)])).await });
    gate.arrival().await;
    site.shutdown.begin();
    site.serving.await.unwrap();
    let cut = running.await.unwrap().unwrap_err();
    assert!(matches!(cut, TransportError::Interrupted(_)), "{cut}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_a_shutdown_up() {
    let server = ServerOptions::default().with_grace(Duration::from_secs(3_600));
    let site = Site::plan(Plan { server, ..Plan::default() }).await;
    site.ann().call(Request::Hello).await.unwrap();
    let mut half = crate::asking::Raw::connect(site.address).await;
    half.say("GET /v1 HT").await;
    site.shutdown.begin();
    site.serving.await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_and_the_server_lives_on() {
    let site = Site::plan(Plan { policy: Some(Arc::new(Bug)), ..Plan::default() }).await;
    let client = site.ann();
    let broken = client.call(push([Author::new(1).write(1)])).await.unwrap_err();
    assert!(matches!(&broken, TransportError::Refused(problem) if problem.code == Code::Internal), "{broken}");
    assert!(!broken.to_string().contains("bug"), "{broken}");
    client.call(Request::Hello).await.unwrap();
    let body = syncline::format::codec::encode(&crate::site::message([Author::new(2).write(1)]));
    send(crate::asking::post(&site, "push", body)).await.problem(500, "internal");
    assert_eq!(send(get(&site, "heads")).await.status, 200);
    assert_eq!(site.head().await.position.get(), 0);
    assert!(site.client(ANN).build().is_ok());
}
