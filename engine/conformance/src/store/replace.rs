//! A log that is replaced begins behind the heads that it is given, under another identity, and nothing of the old log is served.

use std::collections::BTreeMap;

use syncline::format::time::NTP64;
use syncline::format::{Head, Heads};
use syncline::id::Revision;
use syncline::store::{Limit, Replacement, Rewrite, StoreError, WriteBatch};
use syncline::{Cursor, Position, Seq};
use tokio::task::yield_now;

use super::concurrency::meanwhile;
use super::cursor::assert_gone;
use super::trim::assert_trimmed;
use crate::placed::Placed;
use crate::{Author, Image, SPACE, StoreHarness, Subject, appends, dot, new_log_id, placed, puts, unpack, view, voids};

/// A log of two authors with rows and progress. Ann's bundles are at 1 to 4 and at 6 to 8. Bob and Cid are as a peer has them, who has
/// nothing of Ann.
struct Scene {
    store: Subject,
    ann: Author,
    bob: Author,
    cid: Author,
}

/// The last position of the scene.
const HEAD: u64 = 8;
/// How many bundles the peer has.
const BASE: u64 = 6;

impl Scene {
    async fn set(harness: &dyn StoreHarness) -> Self {
        Self::set_in(Subject::fresh(harness).await).await
    }

    async fn set_in(store: Subject) -> Self {
        let (mut ann, mut bob, mut cid) = (Author::new(1), Author::new(2), Author::new(3));
        let written = [ann.write(4), bob.write(1), ann.write(3)];
        let (todo, clock) = (view("todo@1"), NTP64(1 << 60));
        let (rows, views) = (puts(&todo, &[("a", "1"), ("b", "2")]), vec![(todo, Position::new(7))]);
        store.commit(WriteBatch { rows, views, clock, ..appends(written) }).await;
        drop([bob.write(3), cid.write(2)]);
        Self { store, ann, bob, cid }
    }

    /// The log begins anew behind what the peer has.
    fn replacement(&self) -> WriteBatch {
        replace(&[&self.bob, &self.cid])
    }

    /// Everything there is to see.
    async fn image(&self) -> Image {
        self.store.image(&[view("todo@1")]).await
    }

    /// Commits what must be refused and change nothing.
    async fn refusal(&self, batch: WriteBatch) -> StoreError {
        let before = self.image().await;
        let refusal = self.store.refusal(batch).await;
        assert_eq!(self.image().await, before, "{refusal:?}");
        refusal
    }
}

/// The log begins anew behind what these authors have written.
fn replace(known: &[&Author]) -> WriteBatch {
    let heads = known.iter().map(|author| (author.origin(), author.head())).collect();
    WriteBatch { replace: Some(Replacement { log: new_log_id(), heads }), ..WriteBatch::default() }
}

/// Identity and heads are those that were given, and the head is the number of bundles that they tell of.
pub async fn a_replaced_log_begins_behind_what_its_heads_tell_of(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let before = scene.store.status().await.revision;
    let mut batch = scene.replacement();
    let given = batch.replace.as_mut().expect("it is a replacement");
    let Replacement { log, heads } = given.clone();
    // A head without a bundle counts as none.
    given.heads.set(Author::new(9).origin(), Head::NONE);
    let committed = scene.store.commit(batch).await;
    let status = scene.store.status().await;
    assert_eq!((committed.head, committed.revision), (Position::new(BASE), before.plus(1)));
    assert_eq!((status.log, status.head, status.base), (log, committed.head, committed.head));
    assert_eq!((status.heads.len(), status.heads, status.revision), (2, heads, committed.revision));
    let page = scene.store.page(BASE, Limit::PAGE).await;
    assert!(page.runs.is_empty() && page.is_last(), "{page:?}");
}

