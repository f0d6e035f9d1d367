//! The planted faults as a table: which, of what class, and how long each took to find.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Plant, SEEDS_MAX};
use crate::finding::{Finding, Law};

/// A planted fault, how many histories it took to find, and the law that it broke, if it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Which.
    pub plant: Plant,
    /// The number of the history that showed it, and what it showed.
    pub found: Option<(u64, Finding)>,
}

/// Looks for every planted fault, from this seed on, on so many threads.
pub fn seek_all(first: u64, jobs: usize) -> Vec<Sought> {
    let next = AtomicUsize::new(0);
    let sought: Mutex<Vec<Sought>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(plant) = Plant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = plant.sought(first, SEEDS_MAX);
                    sought.lock().unwrap_or_else(PoisonError::into_inner).push(Sought { plant: *plant, found });
                }
            });
        }
    });
    let mut sought = sought.into_inner().unwrap_or_else(PoisonError::into_inner);
    sought.sort_by_key(|sought| sought.plant);
    sought
}

/// The page about the planted faults, as it stands in the documents.
pub fn table(sought: &[Sought]) -> String {
    let mut page = String::from(HEAD);
    for Sought { plant, found } in sought {
        let class = plant.class();
        let class = format!("{} {}", class.number, class.title);
        let (count, law) = match found {
            Some((count, finding)) => (count.to_string(), finding.law.to_string()),
            None => (format!("not in {SEEDS_MAX}"), String::new()),
        };
        let (summary, profile) = (plant.summary(), plant.profile());
        let _ = writeln!(page, "| `{plant}` | {summary} | {} | {profile} | {count} | {law} |", class.trim());
    }
    page += LAWS;
    for law in Law::ALL {
        let by: Vec<String> =
            sought.iter().filter(|sought| breaks(sought, *law)).map(|one| one.plant.to_string()).collect();
        let _ = writeln!(page, "| {law} | {} |", by.join(", "));
    }
    page += TAIL;
    page
}

fn breaks(sought: &Sought, law: Law) -> bool {
    sought.found.as_ref().is_some_and(|(_, finding)| finding.law == law)
}

const HEAD: &str = "\
# The lab's teeth

These faults are planted on purpose, and the lab must find each of them. `sim --teeth` writes this page.

The class of a fault names an incident that sync engines have had. F1 and so on are numbers in the catalogue of faults that this
project was built against. *Histories* is the number of histories, from seed 1 on, until one of them showed the fault.

| planted fault | what it does | class of incident | profile | histories | the law that it breaks first |
|---|---|---|---|---|---|
";

const LAWS: &str = "
A check that cannot fail is a defect. So for every law, some planted fault breaks it first:

| law | broken first by |
|---|---|
";

const TAIL: &str = "
The last law is about the test, and not about the stack. A lab reports it if its histories never touch a view under test, or if two
devices never write to one of its rows.
";
