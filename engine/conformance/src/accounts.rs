//! What [`Accounts`] must do about origins: who owns them, and how that changes.
//!
//! ```ignore
//! #[tokio::test]
//! async fn origins_are_kept_for_their_devices() {
//!     syncline_conformance::accounts::check(async || my_empty_accounts().await).await;
//! }
//! ```

use futures_util::future::join_all;
use syncline::ReplicaId;
use syncline::authority::accounts::{Accounts, AccountsError};
use syncline::authority::{Claim, Name, Principal};
use syncline::limits::CLAIMS_MAX;

/// Checks every law, each on fresh accounts without users.
///
/// # Panics
/// If a law is broken.
pub async fn check<A: Accounts>(fresh: impl AsyncFn() -> A) {
    let people = async || people(fresh().await).await;
    an_origin_belongs_to_the_device_that_claimed_it(&people().await).await;
    of_many_that_claim_at_once_one_gets_the_origin(&people().await).await;
    asking_whose_an_origin_is_claims_nothing(&people().await).await;
    a_device_without_an_account_claims_nothing(&people().await).await;
    a_device_claims_so_many_origins_and_no_more(&people().await).await;
    claims_of_another_server_are_kept_for_their_devices(&people().await).await;
    a_claim_is_released_and_moved(&people().await).await;
}

/// Ann with a phone and a laptop, Bob with a phone.
async fn people<A: Accounts>(accounts: A) -> A {
    for user in ["ann", "bob"] {
        accounts.add_user(&name(user)).await.expect("there are no users yet");
        accounts.add_device(&name(user), &name("phone")).await.expect("the user has no device yet");
    }
    accounts.add_device(&name("ann"), &name("laptop")).await.expect("the user has no such device yet");
    accounts
}

fn name(text: &str) -> Name {
    Name::new(text).expect("the kit's names keep the rule")
}

fn device(user: &str, device: &str) -> Principal {
    Principal { user: name(user), device: name(device) }
}

fn origin(number: u128) -> ReplicaId {
    ReplicaId::from_bytes(number.to_be_bytes()).expect("the number is not zero")
}

async fn claim(accounts: &dyn Accounts, device: &Principal, number: u128) -> Claim {
    accounts.claim(device, origin(number)).await.expect("the accounts can be read")
}

async fn owner(accounts: &dyn Accounts, number: u128) -> Option<Principal> {
    let mut owners = accounts.owners(&[origin(number)]).await.expect("the accounts can be read");
    owners.remove(&origin(number))
}

/// The origins of a device, as they are listed.
async fn listed(accounts: &dyn Accounts, owner: &Principal) -> Vec<ReplicaId> {
    let listing = accounts.list().await.expect("the accounts can be read");
    let user = listing.users.into_iter().find(|entry| entry.user == owner.user);
    let mut devices = user.into_iter().flat_map(|entry| entry.devices);
    devices.find(|entry| entry.device == owner.device).map(|entry| entry.replicas).unwrap_or_default()
}

/// Nobody else can write under it from then on.
async fn an_origin_belongs_to_the_device_that_claimed_it(accounts: &dyn Accounts) {
    let (phone, laptop, bob) = (device("ann", "phone"), device("ann", "laptop"), device("bob", "phone"));
    for (asker, number, expected) in [
        (&phone, 1, Claim::Held),
        (&phone, 1, Claim::Held),
        (&laptop, 1, Claim::Taken),
        (&bob, 1, Claim::Taken),
        (&bob, 2, Claim::Held),
        (&phone, 3, Claim::Held),
    ] {
        assert_eq!(claim(accounts, asker, number).await, expected, "{asker} claims {number}");
    }
    let owners =
        accounts.owners(&[origin(3), origin(4), origin(2), origin(1)]).await.expect("the accounts can be read");
    assert_eq!(owners, [(origin(1), phone.clone()), (origin(2), bob), (origin(3), phone.clone())].into());
    assert_eq!(listed(accounts, &phone).await, [origin(1), origin(3)]);
}

/// Two devices that both believe that they own it would fork it.
async fn of_many_that_claim_at_once_one_gets_the_origin(accounts: &dyn Accounts) {
    let devices = [device("ann", "phone"), device("ann", "laptop"), device("bob", "phone")];
    for number in 1..=20 {
        let claims = join_all(devices.iter().map(|device| claim(accounts, device, number))).await;
        assert_eq!(claims.iter().filter(|claim| **claim == Claim::Held).count(), 1, "{claims:?}");
        let first = claims.iter().position(|claim| *claim == Claim::Held).map(|index| devices[index].clone());
        assert_eq!(owner(accounts, number).await, first);
    }
}

