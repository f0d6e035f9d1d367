//! What came of the scenarios, in one table.

use std::time::Duration;

use crate::Store;

/// Bytes by which a server may grow under attack.
const GROWTH_MAX: u64 = 64 << 20;
/// Below this, twice a baseline says nothing but how busy the machine is.
const NOISE: Duration = Duration::from_millis(25);

/// What came of one scenario.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) store: Store,
    pub(crate) scenario: &'static str,
    /// By how much the server's memory grew, at most, over what it took before.
    pub(crate) growth_bytes: u64,
    /// What 99 of 100 of the honest client's pushes took at most: before the attack and during it.
    pub(crate) baseline: Duration,
    pub(crate) attacked: Duration,
    /// Of the honest client's: pushes that were acknowledged and are not there, and pushes that failed.
    pub(crate) lost: u64,
    pub(crate) failed: u64,
    /// What the scenario itself found, and whether that is as it should be.
    pub(crate) found: String,
    pub(crate) as_it_should_be: bool,
}

impl Row {
    fn latency_holds(&self) -> bool {
        self.attacked <= (2 * self.baseline).max(NOISE)
    }

    pub(crate) fn holds(&self) -> bool {
        self.growth_bytes <= GROWTH_MAX && self.latency_holds() && self.lost == 0 && self.as_it_should_be
    }
}

const HEAD: [&str; 8] = ["store", "scenario", "memory", "p99 before", "p99 under", "lost", "failed", "found"];

fn cells(row: &Row) -> [String; 8] {
    let mark = |holds: bool| if holds { "" } else { " !" };
    let millis = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1e3);
    [
        format!("{:?}", row.store).to_lowercase(),
        row.scenario.to_owned(),
        format!("+{:.1} MiB{}", row.growth_bytes as f64 / 1048576.0, mark(row.growth_bytes <= GROWTH_MAX)),
        millis(row.baseline),
        format!("{}{}", millis(row.attacked), mark(row.latency_holds())),
        format!("{}{}", row.lost, mark(row.lost == 0)),
        row.failed.to_string(),
        format!("{}{}", row.found, mark(row.as_it_should_be)),
    ]
}

/// One row, as it comes.
pub(crate) fn line(row: &Row) -> String {
    cells(row).join("  ")
}

/// All rows in columns. What does not hold is marked with `!`.
pub(crate) fn all(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let line = |cells: &[String; 8]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}
