//! Users, devices, tokens, spaces and origins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use syncline::authority::accounts::{
    Accounts, AccountsError, DeviceEntry, Listing, SpaceEntry, Token, TokenHash, UserEntry,
};
use syncline::authority::{Authority, Claim, Name, Principal, Role};
use syncline::{NTP64, ReplicaId};
use syncline_conformance::space;
use syncline_sqlite::{SqliteAccounts, SqliteStorage};
use tempfile::TempDir;

use crate::file::Place;

/// A file with accounts, and the clock by which its tokens expire.
struct Fixture {
    place: Place,
    now: Arc<AtomicU64>,
    accounts: SqliteAccounts,
}

impl Fixture {
    /// Ann with a phone and a laptop, Bob with a phone; `notes` is Ann's.
    async fn new() -> Self {
        let place = Place::new();
        let now = Arc::new(AtomicU64::new(1_000));
        let accounts = open(&place, &now).await;
        for user in ["ann", "bob"] {
            accounts.add_user(&name(user)).await.unwrap();
            accounts.add_device(&name(user), &name("phone")).await.unwrap();
        }
        accounts.add_device(&name("ann"), &name("laptop")).await.unwrap();
        accounts.add_space(&space("notes"), &name("ann")).await.unwrap();
        Self { place, now, accounts }
    }

    async fn token(&self, byte: u8, user: &str, device: &str, expires: Option<u64>) -> Result<String, AccountsError> {
        let token = Token::from_secret([byte; 32]);
        self.accounts.add_token(&name(user), &name(device), &token.hash(), expires.map(NTP64)).await?;
        Ok(token.reveal())
    }

    async fn role(&self, user: &str, name: &str) -> Option<Role> {
        self.accounts.role(&principal(user, "phone"), &space(name)).await.unwrap()
    }

    /// Claims an origin, and tells whether it is the device's then.
    async fn claims(&self, user: &str, device: &str, byte: u8) -> bool {
        self.accounts.claim(&principal(user, device), origin(byte)).await.unwrap() == Claim::Held
    }
}

