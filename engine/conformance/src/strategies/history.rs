//! Random histories: who writes what, and in which order it arrives somewhere.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use syncline::format::time::NTP64;

/// How many authors write a history at most.
const AUTHORS_MAX: usize = 4;

/// By author, their bundles in order: a time, and what the bundle holds. Times rise for each author; those of different
/// authors are often equal.
pub type Draft<T> = Vec<Vec<(NTP64, Vec<T>)>>;

/// Random histories of up to four authors and seven bundles each.
pub fn drafts<T: Debug + Clone + 'static>(item: BoxedStrategy<T>) -> impl Strategy<Value = Draft<T>> {
    let bundle = (1u64..4, vec(item, 1..4));
    let author = vec(bundle, 1..8).prop_map(|bundles| {
        let mut now = 0;
        let mut at = |step| {
            now += step;
            NTP64(now)
        };
        bundles.into_iter().map(|(step, items)| (at(step), items)).collect()
    });
    vec(author, 1..=AUTHORS_MAX)
}

/// Decides in which order bundles arrive: any order that keeps each author's own, which every log guarantees.
#[derive(Debug, Clone)]
pub struct Choices(Vec<u8>);

/// Random choices.
pub fn choices() -> impl Strategy<Value = Choices> {
    vec(any::<u8>(), 0..40).prop_map(Choices)
}

impl Choices {
    /// The bundles of authors who wrote so many each, as author and index, all of them once.
    pub fn once(&self, counts: &[usize]) -> Vec<(usize, usize)> {
        let mut next = vec![0; counts.len()];
        let mut arrived = Vec::new();
        let mut take = |author: usize| {
            if next[author] < counts[author] {
                arrived.push((author, next[author]));
                next[author] += 1;
            }
        };
        self.0.iter().for_each(|choice| take(usize::from(*choice) % counts.len()));
        for (author, count) in counts.iter().enumerate() {
            (0..*count).for_each(|_| take(author));
        }
        arrived
    }

    /// The same order, which goes back now and then: the last bundles that arrived arrive again, in the same order, as they do
    /// for a reader that starts again from an older position.
    pub fn with_repeats(&self, counts: &[usize]) -> Vec<(usize, usize)> {
        let (order, mut arrived) = (self.once(counts), Vec::new());
        for (place, bundle) in order.iter().enumerate() {
            arrived.push(*bundle);
            let choice = self.0.get(place).map_or(0, |choice| usize::from(*choice));
            if choice % 3 == 0 {
                arrived.extend_from_slice(&order[place - choice / 3 % (place + 1)..=place]);
            }
        }
        arrived
    }

    /// Cuts a list into parts of one to five.
    pub fn cut<'a, T>(&self, mut list: &'a [T]) -> Vec<&'a [T]> {
        let mut sizes = self.0.iter().map(|choice| 1 + usize::from(*choice) % 5).chain(std::iter::repeat(1));
        let mut parts = Vec::new();
        while !list.is_empty() {
            let size = sizes.next().unwrap_or(1).min(list.len());
            let (part, rest) = list.split_at(size);
            parts.push(part);
            list = rest;
        }
        parts
    }
}
