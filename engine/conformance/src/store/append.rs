//! What a commit of runs leaves in the log.

use syncline::format::heads::Heads;
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::{Limit, LogStatus, WriteBatch};
use syncline::{Position, ReplicaId};

use crate::{Author, Content, StoreHarness, Subject, appends, placed};

/// Recovery starts from "nothing": it must look the same everywhere.
pub async fn a_new_log_is_empty(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let status = store.status().await;
    assert_eq!(status, LogStatus::fresh(status.log));
    let page = store.page(0, Limit::PAGE).await;
    assert!(page.runs.is_empty() && page.is_last() && page.next == store.cursor(0).await, "{page:?}");
}

/// Readers resume by position: a hole or a repeat would lose or double a bundle for them.
pub async fn positions_count_up_in_commit_order_without_holes(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(2), Author::new(1));
    let written = [ann.write(3), bob.write(1), ann.write(2), bob.write(4)];
    for append in &written {
        store.commit(appends([append.clone()])).await;
    }
    assert_same!(store.log().await, placed(1, &written));
}

/// A writer continues from the answer without reading the status again.
pub async fn a_commit_answers_what_status_shows_afterwards(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    for count in 1..=4 {
        let committed = store.commit(appends([ann.write(count)])).await;
        let status = store.status().await;
        assert_eq!((committed.revision, committed.head), (status.revision, status.head));
        assert_eq!(status.revision, Revision::new(count));
        assert_eq!(status.head, Position::new((1..=count).sum()));
    }
}

/// The revision counts commits, so that compare-and-swap also sees a commit that changed no more than that.
pub async fn an_empty_batch_raises_the_revision_and_nothing_else(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    store.commit(appends([Author::new(1).write(2)])).await;
    let before = store.status().await;
    let committed = store.commit(WriteBatch::default()).await;
    assert_eq!(committed.revision, before.revision.plus(1));
    assert_eq!(store.status().await, LogStatus { revision: committed.revision, ..before });
}

/// A pull hands over a page in the peer's causal order; the batch must not sort it.
pub async fn runs_of_one_batch_lie_in_the_order_given(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob, mut eve) = (Author::new(3), Author::new(1), Author::new(2));
    let written = [ann.write(2), bob.write(1), ann.write(1), eve.write(3), ann.write(4), bob.write(2)];
    store.commit(appends(written.clone())).await;
    assert_same!(store.log().await, placed(1, &written));
}

/// Hashes are taken over the bytes as received, and sealed bodies are no text: no byte may change, none may be needed.
pub async fn bodies_are_kept_byte_for_byte(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies = [vec![], vec![0], every_byte, b"'; drop table bundle; --\0".to_vec(), vec![0xff; 3], vec![0; 70_000]];
    store.commit(appends([Author::new(1).write_bodies(&bodies)])).await;
    let kept: Vec<_> = store.log().await.into_iter().map(|placed| placed.content).collect();
    assert_eq!(kept, bodies.map(|body| Content::Full(body.into())));
}

/// Times are 64 bits without a sign; many backends only know integers with one.
pub async fn times_are_kept_over_their_whole_range(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let times = [0, 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX].map(NTP64);
    let mut ann = Author::new(1);
    for time in times {
        store.commit(appends([ann.write_timed([(time, b"x")])])).await;
        assert_eq!(store.status().await.heads.get(ann.origin()), ann.head());
    }
    assert_eq!(store.log().await.iter().map(|placed| placed.time).collect::<Vec<_>>(), times);
}

/// Heads are the always-correct way to find what is missing: seq, hash and time must be those of the last bundle.
pub async fn heads_name_the_last_bundle_of_every_origin(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut authors = [7, 1, 255].map(Author::new);
    for round in 1..=3 {
        let runs: Vec<_> = authors.iter_mut().map(|author| author.write(round)).collect();
        store.commit(appends(runs)).await;
        let expected: Heads = authors.iter().map(|author| (author.origin(), author.head())).collect();
        assert_eq!(store.status().await.heads, expected);
    }
}

/// Ids are random bytes: zeros, quotes and bytes that are no text occur, and two ids may differ in the last bit only.
pub async fn origins_of_any_bytes_are_kept_apart(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let padded = |text: [u8; 3]| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&text[..2]);
        id[15] = text[2];
        id
    };
    let ids = [padded([0, 0, 1]), padded(*b"ab\0"), padded(*b"ab\x01"), [b'\''; 16], [b'%'; 16], [0xff; 16]];
    let mut authors = ids.map(|id| Author::with_origin(ReplicaId::from_bytes(id).expect("not all zero")));
    let written = authors.each_mut().map(|author| author.write(2));
    store.commit(appends(written.clone())).await;
    let log = placed(1, &written);
    assert_same!(store.log().await, log);
    for author in &authors {
        let own: Vec<_> = log.iter().filter(|placed| placed.dot.origin == author.origin()).cloned().collect();
        assert_same!(store.origin(author.origin(), 0, Limit::PAGE).await, own);
    }
}

/// A first push may carry years of one device: counts beyond 16 bits are ordinary.
pub async fn a_long_run_is_kept_whole(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let long = ann.write_bodies(&vec![b"x"; 70_000]);
    store.commit(appends([long.clone(), ann.write(1)])).await;
    let status = store.status().await;
    assert_eq!((status.head, status.heads.get(ann.origin())), (Position::new(70_001), ann.head()));
    assert_same!(store.log().await[..70_000], placed(1, [&long]));
}

/// Keys that are digits sort 10 before 9.
pub async fn positions_sort_as_numbers_around_powers_of_ten(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut authors = [1, 2].map(Author::new);
    let written: Vec<_> = (0..1_030).map(|turn| authors[turn % 2].write(1)).collect();
    for part in written.chunks(103) {
        store.commit(appends(part.to_vec())).await;
    }
    assert_same!(store.log().await, placed(1, &written));
    for border in [9, 10, 99, 100, 255, 256, 999, 1_000, 1_023, 1_024] {
        let rest = placed(border + 1, &written[border as usize..]);
        assert_same!(store.log_after(border, Limit::items(7)).await, rest, "behind {border}");
    }
}
