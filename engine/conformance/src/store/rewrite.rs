//! A tail that nobody else has seen, rewritten in its places: how a replica heals from a wrong clock, a clone, a refusal.

use syncline::format::heads::{ChainHash, Head};
use syncline::format::run::VerifiedRun;
use syncline::format::time::NTP64;
use syncline::store::{Limit, Rewrite, StoreError, WriteBatch};
use syncline::{Position, ReplicaId, Seq};

use crate::{Author, Content, Placed, SPACE, StoreHarness, Subject, appends, dot, placed, puts, view, voids};

/// Ann's nine bundles in three runs, two of Bob's between them. Ann's are at 1 to 4, 6 to 8, 10 and 11.
struct Scene {
    store: Subject,
    ann: Author,
    log: Vec<Placed>,
}

impl Scene {
    async fn set(harness: &dyn StoreHarness) -> Self {
        let store = Subject::fresh(harness).await;
        let (mut ann, mut bob) = (Author::new(1), Author::new(2));
        let written = [ann.write(4), bob.write(1), ann.write(3), bob.write(1), ann.write(2)];
        let (rows, clock) = (puts(&view("todo@1"), &[("a", "old")]), NTP64(1 << 60));
        store.commit(WriteBatch { rows, clock, ..appends(written.clone()) }).await;
        Self { store, ann, log: placed(1, &written) }
    }

    /// Ann as she was after this many bundles.
    fn ann_after(&self, seq: u64) -> Author {
        let own = self.log.iter().find(|placed| placed.dot == dot(&self.ann, seq));
        let head = own.map_or(Head::NONE, |last| Head { seq: last.dot.seq, chain: last.chain, time: last.time });
        Author::resume(self.ann.origin(), head)
    }

    /// The bodies of Ann's bundles behind `seq`, rewritten by `author` in the same places, at other times.
    fn anew(&self, seq: u64, author: &mut Author) -> Rewrite {
        let own = |placed: &&Placed| placed.dot.origin == self.ann.origin() && placed.dot.seq > Seq::new(seq);
        let tail: Vec<_> = self.log.iter().filter(own).collect();
        let write = |places: &[&Placed]| {
            let bodies = places.iter().map(|placed| match &placed.content {
                Content::Full(body) => body.clone(),
                Content::Void { .. } => unreachable!("the scene has no voids"),
            });
            let first = author.head().time.0 + 77;
            let verified = author.write_timed((first..).step_by(5).map(NTP64).zip(bodies));
            (places[0].position, verified)
        };
        let runs = tail.chunk_by(|a, b| a.position.plus(1) == b.position).map(write).collect();
        Rewrite { origin: self.ann.origin(), after: self.ann_after(seq).head(), runs }
    }

    /// The log once this rewrite is done.
    fn log_after(&self, rewrite: &Rewrite) -> Vec<Placed> {
        let mut log = self.log.clone();
        for (position, verified) in &rewrite.runs {
            let at = position.get() as usize - 1;
            log.splice(at..at + verified.run().count() as usize, placed(position.get(), [verified]));
        }
        log
    }
}

fn batch(rewrite: Rewrite) -> WriteBatch {
    WriteBatch { rewrite: Some(rewrite), ..WriteBatch::default() }
}

/// Stamped again under a corrected clock, wherever the tail begins: in the middle of a run, between two, or with the first.
pub async fn a_rewritten_tail_takes_the_places_of_the_old_one(harness: &dyn StoreHarness) {
    for after in 0..=9 {
        let scene = Scene::set(harness).await;
        let mut ann = scene.ann_after(after);
        let rewrite = scene.anew(after, &mut ann);
        let expected = scene.log_after(&rewrite);
        let before = scene.store.status().await;
        let committed = scene.store.commit(batch(rewrite)).await;
        let status = scene.store.status().await;
        assert_same!(scene.store.log().await, expected, "behind {after}");
        assert_eq!((committed.head, committed.revision), (before.head, before.revision.plus(1)));
        assert_eq!((status.head, status.heads.get(ann.origin())), (before.head, ann.head()), "behind {after}");
    }
}

/// A cloned device takes a new id, and what it alone has written goes with it.
pub async fn a_rewritten_tail_may_move_to_another_origin(harness: &dyn StoreHarness) {
    for after in [0, 2, 4, 8] {
        let scene = Scene::set(harness).await;
        let mut eve = Author::new(7);
        let rewrite = scene.anew(after, &mut eve);
        let expected = scene.log_after(&rewrite);
        scene.store.commit(batch(rewrite)).await;
        let heads = scene.store.status().await.heads;
        assert_same!(scene.store.log().await, expected, "behind {after}");
        assert_eq!(heads.get(eve.origin()), eve.head());
        assert_eq!(heads.get(scene.ann.origin()), scene.ann_after(after).head());
        assert_eq!(heads.iter().any(|(origin, _)| origin == scene.ann.origin()), after > 0, "behind {after}");
    }
}

