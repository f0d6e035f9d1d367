//! A merge is a join: of the states of one history, in any order, any number of times.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use syncline::crdt::Crdt;

use super::{Apply, cases, join, prove};
use crate::strategies::runner;

/// An operation must change the state in at least one of this many histories.
const HISTORIES: usize = 1_000;

/// `a ⊔ b = b ⊔ a`: two replicas that exchange their states agree.
pub fn merging_is_the_same_from_either_side<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        let (a, b) = (case.state(0, apply), case.state(1, apply));
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        Ok(())
    });
}

/// `(a ⊔ b) ⊔ c = a ⊔ (b ⊔ c)`: it does not matter through whom a state came.
pub fn merging_is_the_same_in_any_grouping<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        let [a, b, c] = [0, 1, 2].map(|replica| case.state(replica, apply));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        Ok(())
    });
}

/// `a ⊔ a = a`: a state that comes twice counts once.
pub fn merging_with_itself_changes_nothing<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        let a = case.state(0, apply);
        prop_assert_eq!(&join(&a, &a), &a);
        Ok(())
    });
}

/// `a ⊔ ∅ = a`: who has seen nothing adds nothing, and takes all.
pub fn merging_with_nothing_changes_nothing<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        let a = case.state(0, apply);
        prop_assert_eq!(&join(&a, &S::default()), &a);
        prop_assert_eq!(&join(&S::default(), &a), &a);
        Ok(())
    });
}

/// `fold(A) ⊔ fold(B) = fold(A ∪ B)`: exchanging states and exchanging events come to the same.
pub fn merging_gives_what_folding_both_gives<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        let joined = join(&case.state::<S>(0, apply), &case.state(1, apply));
        prop_assert_eq!(joined, case.union(0, 1, apply));
        Ok(())
    });
}

/// Events of different origins come in any order.
pub fn folding_in_any_order_gives_the_same_state<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        prop_assert_eq!(case.whole::<S>(0, apply), case.whole(1, apply));
        Ok(())
    });
}

/// An event that was folded may come again.
pub fn folding_again_changes_nothing<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    prove(ops, |case| {
        prop_assert_eq!(case.whole_with_repeats::<S>(0, apply), case.whole(0, apply));
        Ok(())
    });
}

/// A fold that takes nothing in keeps all other laws.
pub fn operations_change_the_state<S: Crdt + Default + Debug, O: Debug + Clone + 'static>(
    ops: &BoxedStrategy<O>,
    apply: &impl Apply<S, O>,
) {
    let (mut runner, cases) = (runner(), cases(ops));
    let mut drawn = (0..HISTORIES).filter_map(|_| cases.new_tree(&mut runner).ok()).map(|tree| tree.current());
    let changes = drawn.any(|case| case.whole::<S>(0, apply) != S::default());
    assert!(
        changes,
        "no operation of {HISTORIES} random histories changes the state, so that nothing is proved: let `apply` fold \
         operations in, or draw others"
    );
}
