//! Does each law catch what it is meant for? Transports with one fault each, and the laws that must notice it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use syncline_conformance::{run, transport, transport_suite};

use crate::line::{Fault, Twin, sound};
use crate::twins::{calls, cuts, digests, problems, snapshots, watches};

/// A fault in words, the laws that must notice it, and the fault.
pub(crate) type Broken = (&'static str, &'static [&'static str], Fault);

/// Whether a law holds. Time is the runtime's own, so a law that waits for ever ends at once.
fn holds(name: &str, twin: &Twin) -> bool {
    let law = transport::LAWS.iter().find(|law| law.name == name).unwrap_or_else(|| panic!("no law `{name}`"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(run::patiently((law.prove)(twin))))).is_ok()
}

fn assert_caught(broken: Vec<Broken>) {
    let mut missed = Vec::new();
    for (fault_in_words, laws, fault) in broken {
        let fault = Arc::new(fault);
        for name in laws {
            if holds(name, &Twin::with(fault.clone())) {
                missed.push(format!("{name} misses a transport that {fault_in_words}"));
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn faults_of_calls_are_caught() {
    assert_caught(calls::all());
}

#[test]
fn faults_of_comparing_digests_are_caught() {
    assert_caught(digests::all());
}

#[test]
fn faults_of_carrying_snapshots_are_caught() {
    assert_caught(snapshots::all());
}

#[test]
fn faults_of_problems_are_caught() {
    assert_caught(problems::all());
}

#[test]
fn faults_of_broken_connections_are_caught() {
    assert_caught(cuts::all());
}

#[test]
fn faults_of_watches_are_caught() {
    assert_caught(watches::all());
}

const COMES_BACK: &str = "a_new_connection_goes_on_after_a_crash";

#[test]
fn a_peer_that_stays_away_is_noticed() {
    assert!(!holds(COMES_BACK, &Twin::with(Arc::new(sound())).that_stays_away()));
}

/// The control: what catches a fault is the law, not the way in which it is run here.
#[test]
fn a_sound_transport_is_not_caught() {
    let names = transport::LAWS.iter().map(|law| law.name);
    let caught = names.filter(|name| !holds(name, &Twin::with(Arc::new(sound()))));
    assert_eq!(caught.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A law that no transport breaks may prove nothing.
#[test]
fn every_transport_law_has_a_transport_that_breaks_it() {
    let broken = [calls::all(), cuts::all(), digests::all(), problems::all(), snapshots::all(), watches::all()];
    let broken = broken.iter().flatten().flat_map(|(_, laws, _)| laws.iter().copied()).chain([COMES_BACK]);
    let broken: BTreeSet<_> = broken.collect();
    let unbroken: Vec<_> = transport::LAWS.iter().map(|law| law.name).filter(|law| !broken.contains(law)).collect();
    assert_eq!(unbroken, Vec::<&str>::new());
}

/// Without a fault the same transport keeps every law.
mod sound_transport {
    use super::*;

    transport_suite!(Twin::with(Arc::new(sound())));
}
