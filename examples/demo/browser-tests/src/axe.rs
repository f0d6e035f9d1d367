//! The accessibility checker: axe-core, fetched once from npm into the target folder.

use std::io;
use std::path::Path;
use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thirtyfour::error::WebDriverResult;

use crate::{Tab, target};

/// The package, and its version.
const PACKAGE: &str = "axe-core@4.14.1";
/// Where the checker lies below the folder that npm is given.
const FILE: &str = "node_modules/axe-core/axe.min.js";
/// SHA-256 of the checker: what is run in the pages is what was looked at.
const SHA256: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";
/// The rules of WCAG 2.2 at the levels A and AA, and what is good practice beyond.
const TAGS: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// The checker's source.
#[derive(Debug, Clone)]
pub struct Axe(String);

impl Axe {
    /// Takes the checker from the target folder, or fetches it into there.
    ///
    /// # Errors
    /// If npm is missing or cannot fetch it, or if what it has fetched is not what it should be.
    pub fn fetch() -> io::Result<Self> {
        let folder = target("axe");
        let file = folder.join(FILE);
        if !file.is_file() {
            install(&folder)?;
        }
        let source = std::fs::read_to_string(&file)?;
        let found = HEXLOWER.encode(&Sha256::digest(source.as_bytes()));
        if found != SHA256 {
            let what = format!("{} has the SHA-256 {found} and not {SHA256}: delete it and try again", file.display());
            return Err(io::Error::other(what));
        }
        Ok(Self(source))
    }

    /// What is wrong with the page in a tab, and where; nothing if all is well. Frames are pages of their own.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn check(&self, tab: &Tab) -> WebDriverResult<Vec<String>> {
        let script = "const [source, tags, done] = arguments; (0, eval)(source); \
             axe.run(document, { iframes: false, runOnly: tags }).then((found) => done(found.violations), (error) => done(String(error)))";
        let arguments = vec![json!(self.0), json!(TAGS)];
        let found = tab.front().await?.execute_async(script, arguments).await?.json().clone();
        Ok(match found {
            Value::Array(violations) => violations.iter().flat_map(said).collect(),
            error => vec![format!("the checker failed: {error}")],
        })
    }
}

/// A violation in words, one line for each place.
fn said(violation: &Value) -> Vec<String> {
    let places = violation["nodes"].as_array().cloned().unwrap_or_default();
    let line = |place: &Value| {
        format!("{} ({}): {} {}", violation["id"], violation["impact"], place["html"], place["failureSummary"])
    };
    places.iter().map(line).collect()
}

fn install(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder)
        .arg(PACKAGE);
    let ran = npm.output()?;
    if ran.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("npm cannot fetch {PACKAGE}: {}", String::from_utf8_lossy(&ran.stderr).trim())))
}
