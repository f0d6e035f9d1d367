//! The engine's states keep the laws of merging; states with one fault each break them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use syncline::ReplicaId;
use syncline::crdt::{AddWinsSet, Crdt, Lww, MultiValue, Ordered, OrderedFold, PnCounter};
use syncline::format::Stamp;
use syncline_conformance::crdt::{Written, input};
use syncline_conformance::{crdt_suite, for_each_crdt_law};

/// A number, or the undoing of one.
type Op = (i8, bool);

fn ops() -> BoxedStrategy<Op> {
    input((0i8..4, any::<bool>()))
}

mod register {
    use super::*;

    crdt_suite!(Lww<i8>, ops(), |state: &mut Lww<i8>, written: &Written<Op>| {
        _ = if written.op.1 { state.delete(written.stamp) } else { state.set(written.stamp, written.op.0) };
    });
}

mod many_values {
    use super::*;

    crdt_suite!(MultiValue<i8>, ops(), |state: &mut MultiValue<i8>, written: &Written<Op>| {
        match written.op {
            (_, true) => state.clear(written.stamp, &written.seen),
            (value, false) => state.put(written.stamp, &written.seen, value),
        }
    });
}

mod counter {
    use super::*;

    crdt_suite!(PnCounter, ops(), |state: &mut PnCounter, written: &Written<Op>| {
        state.add(written.stamp, i64::from(written.op.0) - i64::from(written.op.1) * 4);
    });
}

mod ordered {
    use super::*;

    #[derive(Debug)]
    struct Balance;

    impl OrderedFold for Balance {
        type Event = i8;
        type Output = i64;

        fn fold<'a>(events: impl Iterator<Item = (Stamp, &'a i8)>) -> i64 {
            events.fold(0, |balance, (_, change)| i64::max(balance + i64::from(*change) - 1, 0))
        }
    }

    crdt_suite!(Ordered<Balance>, ops(), |state: &mut Ordered<Balance>, written: &Written<Op>| {
        state.insert(written.stamp, written.op.0);
    });
}

/// Each origin's last number: it relies on the order of one origin's operations, and compares no stamps but in a merge.
mod latest {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Default)]
    struct Latest(BTreeMap<ReplicaId, (Stamp, i8)>);

    impl Crdt for Latest {
        fn merge(&mut self, other: &Self) {
            for (origin, theirs) in &other.0 {
                self.0.entry(*origin).and_modify(|ours| *ours = (*ours).max(*theirs)).or_insert(*theirs);
            }
        }
    }

    crdt_suite!(Latest, ops(), |state: &mut Latest, written: &Written<Op>| {
        state.0.insert(written.stamp.origin, (written.stamp, written.op.0));
    });
}

mod set {
    use super::*;

    crdt_suite!(AddWinsSet<i8>, ops(), |state: &mut AddWinsSet<i8>, written: &Written<Op>| {
        match written.op {
            (element, true) => state.remove(written.stamp, &element, &written.seen),
            (element, false) => state.insert(written.stamp, element),
        }
    });
}

/// All that was written, and a merge that can be chosen.
macro_rules! broken {
    ($name:ident, $state:ty, $merge:expr) => {
        #[derive(Debug, Clone, PartialEq, Default)]
        struct $name($state);

        impl Crdt for $name {
            fn merge(&mut self, other: &Self) {
                let merge: fn(&mut $state, &$state) = $merge;
                merge(&mut self.0, &other.0);
            }
        }
    };
}

broken!(Sound, BTreeMap<Stamp, i8>, |state, other| state.extend(other));
broken!(TakesTheirs, Option<(Stamp, i8)>, |state, other| *state = other.or(*state));
broken!(Averages, f64, |state, other| *state = (*state + *other) / 2.0);
broken!(Adds, u64, |state, other| *state += *other);
broken!(Marks, BTreeSet<i8>, |state, other| {
    state.extend(other);
    state.insert(i8::MAX);
});
broken!(Meets, BTreeMap<Stamp, i8>, |state, other| state.retain(|stamp, _| other.contains_key(stamp)));
broken!(Deaf, BTreeSet<i8>, |state, other| state.extend(other));
broken!(KeepsTheLast, Vec<i8>, |state, other| *state = (*state).clone().max(other.clone()));

fn insert(state: &mut BTreeMap<Stamp, i8>, written: &Written<Op>) {
    state.insert(written.stamp, written.op.0);
}

/// The laws that a state does not keep.
macro_rules! table {
    (($state:ty, $apply:expr) $($module:ident { $($law:ident)+ })+) => {{
        let mut broken = BTreeSet::new();
        $($({
            let law = || syncline_conformance::crdt::$module::$law::<$state, Op>(&ops(), &$apply);
            if catch_unwind(AssertUnwindSafe(law)).is_err() {
                broken.insert(stringify!($law));
            }
        })+)+
        broken
    }};
}

macro_rules! broken_laws {
    ($state:ty, $apply:expr) => {
        for_each_crdt_law!([table]($state, $apply))
    };
}

#[test]
fn faults_of_merges_are_caught() {
    let keep = |state: &mut Sound, written: &Written<Op>| insert(&mut state.0, written);
    assert_eq!(broken_laws!(Sound, keep), BTreeSet::new());

    let last = |state: &mut TakesTheirs, written: &Written<Op>| {
        state.0 = state.0.max(Some((written.stamp, written.op.0)));
    };
    assert!(broken_laws!(TakesTheirs, last).contains("merging_is_the_same_from_either_side"));

    let average = |state: &mut Averages, written: &Written<Op>| state.0 += f64::from(written.op.0);
    assert!(broken_laws!(Averages, average).contains("merging_is_the_same_in_any_grouping"));

    let add = |state: &mut Adds, _: &Written<Op>| state.0 += 1;
    let broken = broken_laws!(Adds, add);
    assert!(broken.contains("merging_with_itself_changes_nothing"), "{broken:?}");
    assert!(broken.contains("folding_again_changes_nothing"), "{broken:?}");

    let mark = |state: &mut Marks, written: &Written<Op>| _ = state.0.insert(written.op.0);
    assert!(broken_laws!(Marks, mark).contains("merging_with_nothing_changes_nothing"));

    let keep = |state: &mut Meets, written: &Written<Op>| insert(&mut state.0, written);
    assert!(broken_laws!(Meets, keep).contains("merging_gives_what_folding_both_gives"));

    let push = |state: &mut KeepsTheLast, written: &Written<Op>| state.0.push(written.op.0);
    assert!(broken_laws!(KeepsTheLast, push).contains("folding_in_any_order_gives_the_same_state"));

    let nothing = |_: &mut Deaf, _: &Written<Op>| {};
    assert_eq!(broken_laws!(Deaf, nothing), BTreeSet::from(["operations_change_the_state"]));
}
