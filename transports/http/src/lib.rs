//! Syncline over HTTP: a router to mount, a server to run it, and a client.
//!
//! | piece | what it is |
//! |---|---|
//! | [`router`] | an `axum` router that answers for a [`Service`](syncline::Service); nest it into any application |
//! | [`Server`] | an accept loop that gives up on slow, idle and too many connections, and shuts down in order |
//! | [`Backoff`] | the pauses of [`Replica::live`](syncline::Replica::live), on tokio's clock |
//! | [`HttpTransport`] | a [`Transport`](syncline::Transport) that retries, compresses, and bounds what it is sent |
//!
//! Messages are the structs of [`syncline::protocol`], in a compact binary form or as JSON, by `Content-Type` and `Accept`;
//! `zstd` in both directions. Every failure is answered as `application/problem+json` ([RFC 9457]), from which the client
//! reads back the same [`Problem`](syncline::protocol::Problem). Only a document whose `type` is
//! `urn:syncline:problem:` and the code counts as the server's answer, and only that can end a live sync. Every other answer
//! is that of somebody on the way ([`TransportError::Foreign`](syncline::TransportError::Foreign)): a portal, a proxy, a gateway. It
//! is tried again, but not before its `Retry-After` is over. Redirects are not followed, because their target would get the token.
//!
//! | route | request | answer |
//! |---|---|---|
//! | `GET /healthz` | | `ok`, without a token: the process runs |
//! | `GET /readyz` | | `ready`, without a token: the store would take a push; else 503 with `Retry-After` |
//! | `GET /v1` | | `Answer` with `Hello` |
//! | `GET /v1/spaces/{space}/heads` | | `Answer` with `PeerHeads` |
//! | `GET /v1/spaces/{space}/heads?after=…` | | the same, for the origins after this one |
//! | `POST /v1/spaces/{space}/compare` | `Compare` | `Answer` with `Compared` |
//! | `POST /v1/spaces/{space}/pull` | `Pull` | `Answer` with `Pulled`, or with `Tail` |
//! | `POST /v1/spaces/{space}/push` | `Push` | `Answer` with `Pushed` |
//! | `GET /v1/spaces/{space}/watch?log=…&position=…` | | a stream of `Notice`s, as server-sent events or as frames |
//! | `GET /v1/spaces/{space}/snapshots` | | `Answer` with the list of `SnapshotInfo`s |
//! | `GET /v1/spaces/{space}/snapshots/{id}` | | `Answer` with the manifest, a `Piece` |
//! | `GET /v1/spaces/{space}/chunks/{hash}` | | `Answer` with a chunk, a `Piece` |
//! | `POST /v1/spaces/{space}/snapshots` | `Piece`: a manifest | `Answer` with `Wanted` |
//! | `POST /v1/spaces/{space}/snapshots/{id}/chunks/{index}` | `Piece`: a chunk | the same |
//!
//! Manifests and chunks are packed already: `zstd` is not spent on them in binary form, and an answer with a chunk is not cached, since
//! it brings the time of the server's clock.
//!
//! A watch stream's server-sent events are `notice` and, as the last, `problem`; comments keep it alive. Its frames, for
//! `Accept: application/vnd.syncline.stream.v1`, are one byte of kind, four of length (big-endian), and that many bytes: kind 0
//! keeps the stream alive, kind 1 is a notice in binary form, and kind 2 is the problem that ends the stream.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::protocol::Request;
//! use syncline::{LogId, MemoryStorage, NTP64, Service, Transport, authority::AllowAll};
//! use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let storage = Arc::new(MemoryStorage::new(|| LogId::from_bytes([7; 16]).expect("not zero")));
//! let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32))));
//!
//! let server = Server::bind("127.0.0.1:0").await.unwrap();
//! let url = format!("http://{}", server.address());
//! let shutdown = Shutdown::new();
//! let serving = tokio::spawn(server.serve(router(service, RouterOptions::default()), shutdown.clone()));
//!
//! let transport = HttpTransport::builder(&url, "a token").build().unwrap();
//! assert_eq!(transport.call(Request::Hello).await.unwrap().clock, NTP64(1 << 32));
//!
//! shutdown.begin();
//! serving.await.unwrap();
//! # });
//! ```
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

mod client;
mod compression;
mod error;
mod form;
mod frame;
mod gather;
mod problem;
mod random;
mod server;

pub use client::{Backoff, HttpTransport, HttpTransportBuilder, Traffic};
pub use error::BuildError;
pub use form::{BINARY, JSON};
pub use problem::{PROBLEM_JSON, PROBLEM_TYPE_PREFIX};
pub use server::{Load, RouterOptions, Server, ServerOptions, Shutdown, no_such_method, router};
