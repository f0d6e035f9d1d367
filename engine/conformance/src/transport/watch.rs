//! Following a log. No law here measures time: one that waits for ever is ended by the kit.

use std::sync::Arc;

use futures_util::{StreamExt, poll};
use syncline::protocol::Code;
use syncline::store::WriteBatch;
use syncline::{Cursor, Position};
use tokio::task::yield_now;

use crate::peer::{Desk, Followed, Peer, READER, STRANGER, WRITER};
use crate::{Author, SPACE, TransportHarness, appends, new_log_id, puts, view, writes};

/// A watch says at once where the log ends, so that nothing between reading and watching is missed.
pub async fn a_watch_begins_with_a_notice(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let line = peer.connect(harness).await;
    for position in 0..3 {
        for after in 0..=position {
            let mut notices = line.watch(SPACE, log.cursor(after).await).await;
            assert_eq!(notices.next().await.head, log.cursor(position).await, "from {after}");
        }
        log.commit(appends([Author::new(position as u8 + 1).write(1)])).await;
    }
}

/// This is what live sync stands on.
pub async fn a_commit_is_followed_by_a_notice(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut notices = peer.connect(harness).await.watch(SPACE, log.cursor(0).await).await;
    assert_eq!(notices.next().await.head.position, Position::ZERO);
    let mut ann = Author::new(1);
    for position in 1..=10 {
        log.commit(appends([ann.write(1)])).await;
        assert_eq!(notices.next().await.head, log.cursor(position).await);
    }
}

/// Notices may be merged, never missed: the last one tells the last head.
pub async fn the_last_commit_is_never_missed(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut notices = peer.connect(harness).await.watch(SPACE, log.cursor(0).await).await;
    let mut ann = Author::new(1);
    let mut head = 0;
    for burst in [1, 40, 7, 90] {
        for commit in 0..burst {
            log.commit(appends([ann.write(1)])).await;
            if commit % 3 == 0 {
                yield_now().await;
            }
        }
        head += burst;
        notices.until(head).await;
    }
}

/// A commit of rows moves no head: it is no reason to wake a phone.
pub async fn rows_alone_make_no_notice(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut notices = peer.connect(harness).await.watch(SPACE, log.cursor(0).await).await;
    notices.next().await;
    log.commit(writes(puts(&view("todo@1"), &[("a", "1")]))).await;
    log.commit(WriteBatch::default()).await;
    log.commit(appends([Author::new(1).write(2)])).await;
    assert_eq!(notices.next().await.head.position, Position::new(2));
}

/// One commit, many devices.
pub async fn every_watcher_is_told(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let (writer, reader) = (peer.connect(harness).await, peer.connect_as(harness, READER).await);
    let mut watchers = Vec::new();
    for index in 0..10 {
        let line = if index % 2 == 0 { &writer } else { &reader };
        watchers.push(line.watch(SPACE, log.cursor(0).await).await);
    }
    writer.push(vec![Author::new(1).write(3).run().clone()]).await;
    for watcher in &mut watchers {
        watcher.until(3).await;
    }
}

/// Watchers of two spaces on one connection are told of their own.
pub async fn watchers_of_two_spaces_do_not_mix(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let (notes, tasks) = (peer.log("notes").await, peer.log("tasks").await);
    let mut of_notes = line.watch("notes", notes.cursor(0).await).await;
    let mut of_tasks = line.watch("tasks", tasks.cursor(0).await).await;
    notes.commit(appends([Author::new(1).write(2)])).await;
    tasks.commit(appends([Author::new(1).write(5)])).await;
    assert_eq!(of_notes.until(2).await.head, notes.cursor(2).await);
    assert_eq!(of_tasks.until(5).await.head, tasks.cursor(5).await);
}

/// Calls work while the same connection watches.
pub async fn calls_go_on_beside_a_watch(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let line = peer.connect(harness).await;
    let mut notices = line.watch(SPACE, log.cursor(0).await).await;
    let mut ann = Author::new(1);
    for position in 1..=5 {
        line.push(vec![ann.write(1).run().clone()]).await;
        let notice = notices.until(position).await;
        assert_eq!(line.heads(SPACE).await.head, notice.head);
    }
}

/// Screens close while they watch; the others continue.
pub async fn a_watch_given_up_leaves_the_others(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let line = peer.connect(harness).await;
    let mut kept = line.watch(SPACE, log.cursor(0).await).await;
    for _ in 0..3 {
        let mut given_up = line.watch(SPACE, log.cursor(0).await).await;
        given_up.next().await;
    }
    log.commit(appends([Author::new(1).write(1)])).await;
    kept.until(1).await;
    line.heads(SPACE).await;
}

/// A device opens and closes thousands of screens on one connection: what nobody listens to any more must cost the peer nothing.
pub async fn a_dropped_watch_is_given_up(harness: &dyn TransportHarness) {
    let followed = Followed::new();
    let mut followers = followed.followers();
    let peer = Peer::over(Arc::new(followed));
    let start = peer.log(SPACE).await.cursor(0).await;
    let line = peer.connect(harness).await;
    let mut watches = Vec::new();
    for _ in 0..4 {
        let mut notices = line.watch(SPACE, start).await;
        notices.next().await;
        assert!(poll!(notices.0.next()).is_pending(), "nothing has happened since the first notice");
        watches.push(notices);
    }
    for left in [4, 1, 0] {
        watches.truncate(left);
        followers.wait_for(|count| *count == left).await.expect("the peer counts on");
    }
}

/// Watching from a place that the log cannot serve would tell of bundles that cannot be fetched.
pub async fn a_watch_from_a_cursor_that_is_gone_is_refused(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let beyond = peer.log(SPACE).await.cursor(1).await;
    for cursor in [Cursor::start(new_log_id()), beyond] {
        assert_eq!(line.watch_problem(SPACE, cursor).await.code, Code::CursorGone { cursor });
    }
}

/// Nobody hears of a space that they may not enter.
pub async fn a_watch_of_an_unknown_space_is_refused(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let start = peer.log(SPACE).await.cursor(0).await;
    let stranger = peer.connect_as(harness, STRANGER).await;
    assert_eq!(stranger.watch_problem(SPACE, start).await.code, Code::UnknownSpace);
    let writer = peer.connect(harness).await;
    assert_eq!(writer.watch_problem(Desk::HIDDEN, start).await.code, Code::UnknownSpace);
}

/// Access that is taken away ends with the next thing there would be to hear.
pub async fn a_watch_ends_when_its_role_is_taken_away(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut notices = peer.connect(harness).await.watch(SPACE, log.cursor(0).await).await;
    notices.next().await;
    peer.desk.revoke(WRITER);
    log.commit(appends([Author::new(1).write(1)])).await;
    assert_eq!(notices.problem().await.code, Code::UnknownSpace);
}
