//! A pooler on the way to the server.

use std::time::Duration;

use syncline::StoreError;
use syncline::store::{Durability, Retry, Storage};
use syncline_conformance::{Author, appends};
use syncline_postgres::{PostgresOptions, PostgresStorage};
use syncline_postgres_testing::{Bouncer, PoolMode, Scratch, Server};

use crate::fixture::notes;

fn options(bouncer: &Bouncer, scratch: &Scratch) -> PostgresOptions {
    PostgresOptions::new(bouncer.url()).schema(scratch.schema())
}

async fn works(storage: &PostgresStorage) {
    let store = notes(storage).await;
    let mut ann = Author::new(1);
    for _ in 0..5 {
        store.commit(appends([ann.write(3)])).await;
    }
    assert_eq!(store.log().await.len(), 15);
    storage.ready().await.unwrap();
    assert_eq!(storage.spaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_behind_a_pooler_work_and_schemas_stay_apart() {
    let server = Server::start();
    // As it is installed; with the options of a start dropped in silence; and leaving all to the next client.
    for more in ["", "ignore_startup_parameters = options,extra_float_digits", "server_reset_query ="] {
        let Some(bouncer) = server.pooled(PoolMode::Session, more) else { return };
        let (one, other) = (server.scratch(), server.scratch());
        for scratch in [&one, &other] {
            // Each finds nothing of the other's.
            works(&options(&bouncer, scratch).open().await.unwrap()).await;
        }
        let again = options(&bouncer, &one).open().await.unwrap();
        assert_eq!(notes(&again).await.log().await.len(), 15);
        assert_eq!(again.durability(), Durability::Synced);
        let asynchronous = options(&bouncer, &one).asynchronous_commit().open().await.unwrap();
        assert_eq!(asynchronous.durability(), Durability::Process);
    }
}

#[tokio::test]
async fn transactions_behind_a_pooler_are_refused_with_cause_and_remedy() {
    let server = Server::start();
    for more in ["", "ignore_startup_parameters = options,extra_float_digits", "server_round_robin = 1"] {
        let Some(bouncer) = server.pooled(PoolMode::Transaction, more) else { return };
        let scratch = server.scratch();
        for _ in 0..5 {
            let error = options(&bouncer, &scratch).open().await.unwrap_err();
            assert!(matches!(error, StoreError::Backend { retry: Retry::Never, .. }), "{error:?}");
            let told = error.to_string();
            assert!(told.contains("transaction mode") && told.contains("pool_mode = session"), "{told}");
        }
    }
}

#[tokio::test]
async fn watchers_behind_a_pooler_hear_of_other_processes_commits() {
    let server = Server::start();
    let Some(bouncer) = server.pooled(PoolMode::Session, "") else { return };
    let scratch = server.scratch();
    let watching = options(&bouncer, &scratch).poll_interval(Duration::from_secs(3_600)).open().await.unwrap();
    let writing = PostgresOptions::new(server.url()).schema(scratch.schema()).open().await.unwrap();
    hears(&watching, &writing).await;
}

/// Commits through one storage until the other one's watcher has woken.
async fn hears(watching: &PostgresStorage, writing: &PostgresStorage) {
    let (watched, store) = (notes(watching).await, notes(writing).await);
    let mut ann = Author::new(1);
    for _ in 0..3 {
        let seen = watched.status().await.revision;
        let woken = watched.store().changed(seen);
        let (woken, _) = futures_util::join!(woken, store.commit(appends([ann.write(1)])));
        assert!(woken.unwrap() > seen);
    }
}
