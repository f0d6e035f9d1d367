//! The laws of a projection: a row depends on the set of bundles, never on their order, repetition or packing.
//!
//! Laws fold through [`Projections`], as the engine does. They use what every log guarantees and no more: one origin's bundles
//! come in the order in which they were written. A law that compares two orders of arrival fails if authors never meet in a row,
//! because it would pass whatever the projection does.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use syncline::Event;
use syncline::format::Run;
use syncline::projection::fold::Projections;
use syncline::projection::{Aside, Cause, Fold};
use syncline::store::RowKey;

use crate::Author;
use crate::strategies::{Choices, choices, drafts, runner, seed};

pub mod events;
mod meeting;
pub mod order;

/// One law, as a value.
#[derive(Clone, Copy)]
pub struct ProjectionLaw {
    /// The sentence that it proves.
    pub name: &'static str,
    /// Proves it for a projection and random events, or panics.
    pub prove: fn(&Arc<dyn Fold>, &BoxedStrategy<Event>),
}

impl std::fmt::Debug for ProjectionLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The register: calls the macro `$callback!` with `$input` and every projection law, by the module that holds it.
#[macro_export]
macro_rules! for_each_projection_law {
    ([$($callback:tt)+] $input:tt) => {
        $($callback)+! { $input
            order {
                rows_do_not_depend_on_the_order_of_bundles
                bundles_seen_again_change_no_row
                batches_change_no_row
                packing_changes_no_row
                a_rebuild_from_zero_gives_the_same_rows
                what_is_put_aside_does_not_depend_on_the_order
            }
            events {
                a_view_has_one_name_that_is_free
                keys_are_the_same_whenever_they_are_asked_for
                folding_twice_gives_the_same_bytes
                a_row_reads_back_as_it_was_written
                an_unreadable_event_leaves_the_row_as_it_was
                payloads_that_make_no_sense_are_put_aside
                another_version_of_an_event_is_not_passed_over
            }
        }
    };
}

