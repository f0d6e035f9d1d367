//! What can happen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use syncline::Unreadable;
use syncline::typed::TypedEvent;

/// What finds the rows of an expense: every event about the expense carries it, and it stays the same for the expense's life. To
/// move an expense to other people or to another month, remove it and add a new one, in one bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// A name that no other expense has.
    pub id: String,
    /// Year and month, as `2026-11`: texts of this form sort by time.
    pub month: String,
    /// Who paid it.
    pub payer: String,
    /// Who shares it, in equal parts. The payer is among them if they take a part.
    pub sharers: Vec<String>,
}

/// What can happen to shared expenses. Amounts are in cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are what they are called")]
pub enum Expense {
    /// Somebody paid for several people. Version 1 had whole euros, in `euros`.
    #[serde(rename = "expense.added@2")]
    Added { bill: Bill, what: String, cents: i64 },
    /// The amount was wrong.
    #[serde(rename = "expense.amended@1")]
    Amended { bill: Bill, cents: i64 },
    /// It was put under a category.
    #[serde(rename = "expense.categorised@1")]
    Categorised { bill: Bill, category: String },
    /// It should not have been there. Final: what is amended elsewhere at the same time stays removed.
    #[serde(rename = "expense.removed@1")]
    Removed { bill: Bill },
    /// Somebody paid somebody back.
    #[serde(rename = "debt.paid@1")]
    Paid { from: String, to: String, cents: i64 },
}

impl TypedEvent for Expense {
    fn upcast(name: &str, version: u16, payload: Value) -> Result<Value, Unreadable> {
        #[derive(Deserialize)]
        struct Added1 {
            bill: Value,
            what: String,
            euros: i32,
        }
        match (name, version) {
            ("expense.added", 1) => {
                let Added1 { bill, what, euros } = serde_json::from_value(payload)?;
                Ok(json!({ "bill": bill, "what": what, "cents": i64::from(euros) * 100 }))
            }
            _ => Err(Unreadable::no_upcaster()),
        }
    }
}
