//! Which events a view is folded from.

use super::{Cause, Fold, Keys};
use crate::event::{EventRef, Kind};

/// Which events a view is folded from: what [`Projection::reads`](super::Projection::reads) returns.
///
/// If the view reads an event's type but not its version, the event is put aside. A newer program wrote it, and skipping it
/// would make rows that look right and are wrong. It is folded when the view reads that version.
///
/// ```
/// use syncline::Kind;
/// use syncline::projection::Reads;
///
/// const ADDED: Kind = Kind::new("expense.added", 1);
/// const DRAFTED: Kind = Kind::new("expense.drafted", 1);
///
/// let reads = Reads::kinds([ADDED, DRAFTED]); // `expense.added@2` is put aside; `user.joined@1` is not this view's
/// # let event = |text: &str| { let kind: Kind = text.parse().unwrap(); reads.clone().knows(&kind) };
/// # assert!(event("expense.added@1"));
/// # assert!(!event("expense.added@2"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// In order; none if it reads everything.
    kinds: Option<Vec<Kind>>,
    /// Whether older versions of these types are read, too.
    older: bool,
    ignored: Vec<Kind>,
}

impl Reads {
    /// Events of these kinds. Other versions of the same types are put aside; events of other types are not the view's.
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort();
        kinds.dedup();
        Self { kinds: Some(kinds), older: false, ignored: Vec::new() }
    }

    /// Every event, whatever its type and version: for a view that folds all types alike, as one that counts them. Nothing is put aside
    /// on its behalf.
    pub fn everything() -> Self {
        Self { kinds: None, older: false, ignored: Vec::new() }
    }

    /// Events of older versions, too: for a view that upcasts them.
    #[must_use]
    pub fn and_older(mut self) -> Self {
        self.older = true;
        self
    }

    /// Skips events of these kinds, on purpose: they change no row and are not put aside.
    #[must_use]
    pub fn ignoring(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.ignored.extend(kinds);
        self
    }

    /// Whether events of this kind are folded.
    pub fn knows(&self, kind: &Kind) -> bool {
        self.takes(kind.name(), kind.version()).is_ok_and(|takes| takes)
    }

    /// Whether events of this kind are skipped on purpose.
    pub fn ignores(&self, kind: &Kind) -> bool {
        self.ignored.contains(kind)
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

    /// Whether events of this kind are the view's.
    fn takes(&self, name: &str, version: u16) -> Result<bool, Cause> {
        if self.ignored.iter().any(|kind| (kind.name(), kind.version()) == (name, version)) {
            return Ok(false);
        }
        let Some(kinds) = &self.kinds else { return Ok(true) };
        let first = kinds.partition_point(|kind| kind.name() < name);
        let versions = kinds[first..].iter().take_while(|kind| kind.name() == name).map(Kind::version);
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
        let kinds = ["b@1", "b@3", "ab@1", "c.d@2"].map(|kind| kind.parse().expect("a kind"));
        let reads = Reads::kinds(kinds).ignoring(["c.d@1".parse().expect("a kind")]);
        let (name, version) = text.split_once('@').expect("a kind");
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
        let upcasts = Reads::kinds(["b@3".parse().expect("a kind")]).and_older();
        let reads = |name, version| upcasts.takes(name, version).ok();
        assert_eq!(
            [reads("b", 0), reads("b", 3), reads("b", 4), reads("bb", 1)],
            [Some(true), Some(true), None, Some(false)]
        );
    }
}