/// Who looks a bundle up is told that it is trimmed if the new log knows of it, and otherwise that there is none.
pub async fn the_bundles_of_a_replaced_log_are_gone(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    scene.store.commit(scene.replacement()).await;
    for author in [&scene.bob, &scene.cid] {
        for after in 0..author.head().seq.get() {
            let read = scene.store.store().read_origin(author.origin(), Seq::new(after), Limit::PAGE).await;
            assert_trimmed(&read.expect_err("it is gone"), author, after + 1, BASE);
            assert_trimmed(&scene.refusal(voids([dot(author, after + 1)])).await, author, after + 1, BASE);
        }
        assert_same!(scene.store.origin(author.origin(), author.head().seq.get(), Limit::PAGE).await, Vec::new());
    }
    for seq in 1..=7 {
        assert_same!(scene.store.origin(scene.ann.origin(), seq - 1, Limit::PAGE).await, Vec::new());
        let refusal = scene.refusal(voids([dot(&scene.ann, seq)])).await;
        assert!(matches!(refusal, StoreError::NoSuchBundle { .. }), "{refusal:?}");
    }
}

/// Positions count again, and mean other bundles.
pub async fn no_cursor_into_a_replaced_log_is_served(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let old = scene.store.status().await.log;
    let next = scene.cid.clone().write(HEAD);
    scene.store.commit(WriteBatch { runs: vec![next.clone()], ..scene.replacement() }).await;
    for position in (0..=HEAD + 1).map(Position::new) {
        assert_gone(&scene.store, Cursor { log: old, position }).await;
    }
    for below in 0..BASE {
        assert_gone(&scene.store, scene.store.cursor(below).await).await;
    }
    assert_same!(scene.store.log_after(BASE, Limit::items(3)).await, placed(BASE + 1, [&next]));
}

/// Whoever replaces a log says by the same batch what becomes of its rows. What it does not say stays.
pub async fn a_replacement_keeps_rows_progress_and_clock(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let (mut expected, batch) = (scene.image().await, scene.replacement());
    let Replacement { log, heads } = batch.replace.clone().expect("it is a replacement");
    scene.store.commit(batch).await;
    let status = &mut expected.status;
    (status.log, status.heads, status.revision) = (log, heads, status.revision.plus(1));
    (status.head, status.base) = (Position::new(BASE), Position::new(BASE));
    expected.log.clear();
    assert_eq!(scene.image().await, expected);
}

/// The replacement comes first: runs follow the new heads, and all the rest means the new log.
pub async fn a_batch_goes_on_behind_its_replacement(harness: &dyn StoreHarness) {
    let mut scene = Scene::set(harness).await;
    let (todo, tags, mut anew) = (view("todo@1"), view("tags@1"), Author::new(1));
    let batch = scene.replacement();
    let runs = vec![scene.bob.write(3), anew.write_bodies(&["another history"]), scene.cid.write(1)];
    let mut expected = placed(BASE + 1, &runs);
    expected[1].content = expected[1].content.voided();
    let batch = WriteBatch {
        runs,
        voids: vec![dot(&scene.bob, 6)],
        clear: vec![todo.clone()],
        rows: puts(&tags, &[("a", "new")]),
        views: vec![(tags.clone(), Position::new(BASE + 5))],
        clock: NTP64(1 << 61),
        trim: Some(Position::new(BASE)),
        ..batch
    };
    let committed = scene.store.commit(batch).await;
    let status = scene.store.status().await;
    assert_eq!((committed.head, status.base), (Position::new(BASE + 5), Position::new(BASE)));
    let heads: Heads = [&scene.bob, &scene.cid, &anew].iter().map(|author| (author.origin(), author.head())).collect();
    assert_eq!((status.heads, status.clock), (heads, NTP64(1 << 61)));
    assert_eq!(status.views, [(tags.clone(), Position::new(BASE + 5))].into());
    assert_same!(scene.store.log().await, expected);
    assert_same!(scene.store.origin(scene.bob.origin(), 4, Limit::PAGE).await, expected[..3]);
    assert_eq!((scene.store.rows(&todo).await.len(), scene.store.rows(&tags).await.len()), (0, 1));
}

