//! The page, rendered on this side: every address shows the state of the moment, with a script or without.

use maud::Markup;
use syncline::replica::ReplicaStatus;

use crate::Client;
use crate::client::{ClientError, Heard};
use crate::views::Devices;
use crate::web::{self, Head};

mod conflicts;
mod entries;
mod entry;
mod failure;
mod home;
mod log;
mod past;
mod refused;
mod status;
mod sync;
mod trials;
mod words;

pub(crate) use entry::{entry, read_seen};
pub(crate) use failure::failure;
pub(crate) use home::home;
pub(crate) use log::whole_log;
pub(crate) use past::past;

/// What every page shows: read once, so that its parts agree.
pub(crate) struct Shown {
    pub(crate) client: Client,
    pub(crate) status: ReplicaStatus,
    pub(crate) devices: Devices,
    pub(crate) heard: Heard,
}

impl Shown {
    pub(crate) async fn of(client: &Client) -> Result<Self, ClientError> {
        let (status, devices) = (client.status().await?, client.devices().await?);
        Ok(Self { client: client.clone(), status, devices, heard: client.heard() })
    }

    /// The address of something below the page's key.
    pub(crate) fn at(&self, path: impl std::fmt::Display) -> String {
        at(&self.client, path)
    }
}

fn at(client: &Client, path: impl std::fmt::Display) -> String {
    format!("/{}/{path}", client.key().as_str())
}

/// A whole document. `top` stands above the content and tells how the device is doing.
fn document(client: &Client, title: &str, top: &Markup, content: &Markup) -> Markup {
    let head = Head {
        base: &format!("/{}", client.key().as_str()),
        title: &format!("{title} – {}", client.name()),
        style: None,
        foot: "Times are UTC. Saved on this device first; the server comes second.",
    };
    web::document(&head, top, content)
}