/// Both ways of reading show the same log, wherever a page is cut.
pub async fn a_rewritten_tail_is_read_alike_by_position_and_by_origin(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut eve = Author::new(7);
    let rewrite = scene.anew(2, &mut eve);
    let expected = scene.log_after(&rewrite);
    scene.store.commit(batch(rewrite)).await;
    for limit in [Limit::items(1), Limit::items(2), Limit::bytes(150), Limit::PAGE] {
        assert_same!(scene.store.log_after(0, limit).await, expected, "{limit:?}");
    }
    for author in [&scene.ann, &eve, &Author::new(2)] {
        let own = expected.iter().filter(|placed| placed.dot.origin == author.origin());
        let own: Vec<_> = own.cloned().collect();
        assert_same!(scene.store.origin(author.origin(), 0, Limit::PAGE).await, own, "{}", author.origin());
    }
}

/// The bundles of one origin need not lie in the order of their numbers: neighbours in the log are not joined for being of one origin.
pub async fn a_tail_that_moved_before_its_new_origin_is_read_where_it_lies(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut eve) = (Author::new(1), Author::new(7));
    let first = eve.write(2);
    store.commit(appends([ann.write(2), first.clone()])).await;
    let moved = eve.write(2);
    let runs = vec![(Position::new(1), moved.clone())];
    store.commit(batch(Rewrite { origin: ann.origin(), after: Head::NONE, runs })).await;
    let next = eve.write(1);
    store.commit(appends([next.clone()])).await;
    for limit in [Limit::items(1), Limit::items(3), Limit::PAGE] {
        assert_same!(store.log_after(0, limit).await, placed(1, [&moved, &first, &next]), "{limit:?}");
    }
    let own = [placed(3, [&first]), placed(1, [&moved]), placed(5, [&next])].concat();
    assert_same!(store.origin(eve.origin(), 0, Limit::PAGE).await, own);
}

/// The log continues behind its new tail, and the old one is forgotten.
pub async fn commits_follow_the_rewritten_tail(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let (mut old, mut ann) = (scene.ann.clone(), scene.ann_after(5));
    let rewrite = scene.anew(5, &mut ann);
    let mut expected = scene.log_after(&rewrite);
    scene.store.commit(batch(rewrite)).await;
    let refusal = scene.store.refusal(appends([old.write(1)])).await;
    assert!(matches!(refusal, StoreError::WrongChain { .. }), "{refusal:?}");
    let next = ann.write(2);
    scene.store.commit(appends([next.clone()])).await;
    expected.extend(placed(12, [&next]));
    assert_same!(scene.store.log().await, expected);
}

/// Runs and voids of the same batch come after the rewrite: they follow what it leaves.
pub async fn a_batch_goes_on_behind_its_rewrite(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut ann = scene.ann_after(4);
    let rewrite = scene.anew(4, &mut ann);
    let mut expected = scene.log_after(&rewrite);
    let next = ann.write(1);
    let voids = vec![dot(&ann, 5), dot(&ann, 10)];
    scene.store.commit(WriteBatch { voids, runs: vec![next.clone()], ..batch(rewrite) }).await;
    expected.extend(placed(12, [&next]));
    [5, 11].into_iter().for_each(|at: usize| expected[at].content = expected[at].content.voided());
    assert_same!(scene.store.log().await, expected);
}

/// The clock that stamped the old tail was wrong: the log takes the corrected one, though it is earlier.
pub async fn a_rewrite_sets_the_clock_back(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let rewrite = scene.anew(4, &mut scene.ann_after(4));
    scene.store.commit(WriteBatch { clock: NTP64(5), ..batch(rewrite) }).await;
    assert_eq!(scene.store.status().await.clock, NTP64(5));
    scene.store.commit(WriteBatch { clock: NTP64(3), ..WriteBatch::default() }).await;
    assert_eq!(scene.store.status().await.clock, NTP64(5));
}

/// A tail with voids is rewritten like any other: the refused bundle goes.
pub async fn a_rewrite_takes_voids_away(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    scene.store.commit(voids([dot(&scene.ann, 3), dot(&scene.ann, 6)])).await;
    let mut ann = scene.ann_after(4);
    let rewrite = scene.anew(4, &mut ann);
    let mut expected = scene.log_after(&rewrite);
    expected[2].content = expected[2].content.voided();
    scene.store.commit(batch(rewrite)).await;
    assert_same!(scene.store.log().await, expected);
}

/// Checks that a rewrite is refused like this, and that nothing has changed.
async fn assert_refused(scene: &Scene, rewrite: Rewrite, is_right: impl Fn(&StoreError) -> bool) {
    let views = [view("todo@1")];
    let before = scene.store.image(&views).await;
    let rows = puts(&views[0], &[("a", "new")]);
    let batch = WriteBatch { rows, clock: NTP64(9), ..batch(rewrite) };
    let refusal = scene.store.refusal(batch).await;
    assert!(is_right(&refusal), "{refusal:?}");
    assert_eq!(scene.store.image(&views).await, before);
}

