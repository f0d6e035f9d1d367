//! A log that has been trimmed keeps its positions, heads and rows, and answers everything below its base with a typed error.

use syncline::format::time::NTP64;
use syncline::store::{Limit, Rewrite, StoreError, WriteBatch};
use syncline::{Position, Seq};

use super::cursor::assert_gone;
use crate::placed::Placed;
use crate::{Author, Image, SPACE, StoreHarness, Subject, appends, dot, placed, puts, view, voids};

/// A log of two authors in packed runs, with rows, progress and a void. Ann's bundles are at 1 to 4, 6 to 8, 10 and 11.
struct Scene {
    store: Subject,
    ann: Author,
    log: Vec<Placed>,
}

/// The last position of the scene.
const HEAD: u64 = 11;

impl Scene {
    async fn set(harness: &dyn StoreHarness) -> Self {
        Self::set_in(Subject::fresh(harness).await).await
    }

    async fn set_in(store: Subject) -> Self {
        let (mut ann, mut bob) = (Author::new(1), Author::new(2));
        let written = [ann.write(4), bob.write(1), ann.write(3), bob.write(1), ann.write(2)];
        let (todo, clock) = (view("todo@1"), NTP64(1 << 60));
        let (rows, views) = (puts(&todo, &[("a", "1"), ("b", "2")]), vec![(todo, Position::new(9))]);
        store.commit(WriteBatch { rows, views, clock, ..appends(written.clone()) }).await;
        store.commit(voids([dot(&ann, 7)])).await;
        let mut log = placed(1, &written);
        log[7].content = log[7].content.voided();
        Self { store, ann, log }
    }

    async fn trim(&self, base: u64) {
        self.store.commit(trim(base)).await;
    }

    /// Everything there is to see.
    async fn image(&self) -> Image {
        self.store.image(&[view("todo@1")]).await
    }

    /// Ann as she was after this many bundles.
    fn ann_after(&self, seq: u64) -> Author {
        let own = self.log.iter().find(|placed| placed.dot == dot(&self.ann, seq)).expect("the scene has it");
        let head = syncline::format::Head { seq: own.dot.seq, chain: own.chain, time: own.time };
        Author::resume(self.ann.origin(), head)
    }

    /// Ann's bundles behind `seq` written again, and Ann as she is then.
    fn rewrite(&self, seq: u64) -> (Rewrite, Author) {
        let mut ann = self.ann_after(seq);
        let after = ann.head();
        let own = self.log.iter().filter(|placed| placed.dot.origin == ann.origin() && placed.dot.seq > after.seq);
        let places: Vec<Position> = own.map(|placed| placed.position).collect();
        let runs = places.chunk_by(|a, b| a.plus(1) == *b);
        let runs = runs.map(|places| (places[0], ann.write(places.len() as u64))).collect();
        (Rewrite { origin: ann.origin(), after, runs }, ann)
    }
}

fn trim(base: u64) -> WriteBatch {
    WriteBatch { trim: Some(Position::new(base)), ..WriteBatch::default() }
}

pub(super) fn assert_trimmed(error: &StoreError, of: &Author, seq: u64, log_base: u64) {
    let right = matches!(error, StoreError::Trimmed { dot: named, base }
        if *named == dot(of, seq) && *base == Position::new(log_base));
    assert!(right, "bundle {seq} below base {log_base}: {error:?}");
}

/// Wherever the base lies, between two runs or within one, what is behind it is read by its old positions, and what is not is refused.
pub async fn a_trimmed_log_is_read_from_its_base_on(harness: &dyn StoreHarness) {
    for base in 0..=HEAD {
        let scene = Scene::set(harness).await;
        scene.trim(base).await;
        assert_eq!(scene.store.status().await.base, Position::new(base));
        for after in base..=HEAD {
            for limit in [Limit::items(1), Limit::items(2), Limit::PAGE] {
                let kept = &scene.log[after as usize..];
                assert_same!(scene.store.log_after(after, limit).await, kept, "base {base}, behind {after}");
            }
        }
        for below in 0..base {
            assert_gone(&scene.store, scene.store.cursor(below).await).await;
        }
    }
}

