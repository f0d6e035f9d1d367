//! A local-first program: documents and tasks on this device, served as a web page that shows how they sync.
//!
//! | module | what it holds |
//! |---|---|
//! | `events.rs`, [`views`] | what can happen, and the rows folded from it |
//! | [`client`] | one device: its store, its copies, its way to the server |
//! | [`local`] | a page for this machine's user alone: loopback, a key in the address, checks of Host and Origin |
//! | `page/`, `routes.rs`, `assets/` | the page |
//! | [`policy`] | what the server of this application does not take |
//!
//! ```
//! use client_view::{Client, Kind, Setup};
//! use syncline::SpaceId;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! let client = Client::open(Setup::new(folder.path(), SpaceId::new("household")?, "Ann's laptop")).await?;
//! let milk = client.add(Kind::Task, "Buy milk").await?;
//! client.vote(milk, 1).await?;
//! assert_eq!(client.entry(milk).await?.votes(), 1);
//!
//! // As a page: `serving.address()` is what to open in a browser.
//! let serving = client_view::serve(&client, "127.0.0.1:0").await?;
//! assert!(serving.address().starts_with("http://127.0.0.1:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod client;
mod events;
pub mod local;
mod page;
pub mod policy;
mod routes;
pub mod views;
pub mod web;

pub use client::{Client, ClientError, Digest, Mode, Setup};
pub use events::{Change, EntryId, Field, Kind};
pub use local::{Key, Serving};

/// Serves a client's page on loopback. Port 0 takes any free one.
///
/// # Errors
/// [`local::ServeError`] if the address is not of this machine alone, or if it is in use.
pub async fn serve(client: &Client, address: &str) -> Result<Serving, local::ServeError> {
    Ok(local::bind(address).await?.serve(client.router(), client.key()))
}
