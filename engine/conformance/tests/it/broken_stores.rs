//! Does each law catch what it is meant for? Stores with one fault each, and the laws that must notice it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use syncline_conformance::{run, store, store_suite};

use crate::fault::{Fault, Twin, sound};
use crate::twins;

/// A fault in words, the laws that must notice it, and the fault.
pub(crate) type Broken = (&'static str, &'static [&'static str], Fault);

/// Whether a law holds for a store with this fault. Time is the runtime's own, so a law that waits for ever ends at once.
fn holds(law: &store::StoreLaw, fault: Arc<Fault>) -> bool {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let twin = Twin::with(fault);
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(run::patiently((law.prove)(&twin))))).is_ok()
}

fn assert_caught(broken: Vec<Broken>) {
    let mut missed = Vec::new();
    for (fault_in_words, laws, fault) in broken {
        let fault = Arc::new(fault);
        for name in laws {
            let law = store::LAWS.iter().find(|law| law.name == *name).unwrap_or_else(|| panic!("no law `{name}`"));
            if holds(law, fault.clone()) {
                missed.push(format!("{name} misses a store that {fault_in_words}"));
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn faults_of_the_log_are_caught() {
    assert_caught(twins::log::all());
}

#[test]
fn faults_of_refusals_are_caught() {
    assert_caught(twins::refusals::all());
}

#[test]
fn faults_of_pages_are_caught() {
    assert_caught(twins::pages::all());
}

#[test]
fn faults_of_rewrites_are_caught() {
    assert_caught(twins::rewrites::all());
}

#[test]
fn faults_of_trims_are_caught() {
    assert_caught(twins::trims::all());
}

#[test]
fn faults_of_replacements_are_caught() {
    assert_caught(twins::replacements::all());
}

#[test]
fn faults_of_rows_are_caught() {
    assert_caught(twins::rows::all());
}

#[test]
fn faults_of_folds_are_caught() {
    assert_caught(twins::folds::all());
}

#[test]
fn faults_of_many_tasks_and_spaces_are_caught() {
    assert_caught(twins::races::all());
}

#[test]
fn storages_that_cry_wolf_are_caught() {
    assert_caught(twins::alarms::all());
}

#[test]
fn faults_of_many_processes_are_caught() {
    assert_caught(twins::processes::all());
}

#[test]
fn faults_of_restarts_are_caught() {
    assert_caught(twins::restarts::all());
}

/// The control: what catches a fault is the law, not the way in which it is run here.
#[test]
fn a_sound_store_is_not_caught() {
    let caught = store::LAWS.iter().filter(|law| !holds(law, Arc::new(sound()))).map(|law| law.name);
    assert_eq!(caught.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A law that no store breaks may prove nothing.
#[test]
fn every_store_law_has_a_store_that_breaks_it() {
    let broken = [
        twins::log::all(),
        twins::refusals::all(),
        twins::pages::all(),
        twins::rows::all(),
        twins::folds::all(),
        twins::races::all(),
        twins::processes::all(),
        twins::restarts::all(),
        twins::rewrites::all(),
        twins::trims::all(),
        twins::replacements::all(),
        twins::alarms::all(),
    ];
    let broken: BTreeSet<_> = broken.iter().flatten().flat_map(|(_, laws, _)| laws.iter().copied()).collect();
    let unbroken: Vec<_> = store::LAWS.iter().map(|law| law.name).filter(|law| !broken.contains(law)).collect();
    assert_eq!(unbroken, Vec::<&str>::new());
}

/// Without a fault the same store keeps every law, restarts included.
mod sound_store {
    use super::*;

    store_suite!(Twin::with(Arc::new(sound())));
}