/// What followed the old heads does not follow the new ones.
pub async fn a_run_that_does_not_follow_the_new_heads_is_refused_and_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let (mut forked, mut bob, next) = (Author::new(2), scene.bob.clone(), scene.ann.clone().write(1));
    drop([forked.write_bodies(&["another", "history", "of", "Bob"]), bob.write(1)]);
    for (run, expected) in [(next.clone(), Some(1)), (bob.write(1), Some(5)), (forked.write(1), None)] {
        let rows = puts(&view("todo@1"), &[("a", "new")]);
        let refusal = scene.refusal(WriteBatch { runs: vec![run], rows, ..scene.replacement() }).await;
        let right = match refusal {
            StoreError::OutOfOrder { expected: told, .. } => expected.map(Seq::new) == Some(told),
            StoreError::WrongChain { .. } => expected.is_none(),
            _ => false,
        };
        assert!(right, "{refusal:?}");
    }
    // The log goes on as if nobody had tried.
    scene.store.commit(appends([next])).await;
}

/// Old cursors would seem to fit the new log.
pub async fn a_replacement_under_the_same_identity_is_refused_and_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    for mut batch in [scene.replacement(), replace(&[]), replace(&[&scene.ann])] {
        let log = scene.store.status().await.log;
        batch.replace.as_mut().expect("it is a replacement").log = log;
        batch.rows = puts(&view("todo@1"), &[("a", "new")]);
        let refusal = scene.refusal(batch).await;
        assert!(matches!(refusal, StoreError::SameLog { log: named } if named == log), "{refusal:?}");
        // Also of the identity that a replacement has given.
        scene.store.commit(scene.replacement()).await;
    }
}

/// Somebody has written in the meantime, and their bundles would be lost.
pub async fn a_replacement_from_another_revision_is_a_conflict_and_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let found = scene.store.status().await.revision;
    for expected in [found.plus(1), Revision::ZERO] {
        let refusal = scene.refusal(WriteBatch { expected: Some(expected), ..scene.replacement() }).await;
        let right = matches!(refusal, StoreError::Conflict { found: told, .. } if told == found);
        assert!(right, "{refusal:?}");
    }
    scene.store.commit(WriteBatch { expected: Some(found), ..scene.replacement() }).await;
    let late = WriteBatch { expected: Some(found), ..appends([scene.cid.clone().write(1)]) };
    assert!(matches!(scene.refusal(late).await, StoreError::Conflict { .. }));
}

/// Behind such a log no position would be left.
pub async fn a_replacement_by_more_than_can_be_counted_is_refused_and_leaves_no_trace(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let head = Head { seq: Seq::new(u64::MAX), ..scene.bob.head() };
    for authors in [&[&scene.bob][..], &[&scene.bob, &scene.cid]] {
        let heads = authors.iter().map(|author| (author.origin(), head)).collect();
        let replace = Some(Replacement { log: new_log_id(), heads });
        let refusal = scene.refusal(WriteBatch { replace, ..WriteBatch::default() }).await;
        assert!(matches!(refusal, StoreError::TooLarge { .. }), "{refusal:?}");
    }
}

