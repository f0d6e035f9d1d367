//! A sync pipeline by hand, as an engineer would write it for one application: SQLite, axum, reqwest, SQLite.
//!
//! One row per event, pages of 10,000 in a compact form of its own, the rows folded per page and written in key order, log and
//! rows durable in one transaction per page. The next page is fetched while the last one is written. Nothing is compressed,
//! which is quicker on a loopback address. It trusts what it is sent, knows one kind of event and one kind of row, and has no
//! answer for a fork, a refusal, a restored server or a clock that is off.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use reqwest::Client;
use serde::Deserialize;
use syncline::store::Durability;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::Failure;

mod page;
mod store;

pub use page::Record;
pub use store::PipelineStore;

/// Events on one page.
pub const PAGE_EVENTS: usize = 10_000;

/// A running server.
#[derive(Debug)]
pub struct PipelineServer {
    url: String,
    serving: JoinHandle<()>,
}

#[derive(Debug, Deserialize)]
struct After {
    after: i64,
}

impl PipelineServer {
    /// Serves the events of a store on a free port of the loopback address.
    ///
    /// # Errors
    /// [`Failure`] if no port is free.
    pub async fn start(store: PipelineStore) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let router = Router::new().route("/events", get(events)).with_state(Arc::new(Mutex::new(store)));
        let serving = tokio::spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, |socket| _ = socket.set_nodelay(true));
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, serving })
    }
}

impl Drop for PipelineServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn events(
    State(store): State<Arc<Mutex<PipelineStore>>>,
    Query(After { after }): Query<After>,
) -> Result<Bytes, StatusCode> {
    let read = move || store.lock().unwrap_or_else(PoisonError::into_inner).page(after, PAGE_EVENTS);
    let page = spawn_blocking(read).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    page.map(Bytes::from).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Pulls everything into a new file. Returns the store and how many bytes came over the wire.
///
/// # Errors
/// [`Failure`] of the server, the connection or SQLite.
pub async fn pull(
    server: &PipelineServer,
    file: &Path,
    durability: Durability,
) -> Result<(PipelineStore, usize), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().tcp_nodelay(true).no_proxy().build()?;
    let mut store = PipelineStore::create(file, durability)?;
    let (pages, mut waiting) = mpsc::channel::<Bytes>(1);
    let writing = spawn_blocking(move || {
        while let Some(page) = waiting.blocking_recv() {
            store.apply(&page)?;
        }
        Ok::<_, Failure>(store)
    });
    let (mut after, mut bytes) = (0, 0);
    loop {
        let answer = http.get(format!("{}?after={after}", server.url)).send().await?.error_for_status()?;
        let page = answer.bytes().await?;
        bytes += page.len();
        let end = page::end(&page)?;
        let empty = end == after;
        if empty || pages.send(page).await.is_err() {
            break;
        }
        after = end;
    }
    drop(pages);
    Ok((writing.await??, bytes))
}
