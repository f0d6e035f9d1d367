//! A file of each version, kept for ever: every later build opens it and reads what was written.

use std::sync::Arc;

use syncline::authority::accounts::{Accounts, Token};
use syncline::authority::{Authority, Claim, Name, Principal, Role};
use syncline::id::Revision;
use syncline::store::{Limit, Storage};
use syncline::{NTP64, Position, ReplicaId};
use syncline_conformance::{Author, Content, Placed, appends, space, view};
use syncline_sqlite::SqliteStorage;

use crate::file::{Place, subject};

const V1: &[u8] = include_bytes!("../fixtures/v1.sqlite");
/// The same, opened by version 2, and `notes` trimmed up to its second bundle.
const V2: &[u8] = include_bytes!("../fixtures/v2.sqlite");

fn open(place: &Place) -> SqliteStorage {
    std::fs::write(place.path(), V1).unwrap();
    place.open()
}

fn origin(byte: u8) -> ReplicaId {
    ReplicaId::from_bytes([byte; 16]).unwrap()
}

#[tokio::test]
async fn a_log_of_version_1_reads_as_it_was_written() {
    let place = Place::new();
    let storage = open(&place);
    assert_eq!(storage.spaces().await.unwrap(), [space("letters"), space("notes")]);
    let store = subject(&storage, "notes").await;
    let status = store.status().await;
    assert_eq!(status.log.to_string(), "1205dad865892b66db736f3e1a38f2a0");
    assert_eq!((status.revision, status.head, status.clock), (Revision::new(2), Position::new(4), NTP64(1 << 63)));
    assert_eq!(status.views.into_iter().collect::<Vec<_>>(), [(view("attributes@1"), Position::new(4))]);
    let heads: Vec<_> =
        status.heads.iter().map(|(_, head)| (head.seq.get(), head.chain.to_string(), head.time)).collect();
    let ann = "def98be850b4c3dd6f76f7d8a08dcb47a805078c501c0a7979de01da411f7613".to_owned();
    let bob = "dfbb8a540402a46debc51c93e9eb43ae0af5dc08476a178241423bacd1cb69af".to_owned();
    assert_eq!(heads, [(3, ann.clone(), NTP64(3_000)), (1, bob.clone(), NTP64(1 << 63))]);
    let log = store.log().await;
    let body = |bundle: &Placed| match &bundle.content {
        Content::Full(body) => String::from_utf8(body.to_vec()).unwrap(),
        Content::Void { bytes, .. } => format!("void of {bytes}"),
    };
    assert_eq!(log.iter().map(body).collect::<Vec<_>>(), ["one", "void of 3", "three", "other"]);
    assert_eq!([log[2].chain.to_string(), log[3].chain.to_string()], [ann, bob]);
    assert_eq!(store.origin(origin(1), 1, Limit::PAGE).await, log[1..3]);
    let stock = store.row(&view("attributes@1"), "article/7\0stock").await.unwrap();
    assert!(stock.starts_with(&1_700_000_000u32.to_be_bytes()) && stock.ends_with(b"42"));
    assert_eq!(subject(&storage, "letters").await.status().await.revision, Revision::ZERO);
}

#[tokio::test]
async fn a_log_of_version_1_is_written_on() {
    let place = Place::new();
    let storage = open(&place);
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    ann.write_bodies(&["one", "two", "three"]);
    let committed = store.commit(appends([ann.write(2), Author::new(3).write(1)])).await;
    assert_eq!((committed.revision, committed.head), (Revision::new(3), Position::new(7)));
    drop((store, storage));
    let storage = place.open();
    assert_eq!(subject(&storage, "notes").await.log().await.len(), 7);
}

#[tokio::test]
async fn a_log_of_version_2_keeps_its_base() {
    let place = Place::new();
    let storage = open(&place);
    let before = subject(&storage, "notes").await.image(&[view("attributes@1")]).await;
    assert_eq!(before.status.base, Position::ZERO);
    drop(storage);
    std::fs::write(place.path(), V2).unwrap();
    let storage = place.open();
    let mut expected = before.clone();
    expected.status.revision = before.status.revision.plus(1);
    expected.status.base = Position::new(2);
    expected.log.drain(..2);
    assert_eq!(subject(&storage, "notes").await.image(&[view("attributes@1")]).await, expected);
    assert_eq!(subject(&storage, "letters").await.status().await.base, Position::ZERO);
}

#[tokio::test]
async fn accounts_of_version_1_are_valid() {
    let place = Place::new();
    let accounts = open(&place).accounts(Arc::new(|| NTP64(0))).await.unwrap();
    let phone = Principal { user: Name::new("ann").unwrap(), device: Name::new("phone").unwrap() };
    let token = Token::from_secret([7; 32]).reveal();
    assert_eq!(accounts.authenticate(&token).await.unwrap(), Some(phone.clone()));
    assert_eq!(accounts.role(&phone, &space("notes")).await.unwrap(), Some(Role::Owner));
    assert_eq!(accounts.owners(&[origin(1)]).await.unwrap(), [(origin(1), phone.clone())].into());
    assert_eq!(accounts.claim(&phone, origin(1)).await.unwrap(), Claim::Held);
    let listing = accounts.list().await.unwrap();
    let devices = &listing.users[0].devices;
    assert_eq!((devices[0].tokens, &devices[0].replicas[..]), (1, &[origin(1)][..]));
    assert_eq!(listing.spaces[0].members[1], (Name::new("bob").unwrap(), Role::Reader));
}

#[test]
fn a_file_of_version_1_lists_its_bundles_and_attributes() {
    let place = Place::new();
    let _storage = open(&place);
    let count = |table: &str| -> i64 {
        place.by_hand().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("bundles"), count("attributes")), (4, 1));
}
