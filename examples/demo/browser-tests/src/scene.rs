//! A demo with a browser before it.

use std::sync::Arc;

use client_view::{Client, Mode};
use demo::{Comparison, DemoError, Door, Plan, Show, Stage};
use tempfile::TempDir;
use thirtyfour::WebDriver;
use thirtyfour::error::WebDriverResult;

use crate::Tab;

/// A demo that is shown, and a browser.
#[derive(Debug)]
pub struct Scene {
    /// The server, the devices and their links.
    pub stage: Arc<Stage>,
    /// The pages.
    pub show: Show,
    /// The browser.
    pub driver: WebDriver,
    // The folder goes after all that lies in it.
    _folder: TempDir,
}

impl Scene {
    /// A demo without anything in it, whose devices sync live.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn set(driver: WebDriver) -> Result<Self, DemoError> {
        let folder = TempDir::with_prefix("syncline-browser-").map_err(DemoError::Folder)?;
        let door = Door::open(0).await?;
        let origin = door.origin();
        let plan = Plan { framed_by: Some(&origin), mode: Mode::Live, ..Plan::new(folder.path()) };
        let stage = Arc::new(Stage::set(&plan).await?);
        let show = door.show(stage.clone()).await?;
        Ok(Self { stage, show, driver, _folder: folder })
    }

    /// A device.
    pub fn client(&self, device: usize) -> &Client {
        &self.stage.seats[device].client
    }

    /// A new tab with the page of a device.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn device(&self, device: usize) -> WebDriverResult<Tab> {
        let address = self.show.devices().nth(device).expect("there is such a device");
        Tab::open(&self.driver, address).await
    }

    /// A new tab with the page of the demo.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn demo(&self) -> WebDriverResult<Tab> {
        Tab::open(&self.driver, self.show.address()).await
    }

    /// Waits until all four are equal. Live devices become so by themselves.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn until_equal(&self) -> Result<(), DemoError> {
        let mut changes = self.stage.changes();
        while !Comparison::of(&self.stage).await?.all_equal() {
            // The stage lives as long as the scene.
            let _ = changes.changed().await;
        }
        Ok(())
    }
}
