//! A refused batch leaves no trace, for whatever reason it is refused: half a batch would be a row without its bundle.

use syncline::Position;
use syncline::format::Head;
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::limits::{KEY_BYTES_MAX, ROW_BYTES_MAX};
use syncline::store::{Rewrite, StoreError, WriteBatch};

use crate::{Author, Image, StoreHarness, Subject, appends, deletes, dot, puts, view};

/// A log with something of everything, and a batch that would change all of it.
struct Scene {
    store: Subject,
    before: Image,
    ann: Author,
    batch: WriteBatch,
}

impl Scene {
    async fn set(harness: &dyn StoreHarness) -> Self {
        let store = Subject::fresh(harness).await;
        let (todo, tags) = (view("todo@1"), view("tags@1"));
        let (mut ann, mut bob) = (Author::new(1), Author::new(2));
        let rows = [puts(&todo, &[("kept", "old"), ("gone", "old")]), puts(&tags, &[("t", "old")])].concat();
        let views = vec![(todo.clone(), Position::new(3)), (tags.clone(), Position::new(3))];
        store.commit(WriteBatch { rows, views, clock: NTP64(50), ..appends([ann.write(3)]) }).await;
        let batch = WriteBatch {
            voids: vec![dot(&ann, 2)],
            clear: vec![tags.clone()],
            rows: [puts(&todo, &[("kept", "new"), ("added", "new")]), deletes(&todo, &["gone"])].concat(),
            views: vec![(todo.clone(), Position::new(5))],
            clock: NTP64(90),
            ..appends([ann.write(1), bob.write(1)])
        };
        let before = store.image(&[todo, tags]).await;
        Self { store, before, ann, batch }
    }

    /// Checks that the batch, spoilt in this way, is refused like this and changes nothing, and that unspoilt it passes.
    async fn assert_no_trace(self, spoil: impl FnOnce(&mut WriteBatch), is_right: impl FnOnce(&StoreError) -> bool) {
        let mut spoilt = self.batch.clone();
        spoil(&mut spoilt);
        let refusal = self.store.refusal(spoilt).await;
        assert!(is_right(&refusal), "{refusal:?}");
        assert_eq!(self.store.image(&[view("todo@1"), view("tags@1")]).await, self.before);
        self.store.commit(self.batch).await;
    }
}

/// Conflicts are ordinary: after each there is a second try, which must start from the same state.
pub async fn a_batch_refused_for_a_conflict_leaves_no_trace(harness: &dyn StoreHarness) {
    let spoil = |batch: &mut WriteBatch| batch.expected = Some(Revision::ZERO);
    Scene::set(harness).await.assert_no_trace(spoil, |error| matches!(error, StoreError::Conflict { .. })).await;
}

/// The good runs before the bad one go, too.
pub async fn a_batch_refused_for_a_gap_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut ann = scene.ann.clone();
    let _lost = ann.write(1);
    let gap = ann.write(1);
    let is_right = |error: &StoreError| matches!(error, StoreError::OutOfOrder { .. });
    scene.assert_no_trace(|batch| batch.runs.push(gap), is_right).await;
}

/// A forked run at the end of a page must not leave the page's beginning behind.
pub async fn a_batch_refused_for_a_wrong_chain_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut fork = Author::new(1);
    let _other_history = fork.write_bodies(&["a", "b", "c", "d"]);
    let forked = fork.write(1);
    let is_right = |error: &StoreError| matches!(error, StoreError::WrongChain { .. });
    scene.assert_no_trace(|batch| batch.runs.push(forked), is_right).await;
}

/// Voids come after runs: the runs were already looked at.
pub async fn a_batch_refused_for_an_unknown_void_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let unknown = dot(&scene.ann, 9);
    let is_right = |error: &StoreError| matches!(error, StoreError::NoSuchBundle { dot } if *dot == unknown);
    scene.assert_no_trace(|batch| batch.voids.push(unknown), is_right).await;
}

/// Rows come last of all: everything else has been looked at by then.
pub async fn a_batch_refused_for_a_large_row_leaves_no_trace(harness: &dyn StoreHarness) {
    let large = puts(&view("todo@1"), &[("large", vec![0; ROW_BYTES_MAX + 1])]);
    let is_right = |error: &StoreError| matches!(error, StoreError::TooLarge { .. });
    Scene::set(harness).await.assert_no_trace(|batch| batch.rows.extend(large), is_right).await;
}

/// The same for a key, which backends check elsewhere than values.
pub async fn a_batch_refused_for_a_long_key_leaves_no_trace(harness: &dyn StoreHarness) {
    let long = puts(&view("todo@1"), &[(vec![b'k'; KEY_BYTES_MAX + 1], "x")]);
    let is_right = |error: &StoreError| matches!(error, StoreError::TooLarge { .. });
    Scene::set(harness).await.assert_no_trace(|batch| batch.rows.extend(long), is_right).await;
}

/// Whoever mends the first error is told the next, and all stores tell them in one order: revision, rewrite, runs, voids, rows.
pub async fn of_several_errors_the_first_is_told(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut ann = scene.ann.clone();
    let _lost = ann.write(1);
    let mut spoilt = scene.batch.clone();
    let mut told = Vec::new();
    for step in 0..5 {
        match step {
            0 => spoilt.rows.extend(puts(&view("todo@1"), &[("large", vec![0; ROW_BYTES_MAX + 1])])),
            step => spoil(&mut spoilt, &mut ann, step),
        }
        told.push(what_is_wrong(&scene.store.refusal(spoilt.clone()).await));
    }
    assert_eq!(told, ["row", "void", "run", "rewrite", "revision"]);
    assert_eq!(scene.store.image(&[view("todo@1"), view("tags@1")]).await, scene.before);
}

/// Adds an error from step 1 on, which comes before those of the steps before it.
pub(super) fn spoil(batch: &mut WriteBatch, ann: &mut Author, step: usize) {
    match step {
        0 => {}
        1 => batch.voids.push(dot(ann, 9)),
        2 => batch.runs.push(ann.write(1)),
        3 => batch.rewrite = Some(Rewrite { origin: ann.origin(), after: Head::NONE, runs: Vec::new() }),
        _ => batch.expected = Some(Revision::ZERO),
    }
}

/// The part of a batch that a refusal is about.
pub(super) fn what_is_wrong(refusal: &StoreError) -> &'static str {
    match refusal {
        StoreError::TooLarge { .. } => "row",
        StoreError::NoSuchBundle { .. } => "void",
        StoreError::OutOfOrder { .. } => "run",
        StoreError::Misplaced { .. } => "rewrite",
        StoreError::Conflict { .. } => "revision",
        other => panic!("{other:?}"),
    }
}
