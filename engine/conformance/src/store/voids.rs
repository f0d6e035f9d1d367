//! Bundles whose bodies are gone and whose hashes stay.

use syncline::Seq;
use syncline::format::run::VerifiedRun;
use syncline::limits::{BODY_BYTES_MAX, RUN_BYTES_MAX};
use syncline::store::{Limit, StoreError, WriteBatch};

use crate::{Author, Placed, StoreHarness, Subject, appends, dot, placed, unpack, voids};

/// The log that these runs make, with some bundles void, by position.
fn with_voids(runs: &[VerifiedRun], positions: &[usize]) -> Vec<Placed> {
    let mut all = placed(1, runs);
    for position in positions {
        let bundle = &mut all[position - 1];
        bundle.content = bundle.content.voided();
    }
    all
}

/// The refused body may be unlawful to keep; everybody behind it still has to be able to check the chain.
pub async fn a_void_loses_its_body_and_keeps_every_hash(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written = [ann.write(1), ann.write(1), ann.write(1)];
    store.commit(appends(written.clone())).await;
    let before = store.status().await;
    store.commit(voids([dot(&ann, 2)])).await;
    let after = store.status().await;
    assert_same!(store.log().await, with_voids(&written, &[2]));
    assert_eq!((after.heads, after.head), (before.heads, before.head));
}

/// Bundles lie packed: the others of the run must come out untouched, whichever one it is.
pub async fn any_bundle_of_a_packed_run_can_become_void(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let written = [bob.write(2), ann.write(5), bob.write(3)];
    store.commit(appends(written.clone())).await;
    let mut positions = vec![];
    for (seq, position) in [(3, 5), (1, 3), (5, 7), (2, 4), (4, 6)] {
        store.commit(voids([dot(&ann, seq)])).await;
        positions.push(position);
        assert_same!(store.log().await, with_voids(&written, &positions));
    }
}

/// A push with several refused bundles is one commit.
pub async fn several_bundles_become_void_in_one_batch(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let written = [ann.write(4), bob.write(2)];
    store.commit(appends(written.clone())).await;
    store.commit(voids([dot(&ann, 4), dot(&bob, 1), dot(&ann, 2)])).await;
    assert_same!(store.log().await, with_voids(&written, &[2, 4, 5]));
}

/// The policy refuses bundles as they arrive: they are stored and made void at once.
pub async fn a_bundle_may_arrive_and_become_void_in_one_batch(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written = [ann.write(3), ann.write(2)];
    store.commit(WriteBatch { voids: vec![dot(&ann, 5), dot(&ann, 2)], ..appends(written.clone()) }).await;
    assert_same!(store.log().await, with_voids(&written, &[2, 5]));
}

/// A peer hands over its voids as they are.
pub async fn a_run_that_brings_voids_is_stored_as_it_is(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written = ann.write(4);
    let run = written.run().with_voids(&[Seq::new(1), Seq::new(3)], written.previous());
    let brought = VerifiedRun::verify(run, syncline::format::heads::Head::NONE).expect("voids keep every hash");
    store.commit(appends([brought, ann.write(1)])).await;
    assert_same!(store.log_after(0, Limit::items(2)).await[..4], with_voids(&[written], &[1, 3]));
    assert_eq!(store.status().await.heads.get(ann.origin()), ann.head());
}

/// The outcome may be recorded twice, since its acknowledgement may be lost.
pub async fn making_a_void_again_changes_nothing(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    store.commit(appends([ann.write(3)])).await;
    store.commit(voids([dot(&ann, 2)])).await;
    let log = store.log().await;
    store.commit(voids([dot(&ann, 2), dot(&ann, 2)])).await;
    assert_same!(store.log().await, log);
}

/// A void without its bundle would be a hole with a name.
pub async fn a_void_of_an_unknown_bundle_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, bob) = (Author::new(1), Author::new(2));
    store.commit(appends([ann.write(3)])).await;
    let before = store.image(&[]).await;
    for unknown in [dot(&ann, 4), dot(&ann, 0), dot(&ann, u64::MAX), dot(&bob, 1)] {
        let refusal = store.refusal(voids([dot(&ann, 1), unknown])).await;
        assert!(matches!(refusal, StoreError::NoSuchBundle { dot } if dot == unknown), "{unknown}: {refusal:?}");
    }
    assert_eq!(store.image(&[]).await, before);
}

/// Both ways of reading show the same log, wherever a page is cut.
pub async fn voids_are_read_alike_by_position_and_by_origin(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let written = [ann.write(6)];
    store.commit(appends(written.clone())).await;
    store.commit(voids([dot(&ann, 3), dot(&ann, 4)])).await;
    let all = with_voids(&written, &[3, 4]);
    for after in 0..6 {
        let one = unpack(&store.page(after, Limit::items(1)).await.runs);
        assert_eq!(one, all[after as usize..=after as usize]);
        assert_same!(store.origin(ann.origin(), after, Limit::items(1)).await, one);
        assert_same!(store.origin(ann.origin(), after, Limit::PAGE).await, all[after as usize..]);
    }
}

/// The chain continues behind a void, even behind one at its end.
pub async fn an_origin_goes_on_behind_its_void(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut written = vec![ann.write(2)];
    store.commit(appends(written.clone())).await;
    store.commit(voids([dot(&ann, 2)])).await;
    written.push(ann.write(2));
    store.commit(appends(written[1..].to_vec())).await;
    assert_same!(store.log().await, with_voids(&written, &[2]));
}

/// A void takes 32 bytes, a body may take less: a full run outgrows the limit of runs when its small bundles become void.
pub async fn voids_that_are_larger_than_their_bodies_stay_readable(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut bodies = vec![vec![b'x']; 40];
    bodies.extend([vec![b'y'; BODY_BYTES_MAX], vec![b'z'; RUN_BYTES_MAX - BODY_BYTES_MAX - 300]]);
    let written = [ann.write_bodies(&bodies)];
    store.commit(appends(written.clone())).await;
    store.commit(voids((1..=40).map(|seq| dot(&ann, seq)))).await;
    let expected = with_voids(&written, &(1..=40).collect::<Vec<_>>());
    assert_same!(store.log().await, expected);
    assert_same!(store.log_after(0, Limit::items(u32::MAX)).await, expected);
    assert_same!(store.origin(ann.origin(), 0, Limit::items(u32::MAX)).await, expected);
}