/// Bundles go, and nothing that was made of them.
pub async fn a_trim_keeps_heads_rows_progress_and_clock(harness: &dyn StoreHarness) {
    for base in [1, 5, HEAD] {
        let scene = Scene::set(harness).await;
        let mut expected = scene.image().await;
        scene.trim(base).await;
        expected.status.revision = expected.status.revision.plus(1);
        expected.status.base = Position::new(base);
        expected.log.drain(..base as usize);
        assert_eq!(scene.image().await, expected, "base {base}");
    }
}

/// A base beyond the head would make bundles vanish that are yet to come.
pub async fn a_trim_beyond_the_head_is_refused_and_leaves_no_trace(harness: &dyn StoreHarness) {
    let mut scene = Scene::set(harness).await;
    scene.trim(3).await;
    let before = scene.image().await;
    // What the batch itself appends does not count: nobody can have read it.
    let rows = puts(&view("todo@1"), &[("a", "new")]);
    let batch = WriteBatch { rows, voids: vec![dot(&scene.ann, 8)], ..appends([scene.ann.write(2)]) };
    for beyond in [HEAD + 1, HEAD + 2, u64::MAX] {
        let refusal = scene.store.refusal(WriteBatch { trim: Some(Position::new(beyond)), ..batch.clone() }).await;
        let right = matches!(refusal, StoreError::TrimBeyondHead { trim, head }
            if trim == Position::new(beyond) && head == Position::new(HEAD));
        assert!(right, "{refusal:?}");
        assert_eq!(scene.image().await, before);
    }
    scene.store.commit(WriteBatch { trim: Some(Position::new(HEAD)), ..batch }).await;
}

/// An answer may get lost, and a late trimmer may come behind a faster one: the base never goes back.
pub async fn a_trim_at_or_below_the_base_changes_nothing(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    scene.trim(6).await;
    let mut expected = scene.image().await;
    for base in [6, 5, 1, 0] {
        scene.trim(base).await;
        expected.status.revision = expected.status.revision.plus(1);
        assert_eq!(scene.image().await, expected, "{base}");
    }
}

/// It is last in the order of errors: what comes before it is told first.
pub async fn a_trim_is_refused_after_everything_else(harness: &dyn StoreHarness) {
    let mut scene = Scene::set(harness).await;
    scene.trim(3).await;
    let large = || puts(&view("todo@1"), &[("k".repeat(2_000), "")]);
    let refusal = scene.store.refusal(WriteBatch { rows: large(), ..trim(HEAD + 1) }).await;
    assert!(matches!(refusal, StoreError::TooLarge { .. }), "{refusal:?}");
    let void = |seq| WriteBatch { voids: vec![dot(&scene.ann, seq)], rows: large(), ..trim(HEAD + 1) };
    assert_trimmed(&scene.store.refusal(void(3)).await, &scene.ann, 3, 3);
    let both = |first, second| voids([dot(&scene.ann, first), dot(&scene.ann, second)]);
    assert_trimmed(&scene.store.refusal(both(2, 99)).await, &scene.ann, 2, 3);
    let refusal = scene.store.refusal(both(99, 2)).await;
    assert!(matches!(refusal, StoreError::NoSuchBundle { .. }), "{refusal:?}");
    let next = scene.ann.write(1);
    let gap = WriteBatch { voids: vec![dot(&scene.ann, 3)], ..appends([scene.ann.write(1)]) };
    let refusal = scene.store.refusal(gap).await;
    assert!(matches!(refusal, StoreError::OutOfOrder { .. }), "{refusal:?}");
    scene.store.commit(appends([next])).await;
}

