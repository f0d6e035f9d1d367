//! Row states that converge: fold the same events in any order, any number of times, and get the same state.
//!
//! Each type takes events one at a time, by methods that take the event's [`Stamp`], and merges with another replica's state.
//! They rely on what every log guarantees: the events of *one* origin come in the order in which they were written, and
//! their stamps rise. Different origins may interleave in any way, effects before their causes included, and an event that
//! was folded may come again.
//!
//! | type | concurrent writes | size |
//! |---|---|---|
//! | [`Lww`] | the greatest stamp wins | one value |
//! | [`MultiValue`] | all are kept until a later write has seen them | at most one value per origin |
//! | [`PnCounter`] | all count | two sums per origin |
//! | [`AddWinsSet`] | an insert wins over a remove that had not seen it | the elements, no tombstones |
//! | [`Ordered`] | whatever a fold in time order makes of them | every event of the row |
//!
//! The frame is Shapiro, Preguiça, Baquero, Zawirski: *Conflict-free Replicated Data Types*, SSS 2011.

mod add_wins_set;
mod context;
mod lww;
mod multi_value;
mod ordered;
mod pairs;
mod pn_counter;
#[cfg(test)]
mod tests;

pub use add_wins_set::AddWinsSet;
pub use context::Context;
pub(crate) use context::read_stamp;
pub use lww::Lww;
pub use multi_value::MultiValue;
pub use ordered::{Ordered, OrderedFold};
pub use pn_counter::PnCounter;
pub(crate) use pn_counter::Tally;

#[cfg(doc)]
use crate::format::time::Stamp;

/// A state that joins with another replica's.
///
/// Write `a ⊔ b` for `a` after `a.merge(&b)`, and `fold(E)` for the state after the events `E`. For all states of one
/// space's history, that is for all `E` which hold some first events of each origin:
///
/// * `a ⊔ b = b ⊔ a`
/// * `(a ⊔ b) ⊔ c = a ⊔ (b ⊔ c)`
/// * `a ⊔ a = a`
/// * `fold(A) ⊔ fold(B) = fold(A ∪ B)`, whatever the order in which each side folded
///
/// States of different histories (two events with one stamp) have no join that means anything.
pub trait Crdt: Clone + PartialEq {
    /// Joins `other` into this state. Afterwards this state holds what either of them had seen.
    fn merge(&mut self, other: &Self);
}