/// It stands behind the revision in the order of errors. The rest of the batch is judged by the new log.
pub async fn a_replacement_is_judged_before_the_rest_of_its_batch(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let log = scene.store.status().await.log;
    let large = puts(&view("todo@1"), &[("k".repeat(2_000), "")]);
    let rewrite = |author: &Author, after| {
        let after = Head { seq: Seq::new(after), ..author.head() };
        Some(Rewrite { origin: author.origin(), after, runs: Vec::new() })
    };
    let wrong = WriteBatch { voids: vec![dot(&scene.ann, 99)], rows: large, ..scene.replacement() };
    let mut same = WriteBatch { rewrite: rewrite(&scene.ann, 4), ..wrong.clone() };
    same.replace.as_mut().expect("it is a replacement").log = log;
    assert!(matches!(scene.refusal(same.clone()).await, StoreError::SameLog { .. }));
    let expected = Some(Revision::ZERO);
    assert!(matches!(scene.refusal(WriteBatch { expected, ..same }).await, StoreError::Conflict { .. }));
    // Neither a tail of the old log nor one that the new log knows of can be rewritten.
    let refusal = scene.refusal(WriteBatch { rewrite: rewrite(&scene.ann, 4), ..wrong.clone() }).await;
    assert!(matches!(refusal, StoreError::NoSuchBundle { .. }), "{refusal:?}");
    let refusal = scene.refusal(WriteBatch { rewrite: rewrite(&scene.bob, 1), ..wrong.clone() }).await;
    assert_trimmed(&refusal, &scene.bob, 2, BASE);
    let refusal = scene.refusal(WriteBatch { voids: vec![dot(&scene.ann, 1)], ..wrong }).await;
    assert!(matches!(refusal, StoreError::NoSuchBundle { .. }), "{refusal:?}");
    let refusal = scene.refusal(WriteBatch { trim: Some(Position::new(HEAD)), ..scene.replacement() }).await;
    let right = matches!(refusal, StoreError::TrimBeyondHead { head, .. } if head == Position::new(BASE));
    assert!(right, "{refusal:?}");
}

/// A log without heads is a new one.
pub async fn a_log_that_is_replaced_without_heads_begins_with_nothing(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    scene.store.commit(replace(&[])).await;
    let status = scene.store.status().await;
    assert_eq!((status.head, status.base, status.heads.len()), (Position::ZERO, Position::ZERO, 0));
    assert_same!(scene.store.log().await, Vec::new());
    let written = [Author::new(1).write_bodies(&["another", "history"]), Author::new(3).write(1)];
    scene.store.commit(appends(written.clone())).await;
    assert_same!(scene.store.log().await, placed(1, &written));
    assert_same!(scene.store.origin(scene.ann.origin(), 0, Limit::PAGE).await, placed(1, [&written[0]]));
}

/// Small bundles are packed in some stores: neither those of the old log nor what was known of its end shows in the new one.
pub async fn a_log_that_grows_and_is_replaced_in_turn_reads_the_same(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (mut expected, mut head, body) = (Vec::<Placed>::new(), 0, vec![7; 900]);
    for round in 0..150_u64 {
        let mut batch = WriteBatch::default();
        if round % 40 == 35 {
            // By a log that knows Ann, by one that knows both, and by one that knows nobody.
            match round / 40 {
                0 => (batch, bob) = (replace(&[&ann]), Author::new(2)),
                1 => batch = replace(&[&ann, &bob]),
                _ => (batch, ann, bob) = (replace(&[]), Author::new(1), Author::new(2)),
            }
            head = ann.head().seq.get() + bob.head().seq.get();
            expected.clear();
        }
        let next = if round % 50 == 49 { bob.write_bodies(&[&body]) } else { ann.write_bodies(&[&body]) };
        store.commit(WriteBatch { runs: vec![next.clone()], ..batch }).await;
        head += 1;
        expected.extend(placed(head, [&next]));
        if round % 10 == 5 {
            assert_same!(store.log().await, expected, "round {round}");
        }
    }
    expected.retain(|placed| placed.dot.origin == ann.origin());
    assert_same!(store.origin(ann.origin(), 0, Limit::items(u32::MAX)).await, expected);
}