/// A refusal that comes too late for the body is told to the caller, and the batch that it is part of does nothing.
pub async fn a_void_of_a_trimmed_bundle_is_refused_and_leaves_no_trace(harness: &dyn StoreHarness) {
    for base in 1..=HEAD {
        let mut scene = Scene::set(harness).await;
        scene.trim(base).await;
        let mut expected = scene.image().await;
        let (ann, next) = (scene.ann.clone(), scene.ann.write(1));
        let rows = puts(&view("todo@1"), &[("a", "new")]);
        for placed in scene.log.iter().filter(|placed| placed.dot.origin == ann.origin()) {
            let seq = placed.dot.seq.get();
            if placed.position > Position::new(base) {
                scene.store.commit(voids([placed.dot])).await;
                let kept =
                    expected.log.iter_mut().find(|kept| kept.dot == placed.dot).expect("it lies behind the base");
                kept.content = kept.content.voided();
                expected.status.revision = expected.status.revision.plus(1);
            } else {
                let batch = WriteBatch { rows: rows.clone(), voids: vec![placed.dot], ..appends([next.clone()]) };
                assert_trimmed(&scene.store.refusal(batch).await, &ann, seq, base);
            }
            assert_eq!(scene.image().await, expected, "base {base}, void of {}", placed.dot);
        }
    }
}

/// A tail can be written again as far as the log still has its places. The last bundle that stays may be gone itself.
pub async fn a_rewrite_reaches_down_to_the_base_and_no_further(harness: &dyn StoreHarness) {
    for base in 1..=HEAD {
        let scene = Scene::set(harness).await;
        scene.trim(base).await;
        let mut expected = scene.image().await;
        let kept = scene.log.iter().filter(|placed| placed.dot.origin == scene.ann.origin());
        let trimmed = kept.filter(|placed| placed.position <= Position::new(base)).count() as u64;
        for after in 1..trimmed {
            let (rewrite, _) = scene.rewrite(after);
            let batch = WriteBatch { rewrite: Some(rewrite), rows: puts(&view("todo@1"), &[("a", "x")]), ..trim(base) };
            assert_trimmed(&scene.store.refusal(batch).await, &scene.ann, after + 1, base);
            assert_eq!(scene.image().await, expected, "base {base}, a rewrite behind {after}");
        }
        let (rewrite, ann) = scene.rewrite(trimmed);
        for (position, verified) in &rewrite.runs {
            let at = (position.get() - 1 - base) as usize;
            expected.log.splice(at..at + verified.run().count() as usize, placed(position.get(), [verified]));
        }
        scene.store.commit(WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }).await;
        assert_same!(scene.image().await.log, expected.log, "base {base}, a rewrite behind {trimmed}");
        assert_eq!(scene.store.status().await.heads.get(ann.origin()), ann.head());
    }
}

/// Who looks a bundle up by its name is told that it has been, and never that the origin has nothing further.
pub async fn an_origin_is_read_down_to_the_base_and_no_further(harness: &dyn StoreHarness) {
    for base in 1..=HEAD {
        let scene = Scene::set(harness).await;
        scene.trim(base).await;
        for author in [&scene.ann, &Author::new(2)] {
            let own = scene.log.iter().filter(|placed| placed.dot.origin == author.origin());
            let own: Vec<_> = own.cloned().collect();
            let trimmed = own.iter().filter(|placed| placed.position <= Position::new(base)).count();
            for after in 0..own.len() {
                for limit in [Limit::items(1), Limit::bytes(1), Limit::PAGE] {
                    let after = after as u64;
                    let read = scene.store.store().read_origin(author.origin(), Seq::new(after), limit).await;
                    match read {
                        Err(error) if after < trimmed as u64 => assert_trimmed(&error, author, after + 1, base),
                        read => {
                            let found = crate::unpack(&read.expect("it lies behind the base"));
                            assert!(after >= trimmed as u64 && !found.is_empty(), "base {base}, behind {after}");
                            assert_same!(found, own[after as usize..][..found.len()], "base {base}, behind {after}");
                        }
                    }
                }
            }
            assert_same!(scene.store.origin(author.origin(), own.len() as u64, Limit::PAGE).await, Vec::new());
        }
    }
}

