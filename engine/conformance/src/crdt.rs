//! The laws of a state that merges: the axioms of [`Crdt`], on histories that no honest clock would produce.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use syncline::crdt::{Context, Crdt};
use syncline::format::Stamp;

use crate::Author;
use crate::strategies::{Choices, choices, drafts, runner, seed};

pub mod merge;

/// An operation that somebody has written.
#[derive(Debug, Clone)]
pub struct Written<O> {
    /// Its place in the order of all.
    pub stamp: Stamp,
    /// Other operations that its writer had seen; all of them have smaller stamps. Types without a use for it leave it.
    pub seen: Context,
    /// The operation.
    pub op: O,
}

/// How a type takes an operation.
pub trait Apply<S, O>: Fn(&mut S, &Written<O>) {}

impl<S, O, F: Fn(&mut S, &Written<O>)> Apply<S, O> for F {}

/// The register: calls the macro `$callback!` with `$input` and every CRDT law, by the module that holds it.
#[macro_export]
macro_rules! for_each_crdt_law {
    ([$($callback:tt)+] $input:tt) => {
        $($callback)+! { $input
            merge {
                merging_is_the_same_from_either_side
                merging_is_the_same_in_any_grouping
                merging_with_itself_changes_nothing
                merging_with_nothing_changes_nothing
                merging_gives_what_folding_both_gives
                folding_in_any_order_gives_the_same_state
                folding_again_changes_nothing
                operations_change_the_state
            }
        }
    };
}

/// Makes every CRDT law a test: `crdt_suite!(State, ops(), apply)`, where `ops()` is a proptest strategy of operations and
/// `apply` folds one into a state.
///
/// ```
/// use proptest::prelude::*;
/// use syncline::crdt::Lww;
/// use syncline_conformance::crdt::Written;
/// use syncline_conformance::crdt_suite;
///
/// fn set(state: &mut Lww<u8>, written: &Written<u8>) {
///     state.set(written.stamp, written.op);
/// }
///
/// crdt_suite!(Lww<u8>, any::<u8>(), set);
/// ```
#[macro_export]
macro_rules! crdt_suite {
    ($state:ty, $ops:expr, $apply:expr $(,)?) => {
        $crate::for_each_crdt_law! { [$crate::__crdt_tests] ($state, $ops, $apply) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __crdt_tests {
    (($state:ty, $ops:expr, $apply:expr) $($module:ident { $($law:ident)+ })+) => { $($(
        #[test]
        fn $law() {
            $crate::crdt::$module::$law::<$state, _>(&$crate::crdt::input($ops), &$apply);
        }
    )+)+ };
}

/// What the suite's tests take.
#[doc(hidden)]
pub fn input<O: Debug>(ops: impl Strategy<Value = O> + 'static) -> BoxedStrategy<O> {
    ops.boxed()
}

/// A random history, and how much of it three replicas have seen, in which order.
#[derive(Debug, Clone)]
pub(crate) struct Case<O> {
    /// By author, by bundle, its operations.
    written: Vec<Vec<Vec<Written<O>>>>,
    replicas: [(Choices, usize); 3],
}

impl<O: Clone> Case<O> {
    fn counts(&self) -> Vec<usize> {
        self.written.iter().map(Vec::len).collect()
    }

    /// The bundles that a replica has seen, in its order.
    fn arrived(&self, replica: usize) -> Vec<(usize, usize)> {
        let (choices, count) = &self.replicas[replica];
        let mut arrived = choices.once(&self.counts());
        arrived.truncate(*count);
        arrived
    }

    fn fold<S: Default>(&self, bundles: &[(usize, usize)], apply: &impl Apply<S, O>) -> S {
        let mut state = S::default();
        let ops = bundles.iter().flat_map(|(author, index)| &self.written[*author][*index]);
        ops.for_each(|op| apply(&mut state, op));
        state
    }

    /// What a replica holds.
    pub(crate) fn state<S: Default>(&self, replica: usize, apply: &impl Apply<S, O>) -> S {
        self.fold(&self.arrived(replica), apply)
    }

    /// What a replica holds that has seen all, in the order of another's choices.
    pub(crate) fn whole<S: Default>(&self, replica: usize, apply: &impl Apply<S, O>) -> S {
        self.fold(&self.replicas[replica].0.once(&self.counts()), apply)
    }

    /// The same, with some bundles seen again.
    pub(crate) fn whole_with_repeats<S: Default>(&self, replica: usize, apply: &impl Apply<S, O>) -> S {
        self.fold(&self.replicas[replica].0.with_repeats(&self.counts()), apply)
    }

    /// What a replica holds that has seen what either of two has seen, in the order of the third's choices.
    pub(crate) fn union<S: Default>(&self, one: usize, other: usize, apply: &impl Apply<S, O>) -> S {
        let seen = [self.arrived(one), self.arrived(other)].concat();
        let count = |author| seen.iter().filter(|(of, _)| *of == author).map(|(_, index)| index + 1).max().unwrap_or(0);
        let counts: Vec<_> = (0..self.written.len()).map(count).collect();
        self.fold(&self.replicas[2].0.once(&counts), apply)
    }
}

/// Joins two states.
pub(crate) fn join<S: Crdt>(one: &S, other: &S) -> S {
    let mut joined = one.clone();
    joined.merge(other);
    joined
}

/// Random histories of these operations.
pub(crate) fn cases<O: Debug + Clone + 'static>(ops: &BoxedStrategy<O>) -> impl Strategy<Value = Case<O>> + use<O> {
    let seen = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let written = drafts((ops.clone(), seen).boxed()).prop_map(|draft| {
        let stamps = |author: usize, (time, ops): &(_, Vec<_>)| {
            let origin = Author::new(author as u8 + 1).origin();
            (0..ops.len() as u16).map(|index| Stamp { time: *time, origin, index }).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        draft.iter().enumerate().for_each(|(author, bundles)| {
            bundles.iter().for_each(|bundle| all.extend(stamps(author, bundle)));
        });
        let write = |stamp: Stamp, (op, seen): (O, Vec<prop::sample::Index>)| {
            let seen = seen.into_iter().map(|index| *index.get(&all)).filter(|seen| *seen < stamp).collect();
            Written { stamp, seen, op }
        };
        let bundle = |author, bundle: (_, Vec<_>)| {
            let stamps = stamps(author, &bundle);
            stamps.into_iter().zip(bundle.1).map(|(stamp, op)| write(stamp, op)).collect()
        };
        let author = |(author, bundles): (usize, Vec<_>)| bundles.into_iter().map(|one| bundle(author, one)).collect();
        draft.into_iter().enumerate().map(author).collect::<Vec<Vec<Vec<_>>>>()
    });
    let replica = || (choices(), 0usize..30);
    let case = (written, [replica(), replica(), replica()]);
    case.prop_map(|(written, replicas)| Case { written, replicas })
}

/// Proves something for random histories of these operations.
pub(crate) fn prove<O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    holds: impl Fn(&Case<O>) -> Result<(), TestCaseError>,
) {
    let proved = runner().run(&cases(ops), |case| holds(&case));
    proved.unwrap_or_else(|failure| panic!("SYNCLINE_CONFORMANCE_SEED={}: {failure}", seed()));
}
