//! What an application does with its store.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use syncline::Event;
use syncline::attributes::{Attribute, Op};
use syncline::store::Durability;
use thiserror::Error;

use crate::table::grouped;
use crate::workload::scatter;

/// What an application does: each of its writers writes bundles one after the other, and reads rows in between.
///
/// A file in TOML may say it, with the same words and a dash for each underscore. What it does not say has the value given here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pattern {
    /// Events of one write, which is one bundle: 1 to 10,000. 1.
    pub events_per_write: usize,
    /// Bytes of the text that an event sets, in addition to its key: 1 to 100,000. 100.
    pub payload_bytes: usize,
    /// How many rows the writes fall on: 1 to 100,000,000. 10,000.
    pub keys: u64,
    /// Which of them a write takes. Uniform.
    pub distribution: Distribution,
    /// Writers at once: 1 to 1,000. 1.
    pub writers: usize,
    /// Rows that a writer reads after each write: 0 to 10,000. 0.
    pub reads_per_write: usize,
    /// Whether events are folded into rows, or only kept in the log. True.
    pub rows: bool,
    /// What a returned write must survive. Stores that cannot do it are left out. Synced.
    pub durability: Durability,
    /// Seconds that each store works: 0.01 to 3,600. 3.
    pub seconds: f64,
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            events_per_write: 1,
            payload_bytes: 100,
            keys: 10_000,
            distribution: Distribution::Uniform,
            writers: 1,
            reads_per_write: 0,
            rows: true,
            durability: Durability::Synced,
            seconds: 3.0,
        }
    }
}

/// Which rows writes and reads fall on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Each row as often as any other.
    Uniform,
    /// Four of five fall on a fifth of the rows, and so on within that fifth.
    Skewed,
    /// One row after the other, in the order of their keys.
    Rising,
}

/// Why a pattern cannot be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file says something that is no pattern.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        source: Box<toml::de::Error>,
    },
    /// A number is out of its range.
    #[error("{key} is {found}; it takes {least} to {most}")]
    OutOfRange {
        /// The number's name, as in the file and in the flags.
        key: &'static str,
        /// What was said.
        found: String,
        /// The least.
        least: String,
        /// The most.
        most: String,
    },
    /// Rows are to be read that are not kept.
    #[error("reads-per-write is {reads}, but rows is false: there is nothing to read")]
    NothingToRead {
        /// How many reads were asked for.
        reads: usize,
    },
}

impl Pattern {
    /// Reads a file.
    ///
    /// # Errors
    /// [`InvalidPattern::Missing`], [`InvalidPattern::Malformed`].
    pub fn read(path: &Path) -> Result<Self, InvalidPattern> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| InvalidPattern::Missing { path: path.into(), source })?;
        toml::from_str(&text).map_err(|source| InvalidPattern::Malformed { path: path.into(), source: source.into() })
    }

    /// Whether all of it can be measured.
    ///
    /// # Errors
    /// [`InvalidPattern::OutOfRange`], [`InvalidPattern::NothingToRead`].
    pub fn check(&self) -> Result<(), InvalidPattern> {
        within("events-per-write", &self.events_per_write, 1..=10_000)?;
        within("payload-bytes", &self.payload_bytes, 1..=100_000)?;
        within("keys", &self.keys, 1..=100_000_000)?;
        within("writers", &self.writers, 1..=1_000)?;
        within("reads-per-write", &self.reads_per_write, 0..=10_000)?;
        within("seconds", &self.seconds, 0.01..=3_600.0)?;
        match self.reads_per_write {
            reads if reads > 0 && !self.rows => Err(InvalidPattern::NothingToRead { reads }),
            _ => Ok(()),
        }
    }

    /// The attribute that the `number`th choice falls on.
    pub(super) fn attribute(&self, number: u64) -> Attribute {
        let part = |number| scatter(number) as f64 / u64::MAX as f64;
        let row = match self.distribution {
            Distribution::Uniform => (part(number) * self.keys as f64) as u64,
            // `part` to the power of log 0.2 / log 0.8.
            Distribution::Skewed => (part(number).powf(0.2_f64.ln() / 0.8_f64.ln()) * self.keys as f64) as u64,
            Distribution::Rising => number,
        };
        let row = row % self.keys;
        Attribute::new(&format!("entity/{row:010}"), "text").expect("the names are short")
    }

    /// The events of a writer's `number`th write.
    pub(super) fn events(&self, number: u64) -> Vec<Event> {
        let event = |index: u64| {
            let number = number * self.events_per_write as u64 + index;
            let text = format!("{:016x}", scatter(!number)).repeat(self.payload_bytes.div_ceil(16));
            Op::set(&self.attribute(number), &text[..self.payload_bytes])
        };
        (0..self.events_per_write as u64).map(event).collect()
    }
}

fn within<T: PartialOrd + ToString>(
    key: &'static str,
    found: &T,
    range: RangeInclusive<T>,
) -> Result<(), InvalidPattern> {
    if range.contains(found) {
        return Ok(());
    }
    let (least, most) = (range.start().to_string(), range.end().to_string());
    Err(InvalidPattern::OutOfRange { key, found: found.to_string(), least, most })
}

