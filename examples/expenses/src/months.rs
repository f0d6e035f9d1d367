//! A view: the expenses of each month.

use serde::{Deserialize, Serialize};
use syncline::crdt::Lww;
use syncline::projection::Keys;
use syncline::store::RowRange;
use syncline::typed::{Meta, TypedProjection};
use syncline::{Unreadable, ViewId};

use crate::{Bill, Expense};

/// One row per expense. Its key is the month, a slash and the expense's id, so that the rows of a month lie together.
#[derive(Debug)]
pub struct Months;

impl Months {
    /// The rows of one month.
    pub fn range(month: &str) -> RowRange {
        RowRange::prefix(format!("{month}/").as_bytes())
    }
}

/// One expense. Each field has its own latest word, so that two people may change different fields at the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    what: Lww<String>,
    cents: Lww<i64>,
    category: Lww<String>,
    removed: bool,
}

impl Item {
    /// What it was for, how many cents, and its category. `None` if it was removed.
    pub fn shown(&self) -> Option<(&str, i64, Option<&str>)> {
        let (what, cents) = (self.what.get()?, self.cents.get()?);
        (!self.removed).then(|| (what.as_str(), *cents, self.category.get().map(String::as_str)))
    }
}

impl TypedProjection for Months {
    type Event = Expense;
    type State = Item;

    fn view(&self) -> ViewId {
        ViewId::new("months@1").expect("the name is well formed")
    }

    fn keys(&self, event: &Expense, keys: &mut Keys) {
        let bill = match event {
            Expense::Added { bill, .. } | Expense::Amended { bill, .. } => bill,
            Expense::Categorised { bill, .. } | Expense::Removed { bill } => bill,
            Expense::Paid { .. } => return,
        };
        let Bill { month, id, .. } = bill;
        keys.push_parts(&[month.as_bytes(), b"/", id.as_bytes()]);
    }

    fn apply(&self, _: &[u8], row: &mut Item, event: &Expense, meta: Meta) -> Result<(), Unreadable> {
        match event {
            Expense::Added { what, cents, .. } => {
                row.what.set(meta.stamp, what.clone());
                row.cents.set(meta.stamp, *cents);
            }
            Expense::Amended { cents, .. } => drop(row.cents.set(meta.stamp, *cents)),
            Expense::Categorised { category, .. } => drop(row.category.set(meta.stamp, category.clone())),
            Expense::Removed { .. } => row.removed = true,
            Expense::Paid { .. } => {}
        }
        Ok(())
    }
}
