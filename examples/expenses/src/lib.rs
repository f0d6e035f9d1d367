//! People share expenses. They write on their own devices, offline if need be, and all see the same balances.
//!
//! | file | what it holds |
//! |---|---|
//! | `events.rs` | what can happen, and how an old version is upcast |
//! | `balances.rs` | a view: what each person has lent or owes |
//! | `months.rs` | a view: the expenses of each month |
//! | `main.rs` | two devices, offline and then in sync |
//! | `tests/` | the story, the upgrade, and the proof that both views converge |

mod balances;
mod events;
mod months;

pub use balances::{Balance, Balances};
pub use events::{Bill, Expense};
pub use months::{Item, Months};
