//! A CRDT of your own in the lab, with context: a set where a remove takes away what its writer has seen, and nothing else.
//!
//! Every insert has a name that is never used again, its stamp. A remove lists the stamps that its writer saw. So an element that
//! somebody inserts again at the same time stays. Arrival in another order changes nothing: a stamp that is removed before it
//! arrives is remembered as gone. `moved` translates the stamps if the writer's own events get others before anybody has seen
//! them, as they do when its clock was far off.
//!
//! (The engine's `AddWinsSet` does the same, and forgets what is gone.)
//!
//! ```text
//! SYNCLINE_LAB_HISTORIES=1000 cargo run --release -p syncline-sim --example own_set
//! ```

#![allow(clippy::print_stdout, reason = "it tells what the lab has done")]

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use syncline::format::{Stamp, codec};
use syncline::projection::{Keys, Moved, Reads};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Failure, Profile, Rng, Rows, Summary, lab};

const CHANGED: EventType = EventType::new("shopping.changed", 1);
const GOODS: [&str; 3] = ["apples", "bread", "milk"];

#[derive(Debug, Serialize, Deserialize)]
enum Change {
    Insert { goods: String },
    Remove { goods: String, seen: BTreeSet<Stamp> },
}

/// Whether something is on the list: if it has an insert that is not gone.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Entry {
    inserts: BTreeSet<Stamp>,
    gone: BTreeSet<Stamp>,
}

/// The shopping list, with a row for all that was ever on it.
struct ShoppingList;

impl Projection for ShoppingList {
    type State = Entry;

    fn view(&self) -> ViewId {
        ViewId::new("shopping-list@1").expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::types([CHANGED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match change(event) {
            Ok(Change::Insert { goods } | Change::Remove { goods, .. }) => keys.push(goods.as_bytes()),
            Err(_) => keys.refuse("it is no change of a shopping list"),
        }
    }

    fn apply(&self, _goods: &[u8], entry: &mut Entry, event: &EventRef<'_>) -> Result<(), Unreadable> {
        match change(event)? {
            Change::Insert { .. } if entry.gone.contains(&event.stamp) => {}
            Change::Insert { .. } => drop(entry.inserts.insert(event.stamp)),
            Change::Remove { seen, .. } => {
                entry.inserts.retain(|insert| !seen.contains(insert));
                entry.gone.extend(seen);
            }
        }
        Ok(())
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        let Ok(Change::Remove { goods, seen }) = change(event) else { return None };
        let seen = seen.into_iter().map(|stamp| stamps.get(stamp)).collect();
        Some(Event::new(CHANGED, codec::encode(&Change::Remove { goods, seen })))
    }
}

fn change(event: &EventRef<'_>) -> Result<Change, Unreadable> {
    codec::decode("change", event.payload).map_err(|error| Unreadable::new(error.to_string()))
}

/// What a device writes next: it takes off what it sees on its list, or puts something on it.
fn shop(rng: &mut Rng, rows: &Rows) -> Vec<Event> {
    let goods = GOODS[rng.index(GOODS.len())].to_owned();
    let seen = rows.get(&ShoppingList, goods.as_bytes()).unwrap_or_default().inserts;
    let remove = !seen.is_empty() && rng.chance(600);
    let change = if remove { Change::Remove { goods, seen } } else { Change::Insert { goods } };
    vec![Event::new(CHANGED, codec::encode(&change))]
}

fn prove(profile: Profile) -> Result<Summary, Box<Failure>> {
    let lab = lab(0..5).profile(profile).projection(ShoppingList).writes_with_rows(shop);
    lab.tell(|event| change(event).map_or_else(|error| error.to_string(), |change| format!("{change:?}"))).run()
}

fn main() {
    for profile in Profile::ALL {
        match prove(*profile) {
            Ok(summary) => println!("{profile}: {summary}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn shopping_lists_converge_whatever_happens() {
    for profile in Profile::ALL {
        prove(*profile).expect("the projection keeps law 5");
    }
}
