//! The page, rendered on this side: every address shows the state of the moment, with a script or without.

use maud::{DOCTYPE, Markup, html};
use syncline::replica::ReplicaStatus;

use crate::Client;
use crate::client::{ClientError, Heard};
use crate::views::Devices;

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
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – " (client.name()) }
                link rel="stylesheet" href=(at(client, "style.css"));
                link rel="icon" href="data:,";
                script type="module" src=(at(client, "script.js")) {}
            }
            body data-events=(at(client, "events")) {
                a.skip href="#content" { "Skip to the content" }
                header #top { (top) }
                p #notice role="status" aria-live="polite" {}
                main #content tabindex="-1" { (content) }
                footer { p { "Times are UTC. Saved on this device first; the server comes second." } }
            }
        }
    }
}
