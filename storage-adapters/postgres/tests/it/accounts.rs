//! Users, devices, tokens, spaces and origins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use syncline::authority::accounts::{Accounts, AccountsError, DeviceEntry, Listing, SpaceEntry, Token, UserEntry};
use syncline::authority::{Authority, Claim, Name, Principal, Role};
use syncline::{NTP64, ReplicaId};
use syncline_conformance::space;
use syncline_postgres::PostgresAccounts;
use syncline_postgres_testing::Scratch;

use crate::fixture::{open, scratch};

/// Accounts in which Ann has a phone and a laptop, Bob a phone, and `notes` is Ann's; and the clock of their tokens.
struct World {
    scratch: Scratch,
    now: Arc<AtomicU64>,
    accounts: PostgresAccounts,
}

impl World {
    async fn new() -> Self {
        let (scratch, now) = (scratch(), Arc::new(AtomicU64::new(1_000)));
        let accounts = accounts(&scratch, &now).await;
        for (user, device) in [("ann", "phone"), ("bob", "phone")] {
            accounts.add_user(&name(user)).await.unwrap();
            accounts.add_device(&name(user), &name(device)).await.unwrap();
        }
        accounts.add_device(&name("ann"), &name("laptop")).await.unwrap();
        accounts.add_space(&space("notes"), &name("ann")).await.unwrap();
        Self { scratch, now, accounts }
    }

    /// Adds a token of Ann's phone, and gives what the phone shows.
    async fn token(&self, byte: u8, expires: Option<u64>) -> String {
        let token = Token::from_secret([byte; 32]);
        self.accounts.add_token(&name("ann"), &name("phone"), &token.hash(), expires.map(NTP64)).await.unwrap();
        token.reveal()
    }

    async fn holder(&self, token: &str) -> Option<Principal> {
        self.accounts.authenticate(token).await.unwrap()
    }
}

