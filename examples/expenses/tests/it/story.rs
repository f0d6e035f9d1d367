//! Two devices that were offline agree.

use std::process::Command;

use expenses::{Balances, Expense, Months};
use syncline::Replica;

use crate::world::{balances, bill, compose, server, store, sync};

async fn device() -> Replica {
    compose(&store()).projection(Balances).projection(Months).open(syncline_os::replica_id()).await.unwrap()
}

async fn november(replica: &Replica) -> Vec<String> {
    let rows = replica.view(Months).unwrap().all(Months::range("2026-11")).await.unwrap();
    let shown = rows.iter().filter_map(|(_, item)| item.shown());
    shown.map(|(what, cents, category)| format!("{what} {cents} {}", category.unwrap_or("-"))).collect()
}

#[tokio::test]
async fn devices_that_were_offline_agree_on_every_balance_and_list() {
    let (server, phone, laptop) = (server(), device().await, device().await);
    let dinner = bill("1", "ann", &["ann", "bob", "eve"]);
    phone.write(&[Expense::Added { bill: dinner.clone(), what: "dinner".into(), cents: 1_000 }]).await.unwrap();
    sync(&[&phone, &laptop], &server).await;
    assert_eq!(balances(&laptop).await, [("ann", 666), ("bob", -333), ("eve", -333)].map(own).into());

    // Both are offline. One amends the amount, the other the category, and Bob pays twice.
    phone.write(&[Expense::Amended { bill: dinner.clone(), cents: 1_200 }]).await.unwrap();
    let paid = |cents| Expense::Paid { from: "bob".into(), to: "ann".into(), cents };
    laptop.write(&[paid(100), paid(100)]).await.unwrap();
    laptop.write(&[Expense::Categorised { bill: dinner, category: "food".into() }]).await.unwrap();
    sync(&[&phone, &laptop, &phone], &server).await;

    for replica in [&phone, &laptop] {
        assert_eq!(balances(replica).await, [("ann", 600), ("bob", -200), ("eve", -400)].map(own).into());
        assert_eq!(november(replica).await, ["dinner 1200 food"]);
    }
}

fn own((person, cents): (&str, i128)) -> (String, i128) {
    (person.to_owned(), cents)
}

#[tokio::test]
async fn what_was_removed_stays_removed_and_can_be_added_anew_under_another_id() {
    let (server, phone, laptop) = (server(), device().await, device().await);
    let hotel = bill("1", "ann", &["ann", "bob"]);
    phone.write(&[Expense::Added { bill: hotel.clone(), what: "hotel".into(), cents: 100 }]).await.unwrap();
    sync(&[&phone, &laptop], &server).await;
    phone.write(&[Expense::Removed { bill: hotel.clone() }]).await.unwrap();
    laptop.write(&[Expense::Amended { bill: hotel, cents: 500 }]).await.unwrap();
    sync(&[&phone, &laptop, &phone], &server).await;
    assert!(november(&phone).await.is_empty() && november(&laptop).await.is_empty());
    assert_eq!(balances(&laptop).await["ann"], 0);

    let again = Expense::Added { bill: bill("2", "eve", &["bob"]), what: "hotel".into(), cents: 300 };
    laptop.write(&[again]).await.unwrap();
    assert_eq!(november(&laptop).await, ["hotel 300 -"]);
    assert_eq!((balances(&laptop).await["bob"], balances(&laptop).await["eve"]), (-300, 300));
}

#[test]
fn the_program_prints_the_same_for_both_devices() {
    let output = Command::new(env!("CARGO_BIN_EXE_expenses")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = "  ann has 1249 cents to get\n  bob has -1249 cents to get\n  \
                 train: 9000 cents, travel\n  dinner: 4501 cents, no category\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("phone:\n{lines}laptop:\n{lines}"));
}
