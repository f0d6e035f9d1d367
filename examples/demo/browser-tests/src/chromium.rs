//! Finds Chromium and its driver, or installs Debian's where that may be done.

use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// Chromium and the program that drives it.
#[derive(Debug, Clone)]
pub struct Chromium {
    /// The browser.
    pub browser: PathBuf,
    /// Its WebDriver.
    pub driver: PathBuf,
}

/// There is no browser to test with.
#[derive(Debug, Error)]
#[error(
    "there is no {missing}: install Debian's chromium and chromium-driver, or name them with CHROMIUM and CHROMEDRIVER"
)]
pub struct NoBrowser {
    missing: &'static str,
}

/// Names of the browser, and places where it lies.
const BROWSERS: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/// Names of its driver, and places where it lies.
const DRIVERS: [&str; 4] = [
    "chromedriver",
    "/usr/lib/chromium/chromedriver",
    "/usr/lib/chromium-browser/chromedriver",
    "/snap/bin/chromium.chromedriver",
];

impl Chromium {
    /// Finds both, by `CHROMIUM` and `CHROMEDRIVER`, in the path, and in the usual places. Installs Debian's packages if they are missing
    /// and this is root on a system that has them.
    ///
    /// # Errors
    /// [`NoBrowser`].
    pub fn find_or_install() -> Result<Self, NoBrowser> {
        Self::find().or_else(|missing| if may_install() && install() { Self::find() } else { Err(missing) })
    }

    fn find() -> Result<Self, NoBrowser> {
        let browser = one_of("CHROMIUM", &BROWSERS).ok_or(NoBrowser { missing: "Chromium" })?;
        let driver = one_of("CHROMEDRIVER", &DRIVERS).ok_or(NoBrowser { missing: "chromedriver" })?;
        Ok(Self { browser, driver })
    }
}

/// The program that a variable names, or the first of these that there is.
fn one_of(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    // A name that is a whole path stays one in every folder.
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

fn may_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").is_file()
}

/// Whether this process is root's.
#[cfg(unix)]
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

/// Whether this process is root's.
#[cfg(not(unix))]
pub fn is_root() -> bool {
    false
}

fn install() -> bool {
    let apt = |arguments: &[&str]| {
        let ran = Command::new("/usr/bin/apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    let packages = ["install", "-y", "chromium", "chromium-driver"];
    apt(&packages) || (apt(&["update"]) && apt(&packages))
}
