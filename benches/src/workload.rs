//! The work: attribute writes without chance, the same in every run.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use syncline::Event;
use syncline::attributes::{Attribute, Op, Value};

use crate::Failure;
use crate::table::grouped;

/// The attributes of one entity, in turns.
const ATTRIBUTES: [&str; 4] = ["title", "status", "assignee", "due"];
/// What titles are made of.
const WORDS: [&str; 16] = [
    "order", "paper", "call", "bank", "review", "draft", "water", "plants", "repair", "bike", "book", "train", "ask",
    "about", "invoice", "garden",
];

/// How many rows the writes fall on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// So many rows, written again and again in no order.
    Few(u32),
    /// A row of its own for each write. In the order of writing they lie scattered over all keys.
    Distinct,
}

impl Keys {
    /// The few keys of the targets.
    pub const TEN_THOUSAND: Self = Self::Few(10_000);
}

impl std::fmt::Display for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Few(count) => write!(f, "{} keys", grouped(u64::from(*count))),
            Self::Distinct => f.write_str("all keys distinct"),
        }
    }
}

/// One write: an attribute gets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row key: entity, a zero byte, attribute.
    pub key: Vec<u8>,
    /// The value as JSON text.
    pub value: String,
}

impl Change {
    /// The event that Syncline writes for it.
    ///
    /// # Errors
    /// Never for a change of a [`Workload`].
    pub fn event(&self) -> Result<Event, Failure> {
        Ok(Op::set(&Attribute::from_key(&self.key)?, Value::json(&self.value)?))
    }

    /// Appends the payload of that event, laid out by hand.
    pub fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[1, self.key.len() as u8]);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(self.value.as_bytes());
    }

    /// Bytes of the payload.
    pub fn payload_bytes(&self) -> usize {
        2 + self.key.len() + self.value.len()
    }
}

/// A sequence of writes with payloads of 60 to 130 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    keys: Keys,
    seed: u64,
    next: u64,
}

impl Workload {
    /// Writes on these keys. Sequences of different seeds have different keys and values.
    pub fn new(keys: Keys, seed: u64) -> Self {
        Self { keys, seed: scatter(seed), next: 0 }
    }

    /// The next `count` writes.
    pub fn take_changes(&mut self, count: usize) -> Vec<Change> {
        self.take(count).collect()
    }

    /// The next `count` writes as events.
    ///
    /// # Errors
    /// None in practice.
    pub fn take_events(&mut self, count: usize) -> Result<Vec<Event>, Failure> {
        self.take(count).map(|change| change.event()).collect()
    }

    /// The next `count` writes, and the same as events.
    ///
    /// # Errors
    /// None in practice.
    pub fn take_both(&mut self, count: usize) -> Result<(Vec<Change>, Vec<Event>), Failure> {
        let changes = self.take_changes(count);
        let events = changes.iter().map(Change::event).collect::<Result<_, _>>()?;
        Ok((changes, events))
    }

    fn key(&self, number: u64) -> Vec<u8> {
        let row = match self.keys {
            Keys::Few(count) => scatter(self.seed ^ number) % u64::from(count),
            Keys::Distinct => number,
        };
        let entity = match self.keys {
            Keys::Few(_) => scatter(self.seed ^ (row / ATTRIBUTES.len() as u64)),
            Keys::Distinct => scatter(self.seed ^ row),
        };
        let attribute = ATTRIBUTES[(row % ATTRIBUTES.len() as u64) as usize];
        format!("task/{entity:016x}\0{attribute}").into_bytes()
    }

    fn value(&self, number: u64) -> String {
        let mut chance = scatter(self.seed.wrapping_add(1) ^ number);
        let mut word = || {
            chance = scatter(chance);
            WORDS[(chance % WORDS.len() as u64) as usize]
        };
        let title = [word(), word(), word(), word()].join(" ");
        format!(r#"{{"text":"{title}","by":"{:08x}"}}"#, scatter(self.seed ^ number) as u32)
    }
}

impl Iterator for Workload {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let number = self.next;
        self.next += 1;
        Some(Change { key: self.key(number), value: self.value(number) })
    }
}

/// Maps numbers to numbers one to one and without visible order: the first number that SplitMix64 makes of a seed.
pub(crate) fn scatter(number: u64) -> u64 {
    SplitMix64::seed_from_u64(number).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn payloads_are_as_long_as_promised_and_as_syncline_lays_them_out() {
        for change in Workload::new(Keys::TEN_THOUSAND, 1).take_changes(1_000) {
            let mut by_hand = Vec::new();
            change.put_payload(&mut by_hand);
            assert_eq!(by_hand, change.event().unwrap().payload);
            assert_eq!(by_hand.len(), change.payload_bytes());
            assert!((60..=130).contains(&by_hand.len()), "{}", by_hand.len());
        }
    }

    #[test]
    fn keys_are_few_or_all_distinct_and_come_in_no_order() {
        let keys = |keys| Workload::new(keys, 1).take(5_000).map(|change| change.key).collect::<Vec<_>>();
        let (few, distinct) = (keys(Keys::Few(100)), keys(Keys::Distinct));
        assert_eq!(few.iter().collect::<BTreeSet<_>>().len(), 100);
        assert_eq!(distinct.iter().collect::<BTreeSet<_>>().len(), 5_000);
        let rising = distinct.is_sorted_by(|a, b| a < b);
        assert!(!rising);
    }

    #[test]
    fn a_seed_names_one_sequence() {
        let first = |seed| Workload::new(Keys::Distinct, seed).take_changes(3);
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
