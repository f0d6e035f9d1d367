//! Connections that end, answers that do not come, servers that stop.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::poll;
use sqlx::postgres::PgListener;
use syncline::Position;
use syncline::id::Revision;
use syncline::store::{Committed, Limit, Retry, StoreError, WriteBatch};
use syncline_conformance::{Author, Content, Subject, appends, dot, placed, puts, view, voids};
use syncline_postgres::PostgresOptions;
use syncline_postgres_testing::{Scratch, Server};

use crate::fixture::{Holder, by_hand, notes, open, options, scratch, until_it_works};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_killed_in_the_middle_of_a_commit_loses_nothing_that_was_acknowledged() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    let mut ann = Author::new(1);
    let written = [ann.write(3), ann.write(1)];
    store.commit(appends([written[0].clone()])).await;
    for batch in [appends([written[1].clone()]), voids([dot(&ann, 2)])] {
        let mut holder = Holder::of(&scratch).await;
        let committing = tokio::spawn({
            let store = store.clone();
            async move { store.store().commit(batch).await }
        });
        let pid = holder.somebody_waits(&scratch).await;
        holder.terminate(pid).await;
        let error = committing.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }) && error.retry() != Retry::Never, "{error:?}");
        holder.let_go().await;
        assert_eq!(store.log().await, placed(1, &written[..1]), "after {error}");
    }
    store.commit(appends([written[1].clone()])).await;
    assert_eq!(store.log().await, placed(1, &written));
}

/// A storage with one connection that goes through a proxy.
struct Proxied {
    proxy: Proxy,
    store: Subject,
    announcements: PgListener,
    _scratch: Scratch,
}

impl Proxied {
    async fn new() -> Self {
        let scratch = scratch();
        let proxy = Proxy::before(&scratch).await;
        let through =
            PostgresOptions::new(proxy.url(&scratch)).schema(scratch.schema()).connections_max(NonZeroU32::MIN);
        let store = notes(&through.open().await.unwrap()).await;
        let mut announcements = PgListener::connect(scratch.url()).await.unwrap();
        announcements.listen(&format!("syncline_{}", scratch.schema())).await.unwrap();
        Self { proxy, store, announcements, _scratch: scratch }
    }

    /// Commits, and waits until nothing of it is under way any more.
    async fn commit_quietly(&mut self, batch: WriteBatch) {
        let revision = self.store.commit(batch).await.revision;
        while self.announcements.recv().await.unwrap().payload() != format!("notes {revision}") {}
        // The announcement has the only connection until it is through.
        self.store.status().await;
    }