/// The order of positions need not be that of one origin's bundles: a tail may have moved behind them into earlier places.
pub async fn an_origin_with_a_trimmed_bundle_in_its_middle_is_not_read_past_it(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut eve) = (Author::new(1), Author::new(7));
    let written = [ann.write(2), eve.write(2)];
    store.commit(appends(written.clone())).await;
    // Ann's two bundles become Eve's third and fourth, and stay where they are.
    let moved = eve.write(2);
    let after = syncline::format::Head::NONE;
    let rewrite = Rewrite { origin: ann.origin(), after, runs: vec![(Position::new(1), moved)] };
    store.commit(WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }).await;
    let last = eve.write(1);
    store.commit(WriteBatch { trim: Some(Position::new(2)), ..appends([last.clone()]) }).await;
    let error = store.store().read_origin(eve.origin(), Seq::ZERO, Limit::PAGE).await.expect_err("a part is no answer");
    assert_trimmed(&error, &eve, 3, 2);
    assert_same!(store.origin(eve.origin(), 0, Limit::items(2)).await, placed(3, [&written[1]]));
    assert_same!(store.origin(eve.origin(), 4, Limit::PAGE).await, placed(5, [&last]));
    assert_trimmed(&store.refusal(voids([dot(&eve, 4)])).await, &eve, 4, 2);
    store.commit(voids([dot(&eve, 2)])).await;
    assert_same!(store.log().await[2..], placed(5, [&last]));
}

/// What has been trimmed is known by its number alone: a repetition is refused as it was before, also one of another history.
pub async fn a_trimmed_bundle_is_not_taken_again(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    scene.trim(HEAD).await;
    let before = scene.image().await;
    let (mut again, mut other) = (Author::new(1), Author::new(1));
    for run in [again.write(2), other.write_bodies(&["another history"])] {
        let refusal = scene.store.refusal(appends([run])).await;
        let right = matches!(refusal, StoreError::OutOfOrder { expected, got }
            if expected == scene.ann.head().seq.plus(1) && got == dot(&scene.ann, 1));
        assert!(right, "{refusal:?}");
    }
    assert_eq!(scene.image().await, before);
}

/// Also behind a log that keeps nothing, the next bundle gets the next position and follows its origin's head.
pub async fn commits_go_on_after_a_trim(harness: &dyn StoreHarness) {
    for base in [3, HEAD] {
        let mut scene = Scene::set(harness).await;
        scene.trim(base).await;
        let next = [scene.ann.write(2), Author::new(3).write(1)];
        let committed = scene.store.commit(appends(next.clone())).await;
        assert_eq!(committed.head, Position::new(HEAD + 3));
        scene.log.extend(placed(HEAD + 1, &next));
        assert_same!(scene.store.log().await, scene.log[base as usize..], "base {base}");
        scene.trim(HEAD + 1).await;
        assert_same!(scene.store.log().await, scene.log[HEAD as usize + 1..], "base {base}");
    }
}

/// The trim comes last: what the batch changes below the new base is checked and counts, and then goes.
pub async fn a_batch_appends_changes_and_trims_at_once(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let (rewrite, mut ann) = scene.rewrite(6);
    let mut expected = scene.log.clone();
    for (position, verified) in &rewrite.runs {
        let at = position.get() as usize - 1;
        expected.splice(at..at + verified.run().count() as usize, placed(position.get(), [verified]));
    }
    let next = ann.write(2);
    expected.extend(placed(HEAD + 1, [&next]));
    expected[9].content = expected[9].content.voided();
    let void = vec![dot(&ann, 2), dot(&ann, 8)];
    let batch = WriteBatch { rewrite: Some(rewrite), voids: void, runs: vec![next], ..trim(9) };
    let committed = scene.store.commit(batch).await;
    let status = scene.store.status().await;
    assert_eq!((status.base, status.head), (Position::new(9), committed.head));
    assert_eq!(status.heads.get(ann.origin()), ann.head());
    assert_same!(scene.store.log().await, expected[9..]);
    assert_trimmed(&scene.store.refusal(voids([dot(&ann, 7)])).await, &ann, 7, 9);
}