/// A relay that expects nothing goes on from the new heads, and the new log is rewritten and trimmed as any other.
pub async fn commits_go_on_behind_a_replacement(harness: &dyn StoreHarness) {
    let mut scene = Scene::set(harness).await;
    scene.store.commit(scene.replacement()).await;
    let refusal = scene.refusal(appends([scene.ann.clone().write(1)])).await;
    assert!(matches!(refusal, StoreError::OutOfOrder { .. }), "{refusal:?}");
    let (bob, cid) = (scene.bob.clone(), scene.cid.clone());
    let written = [scene.bob.write(2), scene.cid.write(1)];
    let committed = scene.store.commit(appends(written.clone())).await;
    assert_eq!(committed.head, Position::new(BASE + 3));
    assert_same!(scene.store.log().await, placed(BASE + 1, &written));
    let mut again = Author::resume(bob.origin(), bob.head());
    let rewritten = again.write_bodies(&["at", "other times"]);
    let runs = vec![(Position::new(BASE + 1), rewritten.clone())];
    let rewrite = Rewrite { origin: bob.origin(), after: bob.head(), runs };
    scene.store.commit(WriteBatch { rewrite: Some(rewrite), ..voids([dot(&scene.cid, 3)]) }).await;
    let mut expected = placed(BASE + 1, [&rewritten, &written[1]]);
    expected[2].content = expected[2].content.voided();
    assert_same!(scene.store.log().await, expected);
    scene.store.commit(WriteBatch { trim: Some(Position::new(BASE + 2)), ..WriteBatch::default() }).await;
    assert_same!(scene.store.log().await, expected[2..]);
    assert_same!(scene.store.origin(cid.origin(), 2, Limit::PAGE).await, expected[2..]);
}

/// Whoever reads with the identity of a log gets bundles of that log, or is told. Nobody gets another log's.
pub async fn a_reader_of_a_log_that_is_replaced_is_told_and_never_misled(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let batches = (1..=40).map(|byte| {
        let mut author = Author::new(byte);
        (author.origin(), WriteBatch { runs: vec![author.write(3)], ..replace(&[]) })
    });
    let batches: Vec<_> = batches.collect();
    let log = |batch: &WriteBatch| batch.replace.as_ref().expect("it is a replacement").log;
    let owners: BTreeMap<_, _> = batches.iter().map(|(origin, batch)| (log(batch), *origin)).collect();
    let replacing = store.clone();
    let replacing = tokio::spawn(async move {
        for (_, batch) in batches {
            replacing.commit(batch).await;
            yield_now().await;
        }
    });
    meanwhile(vec![replacing], async || {
        let after = store.cursor(0).await;
        yield_now().await;
        match store.store().read(after, Limit::PAGE).await {
            Ok(page) => {
                let is_own = |placed: Placed| owners.get(&after.log) == Some(&placed.dot.origin);
                assert!(unpack(&page.runs).into_iter().all(is_own) && page.next.log == after.log, "{after}: {page:?}");
            }
            Err(StoreError::CursorGone { cursor, log, .. }) => assert!(cursor == after && log != after.log, "{after}"),
            Err(error) => panic!("{after}: {error}"),
        }
    })
    .await;
}

/// An old identity that came back would serve cursors from another log.
pub async fn a_replacement_is_there_after_a_restart(harness: &dyn StoreHarness) {
    let mut scene = Scene::set(harness).await;
    let (old, batch) = (scene.store.cursor(BASE + 1).await, scene.replacement());
    scene.store.commit(WriteBatch { runs: vec![scene.bob.write(2)], ..batch }).await;
    let (before, next) = (scene.image().await, scene.cid.write(1));
    drop(scene);
    let Some(storage) = harness.reopen().await else { return };
    let store = Subject::open(&*storage, SPACE).await;
    assert_eq!(store.image(&[view("todo@1")]).await, before);
    assert_gone(&store, old).await;
    store.commit(appends([next.clone()])).await;
    assert_same!(store.log_after(BASE + 2, Limit::PAGE).await, placed(BASE + 3, [&next]));
}

/// The log of one space is replaced, and those of its neighbours stay, however the store puts them side by side.
pub async fn a_replacement_leaves_other_spaces(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let mut scenes = Vec::new();
    for name in ["a", "b", "c"] {
        scenes.push(Scene::set_in(Subject::open(&*storage, name).await).await);
    }
    let before = [scenes[0].image().await, scenes[2].image().await];
    scenes[1].store.commit(scenes[1].replacement()).await;
    assert_eq!([scenes[0].image().await, scenes[2].image().await], before);
    assert_same!(scenes[1].store.log().await, Vec::new());
}
