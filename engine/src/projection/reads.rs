//! Which events a view is folded from.

use super::{Cause, Fold, Keys};
use crate::format::event::{EventRef, EventType};

/// Which events a view is folded from: what [`Projection::reads`](super::Projection::reads) returns.
///
/// If the view reads an event's type but not its version, the event is put aside. A newer program wrote it, and skipping it
/// would make rows that look right and are wrong. It is folded when the view reads that version.
///
/// ```
/// use syncline::EventType;
/// use syncline::projection::Reads;
///
/// const ADDED: EventType = EventType::new("expense.added", 1);
/// const DRAFTED: EventType = EventType::new("expense.drafted", 1);
///
/// let reads = Reads::types([ADDED, DRAFTED]); // `expense.added@2` is put aside; `user.joined@1` is not this view's
/// # let event = |text: &str| { let event_type: EventType = text.parse().unwrap(); reads.clone().knows(&event_type) };
/// # assert!(event("expense.added@1"));
/// # assert!(!event("expense.added@2"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// In order; none if it reads everything.
    types: Option<Vec<EventType>>,
    /// Whether older versions of these types are read, too.
    older: bool,
    ignored: Vec<EventType>,
}

impl Reads {
    /// Events of these types. Other versions of the same types are put aside; events of other types are not the view's.
    pub fn types(types: impl IntoIterator<Item = EventType>) -> Self {
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort();
        types.dedup();
        Self { types: Some(types), older: false, ignored: Vec::new() }
    }

    /// Every event, whatever its type and version: for a view that folds all types alike, as one that counts them. Nothing is put aside
    /// on its behalf.
    pub fn everything() -> Self {
        Self { types: None, older: false, ignored: Vec::new() }
    }

    /// Events of older versions, too: for a view that upcasts them.
    #[must_use]
    pub fn and_older(mut self) -> Self {
        self.older = true;
        self
    }

    /// Skips events of these types, on purpose: they change no row and are not put aside.
    #[must_use]
    pub fn ignoring(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.ignored.extend(types);
        self
    }

    /// Whether events of this type are folded.
    pub fn knows(&self, event_type: &EventType) -> bool {
        self.takes(event_type.name(), event_type.version()).is_ok_and(|takes| takes)
    }

    /// Whether events of this type are skipped on purpose.
    pub fn ignores(&self, event_type: &EventType) -> bool {
        self.ignored.contains(event_type)
    }

    /// Asks a projection for the row keys of an event, if the event is one that it reads. If it is another version of a type that it
    /// reads, `keys` say so by [`Keys::refused`].
    pub fn keys(&self, fold: &dyn Fold, event: &EventRef<'_>, keys: &mut Keys) {
        match self.takes(event.name, event.version) {
            Ok(true) => fold.keys(event, keys),
            Ok(false) => {}
            Err(cause) => keys.refuse_because(cause),
        }
    }

    /// Whether events of this type are the view's.
    fn takes(&self, name: &str, version: u16) -> Result<bool, Cause> {
        if self.ignored.iter().any(|event_type| (event_type.name(), event_type.version()) == (name, version)) {
            return Ok(false);
        }
        let Some(types) = &self.types else { return Ok(true) };
        let first = types.partition_point(|event_type| event_type.name() < name);
        let versions = types[first..].iter().take_while(|event_type| event_type.name() == name).map(EventType::version);
        if versions.clone().any(|known| known == version || (self.older && known > version)) {
            return Ok(true);
        }
        let known: Vec<u16> = versions.collect();
        if known.is_empty() { Ok(false) } else { Err(Cause::OtherVersion { version, known }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Result<bool, Vec<u16>> {
        let types = ["b@1", "b@3", "ab@1", "c.d@2"].map(|event_type| event_type.parse().expect("an event type"));
        let reads = Reads::types(types).ignoring(["c.d@1".parse().expect("an event type")]);
        let (name, version) = text.split_once('@').expect("an event type");
        reads.takes(name, version.parse().expect("a number")).map_err(|cause| match cause {
            Cause::OtherVersion { known, .. } => known,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn every_other_version_of_a_type_that_is_read_is_put_aside_and_no_other_type() {
        for known in ["b@1", "b@3", "ab@1", "c.d@2"] {
            assert_eq!(reads(known), Ok(true), "{known}");
        }
        for foreign in ["a@1", "aa@3", "bb@1", "c@2", "c.d.e@1", "z@1", "c.d@1"] {
            assert_eq!(reads(foreign), Ok(false), "{foreign}");
        }
        for (other, known) in [("b@0", vec![1, 3]), ("b@2", vec![1, 3]), ("b@4", vec![1, 3]), ("c.d@3", vec![2])] {
            assert_eq!(reads(other), Err(known), "{other}");
        }
        assert_eq!(Reads::everything().takes("z", 9), Ok(true));
        let upcasts = Reads::types(["b@3".parse().expect("an event type")]).and_older();
        let reads = |name, version| upcasts.takes(name, version).ok();
        assert_eq!(
            [reads("b", 0), reads("b", 3), reads("b", 4), reads("bb", 1)],
            [Some(true), Some(true), None, Some(false)]
        );
    }
}
