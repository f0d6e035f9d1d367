//! The tables of accounts: they are there once a server has asked for accounts.

use std::sync::Arc;

use futures_util::future::join_all;
use syncline::authority::accounts::Accounts;
use syncline::{NTP64, PhysicalClock, StoreError};
use syncline_conformance::{Author, appends};
use syncline_postgres_testing::Scratch;

use crate::fixture::{by_hand, notes, open, scratch};

fn clock() -> Arc<dyn PhysicalClock> {
    Arc::new(|| NTP64(0))
}

/// How many tables of accounts there are.
async fn tables(scratch: &Scratch) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = $1 AND tablename LIKE 'account%'";
    sqlx::query_scalar(count).bind(scratch.schema()).fetch_one(&mut scratch.connect().await).await.unwrap()
}

#[tokio::test]
async fn a_schema_has_no_tables_of_accounts_until_somebody_asks_for_accounts() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    notes(&storage).await.commit(appends([Author::new(1).write(2)])).await;
    assert!(storage.existing_accounts(clock()).await.unwrap().is_none());
    assert_eq!(tables(&scratch).await, 0);
    storage.accounts(clock()).await.unwrap();
    assert!(tables(&scratch).await > 1);
    assert!(storage.existing_accounts(clock()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_ask_at_once_get_the_same_accounts() {
    let scratch = scratch();
    let servers = join_all((0..8).map(|_| open(&scratch))).await;
    let accounts = join_all(servers.iter().map(|server| server.accounts(clock()))).await;
    for (number, accounts) in accounts.iter().enumerate() {
        accounts.as_ref().unwrap().add_user(&format!("user-{number}").parse().unwrap()).await.unwrap();
    }
    for accounts in accounts {
        assert_eq!(accounts.unwrap().list().await.unwrap().users.len(), 8);
    }
}

#[tokio::test]
async fn accounts_that_were_made_with_the_logs_and_bear_no_mark_are_found() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    storage.accounts(clock()).await.unwrap().add_user(&"ann".parse().unwrap()).await.unwrap();
    by_hand(&scratch, "DROP TABLE account_format").await;
    let storage = open(&scratch).await;
    let accounts = storage.existing_accounts(clock()).await.unwrap().unwrap();
    assert_eq!(accounts.list().await.unwrap().users.len(), 1);
    assert_eq!(storage.accounts(clock()).await.unwrap().list().await.unwrap().users.len(), 1);
}

#[tokio::test]
async fn accounts_of_a_newer_build_are_refused_by_their_version_and_the_logs_are_read() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    storage.accounts(clock()).await.unwrap();
    by_hand(&scratch, "UPDATE account_format SET format = 2").await;
    for error in [
        storage.accounts(clock()).await.map(drop).unwrap_err(),
        storage.existing_accounts(clock()).await.map(drop).unwrap_err(),
    ] {
        let words = error.to_string();
        assert!(words.contains("data of accounts in schema `test_") && words.contains("upgrade Syncline"), "{words}");
        assert!(matches!(error, StoreError::UnsupportedFormat { newest: 1, .. }), "{error:?}");
    }
    notes(&open(&scratch).await).await.commit(appends([Author::new(1).write(1)])).await;
}

#[tokio::test]
async fn a_user_who_may_not_create_tables_uses_those_that_are_there() {
    let scratch = scratch();
    let storage = open(&scratch).await;
    // As it is for such a user: every table that somebody creates is refused.
    let schema = scratch.schema();
    let refuse = format!(
        "CREATE FUNCTION refuse_{schema}() RETURNS event_trigger LANGUAGE plpgsql AS
            'BEGIN IF current_schema() = ''{schema}'' THEN
                RAISE ''you may not'' USING ERRCODE = ''insufficient_privilege''; END IF; END';
        CREATE EVENT TRIGGER refuse_{schema} ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
            EXECUTE FUNCTION refuse_{schema}()"
    );
    by_hand(&scratch, refuse).await;
    let error = storage.accounts(clock()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("creating the tables of accounts"), "{error}");
    by_hand(&scratch, format!("ALTER EVENT TRIGGER refuse_{schema} DISABLE")).await;
    storage.accounts(clock()).await.unwrap();
    by_hand(&scratch, format!("ALTER EVENT TRIGGER refuse_{schema} ENABLE")).await;
    storage.accounts(clock()).await.unwrap();
}
