//! A whole run, and its file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::choose::Summary;
use crate::compare::machine::Machine;
use crate::compare::{Gap, Measurement};

/// What marks a file as ours.
const FORMAT: &str = "syncline-compare";
/// The version that is written, and the newest that is read.
const VERSION: u32 = 2;

/// Everything that a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    format: String,
    version: u32,
    /// When it began.
    pub date: String,
    /// Seconds that it took.
    pub seconds: u64,
    /// Whether it was a rough one.
    pub quick: bool,
    /// Where.
    pub machine: Machine,
    /// Which store suits a workload, if that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What came out, in the order of measuring.
    pub measurements: Vec<Measurement>,
    /// What did not.
    pub gaps: Vec<Gap>,
}

/// Why a file is no report that can be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is something else, or damaged.
    #[error("{} is not a file that `compare` has written: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer program wrote it.
    #[error("{} has version {found} of the format, and this program reads up to {VERSION}: use the program that wrote it, \
             or measure the baseline again", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// What every version begins with.
#[derive(Deserialize)]
struct Mark {
    format: String,
    version: u32,
}

impl Report {
    /// A report in the version that is written now.
    pub fn new(date: String, quick: bool, machine: Machine) -> Self {
        let (format, version) = (FORMAT.into(), VERSION);
        let (measurements, gaps) = (Vec::new(), Vec::new());
        Self { format, version, date, seconds: 0, quick, machine, summary: None, measurements, gaps }
    }

    /// How many targets there are, and how many of them are met.
    pub fn targets(&self) -> (usize, usize) {
        let met: Vec<_> = self.measurements.iter().filter_map(Measurement::met).collect();
        (met.len(), met.iter().filter(|met| **met).count())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let text = std::fs::read(path).map_err(|source| ReportError::Missing { path: path.into(), source })?;
        let malformed = |why: String| ReportError::Malformed { path: path.into(), why };
        let mark: Mark = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        match mark {
            Mark { format, .. } if format != FORMAT => Err(malformed(format!("its format is `{format}`"))),
            Mark { version: found, .. } if found > VERSION => Err(ReportError::Newer { path: path.into(), found }),
            _ => serde_json::from_slice(&text).map_err(|error| malformed(error.to_string())),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}
