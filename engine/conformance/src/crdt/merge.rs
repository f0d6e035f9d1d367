//! A merge is a join: of the states of one history, in any order, any number of times.

use std::fmt::Debug;

use proptest::prelude::*;
use syncline::crdt::Crdt;

use super::{Apply, join, prove};

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
