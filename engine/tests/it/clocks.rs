//! Clocks that are wrong: a device's, a server's, for a while or for long. Of two edits of one row by devices whose clocks are right the
//! later wins, whatever any other clock shows, unless a report has named a correction.

mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::*;
use syncline::protocol::Code;
use syncline::replica::{ClockDoubt, SyncReport, WaitCause};
use syncline::{NTP64, Replica, Service, SpaceId, Transport};

/// 2026-01-01, in seconds.
const NOW: u64 = 1_767_225_600;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn write(replica: &Replica, key: &str, value: &str) -> NTP64 {
    block_on(replica.write(&[set(key, value)])).unwrap().time
}

fn sync(replica: &Replica, service: &Arc<Service>) -> SyncReport {
    block_on(replica.sync(&way(service))).unwrap()
}

fn in_sync(replica: &Replica) -> bool {
    block_on(replica.status()).unwrap().in_sync()
}

fn seconds(time: NTP64) -> u64 {
    time.0 >> 32
}

/// Servers whose clock was wrong during one sync: slow, never set, set to 2000, fast, and beyond the end of time.
const WRONG: [u64; 6] = [NOW - 70, 0, 946_684_800, NOW + 3 * HOUR, NOW + 400 * DAY, 4_200_000_000];

#[test]
fn a_server_that_is_slow_during_one_sync_moves_no_later_write() {
    for met_before in [false, true] {
        let (now, server) = (Hand::at(NOW), Hand::at(NOW - 70));
        let (service, one) = (service(&server), replica(1, &now));
        if met_before {
            server.set(NOW);
            sync(&one, &service);
            server.set(NOW - 70);
        }
        write(&one, "a", "1");
        let report = sync(&one, &service);
        assert_eq!(report.restamped > 0, report.clock_corrected_ms == Some(-70_000), "what is moved is named");
        assert_eq!(report.clock_doubt, met_before.then_some(ClockDoubt::Changed));
        assert_eq!(report.restamped, u64::from(!met_before), "a peer that agreed a moment ago is not believed at once");
        for later in 1..4 {
            now.set(NOW + later);
            server.set(NOW + later);
            let report = sync(&one, &service);
            assert_eq!((report.skew_ms, report.clock_corrected_ms, report.stopped), (0, None, None));
            assert_eq!(seconds(write(&one, "a", "later")), NOW + later, "met before: {met_before}");
        }
        sync(&one, &service);
        assert!(in_sync(&one));
    }
}

#[test]
fn the_later_edit_wins_whatever_the_server_showed_during_one_sync() {
    for shown in WRONG {
        let (now, server) = (Hand::at(NOW), Hand::at(NOW - 2 * HOUR));
        let (service, one, other) = (service(&server), replica(1, &now), replica(2, &now));
        now.set(NOW - 2 * HOUR);
        write(&other, "a", "two hours older");
        sync(&other, &service);
        now.set(NOW);
        write(&one, "a", "last");
        server.set(shown);
        let report = sync(&one, &service);
        // Nothing contradicts a server that is 70 s slow and met for the first time: it is believed, and that is named.
        let named = (shown == NOW - 70).then_some(-70_000);
        assert_eq!((report.restamped > 0, report.clock_corrected_ms), (named.is_some(), named), "server at {shown}");
        assert!(in_sync(&one) != report.stopped.is_some());
        server.set(NOW);
        for replica in [&one, &other, &one] {
            assert_eq!(sync(replica, &service).stopped, None);
        }
        for replica in [&one, &other] {
            assert_eq!(pairs(replica)["a"], "last", "server at {shown}");
            assert!(in_sync(replica));
        }
    }
}

#[test]
fn a_server_that_was_never_set_says_so_instead_of_blaming_the_device() {
    let (now, server) = (Hand::at(NOW), Hand::at(1_000));
    let (service, one) = (service(&server), replica(1, &now));
    write(&one, "a", "1");
    let report = sync(&one, &service);
    let problem = report.stopped.unwrap();
    assert!(
        matches!(problem.code, Code::ClockAhead { .. }) && problem.detail.contains("the peer's clock"),
        "{problem}"
    );
    assert_eq!(report.waiting.unwrap().cause, WaitCause::Doubted);
    assert_eq!((report.restamped, report.clock_doubt), (0, Some(ClockDoubt::NotSet)));
    let peer = block_on(one.status()).unwrap().peer.unwrap();
    assert_eq!(peer.clock_doubt, Some(ClockDoubt::NotSet));
}

