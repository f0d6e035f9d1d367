//! Rows do not remember how their bundles came.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use syncline::Event;
use syncline::format::Run;
use syncline::projection::Fold;

use super::meeting::prove_orders;
use super::{Rows, fold_batch, fold_singly, prove};
use crate::Author;

/// Replicas see other people's bundles in different orders, and still must show the same.
pub fn rows_do_not_depend_on_the_order_of_bundles(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove_orders(fold, events, |case| {
        let (one, other) = (case.once(&case.one), case.once(&case.other));
        prop_assert_eq!(fold_singly(fold, &one), fold_singly(fold, &other));
        Ok(())
    });
}

/// A reader may start again from an older position; counting twice would be seen by everybody.
pub fn bundles_seen_again_change_no_row(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let (once, repeated) = (case.once(&case.one), case.with_repeats(&case.one));
        prop_assert_eq!(fold_singly(fold, &repeated), fold_singly(fold, &once));
        Ok(())
    });
}

/// Pages are cut by bytes: a row may be written and read again between any two bundles, or not.
pub fn batches_change_no_row(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let runs = case.once(&case.one);
        let mut in_batches = Rows::new();
        for batch in case.cuts.cut(&runs) {
            fold_batch(fold, &mut in_batches, batch);
        }
        prop_assert_eq!(&in_batches, &fold_singly(fold, &runs));
        let mut at_once = Rows::new();
        fold_batch(fold, &mut at_once, &runs);
        prop_assert_eq!(&in_batches, &at_once);
        Ok(())
    });
}

/// Runs are packing: one run of many bundles is the same bundles.
pub fn packing_changes_no_row(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove(events, |case| {
        let mut packed = Rows::new();
        for bundles in &case.bundles {
            fold_batch(fold, &mut packed, &[pack(bundles)]);
        }
        prop_assert_eq!(packed, fold_singly(fold, &case.bundles.concat()));
        Ok(())
    });
}

fn pack(bundles: &[Run]) -> Run {
    let mut author = Author::with_origin(bundles[0].origin());
    let timed = bundles.iter().flat_map(Run::bundles).map(|bundle| match bundle.body {
        syncline::format::run::Body::Full(body) => (bundle.time, body),
        syncline::format::run::Body::Void { .. } => unreachable!("random histories have no voids"),
    });
    author.write_timed(timed).run().clone()
}

/// A new version of a view is built from the whole log, next to rows that grew over years.
pub fn a_rebuild_from_zero_gives_the_same_rows(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove_orders(fold, events, |case| {
        let mut grown = Rows::new();
        for batch in case.cuts.cut(&case.with_repeats(&case.one)) {
            fold_batch(fold, &mut grown, batch);
        }
        let mut rebuilt = Rows::new();
        fold_batch(fold, &mut rebuilt, &case.once(&case.other));
        prop_assert_eq!(grown, rebuilt);
        Ok(())
    });
}

/// Replicas list unreadable events; the list is a view like any other.
pub fn what_is_put_aside_does_not_depend_on_the_order(fold: &Arc<dyn Fold>, events: &BoxedStrategy<Event>) {
    prove_orders(fold, events, |case| {
        let aside = |runs: &[Run]| {
            let mut rows = Rows::new();
            let aside = runs.iter().flat_map(|run| fold_batch(fold, &mut rows, std::slice::from_ref(run)));
            aside.map(|aside| (aside.dot, aside.index)).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(aside(&case.once(&case.one)), aside(&case.once(&case.other)));
        Ok(())
    });
}
