//! A view: what each person has lent or owes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline::crdt::Lww;
use syncline::format::Stamp;
use syncline::projection::Keys;
use syncline::typed::{Meta, TypedProjection};
use syncline::{Unreadable, ViewId};

use crate::{Bill, Expense};

/// One row per person.
#[derive(Debug)]
pub struct Balances;

/// What a person has to do with expenses and payments. Each is kept under its name, and the sum is made when it is read: an event
/// that is folded twice then counts once. A payment has no id; the stamp of its event is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    expenses: BTreeMap<String, Entry>,
    payments: BTreeMap<Stamp, i128>,
}

/// One expense, as far as it concerns one person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// What the person gets back for it, or owes if it is negative. The latest word wins.
    cents: Lww<i128>,
    removed: bool,
}

impl Balance {
    /// What the person gets back from the others, or owes them if it is negative, in cents.
    pub fn cents(&self) -> i128 {
        let expenses = self.expenses.values().filter(|entry| !entry.removed).filter_map(|entry| entry.cents.get());
        expenses.chain(self.payments.values()).sum()
    }
}

/// What `person` gets back for a bill of so many cents. Cents that do not divide go to the first sharers, one each: the shares of
/// all people add up to zero.
fn share(person: &str, bill: &Bill, cents: i64) -> Result<i128, Unreadable> {
    if bill.sharers.is_empty() {
        return Err(Unreadable::new("nobody shares the expense"));
    }
    let (cents, count) = (i128::from(cents), bill.sharers.len() as i128);
    let (part, left) = (cents.div_euclid(count), cents.rem_euclid(count));
    let parts = (0..).zip(&bill.sharers).filter(|(_, sharer)| *sharer == person);
    let owed: i128 = parts.map(|(place, _)| part + i128::from(place < left)).sum();
    Ok(if bill.payer == person { cents - owed } else { -owed })
}

impl TypedProjection for Balances {
    type Event = Expense;
    type State = Balance;

    fn view(&self) -> ViewId {
        ViewId::new("balances@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Expense, keys: &mut Keys) {
        match event {
            Expense::Added { bill, .. } | Expense::Amended { bill, .. } | Expense::Removed { bill } => {
                keys.push(bill.payer.as_bytes());
                bill.sharers.iter().for_each(|sharer| keys.push(sharer.as_bytes()));
            }
            Expense::Paid { from, to, .. } => [from, to].into_iter().for_each(|person| keys.push(person.as_bytes())),
            Expense::Categorised { .. } => {}
        }
    }

    fn apply(&self, key: &[u8], row: &mut Balance, event: &Expense, meta: Meta) -> Result<(), Unreadable> {
        let person = std::str::from_utf8(key).map_err(|_| Unreadable::new("the key is no person"))?;
        match event {
            Expense::Added { bill, cents, .. } | Expense::Amended { bill, cents } => {
                let share = share(person, bill, *cents)?;
                row.expenses.entry(bill.id.clone()).or_default().cents.set(meta.stamp, share);
            }
            Expense::Removed { bill } => row.expenses.entry(bill.id.clone()).or_default().removed = true,
            Expense::Paid { from, to, cents } => {
                let cents = i128::from(*cents);
                let gave = if person == from { cents } else { 0 };
                let got = if person == to { cents } else { 0 };
                row.payments.insert(meta.stamp, gave - got);
            }
            Expense::Categorised { .. } => {}
        }
        Ok(())
    }
}