#[test]
fn a_new_space_on_a_slow_server_profits_from_what_other_spaces_prove() {
    let (now, server) = (Hand::at(NOW), Hand::at(NOW));
    let storage = storage();
    let serve = || Service::new(storage.clone(), Arc::new(syncline::authority::AllowAll), Arc::new(server.reader()));
    let before = Arc::new(serve());
    for byte in [1, 2] {
        let device = replica(byte, &now);
        write(&device, "a", "1");
        sync(&device, &before);
    }
    // It starts again with a clock that is an hour behind, and a device brings a space that nobody has used yet.
    server.set(NOW - HOUR);
    let after = Arc::new(serve());
    let fresh = SpaceId::new("fresh").unwrap();
    let compose = Replica::compose(fresh, memory()).clock(now.reader()).projection(Pairs);
    let one = block_on(compose.open(id(3))).unwrap();
    now.set(NOW + 10);
    write(&one, "a", "a little later");
    assert_eq!(sync(&one, &after).stopped.map(|problem| problem.code), Some(Code::Busy { retry_after_ms: 30_000 }));
    server.set(NOW + 10);
    let report = sync(&one, &after);
    assert_eq!((report.pushed, report.restamped), (1, 0));
}

#[test]
fn an_offline_edit_is_taken_by_a_server_that_is_slow_and_knows_it() {
    let (now, server) = (Hand::at(NOW), Hand::at(NOW));
    let (service, away) = (service(&server), replica(3, &now));
    now.set(NOW - HOUR);
    write(&away, "b", "offline");
    now.set(NOW);
    for byte in [1, 2] {
        let device = replica(byte, &now);
        write(&device, "a", "1");
        sync(&device, &service);
    }
    server.set(NOW - DAY);
    let report = sync(&away, &service);
    assert_eq!((report.pushed, report.restamped, report.stopped), (1, 0, None));
}

#[test]
fn two_clocks_that_were_wrong_at_once_do_not_mislead_a_server_for_long() {
    let (fast, now, server) = (Hand::at(NOW + DAY), Hand::at(NOW), Hand::at(NOW + DAY));
    let (service, wrong, right) = (service(&server), replica(1, &fast), replica(2, &now));
    write(&wrong, "a", "1");
    assert_eq!(sync(&wrong, &service).pushed, 1);
    server.set(NOW);
    write(&right, "b", "1");
    let report = sync(&right, &service);
    assert_eq!((report.skew_ms, report.pushed), (0, 1), "the server goes by its clock");
    let ahead = replica(3, &Hand::at(NOW + HOUR));
    write(&ahead, "c", "1");
    assert_eq!(sync(&ahead, &service).clock_corrected_ms, Some(-3_600_000), "and others can still go by it");
}

#[test]
fn a_device_that_boots_in_1970_does_not_lose_its_edit_to_an_older_one() {
    for used_before in [false, true] {
        let (now, device) = (Hand::at(NOW - DAY), Hand::at(NOW - 3 * DAY));
        let (service, store) = (service(&now), memory());
        let other = replica(2, &now);
        write(&other, "a", "a day older");
        sync(&other, &service);
        if used_before {
            now.set(NOW - 3 * DAY);
            let one = block_on(compose(store.clone(), &device).open(id(1))).unwrap();
            write(&one, "b", "three days older");
            // Offline for long, so that it has not read the other's edit.
            drop(one);
        }
        device.set(10);
        now.set(NOW);
        let one = block_on(compose(store, &device).open(id(1))).unwrap();
        write(&one, "a", "last");
        device.set(10 + HOUR);
        let report = sync(&one, &service);
        assert_eq!((report.restamped, report.pushed), (1, 1 + u64::from(used_before)), "used before: {used_before}");
        let corrected = i64::try_from((NOW - 10 - HOUR) * 1_000).unwrap();
        assert_eq!(report.clock_corrected_ms, Some(corrected));
        assert_eq!(block_on(one.status()).unwrap().clock_corrected_ms, Some(corrected));
        let head = block_on(one.store().status()).unwrap().heads.get(id(1));
        assert_eq!(seconds(head.time), NOW - HOUR, "the time at which it was written");
        assert_eq!(seconds(write(&one, "c", "next")), NOW, "and the next write is right");
        for replica in [&one, &other] {
            sync(replica, &service);
            assert_eq!(pairs(replica)["a"], "last");
        }
    }
}

