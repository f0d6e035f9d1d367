//! The demo and the client view in a real browser.
//!
//! | module | what it holds |
//! |---|---|
//! | [`chromium`] | finds Chromium and its driver, or installs Debian's |
//! | [`driver`] | the running driver: one session per test |
//! | [`tab`] | a page in the browser: what a person sees and does there |
//! | [`look`] | light, dark, phone; pictures |
//! | [`axe`] | the accessibility checker |
//! | [`scene`] | a demo with a browser before it |

pub mod axe;
pub mod chromium;
pub mod driver;
pub mod look;
pub mod scene;
pub mod tab;

pub use axe::Axe;
pub use chromium::Chromium;
pub use driver::Driver;
pub use look::Look;
pub use scene::Scene;
pub use tab::Tab;

use std::path::{Path, PathBuf};

/// What the tests leave behind and fetch, below cargo's target folder.
pub fn target(folder: &str) -> PathBuf {
    let fallback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(fallback, PathBuf::from).join(folder)
}
