//! The command line of what keeps logs small.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use syncline::SpaceId;

use crate::span::Span;

/// `snapshot`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SnapshotTask {
    /// Make a snapshot of the space as it is now. The server hands it out with the one before
    ///
    /// A device can begin with it if it has all views of the device's program.
    Make {
        /// Space
        space: SpaceId,
        /// View that the server folds from the log; may be repeated
        #[arg(long = "view", value_name = "VIEW", default_value = "attributes")]
        views: Vec<Folded>,
        /// The archive: a flag of every command.
        #[arg(skip)]
        archive: Option<PathBuf>,
    },
    /// Show the snapshots that the server hands out
    List {
        /// Space
        space: SpaceId,
    },
}

/// `trim`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Trim {
    /// Space
    pub(crate) space: SpaceId,
    /// Keep so many of the newest bundles
    #[arg(long, value_name = "BUNDLES", default_value = "0")]
    pub(crate) keep: u64,
    /// Keep all bundles that are not older than this, such as 90d
    #[arg(long, value_name = "SPAN")]
    pub(crate) age: Option<Span>,
    /// Keep what a device has not read that was here within this time [default: 30d]
    #[arg(long, value_name = "SPAN")]
    pub(crate) window: Option<Span>,
    /// View that the server folds from the log; may be repeated
    #[arg(long = "view", value_name = "VIEW", default_value = "attributes")]
    pub(crate) views: Vec<Folded>,
    /// Say what would go and what holds the rest, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The archive: a flag of every command.
    #[arg(skip)]
    pub(crate) archive: Option<PathBuf>,
}

/// `archive`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ArchiveTask {
    /// Show what the archive has of each space
    List,
    /// Read every segment of a space, and check that each bundle follows, and that the log follows the last one
    Verify {
        /// Space
        space: SpaceId,
    },
    /// Write all that the archive has of a space to a file that `import` takes, for a log that is lost
    ///
    /// If the log is there, `export` writes all of it: what was trimmed comes from the archive.
    Restore {
        /// Space
        space: SpaceId,
        /// File
        file: PathBuf,
    },
}

/// A view that the server is able to fold. A server of an application has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Folded {
    /// Rows of attributes
    Attributes,
}