/// A push that is refused leaves nothing behind.
async fn asking_whose_an_origin_is_claims_nothing(accounts: &dyn Accounts) {
    let many: Vec<_> = (1..=70_000).map(origin).collect();
    for origins in [&many[..], &[]] {
        assert!(accounts.owners(origins).await.expect("the accounts can be read").is_empty());
    }
    assert_eq!(claim(accounts, &device("bob", "phone"), 70_000).await, Claim::Held);
    let owners = accounts.owners(&many).await.expect("the accounts can be read");
    assert_eq!(owners, [(origin(70_000), device("bob", "phone"))].into());
}

/// There would be nobody to list it under, and nobody to take it from.
async fn a_device_without_an_account_claims_nothing(accounts: &dyn Accounts) {
    for stranger in [device("eve", "phone"), device("bob", "laptop")] {
        assert_eq!(claim(accounts, &stranger, 1).await, Claim::NoDevice);
    }
    assert_eq!(claim(accounts, &device("bob", "phone"), 1).await, Claim::Held);
    assert_eq!(claim(accounts, &device("eve", "phone"), 1).await, Claim::Taken);
}

/// One device cannot fill the accounts.
async fn a_device_claims_so_many_origins_and_no_more(accounts: &dyn Accounts) {
    let (phone, bob, many) = (device("ann", "phone"), device("bob", "phone"), CLAIMS_MAX as u128);
    let claims: Vec<_> = (1..many).map(|number| (origin(number), phone.clone())).collect();
    assert_eq!(accounts.add_claims(&claims).await.expect("the accounts can be changed"), []);
    assert_eq!(claim(accounts, &phone, many).await, Claim::Held);
    for _ in 0..2 {
        assert_eq!(claim(accounts, &phone, many + 1).await, Claim::Full);
    }
    assert_eq!(owner(accounts, many + 1).await, None);
    assert_eq!(claim(accounts, &phone, 1).await, Claim::Held, "what it has stays");
    assert_eq!(claim(accounts, &bob, many + 1).await, Claim::Held, "another has room");
    accounts.release_claim(origin(1)).await.expect("it is claimed");
    assert_eq!(claim(accounts, &phone, many + 2).await, Claim::Held, "a place is free again");
}

/// An import gives no device's origin away.
async fn claims_of_another_server_are_kept_for_their_devices(accounts: &dyn Accounts) {
    let (phone, bob, eve) = (device("ann", "phone"), device("bob", "phone"), device("eve", "tablet"));
    assert_eq!(claim(accounts, &bob, 1).await, Claim::Held);
    let claims = [(origin(1), phone.clone()), (origin(2), phone.clone()), (origin(3), eve.clone())];
    for _ in 0..2 {
        let others = accounts.add_claims(&claims).await.expect("the accounts can be changed");
        assert_eq!(others, [origin(1)], "what is claimed here stays");
    }
    assert_eq!(owner(accounts, 1).await, Some(bob.clone()));
    assert_eq!(claim(accounts, &bob, 2).await, Claim::Taken);
    assert_eq!(claim(accounts, &bob, 3).await, Claim::Taken, "it is kept for a device that was not here");
    assert_eq!(claim(accounts, &eve, 3).await, Claim::Held);
    assert_eq!(listed(accounts, &eve).await, [origin(3)]);
    let added = accounts.add_device(&eve.user, &eve.device).await;
    assert!(matches!(added, Err(AccountsError::Exists { .. })), "{added:?}");
    assert_eq!(accounts.add_claims(&[]).await.expect("the accounts can be changed"), []);
}

/// Somebody who runs the server can give an origin back.
async fn a_claim_is_released_and_moved(accounts: &dyn Accounts) {
    let (phone, laptop, bob) = (device("ann", "phone"), device("ann", "laptop"), device("bob", "phone"));
    assert_eq!(claim(accounts, &bob, 1).await, Claim::Held);
    assert_eq!(accounts.release_claim(origin(1)).await.expect("it is claimed"), bob);
    assert_eq!(owner(accounts, 1).await, None);
    let again = accounts.release_claim(origin(1)).await.expect_err("nobody has claimed it");
    let id = origin(1).to_string();
    assert!(matches!(&again, AccountsError::Unknown { name, .. } if *name == id), "{again:?}");
    assert_eq!(claim(accounts, &phone, 1).await, Claim::Held);
    assert_eq!(accounts.move_claim(origin(1), &laptop).await.expect("the device is there"), Some(phone.clone()));
    assert_eq!(accounts.move_claim(origin(2), &laptop).await.expect("the device is there"), None);
    assert_eq!(claim(accounts, &phone, 1).await, Claim::Taken);
    assert_eq!(listed(accounts, &laptop).await, [origin(1), origin(2)]);
    for nobody in [device("eve", "phone"), device("bob", "laptop")] {
        let moved = accounts.move_claim(origin(1), &nobody).await;
        assert!(matches!(moved, Err(AccountsError::Unknown { .. })), "{moved:?}");
    }
    assert_eq!(owner(accounts, 1).await, Some(laptop));
}
