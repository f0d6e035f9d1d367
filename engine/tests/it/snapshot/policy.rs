//! How far a log that a service shares is trimmed: never beyond a snapshot, nor beyond what a device that was here lately has read.

use std::sync::Arc;
use std::time::Duration;

use syncline::authority::{AllowAll, Name, Principal};
use syncline::replica::{Hold, Keep, TrimPlan};
use syncline::{Position, Replica, Service};
use syncline_memory::MemoryTransport;

use super::{Server, assert_equal, open, write};
use crate::world::*;

const DAY: u64 = 24 * 60 * 60;

/// A server that notes devices.
fn noting() -> Server {
    let server = Server::new();
    let storage = Arc::new(Swapped(server.store.clone()));
    let service = Service::new(storage, Arc::new(AllowAll), Arc::new(server.clock.reader())).with_devices_noted();
    Server { service: Arc::new(service), ..server }
}

fn device(name: &str) -> Principal {
    Principal { user: Name::new("ann").unwrap(), device: Name::new(name).unwrap() }
}

fn sync_as(replica: &Replica, name: &str, server: &Server) {
    block_on(replica.sync(&MemoryTransport::trusted(server.service.clone(), device(name)))).unwrap();
}

fn plan(server: &Server, keep: impl Into<Keep>) -> TrimPlan {
    block_on(server.keeper.catch_up()).unwrap();
    block_on(server.keeper.plan_trim(keep)).unwrap()
}

fn trim(server: &Server, keep: impl Into<Keep>) -> TrimPlan {
    block_on(server.keeper.make_snapshot()).unwrap();
    block_on(server.keeper.trim(keep)).unwrap()
}

#[test]
fn without_a_snapshot_nothing_goes() {
    let server = noting();
    let one = open(&server, 1);
    (0..9).for_each(|number| _ = write(&one, &number.to_string(), "x"));
    sync_as(&one, "phone", &server);
    let plan = plan(&server, 0);
    assert_eq!((plan.bundles(), &plan.bounds[0].hold), (0, &Hold::Checkpoint), "{plan:?}");
    assert!(plan.bounds.iter().any(|bound| bound.hold == Hold::Snapshot(None) && bound.at == Position::ZERO));
    assert_eq!(trim(&server, 0).to, Position::new(9));
}

#[test]
fn what_a_device_that_was_here_lately_has_not_read_stays_and_the_plan_names_the_device() {
    let server = noting();
    server.clock.set(100 * DAY);
    let (one, two) = (open(&server, 1), open(&server, 2));
    (0..5).for_each(|number| _ = write(&one, &number.to_string(), "x"));
    sync_as(&one, "phone", &server);
    sync_as(&two, "tablet", &server);
    (0..5).for_each(|number| _ = write(&one, &number.to_string(), "y"));
    sync_as(&one, "phone", &server);
    let held = trim(&server, 0);
    assert_eq!(held.to, Position::new(5));
    let seen = syncline::NTP64((100 * DAY) << 32);
    assert_eq!(held.bounds[0].hold, Hold::Device { device: device("tablet"), seen });
    assert!(held.bounds[0].hold.to_string().contains("ann/tablet"), "{}", held.bounds[0].hold);
    server.clock.set(131 * DAY);
    assert_eq!(plan(&server, 0).to, Position::new(10), "it has been away for longer than 30 days");
    assert_eq!(plan(&server, Keep { window: Duration::from_secs(40 * DAY), ..Keep::from(0) }).to, Position::new(5));
    trim(&server, 0);
    assert!(block_on(two.sync(&way(&server.service))).unwrap().bootstrapped.is_some());
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn young_bundles_and_the_newest_ones_stay_if_they_are_to_be_kept() {
    let server = noting();
    let one = open(&server, 1);
    for day in 1..=9 {
        server.clock.set(day * DAY);
        write(&one, "day", &day.to_string());
    }
    sync_as(&one, "phone", &server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let age = |days| Keep { age: Some(Duration::from_secs(days * DAY)), ..Keep::from(0) };
    assert_eq!(plan(&server, age(3)).to, Position::new(5));
    assert_eq!(plan(&server, age(3)).bounds[0].hold, Hold::Young);
    assert_eq!(plan(&server, age(100)).to, Position::ZERO);
    assert_eq!(plan(&server, 7).to, Position::new(2));
    assert_eq!(plan(&server, 0).to, Position::new(9));
}

#[test]
fn a_device_that_only_asks_whether_there_is_news_costs_no_commits() {
    let server = noting();
    let one = open(&server, 1);
    write(&one, "a", "x");
    sync_as(&one, "phone", &server);
    let two = open(&server, 2);
    sync_as(&two, "tablet", &server);
    let before = block_on(syncline::EventStore::status(&*server.store)).unwrap().revision;
    (0..10).for_each(|_| sync_as(&two, "tablet", &server));
    assert_eq!(block_on(syncline::EventStore::status(&*server.store)).unwrap().revision, before);
}
