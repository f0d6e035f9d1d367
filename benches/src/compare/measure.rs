//! What came out.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline::store::Durability;

use crate::compare::Work;
use crate::place::Backend;
use crate::rounds::median;
use crate::table::grouped;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Events per second: more is better.
    EventsPerSecond,
    /// Reads per second: more is better.
    ReadsPerSecond,
    /// Milliseconds: less is better.
    Milliseconds,
    /// Bytes per event: less is better.
    BytesPerEvent,
    /// Millions of bytes: less is better.
    Megabytes,
}

impl Unit {
    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::EventsPerSecond | Self::ReadsPerSecond)
    }

    /// How many times as good one value is as another.
    pub fn ratio(self, ours: f64, other: f64) -> f64 {
        if self.more_is_better() { ours / other } else { other / ours }
    }

    /// What stands behind a value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::EventsPerSecond => "events/s",
            Self::ReadsPerSecond => "reads/s",
            Self::Milliseconds => "ms",
            Self::BytesPerEvent => "B/event",
            Self::Megabytes => "MB",
        }
    }

    /// A value, without its label.
    pub fn print(self, value: f64) -> String {
        match self {
            Self::EventsPerSecond | Self::ReadsPerSecond | Self::BytesPerEvent => grouped(value.round() as u64),
            Self::Milliseconds if value < 10.0 => format!("{value:.2}"),
            Self::Milliseconds | Self::Megabytes => format!("{value:.1}"),
        }
    }
}

/// What one side came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The median of the rounds.
    pub value: f64,
    /// How long a single operation took if operations are single.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// How long single operations took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The middle one, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 were faster, in microseconds.
    pub p99_us: f64,
}

impl Latency {
    /// Of some operations; `None` of none.
    pub fn of(mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let part = |percent: usize| {
            let index = (took.len() * percent / 100).min(took.len().checked_sub(1)?);
            Some(took[index].as_nanos() as f64 / 1e3)
        };
        Some(Self { p50_us: part(50)?, p99_us: part(99)? })
    }
}

/// What one side did in all rounds.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// The value of each round.
    pub values: Vec<f64>,
    /// How long each operation took if operations are single.
    pub took: Vec<Duration>,
}

impl Side {
    fn figure(self) -> Figure {
        Figure { value: median(self.values), latency: Latency::of(self.took) }
    }
}

/// One kind of work on one backend with one durability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The work.
    pub work: Work,
    /// The store.
    pub backend: Backend,
    /// What a returned commit has survived.
    pub durability: Durability,
    /// What values count.
    pub unit: Unit,
    /// Ours.
    pub ours: Figure,
    /// The same by hand on the bare library if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<Figure>,
    /// How many times as good ours is as by hand: the median of the rounds' ratios. Also for costs, more is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The ratio of each round, which tell how steady they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratios: Vec<f64>,
    /// The least that the ratio should be if something is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}

impl Measurement {
    /// What both sides came to, in rounds of one each.
    pub fn new(work: Work, backend: Backend, durability: Durability, ours: Side, by_hand: Option<Side>) -> Self {
        let unit = work.unit();
        let mut ratios = Vec::new();
        if let Some(by_hand) = &by_hand {
            let pairs = ours.values.iter().zip(&by_hand.values);
            ratios.extend(pairs.map(|(ours, by_hand)| unit.ratio(*ours, *by_hand)));
        }
        let ratio = (!ratios.is_empty()).then(|| median(ratios.clone()));
        let target = work.target(backend, durability).filter(|_| ratio.is_some());
        let (ours, by_hand) = (ours.figure(), by_hand.map(Side::figure));
        Self { work, backend, durability, unit, ours, by_hand, ratio, ratios, target }
    }

    /// The ratio of the two values, which are medians of their own. It differs from [`ratio`](Self::ratio), the median of the rounds'
    /// ratios, if the machine changed its pace between the rounds.
    pub fn ratio_of_medians(&self) -> Option<f64> {
        Some(self.unit.ratio(self.ours.value, self.by_hand.as_ref()?.value))
    }

    /// Whether the target is met if there is one.
    pub fn met(&self) -> Option<bool> {
        Some(self.ratio? >= self.target?)
    }

    /// What tells it from the others of a report.
    pub fn key(&self) -> (Work, Backend, Durability) {
        (self.work, self.backend, self.durability)
    }
}

/// Something that was not measured, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The store.
    pub backend: Backend,
    /// The work; all of it if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// The reason, for a person.
    pub why: String,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.work {
            Some(work) => write!(f, "{}, {work}: not measured: {}", self.backend, self.why),
            None => write!(f, "{}: not measured: {}", self.backend, self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_and_rates_both_have_ratios_that_grow_with_what_is_better() {
        assert!((Unit::EventsPerSecond.ratio(80.0, 100.0) - 0.8).abs() < 1e-9);
        assert!((Unit::BytesPerEvent.ratio(125.0, 100.0) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn of_a_hundred_operations_the_slowest_is_beyond_the_ninety_ninth() {
        let took: Vec<_> = (1..=100).rev().map(Duration::from_micros).collect();
        let latency = Latency::of(took).unwrap();
        assert!((latency.p50_us - 51.0).abs() < 1e-9 && (latency.p99_us - 100.0).abs() < 1e-9);
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[test]
    fn a_target_holds_for_what_is_synced_and_compared() {
        let side = |value: f64| Side { values: vec![value], took: Vec::new() };
        let measured =
            |durability, by_hand| Measurement::new(Work::Single, Backend::Redb, durability, side(79.0), by_hand).met();
        assert_eq!(measured(Durability::Synced, Some(side(100.0))), Some(false));
        assert_eq!(measured(Durability::Synced, Some(side(98.0))), Some(true));
        assert_eq!(measured(Durability::Process, Some(side(100.0))), None);
        assert_eq!(measured(Durability::Synced, None), None);
    }
}
