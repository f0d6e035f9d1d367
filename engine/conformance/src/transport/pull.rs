//! Fetching bundles.

use syncline::format::run::VerifiedRun;
use syncline::format::{Head, Heads};
use syncline::limits::PAYLOAD_BYTES_MAX;
use syncline::protocol::{Have, Pull, Pulled, Reply, Tail};
use syncline::store::Limit;
use syncline::{Event, Position};

use crate::peer::{Line, Peer, WRITER, after, noise, pull};
use crate::{Author, NOTE, Placed, SPACE, Subject, TransportHarness, appends, dot, placed, voids};

/// A peer that holds 36 bundles of three authors, and its log.
async fn filled() -> (Peer, Subject, Vec<VerifiedRun>) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut authors = [1, 2, 3].map(Author::new);
    let written: Vec<_> = (1..=8).map(|count| authors[count % 3].write(count as u64)).collect();
    log.commit(appends(written.clone())).await;
    (peer, log, written)
}

/// The bundles of a page, without places, which a pull does not tell; each run must continue what came before.
fn bundles(pulled: &[Pulled], mut heads: Heads) -> Vec<Placed> {
    let mut all = Vec::new();
    for run in pulled.iter().flat_map(|page| &page.runs) {
        let verified =
            VerifiedRun::verify(run.clone(), heads.get(run.origin())).expect("each run continues its origin");
        heads.set(run.origin(), verified.head());
        all.extend(placed(1, [&verified]));
    }
    unplaced(all)
}

fn unplaced(mut all: Vec<Placed>) -> Vec<Placed> {
    all.iter_mut().for_each(|placed| placed.position = Position::ZERO);
    all
}

/// The heads after the first bundles of a log.
fn heads_after(all: &[Placed]) -> Heads {
    let head = |placed: &Placed| Head { seq: placed.dot.seq, chain: placed.chain, time: placed.time };
    all.iter().map(|placed| (placed.dot.origin, head(placed))).collect()
}

/// Pulls page by page until the last.
async fn pages(line: &Line, mut asked: Pull) -> Vec<Pulled> {
    let mut pages = Vec::new();
    loop {
        let page = line.pull(asked.clone()).await;
        let (next, is_last) = (page.next, page.next.position == page.head);
        assert!(is_last || asked.have != Have::Cursor(next), "a page that is not the last moves on: {page:?}");
        pages.push(page);
        if is_last {
            return pages;
        }
        asked.have = Have::Cursor(next);
    }
}

/// A replica that compares digests asks for the same bundles, and needs no heads with the last page.
pub async fn a_tail_is_the_pull_by_cursor_with_a_digest(harness: &dyn TransportHarness) {
    let (peer, log, written) = filled().await;
    let line = peer.connect(harness).await;
    for (position, limit) in [(0, Limit::PAGE), (5, Limit::items(3)), (placed(1, &written).len() as u64, Limit::PAGE)] {
        let cursor = log.cursor(position).await;
        let pulled = line.pull(after(cursor, limit)).await;
        let answer = line.call(pull(Pull { have: Have::Tail(cursor), ..after(cursor, limit) })).await;
        let Reply::Tail(tail) = answer.reply else { panic!("a tail was asked for, not {answer:?}") };
        let digest = pulled.heads.map(|heads| heads.digest());
        let expected = Tail { runs: pulled.runs, next: pulled.next, head: pulled.head, digest };
        assert_eq!(tail, expected, "behind {position}");
    }
}

/// The fast path: the tail, from any place, byte for byte.
pub async fn a_pull_by_cursor_brings_all_behind_it(harness: &dyn TransportHarness) {
    let (peer, log, written) = filled().await;
    let line = peer.connect(harness).await;
    let all = placed(1, &written);
    for position in 0..=all.len() {
        let pulled = line.pull(after(log.cursor(position as u64).await, Limit::PAGE)).await;
        let known = heads_after(&all[..position]);
        assert_same!(bundles(&[pulled], known), unplaced(all[position..].to_vec()), "behind {position}");
    }
}

/// The path that is always right: what the heads do not cover, wherever it lies.
pub async fn a_pull_by_heads_brings_what_they_lack(harness: &dyn TransportHarness) {
    let (peer, _, written) = filled().await;
    let line = peer.connect(harness).await;
    let all = placed(1, &written);
    for known in [0, 1, 7, 20, all.len()] {
        let heads = heads_after(&all[..known]);
        let pull = Pull { have: Have::Heads(heads.clone()), without: None, limit: Limit::PAGE };
        assert_same!(bundles(&pages(&line, pull).await, heads), unplaced(all[known..].to_vec()), "after {known}");
    }
}

/// A device need not download what it has written.
pub async fn a_pull_leaves_out_the_origin_that_is_not_wanted(harness: &dyn TransportHarness) {
    let (peer, log, written) = filled().await;
    let own = Author::new(2).origin();
    let pull = Pull { without: Some(own), ..after(log.cursor(0).await, Limit::PAGE) };
    let found = bundles(&pages(&peer.connect(harness).await, pull).await, Heads::new());
    let others: Vec<_> = placed(1, &written).into_iter().filter(|placed| placed.dot.origin != own).collect();
    assert_same!(found, unplaced(others));
}

