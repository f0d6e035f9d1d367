//! Random steps with a store.

use std::ops::Bound;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use syncline::store::{Limit, RowRange};

/// How many authors take part in random steps.
pub const AUTHORS: usize = 3;
/// The views that random steps write.
pub const VIEWS: [&str; 3] = ["todo@1", "todo@10", "tags@2"];
/// The keys that random steps write.
pub const KEYS: [&[u8]; 8] = [b"", b"\0", b"a", b"a\0", b"a\xff", b"b", b"\x80", b"\xff\xff"];

/// One step with a store. Numbers are taken modulo what there is, so that every step makes sense in every state.
#[derive(Debug, Clone)]
pub enum Step {
    /// Commit a batch.
    Commit(Change),
    /// Commit a batch with what a fold makes of these rows, by view and key; or the fold declines.
    Fold(Change, Vec<(usize, usize)>, bool),
    /// Read a page behind a position, also of what is trimmed; beyond the head by up to two.
    Read(u64, Limit),
    /// Read what an author wrote, behind a seq; beyond their last by up to two.
    ReadOrigin(usize, u64, Limit),
    /// Load rows by view and key.
    Load(Vec<(usize, usize)>),
    /// Scan a view.
    Scan(usize, RowRange, Limit),
    /// Drop every handle and open the storage again if it outlives them.
    Reopen,
}

/// One batch.
#[derive(Debug, Clone)]
pub struct Change {
    /// What it expects of the revision.
    pub expected: Expectation,
    /// Whether the log is replaced, and by which.
    pub replace: Option<Successor>,
    /// Whose tail is rewritten, behind which of their bundles, and how.
    pub rewrite: Option<(usize, u64, Anew)>,
    /// Who writes how many bundles, and what is wrong with them.
    pub runs: Vec<(usize, u64, Flaw)>,
    /// The author, and which of their bundles becomes void.
    pub voids: Vec<(usize, u64)>,
    /// Views to clear.
    pub clear: Vec<usize>,
    /// Values by view and key; deletions if there is none.
    pub rows: Vec<((usize, usize), Option<Bytes>)>,
    /// Progress by view.
    pub views: Vec<(usize, u64)>,
    /// The clock.
    pub clock: u64,
    /// The new base; beyond the head by up to one.
    pub trim: Option<u64>,
}

/// The log that replaces another one.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Whether it has the same identity.
    pub is_same: bool,
    /// By author how many bundles more it has than the log before; `None` if it has nothing of the author.
    pub known: [Option<u64>; AUTHORS],
}

/// What a batch expects of the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    Any,
    /// The revision that the log is at.
    Current,
    /// One before or after it.
    Wrong,
}

/// What is wrong with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// A bundle is missing before it.
    Gap,
    /// It starts from the author's beginning once more.
    Again,
    /// It continues another history.
    Fork,
}

/// How a tail is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// At other times.
    Restamped,
    /// By another origin.
    Rehomed,
    /// With a place left empty.
    Short,
}

/// Random steps.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => change().prop_map(Step::Commit),
        2 => (any::<u64>(), limit()).prop_map(|(after, limit)| Step::Read(after, limit)),
        2 => (0..AUTHORS, any::<u64>(), limit()).prop_map(|(who, after, limit)| Step::ReadOrigin(who, after, limit)),
        2 => (change(), keys(), prop::bool::weighted(0.2)).prop_map(|(change, keys, no)| Step::Fold(change, keys, no)),
        1 => keys().prop_map(Step::Load),
        2 => (0..VIEWS.len(), range(), limit()).prop_map(|(view, range, limit)| Step::Scan(view, range, limit)),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..24)
}

fn keys() -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((0..VIEWS.len(), 0..KEYS.len()), 0..6)
}

fn change() -> impl Strategy<Value = Change> {
    let flaw = prop_oneof![12 => Just(Flaw::None), 1 => Just(Flaw::Gap), 1 => Just(Flaw::Again), 1 => Just(Flaw::Fork)];
    let expected = prop_oneof![
        4 => Just(Expectation::Any),
        3 => Just(Expectation::Current),
        1 => Just(Expectation::Wrong),
    ];
    let value = prop_oneof![3 => vec(any::<u8>(), 0..40).prop_map(|bytes| Some(bytes.into())), 1 => Just(None)];
    let rows = btree_map((0..VIEWS.len(), 0..KEYS.len()), value, 0..6);
    let clock = prop_oneof![0u64..9, any::<u64>()];
    let anew = prop_oneof![4 => Just(Anew::Restamped), 3 => Just(Anew::Rehomed), 1 => Just(Anew::Short)];
    let rewrite = prop_oneof![5 => Just(None), 1 => (0..AUTHORS, any::<u64>(), anew).prop_map(Some)];
    let known = prop::array::uniform(prop::option::of(0u64..4));
    let successor = (prop::bool::weighted(0.1), known).prop_map(|(is_same, known)| Successor { is_same, known });
    let replace = prop_oneof![9 => Just(None), 1 => successor.prop_map(Some)];
    let runs = vec((0..AUTHORS, 1u64..6, flaw), 0..4);
    let voids = prop_oneof![3 => Just(Vec::new()), 1 => vec((0..AUTHORS, any::<u64>()), 1..3)];
    let clear = prop_oneof![6 => Just(Vec::new()), 1 => vec(0..VIEWS.len(), 1..3)];
    let views = btree_map(0..VIEWS.len(), 0u64..50, 0..3);
    let trim = prop_oneof![7 => Just(None), 1 => any::<u64>().prop_map(Some)];
    let (written, deleted) = ((expected, rewrite, runs, voids), (replace, clear, trim));
    (written, deleted, rows, views, clock).prop_map(|(written, (replace, clear, trim), rows, views, clock)| {
        let (expected, rewrite, runs, voids) = written;
        let (rows, views) = (rows.into_iter().collect(), views.into_iter().collect());
        Change { expected, replace, rewrite, runs, voids, clear, rows, views, clock, trim }
    })
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        Just(Limit::PAGE),
        (0u32..9).prop_map(Limit::items),
        (0u32..600).prop_map(Limit::bytes),
        (0u32..9, 0u32..600).prop_map(|(items, bytes)| Limit { items, bytes }),
    ]
}

fn range() -> impl Strategy<Value = RowRange> {
    let key = || prop::sample::select(KEYS.to_vec()).prop_map(Bytes::from_static);
    let bound =
        || prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded),];
    let forward = prop_oneof![
        2 => (bound(), bound()).prop_map(|(start, end)| RowRange::new(start, end)),
        1 => key().prop_map(|prefix| RowRange::prefix(&prefix)),
    ];
    (forward, any::<bool>()).prop_map(|(range, backward)| if backward { range.backward() } else { range })
}
