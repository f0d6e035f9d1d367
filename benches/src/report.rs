//! The table of what was measured, and the same as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;
use syncline::store::Durability;

use crate::rounds::Rounds;

/// What a ratio should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

impl Target {
    /// Whether a ratio is as it should be.
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Events per second.
    EventsPerSecond,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn print(self, value: f64) -> String {
        match self {
            Self::EventsPerSecond => format!("{}/s", grouped(value.round() as u64)),
            Self::Bytes if value < 1e5 => format!("{} B", grouped(value.round() as u64)),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
        }
    }
}

/// One measurement next to its target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What was done, and what it is compared with if that is not the same work by hand.
    pub what: String,
    /// What was durable; none if nothing was timed.
    pub durability: Option<Durability>,
    /// What is counted.
    pub unit: Unit,
    /// Our median.
    pub ours: f64,
    /// The other median.
    pub compared_with: f64,
    /// Ours to the other: of rounds, the median of their ratios.
    pub ratio: f64,
    /// The ratio of each round, which tell how steady they are; none if nothing was timed.
    pub ratios: Vec<f64>,
    /// What that should be.
    pub target: Target,
    /// Whether it is.
    pub met: bool,
}

impl Line {
    /// The outcome of rounds that counted events per second.
    pub fn of_rounds(what: impl Into<String>, durability: Durability, rounds: &Rounds, target: Target) -> Self {
        let ratio = rounds.ratio();
        Self {
            what: what.into(),
            durability: Some(durability),
            unit: Unit::EventsPerSecond,
            ours: rounds.ours(),
            compared_with: rounds.by_hand(),
            ratio,
            ratios: rounds.ratios(),
            target,
            met: target.is_met(ratio),
        }
    }

    /// Bytes compared with bytes.
    pub fn of_bytes(what: impl Into<String>, ours: u64, compared_with: u64, target: Target) -> Self {
        let (ours, compared_with) = (ours as f64, compared_with as f64);
        let ratio = ours / compared_with;
        Self {
            what: what.into(),
            durability: None,
            unit: Unit::Bytes,
            ours,
            compared_with,
            ratio,
            ratios: Vec::new(),
            target,
            met: target.is_met(ratio),
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.what.clone(),
            self.durability.map_or_else(|| "–".into(), |durability| durability.to_string()),
            self.unit.print(self.ours),
            self.unit.print(self.compared_with),
            format!("{:.2}", self.ratio),
            self.target.to_string(),
            if self.met { "yes" } else { "no" }.into(),
        ]
    }
}

/// The lines as a table.
pub fn table(lines: &[Line]) -> String {
    let head = ["what", "durability", "ours", "compared with", "ratio", "target", "met"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(lines.iter().map(Line::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in &rows {
        let (what, rest) = row.split_first().expect("a row has seven cells");
        let _ = write!(out, "{what:<width$}", width = width(0));
        for (column, cell) in rest.iter().enumerate() {
            let _ = write!(out, "  {cell:>width$}", width = width(column + 1));
        }
        out.push('\n');
    }
    out
}

/// A number in groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_its_target_is_met() {
        let line = Line::of_bytes("disk", 1_300, 1_000, Target::AtMost(1.3));
        assert!(line.met);
        assert!(!Target::AtMost(1.3).is_met(1.31));
        assert!(Target::AtLeast(8.0).is_met(8.0) && !Target::AtLeast(8.0).is_met(7.9));
    }

    #[test]
    fn a_table_stands_in_columns() {
        let text = table(&[Line::of_bytes("disk", 1_234_567, 1_000_000, Target::AtMost(1.3))]);
        let rows: Vec<_> = text.lines().collect();
        assert_eq!(rows[0].chars().count(), rows[1].chars().count());
        assert!(rows[1].contains("1.2 MB") && rows[1].ends_with("yes"), "{text}");
        assert_eq!(["7", "1,000", "1,234,567"], [7, 1_000, 1_234_567].map(grouped).each_ref().map(String::as_str));
    }
}