async fn open(place: &Place, now: &Arc<AtomicU64>) -> SqliteAccounts {
    let now = now.clone();
    place.open().accounts(Arc::new(move || NTP64(now.load(Ordering::Relaxed)))).await.unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn principal(user: &str, device: &str) -> Principal {
    Principal { user: name(user), device: name(device) }
}

fn origin(byte: u8) -> ReplicaId {
    ReplicaId::from_bytes([byte; 16]).unwrap()
}

fn assert_exists(result: Result<(), AccountsError>, expected: &str) {
    match result.unwrap_err() {
        AccountsError::Exists { what, name } => assert_eq!(format!("{what} {name}"), expected),
        other => panic!("{other}"),
    }
}

fn assert_unknown(result: Result<(), AccountsError>, expected: &str) {
    match result.unwrap_err() {
        AccountsError::Unknown { what, name } => assert_eq!(format!("{what} {name}"), expected),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_names_its_device_and_nothing_else_does() {
    let fixture = Fixture::new().await;
    let text = fixture.token(1, "ann", "laptop", None).await.unwrap();
    let accounts = &fixture.accounts;
    assert_eq!(accounts.authenticate(&text).await.unwrap(), Some(principal("ann", "laptop")));
    let other = Token::from_secret([2; 32]).reveal();
    for wrong in ["", "slt_", "ann", &text[1..], &text.to_uppercase(), &format!("{text} "), &other] {
        assert_eq!(accounts.authenticate(wrong).await.unwrap(), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_token_is_valid_until_its_time_has_come() {
    let fixture = Fixture::new().await;
    let text = fixture.token(1, "ann", "phone", Some(1 << 63)).await.unwrap();
    for (now, valid) in [(1_000, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false), (0, true)] {
        fixture.now.store(now, Ordering::Relaxed);
        assert_eq!(fixture.accounts.authenticate(&text).await.unwrap().is_some(), valid, "{now}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_invalid_for_ever_and_others_are_not() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.token(1, "ann", "phone", None).await, fixture.token(2, "ann", "phone", None).await);
    let others = [fixture.token(3, "ann", "laptop", None).await, fixture.token(4, "bob", "phone", None).await];
    fixture.accounts.revoke_tokens(&name("ann"), &name("phone")).await.unwrap();
    for revoked in [first, second] {
        assert_eq!(fixture.accounts.authenticate(&revoked.unwrap()).await.unwrap(), None);
    }
    for valid in others {
        assert!(fixture.accounts.authenticate(&valid.unwrap()).await.unwrap().is_some());
    }
    assert_exists(fixture.token(1, "ann", "phone", None).await.map(drop), "token of ann/phone");
    let new = fixture.token(5, "ann", "phone", None).await.unwrap();
    assert!(fixture.accounts.authenticate(&new).await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_is_kept_as_its_hash_only() {
    let fixture = Fixture::new().await;
    let secret: [u8; 32] = std::array::from_fn(|index| 100 + index as u8);
    let token = Token::from_secret(secret);
    fixture.accounts.add_token(&name("ann"), &name("phone"), &token.hash(), None).await.unwrap();
    let TokenHash(hash) = token.hash();
    let Fixture { place, accounts, .. } = fixture;
    drop(accounts);
    let file = std::fs::read(place.path()).unwrap();
    let holds = |bytes: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(&hash) && !holds(&secret) && !holds(&token.reveal().as_bytes()[4..20]));
}

#[tokio::test]
async fn roles_are_given_changed_and_taken_away() {
    let fixture = Fixture::new().await;
    let accounts = &fixture.accounts;
    assert_eq!(fixture.role("ann", "notes").await, Some(Role::Owner));
    assert_eq!(fixture.role("bob", "notes").await, None);
    for role in [Role::Reader, Role::Owner, Role::Writer] {
        accounts.grant(&space("notes"), &name("bob"), role).await.unwrap();
        assert_eq!(fixture.role("bob", "notes").await, Some(role));
    }
    accounts.revoke(&space("notes"), &name("bob")).await.unwrap();
    assert_eq!(fixture.role("bob", "notes").await, None);
    accounts.revoke(&space("notes"), &name("bob")).await.unwrap();
    assert_eq!(fixture.role("ann", "notes").await, Some(Role::Owner));
    assert_eq!(fixture.role("ann", "other").await, None);
    assert_eq!(fixture.role("nobody", "notes").await, None);
}

#[tokio::test]
async fn origins_are_kept_for_their_devices() {
    // One folder for all: a file that is gone takes nothing more.
    let (folder, files) = (TempDir::with_prefix("syncline-sqlite-").unwrap(), AtomicU64::new(0));
    syncline_conformance::accounts::check(async || {
        let file = folder.path().join(format!("{}.sqlite", files.fetch_add(1, Ordering::Relaxed)));
        SqliteStorage::at(file).unwrap().accounts(Arc::new(|| NTP64(0))).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn an_origin_belongs_to_the_device_that_claimed_it_first() {
    let fixture = Fixture::new().await;
    assert!(fixture.claims("ann", "phone", 1).await);
    assert!(fixture.claims("ann", "phone", 1).await);
    assert!(!fixture.claims("ann", "laptop", 1).await);
    assert!(!fixture.claims("bob", "phone", 1).await);
    assert!(fixture.claims("bob", "phone", 2).await);
    assert!(fixture.claims("ann", "phone", 3).await);
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_the_origin() {
    let fixture = Fixture::new().await;
    for byte in 1..=20 {
        let asked = futures_util::future::join_all([
            fixture.claims("ann", "phone", byte),
            fixture.claims("ann", "laptop", byte),
            fixture.claims("bob", "phone", byte),
        ]);
        assert_eq!(asked.await.into_iter().filter(|yes| *yes).count(), 1);
    }
}

#[tokio::test]
async fn a_device_without_an_account_can_claim_no_origin() {
    let fixture = Fixture::new().await;
    assert!(!fixture.claims("nobody", "phone", 1).await);
    assert!(!fixture.claims("bob", "laptop", 1).await);
    assert!(fixture.claims("bob", "phone", 1).await);
}

#[tokio::test]
async fn what_exists_cannot_be_added_again() {
    let fixture = Fixture::new().await;
    let accounts = &fixture.accounts;
    fixture.token(1, "ann", "phone", None).await.unwrap();
    assert_exists(accounts.add_user(&name("ann")).await, "user ann");
    assert_exists(accounts.add_device(&name("ann"), &name("phone")).await, "device phone");
    assert_exists(accounts.add_space(&space("notes"), &name("bob")).await, "space notes");
    assert_exists(fixture.token(1, "bob", "phone", None).await.map(drop), "token of bob/phone");
    assert_eq!(fixture.role("bob", "notes").await, None);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let fixture = Fixture::new().await;
    let accounts = &fixture.accounts;
    let (nobody, tablet, phone) = (name("nobody"), name("tablet"), name("phone"));
    assert_unknown(accounts.add_device(&nobody, &phone).await, "user nobody");
    assert_unknown(fixture.token(1, "nobody", "phone", None).await.map(drop), "user nobody");
    assert_unknown(fixture.token(1, "ann", "tablet", None).await.map(drop), "device tablet");
    assert_unknown(accounts.revoke_tokens(&name("ann"), &tablet).await, "device tablet");
    assert_unknown(accounts.revoke_tokens(&nobody, &phone).await, "user nobody");
    assert_unknown(accounts.add_space(&space("other"), &nobody).await, "user nobody");
    assert_unknown(accounts.grant(&space("other"), &name("ann"), Role::Reader).await, "space other");
    assert_unknown(accounts.grant(&space("notes"), &nobody, Role::Reader).await, "user nobody");
    assert_unknown(accounts.revoke(&space("other"), &name("ann")).await, "space other");
    assert_unknown(accounts.revoke(&space("notes"), &nobody).await, "user nobody");
    accounts.add_space(&space("other"), &name("bob")).await.unwrap();
}

#[tokio::test]
async fn the_list_says_all_but_the_tokens() {
    let fixture = Fixture::new().await;
    fixture.token(1, "ann", "phone", None).await.unwrap();
    fixture.token(2, "ann", "phone", Some(1_001)).await.unwrap();
    fixture.token(3, "ann", "phone", Some(1_000)).await.unwrap();
    fixture.token(4, "bob", "phone", None).await.unwrap();
    fixture.accounts.revoke_tokens(&name("bob"), &name("phone")).await.unwrap();
    assert!(fixture.claims("ann", "phone", 9).await && fixture.claims("ann", "phone", 3).await);
    fixture.accounts.add_space(&space("letters"), &name("bob")).await.unwrap();
    fixture.accounts.grant(&space("notes"), &name("bob"), Role::Reader).await.unwrap();
    let device = |device, tokens, replicas: &[u8]| {
        let replicas = replicas.iter().map(|byte| origin(*byte)).collect();
        DeviceEntry { device: name(device), tokens, replicas }
    };
    let expected = Listing {
        users: vec![
            UserEntry { user: name("ann"), devices: vec![device("laptop", 0, &[]), device("phone", 2, &[3, 9])] },
            UserEntry { user: name("bob"), devices: vec![device("phone", 0, &[])] },
        ],
        spaces: vec![
            SpaceEntry { space: space("letters"), members: vec![(name("bob"), Role::Owner)] },
            SpaceEntry {
                space: space("notes"),
                members: vec![(name("ann"), Role::Owner), (name("bob"), Role::Reader)],
            },
        ],
    };
    assert_eq!(fixture.accounts.list().await.unwrap(), expected);
}

#[tokio::test]
async fn accounts_are_there_again_after_a_reopen() {
    let fixture = Fixture::new().await;
    let text = fixture.token(1, "ann", "phone", None).await.unwrap();
    assert!(fixture.claims("ann", "phone", 1).await);
    let before = fixture.accounts.list().await.unwrap();
    let Fixture { place, now, accounts } = fixture;
    drop(accounts);
    let accounts = open(&place, &now).await;
    assert_eq!(accounts.list().await.unwrap(), before);
    assert_eq!(accounts.authenticate(&text).await.unwrap(), Some(principal("ann", "phone")));
    assert_eq!(accounts.claim(&principal("bob", "phone"), origin(1)).await.unwrap(), Claim::Taken);
}