/// Makes every projection law a test: `projection_suite!(MyProjection::new(), my_events())`. The second argument is a proptest
/// strategy of [`Event`]s that the projection takes, unreadable ones among them.
///
/// Draw keys from a few values, such as three: two authors must touch the same row. If they hardly ever do, the laws about
/// order fail and say how many rows there were.
///
/// ```
/// use proptest::prelude::*;
/// use syncline::{Event, EventType};
/// # use syncline::projection::{Keys, Reads};
/// # use syncline::{EventRef, Projection, Unreadable, ViewId};
/// # struct Longest;
/// # impl Projection for Longest {
/// #     type State = String;
/// #     fn view(&self) -> ViewId { ViewId::new("longest@1").unwrap() }
/// #     fn reads(&self) -> Reads { Reads::types([EventType::new("word", 1)]) }
/// #     fn keys(&self, _: &EventRef<'_>, keys: &mut Keys) { keys.push(b"") }
/// #     fn apply(&self, _: &[u8], _: &mut String, _: &EventRef<'_>) -> Result<(), Unreadable> { Ok(()) }
/// # }
/// use syncline_conformance::projection_suite;
///
/// fn words() -> impl Strategy<Value = Event> {
///     "[a-z]{0,9}".prop_map(|word| Event::new(EventType::new("word", 1), word))
/// }
///
/// projection_suite!(Longest, words());
/// ```
#[macro_export]
macro_rules! projection_suite {
    ($projection:expr, $events:expr $(,)?) => {
        $crate::for_each_projection_law! { [$crate::__projection_tests] ($projection, $events) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __projection_tests {
    (($projection:expr, $events:expr) $($module:ident { $($law:ident)+ })+) => { $($(
        #[test]
        fn $law() {
            let (fold, events) = $crate::projection::input($projection, $events);
            $crate::projection::$module::$law(&fold, &events);
        }
    )+)+ };
}

macro_rules! table {
    (() $($module:ident { $($law:ident)+ })+) => {
        &[$($( ProjectionLaw { name: stringify!($law), prove: $module::$law }, )+)+]
    };
}

/// All projection laws.
pub const LAWS: &[ProjectionLaw] = for_each_projection_law! { [table] () };

/// What the suite's tests take.
#[doc(hidden)]
pub fn input(
    projection: impl Fold,
    events: impl Strategy<Value = Event> + 'static,
) -> (Arc<dyn Fold>, BoxedStrategy<Event>) {
    (Arc::new(projection), events.boxed())
}

/// The rows of one projection.
pub(crate) type Rows = BTreeMap<RowKey, Bytes>;

/// A random history, and random ways in which it arrives.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// By author, one run for each bundle.
    pub(crate) bundles: Vec<Vec<Run>>,
    pub(crate) one: Choices,
    pub(crate) other: Choices,
    pub(crate) cuts: Choices,
}

impl Case {
    fn counts(&self) -> Vec<usize> {
        self.bundles.iter().map(Vec::len).collect()
    }

    fn runs(&self, order: Vec<(usize, usize)>) -> Vec<Run> {
        order.into_iter().map(|(author, index)| self.bundles[author][index].clone()).collect()
    }

    /// All bundles, in the order that these choices make.
    pub(crate) fn once(&self, choices: &Choices) -> Vec<Run> {
        self.runs(choices.once(&self.counts()))
    }

    /// All bundles, some of them more than once.
    pub(crate) fn with_repeats(&self, choices: &Choices) -> Vec<Run> {
        self.runs(choices.with_repeats(&self.counts()))
    }
}

/// Random histories of these events.
pub(crate) fn cases(events: &BoxedStrategy<Event>) -> impl Strategy<Value = Case> + use<> {
    let bundles = drafts(events.clone()).prop_map(|draft| {
        let mut authors = (1..).map(Author::new);
        let mut write = |bundles: Vec<(_, Vec<Event>)>| {
            let mut author = authors.next().expect("there are four authors at most");
            bundles.into_iter().map(|(time, events)| author.write_at(time, &events).run().clone()).collect()
        };
        draft.into_iter().map(&mut write).collect()
    });
    let case = (bundles, choices(), choices(), choices());
    case.prop_map(|(bundles, one, other, cuts)| Case { bundles, one, other, cuts })
}

/// Proves something for random histories of these events.
pub(crate) fn prove(events: &BoxedStrategy<Event>, holds: impl Fn(&Case) -> Result<(), TestCaseError>) {
    let proved = runner().run(&cases(events), |case| holds(&case));
    proved.unwrap_or_else(|failure| panic!("SYNCLINE_CONFORMANCE_SEED={}: {failure}", seed()));
}

/// The projection as the engine keeps it.
pub(crate) fn projections(fold: &Arc<dyn Fold>) -> Projections {
    let mut projections = Projections::none();
    projections.add(fold.clone()).expect("the view's name is free");
    projections
}

/// Folds runs as one batch: finds the rows, loads each once, folds, writes each once. Returns what was put aside.
///
/// # Panics
/// If the projection has panicked on an event. The engine puts such an event aside; the kit says what has to be mended.
pub(crate) fn fold_batch(fold: &Arc<dyn Fold>, rows: &mut Rows, runs: &[Run]) -> Vec<Aside> {
    let projections = projections(fold);
    let plan = projections.plan(runs);
    let keys = plan.rows();
    let loaded = keys.iter().map(|key| rows.get(key).cloned()).collect();
    let folded = plan.fold(keys, loaded);
    assert!(folded.damaged.is_empty(), "a row cannot be read back: {:?}", folded.damaged);
    for Aside { cause, dot, index, .. } in &folded.aside {
        if let Cause::Panicked(panic) = cause {
            panic!("the projection panics on event {index} of bundle {dot}: {panic}");
        }
    }
    for row in folded.rows {
        match row.value {
            Some(value) => rows.insert(row.key, value),
            None => rows.remove(&row.key),
        };
    }
    folded.aside
}

/// Folds runs one by one, so that rows are written and read between any two bundles.
pub(crate) fn fold_singly(fold: &Arc<dyn Fold>, runs: &[Run]) -> Rows {
    let mut rows = Rows::new();
    runs.iter().for_each(|run| drop(fold_batch(fold, &mut rows, std::slice::from_ref(run))));
    rows
}