/// Both limits reach the peer as they were given.
pub async fn the_limits_of_a_pull_reach_the_peer(harness: &dyn TransportHarness) {
    let (peer, log, _) = filled().await;
    let line = peer.connect(harness).await;
    let start = log.cursor(0).await;
    let limits = [Limit::items(0), Limit::items(1), Limit::items(5), Limit::bytes(0), Limit::bytes(300), Limit::PAGE];
    for limit in limits.into_iter().chain([Limit { items: 4, bytes: 150 }, Limit::items(u32::MAX)]) {
        let found = line.pull(after(start, limit)).await;
        let expected = peer.answer(WRITER, pull(after(start, limit))).await;
        let expected = expected.map(|answer| answer.reply);
        assert_eq!(Ok(syncline::protocol::Reply::Pull(found)), expected, "{limit:?}");
    }
}

/// Pages join without gaps or repeats, and the last one brings the heads to compare.
pub async fn pages_of_a_pull_join_to_the_whole_log(harness: &dyn TransportHarness) {
    let (peer, log, written) = filled().await;
    let line = peer.connect(harness).await;
    for limit in [Limit::items(1), Limit::items(7), Limit::bytes(400)] {
        let pages = pages(&line, after(log.cursor(0).await, limit)).await;
        assert_same!(bundles(&pages, Heads::new()), unplaced(placed(1, &written)), "{limit:?}");
        let (last, before) = pages.split_last().expect("there is a page");
        assert_eq!(last.heads, Some(log.status().await.heads), "{limit:?}");
        assert!(before.iter().all(|page| page.heads.is_none()), "{limit:?}");
    }
}

/// A bootstrap is page after page of this size, of bytes that do not compress.
pub async fn the_largest_page_passes(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut ann = Author::new(1);
    let large = |seed| vec![Event::new(NOTE, noise(PAYLOAD_BYTES_MAX, seed))];
    let written: Vec<_> = (0..36).map(|seed| ann.write_events(&[large(seed)])).collect();
    log.commit(appends(written.clone())).await;
    let pages = pages(&peer.connect(harness).await, after(log.cursor(0).await, Limit::items(u32::MAX))).await;
    assert_same!(bundles(&pages, Heads::new()), unplaced(placed(1, &written)));
}

/// Voids keep their hashes on every way.
pub async fn pulled_voids_arrive_as_voids(harness: &dyn TransportHarness) {
    let (peer, log, _) = filled().await;
    let ann = Author::new(1);
    log.commit(voids([dot(&ann, 1), dot(&ann, 3)])).await;
    let pulled = peer.connect(harness).await.pull(after(log.cursor(0).await, Limit::PAGE)).await;
    assert_same!(bundles(&[pulled], Heads::new()), unplaced(log.log().await));
}

/// A new space is empty, which is an answer.
pub async fn a_pull_of_an_empty_log_is_the_last_page(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let line = peer.connect(harness).await;
    for have in [Have::Cursor(log.cursor(0).await), Have::Heads(Heads::new())] {
        let pulled = line.pull(Pull { have, without: None, limit: Limit::PAGE }).await;
        let (next, heads) = (log.cursor(0).await, Some(Heads::new()));
        assert_eq!(pulled, Pulled { runs: vec![], next, head: Position::ZERO, heads });
    }
}

/// A peer's heads may name origins by the hundred.
pub async fn many_heads_pass_in_one_pull(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut authors: Vec<_> = (1..=255).map(Author::new).collect();
    log.commit(appends(authors.iter_mut().map(|author| author.write(2)))).await;
    let heads = log.status().await.heads;
    log.commit(appends(authors.iter_mut().map(|author| author.write(1)))).await;
    let pull = Pull { have: Have::Heads(heads.clone()), without: None, limit: Limit::PAGE };
    let found = bundles(&pages(&peer.connect(harness).await, pull).await, heads);
    assert_same!(found, unplaced(log.log_after(510, Limit::PAGE).await));
}

/// Many devices bootstrap at once, each from its own place.
pub async fn concurrent_pulls_bring_each_its_own(harness: &dyn TransportHarness) {
    let (peer, log, written) = filled().await;
    let line = peer.connect(harness).await;
    let all = placed(1, &written);
    let mut pulls = Vec::new();
    for position in 0..all.len() {
        let (line, cursor) = (line.clone(), log.cursor(position as u64).await);
        pulls.push(tokio::spawn(async move { line.pull(after(cursor, Limit::items(3))).await }));
    }
    for (position, pull) in pulls.into_iter().enumerate() {
        let found = bundles(&[pull.await.expect("the pull ends well")], heads_after(&all[..position]));
        assert_same!(found, unplaced(all[position..(position + 3).min(all.len())].to_vec()), "behind {position}");
    }
}
