//! How a page is looked at: light or dark, on a large screen or on a phone; and pictures of it.

use std::path::PathBuf;

use serde_json::{Value, json};
use thirtyfour::error::WebDriverResult;

use crate::{Tab, target};

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// On a large screen, by day.
    Light,
    /// On a large screen, by night.
    Dark,
    /// On a phone, which is 360 points wide.
    Phone,
}

impl Look {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::Phone];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Phone => "phone",
        }
    }

    /// Looks at a tab like this from now on.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn at(self, tab: &Tab) -> WebDriverResult<()> {
        let scheme = if self == Self::Dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tab.front().await?.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
        self.screen(tab, if self == Self::Phone { 740 } else { 900 }).await
    }

    /// Makes the screen so high.
    async fn screen(self, tab: &Tab, height: u64) -> WebDriverResult<()> {
        let width = if self == Self::Phone { 360 } else { 1280 };
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": self == Self::Phone });
        tab.front().await?.cdp().send_raw("Emulation.setDeviceMetricsOverride", screen).await?;
        Ok(())
    }

    /// Takes a picture of the whole page, and keeps it in the target folder. The screen gets as high as the page is, since frames are drawn
    /// on the screen alone.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn picture(self, tab: &Tab, name: &str) -> WebDriverResult<PathBuf> {
        self.at(tab).await?;
        let height = tab.run("return document.documentElement.scrollHeight", Vec::new()).await?;
        self.screen(tab, height.as_u64().unwrap_or(900)).await?;
        let picture = picture(tab, &format!("{name}-{}", self.name())).await;
        self.at(tab).await?;
        picture
    }
}

/// Takes a picture of what is on the screen, and keeps it in the target folder.
///
/// # Errors
/// As the driver says.
pub async fn picture(tab: &Tab, name: &str) -> WebDriverResult<PathBuf> {
    let png = tab.front().await?.screenshot_as_png().await?;
    let folder = target("screenshots");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.png"));
    std::fs::write(&file, png)?;
    Ok(file)
}

/// What sticks out of the page to the right, in words: nothing should.
///
/// # Errors
/// As the driver says.
pub async fn overflow(tab: &Tab) -> WebDriverResult<Vec<Value>> {
    let script = "const wide = document.documentElement.clientWidth; \
         if (document.documentElement.scrollWidth <= wide) return []; \
         return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > wide + 1) \
           .map((one) => one.outerHTML.slice(0, 120))";
    Ok(tab.run(script, Vec::new()).await?.as_array().cloned().unwrap_or_default())
}
