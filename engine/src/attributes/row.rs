//! The state of one attribute.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::key::Attribute;
use super::op::Op;
use super::value::Value;
use crate::crdt::{AddWinsSet, Context, Lww, PnCounter};
use crate::format::event::Event;
use crate::format::time::Stamp;

/// The state of one attribute: its value, and everything that is needed to fold the next operation.
///
/// [`RowState::decode`](crate::projection::RowState::decode) reads it from a row's bytes. The default is an attribute
/// that nobody has touched. If there is no row, the first add, insert or remove is made from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttributeRow {
    /// The latest set or delete, which is the base.
    pub(super) register: Lww<Value>,
    /// What is on top of it. Most attributes are never touched by anything but sets, and have none.
    pub(super) more: Option<Box<More>>,
}

/// The state beyond a plain register. One of its parts is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct More {
    /// What counts on the base.
    pub(super) current: Changes,
    /// What was made on bases that have not arrived. Each lies after the base, and none is empty.
    pub(super) early: BTreeMap<Stamp, Changes>,
}

/// The adds, inserts and removes on one base.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) counter: PnCounter,
    /// As soon as it is touched, the elements of the base's array are in it, inserted by the base.
    pub(super) set: AddWinsSet<Value>,
}

/// What an attribute reads as.
enum Shown<'a> {
    Register,
    Counter,
    Set(&'a AddWinsSet<Value>),
}

impl AttributeRow {
    /// The value as JSON text; none if the attribute was never set or is deleted.
    pub fn value(&self) -> Option<Cow<'_, str>> {
        match self.shown() {
            Shown::Register => self.register.get().map(|value| Cow::Borrowed(value.as_json())),
            Shown::Counter => Some(Cow::Owned(self.counter().to_string())),
            Shown::Set(set) => Some(Cow::Owned(array(set))),
        }
    }

    /// The text that the attribute is, without quotes and escapes; `None` if its value is no string.
    pub fn text(&self) -> Option<String> {
        self.value().and_then(|json| serde_json::from_str(&json).ok())
    }

    /// The stamp of the latest operation that counts; none if there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        let current = self.current();
        let changed = current.and_then(|changes| changes.counter.latest().max(changes.set.latest()));
        changed.max(self.base())
    }

    /// The stamp of the latest set or delete.
    pub fn base(&self) -> Option<Stamp> {
        self.register.stamp()
    }

    /// The attribute read as a counter, whatever it reads as otherwise.
    pub fn counter(&self) -> i64 {
        let start = self.register.get().and_then(Value::as_integer).unwrap_or(0);
        self.current().map_or(start, |changes| changes.counter.value_from(start))
    }

    /// The attribute read as a set, whatever it reads as otherwise: JSON texts, sorted by their bytes.
    pub fn elements(&self) -> Vec<&str> {
        match self.touched_set() {
            Some(set) => set.iter().map(Value::as_json).collect(),
            None => {
                let mut elements = self.register.get().and_then(Value::as_array).unwrap_or_default();
                elements.sort_unstable();
                elements.dedup();
                elements
            }
        }
    }

    /// The event that adds `delta` to the counter. `self` is the row of `attribute` as it was last read.
    pub fn add(&self, attribute: &Attribute, delta: i64) -> Event {
        Op::Add { base: self.base(), delta }.event(attribute)
    }

    /// The event that inserts `element` into the set. `self` is the row of `attribute` as it was last read.
    pub fn insert(&self, attribute: &Attribute, element: impl Into<Value>) -> Event {
        Op::Insert { base: self.base(), element: element.into() }.event(attribute)
    }

    /// The event that removes `element` from the set, as far as this row holds it. `self` is the row of `attribute` as it
    /// was last read.
    pub fn remove(&self, attribute: &Attribute, element: impl Into<Value>) -> Event {
        let element = element.into();
        let context = match self.touched_set() {
            Some(set) => set.context(&element),
            None if self.elements().contains(&element.as_json()) => self.base().into_iter().collect(),
            None => Context::default(),
        };
        Op::Remove { base: self.base(), context, element }.event(attribute)
    }

    /// Folds an operation.
    pub(super) fn apply(&mut self, stamp: Stamp, op: Op) {
        match op {
            Op::Set(value) => self.reset(stamp, Some(value)),
            Op::Delete => self.reset(stamp, None),
            Op::Add { base, delta } => self.change(stamp, base, |changes, _| changes.counter.add(stamp, delta)),
            Op::Insert { base, element } => {
                self.change(stamp, base, |changes, base| changes.set_on(base).insert(stamp, element));
            }
            Op::Remove { base, context, element } => {
                self.change(stamp, base, |changes, base| changes.set_on(base).remove(stamp, &element, &context));
            }
        }
    }

    /// Makes a set or a delete the base, unless a later one is.
    fn reset(&mut self, stamp: Stamp, value: Option<Value>) {
        if !self.register.write(stamp, value) {
            return;
        }
        let Some(mut more) = self.more.take() else { return };
        let mut early = more.early.split_off(&stamp);
        let mut current = early.remove(&stamp).unwrap_or_default();
        if current.set.latest().is_some() {
            seed(&mut current.set, &self.register);
        }
        if !current.is_empty() || !early.is_empty() {
            self.more = Some(Box::new(More { current, early }));
        }
    }

    /// Changes what lies on the base that the writer of an operation had seen, `declared` by its event.
    fn change(&mut self, stamp: Stamp, declared: Option<Stamp>, change: impl FnOnce(&mut Changes, &Lww<Value>)) {
        let known = self.base();
        // Its origin's own earlier set it had seen in any case. That one was folded before, so it is the base or beaten.
        let own = known.filter(|known| known.origin == stamp.origin && *known < stamp);
        let base = declared.max(own);
        if base == known {
            change(&mut self.more.get_or_insert_default().current, &self.register);
        } else if let Some(early) = base.filter(|base| Some(*base) > known) {
            let more = self.more.get_or_insert_default();
            change(more.early.entry(early).or_default(), &Lww::default());
        }
    }

    fn shown(&self) -> Shown<'_> {
        let Some(changes) = self.current().filter(|changes| !changes.is_empty()) else { return Shown::Register };
        if changes.counter.latest() > changes.set.latest() { Shown::Counter } else { Shown::Set(&changes.set) }
    }

    fn current(&self) -> Option<&Changes> {
        self.more.as_ref().map(|more| &more.current)
    }

    /// The set, if any insert or remove counts.
    fn touched_set(&self) -> Option<&AddWinsSet<Value>> {
        self.current().map(|changes| &changes.set).filter(|set| set.latest().is_some())
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.counter.is_empty() && self.set.latest().is_none()
    }

    /// The set, to be touched, on this base.
    fn set_on(&mut self, base: &Lww<Value>) -> &mut AddWinsSet<Value> {
        if self.set.latest().is_none() {
            seed(&mut self.set, base);
        }
        &mut self.set
    }
}

/// Inserts the elements of the base's array as the base's own: the first operation of its origin on this base.
fn seed(set: &mut AddWinsSet<Value>, register: &Lww<Value>) {
    let elements = register.get().and_then(Value::as_array).unwrap_or_default();
    if let Some(base) = register.stamp() {
        elements.into_iter().for_each(|element| set.insert(base, Value::of_checked(element)));
    }
}

/// The elements of a set as a JSON array.
fn array(set: &AddWinsSet<Value>) -> String {
    let mut text = String::from("[");
    for element in set.iter() {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(element.as_json());
    }
    text.push(']');
    text
}
