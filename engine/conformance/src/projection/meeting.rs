//! Histories in which two orders of arrival differ for some row. A law that compares orders proves nothing in any other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestError};
use syncline::format::Run;
use syncline::format::time::NTP64;
use syncline::projection::Fold;
use syncline::{Dot, Event};

use super::events::{events_of, keys_of};
use super::{Case, Rows, cases, fold_batch, prove};
use crate::Author;
use crate::strategies::{self, runner, seed};

/// How many events are asked whether two authors can share a row.
const ASKED: usize = 100;

/// Proves something for random histories in which some row is touched by two authors, in another order by `one` than by `other`.
///
/// Histories without such a row are skipped. If nearly all are, the law fails and says what to change. The exception is a
/// projection whose rows belong to their writers, as a row for each bundle does: nobody else can touch them, in any order.
pub(crate) fn prove_orders(
    fold: &Arc<dyn Fold>,
    events: &BoxedStrategy<Event>,
    holds: impl Fn(&Case) -> Result<(), TestCaseError>,
) {
    if rows_belong_to_writers(fold, events) {
        return prove(events, holds);
    }
    let tried = RefCell::new(Tried::default());
    let proved = runner().run(&cases(events), |case| {
        let (one, other) = (arrivals(fold, &case.once(&case.one)), arrivals(fold, &case.once(&case.other)));
        let differ = one != other;
        tried.borrow_mut().note(one, differ);
        prop_assume!(differ, "no row is touched in two orders");
        holds(&case)
    });
    let seed = seed();
    match proved {
        Ok(()) => {}
        // The cases that prove something are rare, but there were some, and the law held in each.
        Err(TestError::Abort(_)) if tried.borrow().differing >= cases_min() => {}
        Err(TestError::Abort(_)) => panic!("SYNCLINE_CONFORMANCE_SEED={seed}: {}", tried.borrow().advice()),
        Err(failure) => panic!("SYNCLINE_CONFORMANCE_SEED={seed}: {failure}"),
    }
}

/// At least this number of cases must prove something.
fn cases_min() -> u64 {
    strategies::cases().div_ceil(3)
}

/// Row → the bundles whose events were folded into it, in the order in which they came.
type Arrivals = BTreeMap<Vec<u8>, Vec<Dot>>;

fn arrivals(fold: &Arc<dyn Fold>, runs: &[Run]) -> Arrivals {
    let (mut rows, mut arrivals) = (Rows::new(), Arrivals::new());
    for run in runs {
        let aside = fold_batch(fold, &mut rows, std::slice::from_ref(run));
        let aside: BTreeSet<_> = aside.into_iter().map(|aside| (aside.dot, aside.index)).collect();
        for event in events_of(run).filter(|event| !aside.contains(&(event.dot, event.stamp.index))) {
            keys_of(fold, &event).into_iter().for_each(|key| arrivals.entry(key).or_default().push(event.dot));
        }
    }
    arrivals
}

/// Whether another author's event would never touch the same rows, whatever it says: because rows are named by bundle, author or
/// time.
fn rows_belong_to_writers(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) -> bool {
    let mut runner = runner();
    let (mut touched, mut shared) = (false, false);
    for _ in 0..ASKED {
        let Ok(event) = events.new_tree(&mut runner).map(|tree| tree.current()) else { return false };
        let rows = |author, time| -> BTreeSet<Vec<u8>> {
            let written = Author::new(author).write_at(NTP64(time), std::slice::from_ref(&event));
            events_of(written.run()).flat_map(|event| keys_of(fold, &event)).collect()
        };
        let (one, other) = (rows(1, 1), rows(2, 2));
        touched |= !one.is_empty();
        shared |= !one.is_disjoint(&other);
    }
    touched && !shared
}

/// What the histories came to that were tried.
#[derive(Debug, Default)]
struct Tried {
    histories: u64,
    differing: u64,
    events: usize,
    rows: BTreeSet<Vec<u8>>,
}

impl Tried {
    fn note(&mut self, arrivals: Arrivals, differ: bool) {
        self.histories += 1;
        self.differing += u64::from(differ);
        self.events += arrivals.values().map(Vec::len).sum::<usize>();
        self.rows.extend(arrivals.into_keys());
    }

    /// Why nothing was proved, and what to change.
    fn advice(&self) -> String {
        let Self { histories, differing, events, rows } = self;
        if rows.is_empty() {
            return format!(
                "no event of {histories} random histories was folded into a row, so nothing was proved: let the strategy \
                 draw events that `keys` knows and `apply` can read"
            );
        }
        format!(
            "too little was proved: this law compares two orders of arrival, and in only {differing} of {histories} random \
             histories two authors touched one row in two orders. {events} events were folded into {} rows: let the \
             strategy draw the keys from fewer values, such as three, and more of the events that share rows",
            rows.len()
        )
    }
}