    /// Commits while the `nth` answer from now on gets lost. `None` if there are not so many; the commit is done then.
    async fn commit_losing(&self, nth: u32, batch: WriteBatch) -> Option<Result<Committed, StoreError>> {
        self.proxy.lose_answer(nth);
        let result = self.store.store().commit(batch).await;
        if self.proxy.has_lost_it() {
            return Some(result);
        }
        result.unwrap();
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown_and_the_commit_whole() {
    let mut proxied = Proxied::new().await;
    let store = proxied.store.clone();
    let (todo, mut ann, mut written) = (view("todo@1"), Author::new(1), Vec::new());
    let mut next = || {
        written.push(ann.write(2));
        let rows = puts(&todo, &[("a", written.len().to_string())]);
        (WriteBatch { rows, ..appends([written[written.len() - 1].clone()]) }, written.clone())
    };
    let (batch, written, error) = loop {
        // After this the connection has prepared the statement, and the storage remembers the log: one answer is left.
        proxied.commit_quietly(next().0).await;
        let (batch, written) = next();
        if let Some(Err(error)) = proxied.commit_losing(1, batch.clone()).await {
            break (batch, written, error);
        }
    };
    assert!(matches!(error, StoreError::Backend { retry: Retry::Reload, .. }), "{error:?}");
    assert!(error.to_string().contains("may or may not be done"), "{error}");
    assert_eq!(store.log().await, placed(1, &written));
    assert_eq!(store.row(&todo, "a").await, Some(written.len().to_string().into()));
    assert!(matches!(store.refusal(batch).await, StoreError::OutOfOrder { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_answer_is_lost_a_commit_of_several_statements_is_done_wholly_or_not_at_all() {
    let mut proxied = Proxied::new().await;
    let store = proxied.store.clone();
    let (todo, mut ann) = (view("todo@1"), Author::new(1));
    // Many short runs, so that no answer takes more than one piece.
    store.commit(appends((0..100).map(|_| ann.write(2)))).await;
    let (mut seqs, mut known) = (1..=200, Vec::new());
    let mut void = || dot(&ann, seqs.next().unwrap());
    while known.len() < 20 {
        // One such commit before, so that the connection has prepared each statement.
        let rows = puts(&todo, &[("b", "1")]);
        proxied.commit_quietly(WriteBatch { rows, clear: vec![todo.clone()], ..voids([void()]) }).await;
        let (before, dot) = (store.status().await.revision, void());
        let rows = puts(&todo, &[("a", dot.seq.to_string())]);
        let batch = WriteBatch { clear: vec![todo.clone()], rows, ..voids([dot]) };
        let error = match proxied.commit_losing(known.len() as u32 + 1, batch).await {
            Some(Ok(_)) => continue, // the pool had only asked whether the connection is still there
            Some(Err(error)) => error,
            None => break, // there are no more answers
        };
        let done = store.status().await.revision > before;
        let bundle = &store.log_after(dot.seq.get() - 1, Limit::items(1)).await[0];
        assert_eq!(matches!(bundle.content, Content::Void { .. }), done, "after {known:?}");
        assert_eq!(store.row(&todo, "a").await.is_some(), done, "after {known:?}");
        assert!(!done || error.retry() == Retry::Reload, "after {known:?}: {error}");
        known.push(error.retry() == Retry::Later);
    }
    assert!(known.len() >= 5 && known.contains(&true) && known.ends_with(&[false]), "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    let scratch = scratch();
    let proxy = Proxy::before(&scratch).await;
    let through = PostgresOptions::new(proxy.url(&scratch)).schema(scratch.schema());
    let storage = through.statement_timeout(Duration::from_millis(500)).open().await.unwrap();
    let store = notes(&storage).await;
    let mut ann = Author::new(1);
    let written = [ann.write(1), ann.write(1)];
    store.commit(appends([written[0].clone()])).await;
    proxy.fall_silent();
    assert_eq!(store.log().await, placed(1, &written[..1]));
    proxy.fall_silent();
    let error = store.refusal(appends([written[1].clone()])).await;
    assert!(matches!(error, StoreError::Backend { retry: Retry::Reload, .. }), "{error:?}");
    until_it_works(async || store.store().commit(WriteBatch::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_found_again_and_keeps_what_it_has_acknowledged() {
    let server = Server::start();
    let scratch = server.scratch();
    let storage = open(&scratch).await;
    let store = notes(&storage).await;
    let mut ann = Author::new(1);
    let mut written = Vec::new();
    for _ in 0..3 {
        for _ in 0..5 {
            written.push(ann.write(1));
            store.commit(appends([written[written.len() - 1].clone()])).await;
        }
        server.restart();
        assert_eq!(store.log().await, placed(1, &written), "reads do not even notice");
    }
    written.push(ann.write(1));
    store.commit(appends([written[15].clone()])).await;
    assert_eq!(store.status().await.head, Position::new(16));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_a_failure_that_passes() {
    let server = Server::start();
    let scratch = server.scratch();
    let storage = options(&scratch).connect_timeout(Duration::from_secs(5)).open().await.unwrap();
    let store = notes(&storage).await;
    store.commit(WriteBatch::default()).await;
    server.stop();
    let batch = WriteBatch::default;
    for error in [store.store().status().await.unwrap_err(), store.store().commit(batch()).await.unwrap_err()] {
        assert!(matches!(error, StoreError::Backend { .. }) && error.retry() != Retry::Never, "{error:?}");
    }
    let error = store.store().commit(batch()).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Later, "nothing was sent, so nothing is unknown: {error}");
    assert!(open_fails(&scratch).await.to_string().contains("server"));
    server.restart();
    until_it_works(async || store.store().commit(batch()).await).await;
    assert_eq!(store.status().await.revision, Revision::new(2));
}

async fn open_fails(scratch: &Scratch) -> StoreError {
    options(scratch).open().await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_the_connection_that_listens() {
    let scratch = scratch();
    let storage = options(&scratch).poll_interval(Duration::from_millis(20)).open().await.unwrap();
    let (store, other) = (notes(&storage).await, notes(&open(&scratch).await).await);
    let listens = "query LIKE 'LISTEN%' AND application_name = current_schema()";
    for round in 0..3 {
        let mut waiting = Box::pin(store.changed(Revision::new(round)));
        assert!(poll!(&mut waiting).is_pending());
        let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listens}");
        by_hand(&scratch, ended).await;
        other.commit(WriteBatch::default()).await;
        assert_eq!(waiting.await, Revision::new(round + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_announces_is_found_by_looking() {
    let scratch = scratch();
    let storage = options(&scratch).poll_interval(Duration::from_millis(20)).open().await.unwrap();
    let store = notes(&storage).await;
    let mut waiting = Box::pin(store.changed(Revision::ZERO));
    assert!(poll!(&mut waiting).is_pending());
    // A process that dies between its commit and the announcement.
    by_hand(&scratch, "UPDATE spaces SET revision = revision + 1").await;
    assert_eq!(waiting.await, Revision::new(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_a_restart_of_the_server() {
    let server = Server::start();
    let scratch = server.scratch();
    let storage = options(&scratch).poll_interval(Duration::from_millis(20)).open().await.unwrap();
    let store = notes(&storage).await;
    // Only its very first question can fail, where the restart comes between.
    let waiting = until_it_works(async || store.store().changed(Revision::ZERO).await);
    let restarting = async {
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| server.restart());
        let other = notes(&open(&scratch).await).await;
        other.commit(WriteBatch::default()).await;
    };
    assert_eq!(futures_util::future::join(waiting, restarting).await.0, Revision::new(1));
}
