//! What a returned commit survives is named as it is.

use syncline::store::{Durability, Holder, Storage, StoreError};
use syncline_postgres::PostgresOptions;
use syncline_postgres_testing::{Scratch, Server};

use crate::fixture::{by_hand, mark, until_it_works};

async fn durability(scratch: &Scratch, settings: &[&str]) -> Durability {
    let settings: String = settings.iter().map(|setting| format!("-c%20{setting}%20")).collect();
    let url = format!("{}{}options={settings}", scratch.url(), mark(scratch.url()));
    PostgresOptions::new(url).schema(scratch.schema()).open().await.unwrap().durability()
}

#[tokio::test]
async fn a_server_that_flushes_before_it_answers_is_synced_and_any_other_is_not() {
    let server = Server::start();
    let scratch = server.scratch();
    assert_eq!(durability(&scratch, &[]).await, Durability::Synced);
    assert_eq!(durability(&scratch, &["synchronous_commit=local"]).await, Durability::Synced);
    assert_eq!(durability(&scratch, &["synchronous_commit=off"]).await, Durability::Process);
    let asynchronous = PostgresOptions::new(scratch.url()).schema(scratch.schema()).asynchronous_commit();
    assert_eq!(asynchronous.open().await.unwrap().durability(), Durability::Process);
}

#[tokio::test]
async fn synchronous_commits_of_a_server_that_ignores_the_disk_are_not_synced() {
    let server = Server::start();
    let scratch = server.scratch();
    for change in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"] {
        by_hand(&scratch, change).await;
    }
    until_it_works(async || {
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut scratch.connect().await).await.unwrap();
        if fsync == "off" { Ok(()) } else { Err(not_yet()) }
    })
    .await;
    assert_eq!(durability(&scratch, &["synchronous_commit=on"]).await, Durability::Process);
}

fn not_yet() -> StoreError {
    StoreError::InUse { backend: "test", what: "the old configuration".into(), by: Holder::AnotherProcess }
}
