//! Opening stores by name.

use std::sync::Arc;

use syncline::authority::Name;
use syncline::store::{Durability, Holder, Storage, StoreError};
use syncline_any::{AnyOptions, AnyStorage, OpenError, Scheme};
use syncline_conformance::{Author, Subject, appends, space};

use crate::stores::Place;

#[tokio::test]
async fn every_store_opens_and_keeps_what_is_written() {
    let place = Place::new();
    for scheme in Scheme::ALL {
        let storage = place.open(scheme).await;
        let subject = Subject::open(&storage, "notes").await;
        subject.commit(appends([Author::new(1).write(3)])).await;
        drop((storage, subject));
        let storage = place.open(scheme).await;
        let head = Subject::open(&storage, "notes").await.status().await.head.get();
        assert_eq!(head, if scheme == Scheme::Memory { 0 } else { 3 }, "{scheme}");
        assert_eq!(storage.spaces().await.unwrap(), [space("notes")]);
        assert_eq!(storage.name().scheme(), scheme);
    }
}

#[tokio::test]
async fn a_store_is_as_durable_as_it_says() {
    let place = Place::new();
    for scheme in Scheme::ALL {
        let usual = place.open(scheme).await.durability();
        let expected = match scheme {
            Scheme::Memory => Durability::Volatile,
            // The server of the tests does not wait for the disk.
            Scheme::Postgres => usual,
            _ => Durability::Synced,
        };
        assert_eq!(usual, expected, "{scheme}");
        let lighter = AnyOptions::new(place.name(scheme)).durability(Durability::Process).open().await.unwrap();
        assert!(lighter.durability() <= usual, "{scheme}");
    }
}

#[tokio::test]
async fn the_stores_that_keep_accounts_are_those_that_say_so() {
    let place = Place::new();
    for scheme in Scheme::ALL {
        let accounts = place.open(scheme).await.accounts(Arc::new(syncline_os::wall_clock)).await.unwrap();
        assert_eq!(accounts.is_some(), scheme.has_accounts(), "{scheme}");
        if let Some(accounts) = accounts {
            accounts.add_user(&Name::new("ann").unwrap()).await.unwrap();
            assert_eq!(accounts.list().await.unwrap().users.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_store_in_use_says_so() {
    let place = Place::new();
    for scheme in [Scheme::Sqlite, Scheme::Redb, Scheme::Sled] {
        let _first = place.open(scheme).await;
        let error = AnyOptions::new(place.name(scheme)).open().await.unwrap_err();
        assert!(matches!(error, StoreError::InUse { by: Holder::ThisProcess, .. }), "{scheme}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_names_no_store_opens_none() {
    let error = AnyStorage::at("mysql:notes").await.unwrap_err();
    assert!(matches!(error, OpenError::Name(_)) && error.to_string().contains("sqlite:FILE"), "{error}");
}
