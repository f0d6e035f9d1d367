//! An event type gets a new version while an old program is still at work.

use expenses::{Balance, Balances, Bill, Expense};
use serde::{Deserialize, Serialize};
use syncline::projection::Keys;
use syncline::typed::{Meta, TypedEvent, TypedProjection};
use syncline::{Unreadable, ViewId};

use crate::world::{balances, bill, compose, server, store, sync};

/// The enum of the old program: an expense had whole euros.
#[derive(Serialize, Deserialize)]
enum OldExpense {
    #[serde(rename = "expense.added@1")]
    Added { bill: Bill, what: String, euros: i32 },
}

impl TypedEvent for OldExpense {}

impl OldExpense {
    fn dinner(id: &str, euros: i32) -> Self {
        Self::Added { bill: bill(id, "ann", &["ann", "bob"]), what: "dinner".into(), euros }
    }

    fn as_new(&self) -> Expense {
        let Self::Added { bill, what, euros } = self;
        Expense::Added { bill: bill.clone(), what: what.clone(), cents: i64::from(*euros) * 100 }
    }
}

/// The view of the old program. It has the same name and the same rows.
struct OldBalances;

impl TypedProjection for OldBalances {
    type Event = OldExpense;
    type State = Balance;

    fn view(&self) -> ViewId {
        TypedProjection::view(&Balances)
    }

    fn keys(&self, event: &OldExpense, keys: &mut Keys) {
        TypedProjection::keys(&Balances, &event.as_new(), keys);
    }

    fn apply(&self, key: &[u8], row: &mut Balance, event: &OldExpense, meta: Meta) -> Result<(), Unreadable> {
        TypedProjection::apply(&Balances, key, row, &event.as_new(), meta)
    }
}

#[tokio::test]
async fn an_old_program_puts_new_events_aside_and_reads_them_once_it_is_upgraded() {
    let (server, old_store) = (server(), store());
    let old = compose(&old_store).projection(OldBalances).open(syncline_os::replica_id()).await.unwrap();
    let new = compose(&store()).projection(Balances).open(syncline_os::replica_id()).await.unwrap();

    // The new program reads what the old one has written.
    old.write(&[OldExpense::dinner("1", 30)]).await.unwrap();
    sync(&[&old, &new], &server).await;
    assert_eq!(balances(&new).await["ann"], 1_500);

    // The old program cannot read what the new one writes. It does not overlook it, and continues with the rest.
    let fine = Expense::Added { bill: bill("2", "bob", &["ann", "bob"]), what: "wine".into(), cents: 1_001 };
    new.write(&[fine]).await.unwrap();
    old.write(&[OldExpense::dinner("3", 10)]).await.unwrap();
    sync(&[&new, &old, &new], &server).await;
    assert_eq!(balances(&old).await["ann"], 2_000, "without the wine");
    let status = old.status().await.unwrap();
    assert!(!status.in_sync() && status.unreadable == 1, "{status:?}");

    // The same device after the upgrade.
    drop(old);
    let upgraded = compose(&old_store).projection(Balances).open(syncline_os::replica_id()).await.unwrap();
    sync(&[&upgraded], &server).await;
    assert_eq!(balances(&upgraded).await, balances(&new).await);
    assert_eq!(balances(&upgraded).await["ann"], 1_499);
    assert!(upgraded.status().await.unwrap().in_sync(), "without help");
}