/// A reader between two pages goes on if the trim has not passed them, and is told if it has.
pub async fn a_reader_between_two_pages_goes_on_or_is_told(harness: &dyn StoreHarness) {
    for base in 0..=HEAD {
        let scene = Scene::set(harness).await;
        let mut cursor = scene.store.cursor(0).await;
        let (mut read, _) = scene.store.read_on(&mut cursor, Limit::items(6)).await;
        let place = cursor.position.get();
        scene.trim(base).await;
        if base > place {
            assert_gone(&scene.store, cursor).await;
        } else {
            read.extend(scene.store.log_after(place, Limit::items(2)).await);
            assert_same!(read, scene.log, "base {base}");
        }
    }
}

/// Small bundles are packed in some stores while the log grows: a pack that the base cuts, or that was to be made of bundles which
/// are gone, shows the same log as any other.
pub async fn a_log_that_grows_and_is_trimmed_in_turn_reads_the_same(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (mut written, mut base) = (Vec::new(), 0);
    let body = vec![7; 900];
    for round in 0..120_u64 {
        let next = if round % 50 == 49 { bob.write_bodies(&[&body]) } else { ann.write_bodies(&[&body]) };
        let head = written.len() as u64;
        if round % 7 == 3 {
            base = base.max(head - (round * 5) % 31 % (head + 1));
        }
        store.commit(WriteBatch { trim: Some(Position::new(base)), ..appends([next.clone()]) }).await;
        written.extend(placed(head + 1, [&next]));
        if round % 10 == 9 {
            assert_same!(store.log().await, written[base as usize..], "round {round}, base {base}");
        }
    }
    let own = |placed: &&Placed| placed.dot.origin == ann.origin() && placed.position > Position::new(base);
    let kept: Vec<_> = written.iter().filter(own).cloned().collect();
    let first = kept[0].dot.seq.get();
    assert_same!(store.origin(ann.origin(), first - 1, Limit::items(u32::MAX)).await, kept);
    let error = store.store().read_origin(ann.origin(), Seq::new(first - 2), Limit::PAGE).await;
    assert_trimmed(&error.expect_err("it lies below the base"), &ann, first - 1, base);
}

/// A base that was forgotten would promise bundles that are gone.
pub async fn a_trim_is_there_after_a_restart(harness: &dyn StoreHarness) {
    for base in [3, HEAD] {
        let mut scene = Scene::set(harness).await;
        scene.trim(base).await;
        let (before, next) = (scene.image().await, scene.ann.write(1));
        drop(scene);
        let Some(storage) = harness.reopen().await else { return };
        let store = Subject::open(&*storage, SPACE).await;
        assert_eq!(store.image(&[view("todo@1")]).await, before, "base {base}");
        assert_gone(&store, store.cursor(base - 1).await).await;
        store.commit(appends([next.clone()])).await;
        assert_same!(store.log_after(HEAD, Limit::PAGE).await, placed(HEAD + 1, [&next]));
    }
}

/// The bundles of one space go, and those of its neighbours stay, however the store puts them side by side.
pub async fn a_trim_leaves_other_spaces(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let mut scenes = Vec::new();
    for name in ["a", "b", "c"] {
        scenes.push(Scene::set_in(Subject::open(&*storage, name).await).await);
    }
    let before = [scenes[0].image().await, scenes[2].image().await];
    scenes[1].trim(HEAD).await;
    assert_eq!([scenes[0].image().await, scenes[2].image().await], before);
    assert_same!(scenes[1].store.log().await, Vec::new());
}
