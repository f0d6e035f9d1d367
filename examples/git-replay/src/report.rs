//! What a replay prints.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use syncline_http::Traffic;

use crate::digest::Digest;

/// One phase of the replay, timed.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) events: u64,
    pub(crate) took: Duration,
    pub(crate) traffic: Traffic,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.events as f64 / self.took.as_secs_f64().max(1e-9);
        write!(
            f,
            "{:<22}{:>10} events {:>9.2} s {:>12.0} events/s {:>12} up {:>12} down {:>9} requests",
            self.name,
            self.events,
            self.took.as_secs_f64(),
            per_second,
            bytes(self.traffic.sent),
            bytes(self.traffic.received),
            self.traffic.requests
        )
    }
}

/// A replica's name and digest.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    /// How much it takes on disk.
    pub(crate) disk: String,
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// Bytes of a file and its journal, or of all files in a folder.
pub(crate) fn on_disk(path: &Path) -> u64 {
    if let Ok(entries) = fs::read_dir(path) {
        return entries.flatten().map(|entry| on_disk(&entry.path())).sum();
    }
    let size = |suffix: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        fs::metadata(path).map_or(0, |found| found.len())
    };
    size("") + size("-wal")
}

/// Bytes on this machine's disk, or that there are none.
pub(crate) fn disk(path: Option<&Path>) -> String {
    path.map_or_else(|| "elsewhere".to_owned(), |path| format!("{} on disk", bytes(on_disk(path))))
}