/// A rewrite must name what stays. If it names another history or missing bundles, it is for another log.
pub async fn a_rewrite_behind_what_the_log_does_not_hold_is_refused(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    for after in [0, 4, 6] {
        let mut rewrite = scene.anew(after, &mut scene.ann_after(after));
        rewrite.after.chain = ChainHash::from_bytes([7; 32]);
        let right =
            |error: &StoreError| matches!(error, StoreError::WrongChain { got } if *got == dot(&scene.ann, after));
        assert_refused(&scene, rewrite, right).await;
    }
    let beyond = Rewrite { after: Head { seq: Seq::new(10), ..scene.ann.head() }, ..nothing(scene.ann.origin()) };
    let right =
        |error: &StoreError| matches!(error, StoreError::NoSuchBundle { dot: at } if *at == dot(&scene.ann, 10));
    assert_refused(&scene, beyond, right).await;
}

fn nothing(origin: ReplicaId) -> Rewrite {
    Rewrite { origin, after: Head::NONE, runs: Vec::new() }
}

/// Runs and the places they take.
type Places = Vec<(Position, VerifiedRun)>;

/// Positions are never reused and never empty: what is emptied is filled, exactly.
pub async fn a_rewrite_that_fills_other_places_is_refused(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let anew = || scene.anew(2, &mut scene.ann_after(2));
    let spoil: [fn(&mut Places); 5] = [
        |runs| drop(runs.pop()),
        |runs| runs[0].0 = runs[0].0.plus(1),
        |runs| runs[2].0 = runs[2].0.plus(1),
        |runs| runs[1].0 = runs[0].0,
        Vec::clear,
    ];
    for spoil in spoil {
        let mut rewrite = anew();
        spoil(&mut rewrite.runs);
        let right =
            |error: &StoreError| matches!(error, StoreError::Misplaced { origin } if *origin == scene.ann.origin());
        assert_refused(&scene, rewrite, right).await;
    }
    scene.store.commit(batch(anew())).await;
}

/// The new tail is a log like any other: no holes, one history.
pub async fn a_rewritten_tail_must_follow_what_stays(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let gap = scene.anew(4, &mut scene.ann_after(3));
    let right =
        |error: &StoreError| matches!(error, StoreError::OutOfOrder { expected, .. } if *expected == Seq::new(5));
    assert_refused(&scene, gap, right).await;
    let mut clone = Author::new(1);
    clone.write_bodies(&["a", "b", "c", "d"]);
    let fork = scene.anew(4, &mut clone);
    assert_refused(&scene, fork, |error| matches!(error, StoreError::WrongChain { .. })).await;
}

/// Positions do not move: a reader of the log continues from where it was.
pub async fn a_cursor_outlives_a_rewrite(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let mut cursor = scene.store.cursor(6).await;
    let rewrite = scene.anew(2, &mut scene.ann_after(2));
    let expected = scene.log_after(&rewrite);
    scene.store.commit(batch(rewrite)).await;
    assert_same!(scene.store.read_on(&mut cursor, Limit::PAGE).await.0, expected[6..]);
}

/// An origin whose bundles have all moved is as if it had never been there, also after a restart.
pub async fn an_origin_that_was_emptied_may_begin_anew(harness: &dyn StoreHarness) {
    for is_restarted in [false, true] {
        let scene = Scene::set(harness).await;
        let origin = scene.ann.origin();
        scene.store.commit(batch(scene.anew(0, &mut Author::new(7)))).await;
        let (_storage, store) = if is_restarted {
            drop(scene);
            let Some(storage) = harness.reopen().await else { return };
            let store = Subject::open(&*storage, SPACE).await;
            (Some(storage), store)
        } else {
            (None, scene.store)
        };
        assert!(store.status().await.heads.iter().all(|(other, _)| other != origin));
        assert_same!(store.origin(origin, 0, Limit::PAGE).await, Vec::new());
        let mut again = Author::new(1);
        let first = again.write_bodies(&["anew"]);
        let refusal = store.refusal(voids([dot(&again, 1)])).await;
        assert!(matches!(refusal, StoreError::NoSuchBundle { .. }), "{refusal:?}");
        store.commit(appends([first.clone()])).await;
        assert_eq!(store.status().await.heads.get(origin), again.head());
        assert_same!(store.origin(origin, 0, Limit::PAGE).await, placed(12, [&first]));
    }
}

/// A healed replica stays healed.
pub async fn a_rewritten_tail_is_there_after_a_restart(harness: &dyn StoreHarness) {
    let scene = Scene::set(harness).await;
    let rewrite = scene.anew(3, &mut Author::new(7));
    scene.store.commit(WriteBatch { clock: NTP64(5), ..batch(rewrite) }).await;
    let before = scene.store.image(&[]).await;
    drop(scene);
    let Some(storage) = harness.reopen().await else { return };
    assert_eq!(Subject::open(&*storage, SPACE).await.image(&[]).await, before);
}