/// The accounts as one more process would open them.
async fn accounts(scratch: &Scratch, now: &Arc<AtomicU64>) -> PostgresAccounts {
    let now = now.clone();
    open(scratch).await.accounts(Arc::new(move || NTP64(now.load(Ordering::Relaxed)))).await.unwrap()
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

#[tokio::test]
async fn a_token_names_its_device_until_its_time_has_come() {
    let world = World::new().await;
    let token = world.token(1, Some(1 << 63)).await;
    for (now, valid) in [(1_000, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false), (0, true)] {
        world.now.store(now, Ordering::Relaxed);
        assert_eq!(world.holder(&token).await, valid.then(|| principal("ann", "phone")), "{now}");
    }
    for wrong in ["", "slt_", &token[1..], &Token::from_secret([2; 32]).reveal()] {
        assert_eq!(world.holder(wrong).await, None, "{wrong}");
    }
}

#[tokio::test]
async fn a_revoked_token_never_becomes_valid_again_and_others_stay() {
    let world = World::new().await;
    let token = world.token(1, None).await;
    let other = Token::from_secret([9; 32]);
    world.accounts.add_token(&name("bob"), &name("phone"), &other.hash(), None).await.unwrap();
    world.accounts.revoke_tokens(&name("ann"), &name("phone")).await.unwrap();
    assert_eq!(world.holder(&token).await, None);
    let again = Token::from_secret([1; 32]).hash();
    let refusal = world.accounts.add_token(&name("ann"), &name("phone"), &again, None).await.unwrap_err();
    assert!(matches!(refusal, AccountsError::Exists { what: "token of", .. }), "{refusal}");
    assert_eq!(world.holder(&token).await, None);
    assert_eq!(world.holder(&other.reveal()).await, Some(principal("bob", "phone")));
}

#[tokio::test]
async fn a_change_made_by_one_process_is_effective_for_the_next_request_of_another() {
    let world = World::new().await;
    let other = accounts(&world.scratch, &world.now).await;
    let (bob, notes) = (principal("bob", "phone"), space("notes"));
    for role in [Role::Reader, Role::Owner, Role::Writer] {
        world.accounts.grant(&notes, &name("bob"), role).await.unwrap();
        assert_eq!(other.role(&bob, &notes).await.unwrap(), Some(role));
    }
    other.revoke(&notes, &name("bob")).await.unwrap();
    assert_eq!(world.accounts.role(&bob, &notes).await.unwrap(), None);
    assert_eq!(world.accounts.role(&principal("ann", "laptop"), &notes).await.unwrap(), Some(Role::Owner));
    assert_eq!(world.accounts.role(&bob, &space("other")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_kept_for_their_devices() {
    let scratches = std::sync::Mutex::new(Vec::new());
    let fresh = async || {
        let scratch = scratch();
        let accounts = accounts(&scratch, &Arc::default()).await;
        scratches.lock().unwrap().push(scratch);
        accounts
    };
    syncline_conformance::accounts::check(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_belongs_to_the_device_that_was_first() {
    let world = World::new().await;
    let devices = [principal("ann", "phone"), principal("ann", "laptop"), principal("bob", "phone")];
    for byte in 1..=10 {
        let claims = devices.clone().map(|device| {
            let accounts = world.accounts.clone();
            tokio::spawn(async move { accounts.claim(&device, origin(byte)).await.unwrap() == Claim::Held })
        });
        let claims: Vec<_> = join_all(claims).await.into_iter().map(|claim| claim.unwrap()).collect();
        assert_eq!(claims.iter().filter(|claim| **claim).count(), 1);
        for (device, claimed) in devices.iter().zip(claims) {
            assert_eq!(world.accounts.claim(device, origin(byte)).await.unwrap() == Claim::Held, claimed);
        }
    }
    assert_eq!(world.accounts.claim(&principal("eve", "phone"), origin(99)).await.unwrap(), Claim::NoDevice);
    assert_eq!(world.accounts.claim(&devices[0], origin(99)).await.unwrap(), Claim::Held);
}

#[tokio::test]
async fn what_exists_is_not_added_and_what_does_not_is_not_changed() {
    let world = World::new().await;
    let accounts = &world.accounts;
    let (ann, eve, phone, notes) = (name("ann"), name("eve"), name("phone"), space("notes"));
    let hash = Token::from_secret([3; 32]).hash();
    let refusals = [
        (accounts.add_user(&ann).await, "user `ann` exists"),
        (accounts.add_device(&ann, &phone).await, "device `phone` exists"),
        (accounts.add_space(&notes, &ann).await, "space `notes` exists"),
        (accounts.add_device(&eve, &phone).await, "no user `eve`"),
        (accounts.add_token(&eve, &phone, &hash, None).await, "no user `eve`"),
        (accounts.add_token(&ann, &name("watch"), &hash, None).await, "no device `watch`"),
        (accounts.revoke_tokens(&ann, &name("watch")).await, "no device `watch`"),
        (accounts.add_space(&space("mine"), &eve).await, "no user `eve`"),
        (accounts.grant(&space("mine"), &ann, Role::Owner).await, "no space `mine`"),
        (accounts.grant(&notes, &eve, Role::Reader).await, "no user `eve`"),
        (accounts.revoke(&notes, &eve).await, "no user `eve`"),
    ];
    for (refusal, told) in refusals {
        let refusal = refusal.unwrap_err().to_string();
        assert!(refusal.contains(told), "{refusal} in place of {told}");
    }
}

#[tokio::test]
async fn everything_but_the_tokens_is_listed() {
    let world = World::new().await;
    world.token(1, None).await;
    world.token(2, Some(999)).await;
    world.accounts.grant(&space("notes"), &name("bob"), Role::Reader).await.unwrap();
    world.accounts.add_space(&space("empty"), &name("bob")).await.unwrap();
    world.accounts.revoke(&space("empty"), &name("bob")).await.unwrap();
    for byte in [5, 4] {
        assert_eq!(world.accounts.claim(&principal("bob", "phone"), origin(byte)).await.unwrap(), Claim::Held);
    }
    let device = |device: &str, tokens, replicas| DeviceEntry { device: name(device), tokens, replicas };
    let users = vec![
        UserEntry { user: name("ann"), devices: vec![device("laptop", 0, vec![]), device("phone", 1, vec![])] },
        UserEntry { user: name("bob"), devices: vec![device("phone", 0, vec![origin(4), origin(5)])] },
    ];
    let members = vec![(name("ann"), Role::Owner), (name("bob"), Role::Reader)];
    let spaces =
        vec![SpaceEntry { space: space("empty"), members: vec![] }, SpaceEntry { space: space("notes"), members }];
    assert_eq!(world.accounts.list().await.unwrap(), Listing { users, spaces });
}

#[tokio::test]
async fn a_token_is_kept_as_its_hash_only() {
    let world = World::new().await;
    let token = Token::from_secret(std::array::from_fn(|index| 100 + index as u8));
    world.accounts.add_token(&name("ann"), &name("phone"), &token.hash(), None).await.unwrap();
    let select = "SELECT row_to_json(account_tokens)::text FROM account_tokens";
    let stored: String = sqlx::query_scalar(select).fetch_one(&mut world.scratch.connect().await).await.unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(stored.contains(&hex(&token.hash().0)) && !stored.contains(&hex(&[100, 101, 102, 103])), "{stored}");
}