#[test]
fn a_device_two_hours_behind_is_put_right_once_a_bundle_proves_it() {
    let (now, slow) = (Hand::at(NOW), Hand::at(NOW - 2 * HOUR));
    let (service, one, other) = (service(&now), replica(1, &slow), replica(2, &now));
    write(&one, "a", "first");
    let report = sync(&one, &service);
    assert_eq!((report.restamped, report.clock_doubt), (0, Some(ClockDoubt::Unproven)), "it may be the server");
    write(&other, "b", "proof");
    sync(&other, &service);
    write(&one, "c", "second");
    let report = sync(&one, &service);
    assert_eq!((report.restamped, report.clock_corrected_ms), (1, Some(7_200_000)));
    slow.set(NOW);
    assert_eq!(sync(&one, &service).clock_corrected_ms, None, "it ends as soon as the clock is right");
}

#[test]
fn a_clock_that_once_read_2150_stops_no_write() {
    for beyond in [u64::from(u32::MAX), 4_102_444_800] {
        for used_before in [false, true] {
            let (now, device) = (Hand::at(NOW), Hand::at(NOW));
            let (service, one) = (service(&now), replica(1, &device));
            if used_before {
                write(&one, "a", "0");
                sync(&one, &service);
            }
            device.set(beyond);
            for number in 1..100 {
                write(&one, "a", &number.to_string());
            }
            device.set(NOW + 10);
            for number in 100..200 {
                write(&one, "a", &number.to_string());
            }
            now.set(NOW + 20);
            device.set(NOW + 20);
            let report = sync(&one, &service);
            assert_eq!((report.pushed, report.stopped, report.clock_corrected_ms), (199, None, None));
            assert_eq!(pairs(&one)["a"], "199");
            let head = block_on(one.store().status()).unwrap().heads.get(id(1));
            assert_eq!(seconds(head.time), NOW + 10, "the time at which it was written");
        }
    }
}

#[test]
fn a_clock_at_the_end_of_time_stops_no_write_and_leads_nowhere() {
    let (now, shown) = (Hand::at(NOW), Arc::new(AtomicU64::new(u64::MAX)));
    let clock = {
        let shown = shown.clone();
        move || NTP64(shown.load(Ordering::Relaxed))
    };
    let compose = Replica::compose(space(), memory()).clock(clock).projection(Pairs);
    let (service, one) = (service(&now), block_on(compose.open(id(1))).unwrap());
    for number in 1..=100 {
        write(&one, "a", &number.to_string());
    }
    // The clock is still broken: the peer's is believed, and the next write is right.
    let report = sync(&one, &service);
    assert_eq!((report.pushed, report.restamped, report.stopped), (100, 100, None));
    assert_eq!(seconds(write(&one, "a", "next")), NOW);
    shown.store(NOW << 32, Ordering::Relaxed);
    assert_eq!(sync(&one, &service).clock_corrected_ms, None);
    assert_eq!(pairs(&one)["a"], "next");
}

#[test]
fn a_jump_of_decades_is_undone_and_what_was_written_after_it_keeps_its_time() {
    let (now, device) = (Hand::at(NOW), Hand::at(NOW + 20 * 365 * DAY));
    let (service, one, other) = (service(&now), replica(1, &device), replica(2, &now));
    write(&one, "a", "during the jump");
    device.set(NOW);
    write(&one, "b", "after it");
    now.set(NOW + HOUR);
    device.set(NOW + 2 * HOUR);
    write(&other, "b", "an hour later");
    sync(&other, &service);
    now.set(NOW + 2 * HOUR);
    let report = sync(&one, &service);
    assert_eq!((report.restamped, report.stopped), (2, None));
    sync(&other, &service);
    for replica in [&one, &other] {
        assert_eq!(pairs(replica)["b"], "an hour later");
    }
}

#[test]
fn a_restamped_bundle_stays_behind_what_its_writer_had_read_and_before_what_it_had_not() {
    let (now, ahead, server) = (Hand::at(NOW), Hand::at(NOW + 10 * DAY), Hand::at(NOW));
    let (service, one, other) = (service(&server), replica(1, &ahead), replica(2, &now));
    now.set(NOW + 50);
    write(&other, "a", "read");
    sync(&other, &service);
    sync(&one, &service);
    // Written at once, by a clock that is ten days ahead; then another edit arrives before it can be pushed.
    write(&one, "a", "answer");
    now.set(NOW + 55);
    server.set(NOW);
    write(&other, "b", "not read");
    sync(&other, &service);
    let before = LosesAnswers(way(&service), |request| matches!(request, syncline::protocol::Request::Push(..)));
    assert!(block_on(one.sync(&before)).is_err() || pairs(&one).contains_key("a"));
    let report = sync(&one, &service);
    assert_eq!(report.stopped, None);
    sync(&other, &service);
    for replica in [&one, &other] {
        assert_eq!(pairs(replica)["a"], "answer");
        assert_eq!(pairs(replica)["b"], "not read");
    }
}
