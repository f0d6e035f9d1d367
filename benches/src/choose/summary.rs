//! What came out: one line for each store.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use syncline::store::Durability;

use super::candidate::{Candidate, Processes, Source};
use super::errand::{ERRAND, Errand, Part, Site, Worked};
use super::pattern::Pattern;
use crate::Failure;
use crate::compare::measure::Latency;
use crate::memory::Ended;
use crate::place::{Ground, size};
use crate::table::columns;
use crate::table::grouped;

/// What one store took for a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The store.
    pub store: String,
    /// What a returned write has survived.
    pub durability: Durability,
    /// How many processes may open one database.
    pub processes: Processes,
    /// Events written per second.
    pub events_per_second: f64,
    /// How long one write took.
    pub write: Latency,
    /// How long one read took, if there were any.
    pub read: Option<Latency>,
    /// Bytes on the disk per event, after the process was killed and the store opened again; none in memory.
    pub disk_bytes_per_event: Option<f64>,
    /// The most memory that the process took if the system tells it.
    pub peak_bytes: Option<u64>,
    /// Milliseconds from the start of opening to the first status, after `kill -9`; none in memory.
    pub reopen_ms: Option<f64>,
}

/// All stores that can do what was asked, the fastest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What they did.
    pub pattern: Pattern,
    /// What they took.
    pub lines: Vec<Line>,
    /// Stores that could not be measured, and why.
    pub gaps: Vec<String>,
}

/// Has every candidate do the pattern, one after the other, each in a process of its own. Of a store with several durabilities the least
/// one is taken that is enough. The process is
/// `program` with [`ERRAND`] and an errand as arguments, and must call [`run_errand`](super::run_errand) with the same candidates.
///
/// A store that fails is named in the gaps, and the others are measured all the same.
pub async fn measure(candidates: &[Candidate], pattern: &Pattern, ground: &Ground, program: &Path) -> Summary {
    let mut summary = Summary { pattern: pattern.clone(), lines: Vec::new(), gaps: Vec::new() };
    let enough = |candidate: &&Candidate| candidate.durability >= pattern.durability;
    let least = |candidate: &&Candidate| {
        let better = |other: &Candidate| other.name == candidate.name && other.durability < candidate.durability;
        !candidates.iter().filter(enough).any(better)
    };
    for candidate in candidates.iter().filter(enough).filter(least) {
        match line(candidate, pattern, ground, program).await {
            Ok(line) => summary.lines.push(line),
            Err(why) => summary.gaps.push(format!("{}: not measured: {why}", candidate.name)),
        }
    }
    summary.lines.sort_by(|a, b| b.events_per_second.total_cmp(&a.events_per_second));
    summary
}

async fn line(candidate: &Candidate, pattern: &Pattern, ground: &Ground, program: &Path) -> Result<Line, Failure> {
    let folder = tempfile::tempdir_in(&ground.folder)?;
    let site = match candidate.source {
        Source::Shipped(backend) => Site::Shipped(ground.place(backend)?),
        Source::Own(_) => Site::Own(folder.path().to_owned()),
    };
    let (store, durability) = (candidate.name.clone(), candidate.durability);
    let mut errand = Errand { store, durability, site, pattern: pattern.clone(), part: Part::Work };
    let worked: Worked = serde_json::from_str(&said(&errand, program)?)?;
    errand.part = Part::Reopen;
    let kept = durability != Durability::Volatile;
    let reopen_ms = if kept { Some(said(&errand, program)?.parse()?) } else { None };
    let bytes = match errand.site {
        Site::Shipped(place) => {
            let bytes = place.bytes().await?;
            place.delete().await?;
            bytes
        }
        Site::Own(folder) => size(&folder)?,
    };
    Ok(Line {
        store: candidate.name.clone(),
        durability,
        processes: candidate.processes,
        events_per_second: worked.events as f64 / worked.seconds,
        write: worked.write,
        read: worked.read,
        disk_bytes_per_event: kept.then(|| bytes as f64 / worked.events as f64),
        peak_bytes: worked.peak_bytes,
        reopen_ms,
    })
}

/// The first line that a process says which runs the errand. The process is killed then.
fn said(errand: &Errand, program: &Path) -> Result<String, Failure> {
    let mut process = Command::new(program);
    process.arg(ERRAND).arg(serde_json::to_string(errand)?).stdin(Stdio::null());
    let mut process = Ended(process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let output = process.0.stdout.take().ok_or("the process has no output")?;
    match BufReader::new(output).lines().next().transpose()? {
        Some(line) => Ok(line),
        None => {
            let errors = process.0.stderr.take().ok_or("the process has no error output")?;
            Err(std::io::read_to_string(errors)?.trim().to_owned().into())
        }
    }
}

const HEAD: [&str; 10] = [
    "store",
    "durability",
    "events/s",
    "write p50 µs",
    "p99 µs",
    "read p50 µs",
    "B/event on disk",
    "peak MB",
    "reopen ms",
    "processes",
];

impl Summary {
    /// As a table.
    pub fn print(&self) -> String {
        let mut out = format!("Which store suits this workload? ({})\n", self.pattern);
        let head = HEAD.map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.lines.iter().map(Line::cells)).collect();
        out.push_str(&columns(&rows, &[0, 1, 9]));
        for gap in &self.gaps {
            let _ = writeln!(out, "{gap}");
        }
        if self.lines.is_empty() {
            let _ = writeln!(out, "no store was measured that is {}", self.pattern.durability);
        }
        out
    }
}

impl Line {
    /// What a table shows.
    pub fn cells(&self) -> [String; 10] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        [
            self.store.clone(),
            self.durability.to_string(),
            grouped(self.events_per_second.round() as u64),
            format!("{:.0}", self.write.p50_us),
            format!("{:.0}", self.write.p99_us),
            or_none(self.read.map(|read| format!("{:.0}", read.p50_us))),
            or_none(self.disk_bytes_per_event.map(|bytes| grouped(bytes.round() as u64))),
            or_none(self.peak_bytes.map(|bytes| format!("{:.1}", bytes as f64 / 1e6))),
            or_none(self.reopen_ms.map(|ms| format!("{ms:.1}"))),
            self.processes.to_string(),
        ]
    }

    /// What stands above the columns of [`cells`](Self::cells).
    pub const HEAD: [&str; 10] = HEAD;
}
