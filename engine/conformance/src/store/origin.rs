//! Reading one origin's bundles: what heads-based sync asks for.

use syncline::store::Limit;

use crate::{Author, Placed, StoreHarness, Subject, appends, placed};

/// Two authors who take turns, and all that they wrote.
async fn filled(harness: &dyn StoreHarness) -> (Subject, [Author; 2], Vec<Placed>) {
    let store = Subject::fresh(harness).await;
    let mut authors = [1, 2].map(Author::new);
    let turns = [3, 1, 4, 1, 5, 9, 2].into_iter().enumerate();
    let written: Vec<_> = turns.map(|(turn, count)| authors[turn % 2].write(count)).collect();
    for part in written.chunks(2) {
        store.commit(appends(part.to_vec())).await;
    }
    (store, authors, placed(1, &written))
}

/// What of a log one author wrote.
fn of(author: &Author, all: &[Placed]) -> Vec<Placed> {
    all.iter().filter(|placed| placed.dot.origin == author.origin()).cloned().collect()
}

/// A peer may have any number of an origin's bundles: what follows must come from each of them on, with its place, since a
/// pull by heads starts at the first place where something is missing.
pub async fn an_origin_reads_on_from_every_seq(harness: &dyn StoreHarness) {
    let (store, authors, all) = filled(harness).await;
    for author in &authors {
        let own = of(author, &all);
        for after in 0..=own.len() {
            let read = store.origin(author.origin(), after as u64, Limit::PAGE).await;
            assert_same!(read, own[after..], "{} after {after}", author.origin());
        }
    }
}

/// There is nothing further, which is no error: the peer may know more than this log.
pub async fn an_origin_reads_empty_at_its_end_and_beyond(harness: &dyn StoreHarness) {
    let (store, authors, all) = filled(harness).await;
    let end = of(&authors[0], &all).len() as u64;
    for after in [end, end + 1, 1 << 63, u64::MAX] {
        assert_eq!(store.origin(authors[0].origin(), after, Limit::PAGE).await, []);
    }
}

/// Asking for somebody unknown is ordinary: a new device asks for everybody it has heard of.
pub async fn an_unknown_origin_reads_empty(harness: &dyn StoreHarness) {
    let (store, ..) = filled(harness).await;
    for unknown in [3, 255] {
        assert_eq!(store.origin(Author::new(unknown).origin(), 0, Limit::PAGE).await, []);
    }
}

/// The limits of pages hold here as well, and at least one bundle makes progress.
pub async fn an_origin_is_read_in_pages_of_any_size(harness: &dyn StoreHarness) {
    let (store, authors, all) = filled(harness).await;
    let own = of(&authors[0], &all);
    for limit in [Limit::items(0), Limit::items(1), Limit::items(4), Limit::bytes(0), Limit::bytes(120), Limit::PAGE] {
        let mut read = Vec::new();
        while read.len() < own.len() {
            let page = store.origin(authors[0].origin(), read.len() as u64, limit).await;
            assert!(!page.is_empty() && page.len() <= limit.items.max(1) as usize, "{limit:?}: {}", page.len());
            read.extend(page);
        }
        assert_same!(read, own, "{limit:?}");
    }
}
