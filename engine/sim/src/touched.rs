//! How much the histories of a test have tested of one view.

/// So many pairs of events have a chance to meet before it is held against a test that none did: a test that draws from a hundred
/// keys meets in its first thousand pairs.
const PAIRS_MIN: u64 = 1_000;

/// How the events of some histories have touched the rows of one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touched {
    /// Rows that were there in the end, of all histories.
    pub rows: u64,
    /// Those among them that two origins have touched with different events. The lab folds these in several orders.
    pub shared: u64,
    /// Pairs of events by two origins of one history. Each pair could have met in a row.
    pub pairs: u64,
    /// Whether somebody else's event can touch the same row. It cannot if rows are named by bundle, origin or time.
    pub can_be_shared: bool,
}

impl Touched {
    /// Counts another history in.
    pub(crate) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.shared += other.shared;
        self.pairs += other.pairs;
        self.can_be_shared |= other.can_be_shared;
    }

    /// Why these histories have tested nothing of the view and what to change, if that is so.
    pub(crate) fn untested(&self) -> Option<String> {
        let Self { rows, shared, pairs, can_be_shared } = *self;
        if rows == 0 {
            return Some("has no row in any history: no event that was written touches one; see `Lab::writes`".into());
        }
        let met = shared > 0 || pairs < PAIRS_MIN || !can_be_shared;
        (!met).then(|| {
            format!(
                "has {rows} rows, and each was touched by one device alone, so no order of arrival was tested: of {pairs} pairs \
                 of events by two devices none met in a row. Draw the keys from fewer values in `Lab::writes`, such as three"
            )
        })
    }
}