/// In one sentence.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { events_per_write, payload_bytes, writers, reads_per_write, durability, seconds, .. } = self;
        let plural = |count: u64, word: &str| format!("{} {word}{}", grouped(count), if count == 1 { "" } else { "s" });
        write!(f, "{}, ", plural(*writers as u64, "writer"))?;
        write!(f, "{} of {payload_bytes} bytes per write, ", plural(*events_per_write as u64, "event"))?;
        if self.rows {
            let distribution = self.distribution.to_possible_value().expect("every distribution has a name");
            write!(f, "{} {}, ", grouped(self.keys), distribution.get_name())?;
            write!(f, "key{}, ", if self.keys == 1 { "" } else { "s" })?;
            write!(f, "{} after each write, ", plural(*reads_per_write as u64, "read"))?;
        } else {
            write!(f, "the log alone, ")?;
        }
        write!(f, "{durability}, {seconds} s for each store")
    }
}

/// A pattern on a command line: a file, and what is said next to it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Your own workload")]
pub struct Flags {
    /// A TOML file with any of the keys below, written as the flags are
    #[arg(long, value_name = "FILE")]
    pub pattern: Option<PathBuf>,
    /// Events of one write, which is one bundle
    #[arg(long, value_name = "COUNT")]
    pub events_per_write: Option<usize>,
    /// Bytes of the text that an event sets
    #[arg(long, value_name = "BYTES")]
    pub payload_bytes: Option<usize>,
    /// How many rows the writes fall on
    #[arg(long, value_name = "COUNT")]
    pub keys: Option<u64>,
    /// Which of them a write takes
    #[arg(long, value_name = "NAME")]
    pub distribution: Option<Distribution>,
    /// Writers at once
    #[arg(long, value_name = "COUNT")]
    pub writers: Option<usize>,
    /// Rows that a writer reads after each write
    #[arg(long, value_name = "COUNT")]
    pub reads_per_write: Option<usize>,
    /// Whether events are folded into rows, or only kept in the log
    #[arg(long, value_name = "TRUE|FALSE")]
    pub rows: Option<bool>,
    /// What a returned write must survive: volatile, process or synced
    #[arg(long, value_name = "CLASS", value_parser = durability)]
    pub durability: Option<Durability>,
    /// Seconds that each store works
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
}

impl Flags {
    /// Whether anything is said.
    pub fn any(&self) -> bool {
        let Self { pattern, events_per_write, payload_bytes, keys, distribution, writers, .. } = self;
        let first = pattern.is_some() || events_per_write.is_some() || payload_bytes.is_some() || keys.is_some();
        let second = distribution.is_some() || writers.is_some() || self.reads_per_write.is_some();
        first || second || self.rows.is_some() || self.durability.is_some() || self.seconds.is_some()
    }

    /// The pattern: what the flags say, else the file, else the default.
    ///
    /// # Errors
    /// [`InvalidPattern`].
    pub fn pattern(&self) -> Result<Pattern, InvalidPattern> {
        let file = self.pattern.as_deref().map(Pattern::read).transpose()?.unwrap_or_default();
        let pattern = Pattern {
            events_per_write: self.events_per_write.unwrap_or(file.events_per_write),
            payload_bytes: self.payload_bytes.unwrap_or(file.payload_bytes),
            keys: self.keys.unwrap_or(file.keys),
            distribution: self.distribution.unwrap_or(file.distribution),
            writers: self.writers.unwrap_or(file.writers),
            reads_per_write: self.reads_per_write.unwrap_or(file.reads_per_write),
            rows: self.rows.unwrap_or(file.rows),
            durability: self.durability.unwrap_or(file.durability),
            seconds: self.seconds.unwrap_or(file.seconds),
        };
        pattern.check()?;
        Ok(pattern)
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "volatile" => Ok(Durability::Volatile),
        "process" => Ok(Durability::Process),
        "synced" => Ok(Durability::Synced),
        _ => Err("it is one of volatile, process and synced".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_differs_from_the_default_and_nothing_unknown() {
        let read = |text: &str| toml::from_str::<Pattern>(text);
        let pattern = read("payload-bytes = 2_000\ndistribution = \"skewed\"\ndurability = \"process\"\n").unwrap();
        assert_eq!((pattern.payload_bytes, pattern.distribution), (2_000, Distribution::Skewed));
        assert_eq!(
            Pattern {
                payload_bytes: 100,
                distribution: Distribution::Uniform,
                durability: Durability::Synced,
                ..pattern
            },
            Pattern::default()
        );
        let unknown = read("payload = 5").unwrap_err().to_string();
        assert!(unknown.contains("payload") && unknown.contains("payload-bytes"), "{unknown}");
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let refused = |pattern: Pattern| pattern.check().unwrap_err().to_string();
        let none = Pattern { writers: 0, ..Pattern::default() };
        assert_eq!(refused(none), "writers is 0; it takes 1 to 1000");
        let nothing = Pattern { rows: false, reads_per_write: 2, ..Pattern::default() };
        assert!(refused(nothing).contains("nothing to read"));
        assert!(refused(Pattern { seconds: f64::NAN, ..Pattern::default() }).contains("seconds"));
    }

    #[test]
    fn skewed_choices_fall_four_times_of_five_on_a_fifth_of_the_rows() {
        let pattern = Pattern { keys: 1_000, distribution: Distribution::Skewed, ..Pattern::default() };
        let row = |number| pattern.attribute(number).entity()["entity/".len()..].parse::<u64>().unwrap();
        let first = (0..10_000).filter(|number| row(*number) < 200).count();
        assert!((7_800..8_200).contains(&first), "{first}");
        assert!((0..10_000).map(row).max().unwrap() > 900);
    }

    #[test]
    fn a_write_has_as_many_events_of_that_size_as_it_should() {
        let pattern = Pattern { events_per_write: 3, payload_bytes: 50, keys: 1, ..Pattern::default() };
        let events = pattern.events(7);
        assert_eq!(events.len(), 3);
        assert!(events.iter().all(|event| (50..90).contains(&event.payload.len())));
    }
}
