//! The tables of accounts: in a server's file, and in no replica's.

use std::sync::Arc;

use syncline::authority::accounts::{Accounts, Token};
use syncline::authority::{Authority, Principal, Role};
use syncline::store::Storage;
use syncline::{NTP64, PhysicalClock, StoreError};
use syncline_conformance::{Author, appends, space};
use syncline_sqlite::SqliteStorage;

use crate::file::{Place, subject};

/// A server's file whose accounts have version 1, kept for ever.
const V1: &[u8] = include_bytes!("../fixtures/accounts-v1.sqlite");

fn clock() -> Arc<dyn PhysicalClock> {
    Arc::new(|| NTP64(0))
}

/// The names of the tables of accounts.
fn tables(place: &Place) -> Vec<String> {
    let file = place.by_hand();
    let select = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'account%' ORDER BY name";
    let mut select = file.prepare(select).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A replica's file with two bundles in it, open.
async fn written(place: &Place) -> SqliteStorage {
    let storage = place.open();
    subject(&storage, "notes").await.commit(appends([Author::new(1).write(2)])).await;
    storage
}

#[tokio::test]
async fn a_file_has_no_tables_of_accounts_until_somebody_asks_for_accounts() {
    let place = Place::new();
    let storage = written(&place).await;
    assert!(storage.existing_accounts(clock()).await.unwrap().is_none());
    assert_eq!(tables(&place), Vec::<String>::new());
    storage.accounts(clock()).await.unwrap();
    let created = tables(&place);
    assert!(created.contains(&"account_users".to_owned()) && created.contains(&"account_format".to_owned()));
    assert!(storage.existing_accounts(clock()).await.unwrap().is_some());
}

#[tokio::test]
async fn those_who_ask_at_once_get_the_same_accounts() {
    let place = Place::new();
    let storage = written(&place).await;
    let (one, other) = futures_util::join!(storage.accounts(clock()), storage.accounts(clock()));
    one.unwrap().add_user(&"ann".parse().unwrap()).await.unwrap();
    assert_eq!(other.unwrap().list().await.unwrap().users.len(), 1);
}

#[tokio::test]
async fn a_replicas_file_becomes_a_servers_and_its_log_stays_what_it_is() {
    let (replicas, servers) = (Place::new(), Place::new());
    let storage = written(&replicas).await;
    let before = subject(&storage, "notes").await.log().await;
    syncline_sqlite::copy(&replicas.path(), &servers.path()).unwrap();
    let storage = servers.open();
    let accounts = storage.accounts(clock()).await.unwrap();
    let ann = "ann".parse().unwrap();
    accounts.add_user(&ann).await.unwrap();
    accounts.add_space(&space("notes"), &ann).await.unwrap();
    assert_eq!(subject(&storage, "notes").await.log().await, before);
    storage.check().await.unwrap();
    drop((accounts, storage));
    let accounts = servers.open().existing_accounts(clock()).await.unwrap().unwrap();
    assert_eq!(accounts.list().await.unwrap().spaces.len(), 1);
}

#[tokio::test]
async fn accounts_of_a_newer_build_are_refused_by_their_version_and_the_logs_are_read() {
    let place = Place::new();
    let storage = written(&place).await;
    storage.accounts(clock()).await.unwrap();
    for version in ["2", "-1", "4294967297"] {
        place.by_hand().execute(&format!("UPDATE account_format SET version = {version}"), []).unwrap();
        for error in [
            storage.accounts(clock()).await.map(drop).unwrap_err(),
            storage.existing_accounts(clock()).await.map(drop).unwrap_err(),
        ] {
            let words = error.to_string();
            assert!(words.contains("data of accounts in") && words.contains("upgrade Syncline"), "{words}");
            match error {
                StoreError::UnsupportedFormat { found, newest: 1, .. } => assert_eq!(found, version),
                other => panic!("{other:?}"),
            }
        }
    }
    drop(storage);
    assert_eq!(subject(&place.open(), "notes").await.log().await.len(), 2);
}

#[tokio::test]
async fn accounts_whose_mark_is_lost_are_damaged_and_not_made_anew() {
    let place = Place::new();
    let storage = written(&place).await;
    storage.accounts(clock()).await.unwrap();
    place.by_hand().execute("DELETE FROM account_format", []).unwrap();
    let error = storage.accounts(clock()).await.map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn accounts_of_version_1_are_found_as_they_were_written() {
    let place = Place::new();
    std::fs::write(place.path(), V1).unwrap();
    let storage = place.open();
    let accounts = storage.existing_accounts(clock()).await.unwrap().unwrap();
    let phone = Principal { user: "ann".parse().unwrap(), device: "phone".parse().unwrap() };
    let token = Token::from_secret([7; 32]).reveal();
    assert_eq!(accounts.authenticate(&token).await.unwrap(), Some(phone.clone()));
    assert_eq!(accounts.role(&phone, &space("notes")).await.unwrap(), Some(Role::Owner));
    assert_eq!(accounts.owners(&[Author::new(1).origin()]).await.unwrap().into_values().collect::<Vec<_>>(), [phone]);
    assert_eq!(subject(&storage, "notes").await.log().await.len(), 2);
}
