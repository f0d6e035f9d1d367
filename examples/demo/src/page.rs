//! The page of the demo: the server above, the links below it, and the pages of the devices side by side.

use std::sync::Arc;

use client_view::Key;
use client_view::local::{Bound, ServeError, Serving, bind, guard};

use crate::{DemoError, Stage};

mod links;
mod render;
mod routes;
mod standings;

/// A page that has its address and is not shown yet: the devices must know who frames their pages before they have any.
#[derive(Debug)]
pub struct Door(Bound);

/// The demo's page and those of the devices, while they are served. They end when this is dropped.
#[derive(Debug)]
pub struct Show {
    page: Serving,
    devices: Vec<Serving>,
}

/// What the routes share.
#[derive(Debug)]
struct Page {
    stage: Arc<Stage>,
    key: Key,
    /// The address of each device's page.
    devices: Vec<String>,
}

impl Door {
    /// Listens on loopback. Port 0 takes any free one.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn open(port: u16) -> Result<Self, ServeError> {
        Ok(Self(bind(&format!("127.0.0.1:{port}")).await?))
    }

    /// The origin of the page to come: whom the pages of the devices let frame them.
    pub fn origin(&self) -> String {
        self.0.origin()
    }

    /// Shows a stage: the pages of its devices, each on a port of its own, and the page with all of them.
    ///
    /// # Errors
    /// [`DemoError::Serve`].
    pub async fn show(self, stage: Arc<Stage>) -> Result<Show, DemoError> {
        let mut devices = Vec::new();
        for seat in &stage.seats {
            devices.push(client_view::serve(&seat.client, "127.0.0.1:0").await?);
        }
        let addresses = devices.iter().map(|device| device.address().to_owned()).collect();
        let page = Page { stage, key: Key::fresh(), devices: addresses };
        let key = page.key.clone();
        let page = self.0.serve(guard(routes::pages(page), &key, None), &key);
        Ok(Show { page, devices })
    }
}

impl Show {
    /// What to open in a browser, with the key.
    pub fn address(&self) -> &str {
        self.page.address()
    }

    /// The addresses of the devices' pages.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(Serving::address)
    }

    /// Ends all pages, once what is being answered is answered.
    pub async fn end(self) {
        self.page.end().await;
        for device in self.devices {
            device.end().await;
        }
    }
}
