//! Which of several contacts a device believes, and what it remembers of them.

use super::*;

#[test]
fn of_two_servers_that_disagree_the_device_follows_the_one_that_agrees_with_it() {
    let (now, slow) = (Hand::at(NOW), Hand::at(NOW - HOUR));
    let (right, wrong) = (service(&now), service(&slow));
    let one = replica(1, &now);
    for round in 0..4 {
        now.set(NOW + round);
        slow.set(NOW + round - HOUR);
        let time = write(&one, "a", &round.to_string());
        assert_eq!(seconds(time), NOW + round);
        let report = sync(&one, &right);
        assert_eq!((report.pushed, report.stopped), (1, None));
        let report = sync(&one, &wrong);
        assert_eq!((report.restamped, report.clock_doubt), (0, Some(ClockDoubt::Outvoted)));
        assert!(report.stopped.is_some() && !in_sync(&one), "it waits, and says so");
    }
    slow.set(NOW + 10);
    now.set(NOW + 10);
    assert_eq!(sync(&one, &wrong).pushed, 4);
    assert!(in_sync(&one));
}

/// Seeds 7035 and 9809 of the lab's profile `times`.
#[test]
fn a_peer_that_hardly_agrees_is_remembered_as_one_that_agrees() {
    let (now, server) = (Hand::at(NOW), Hand::at(NOW - 70));
    let (service, one) = (service(&server), replica(1, &now));
    assert_eq!(sync(&one, &service).skew_ms, -70_000);
    now.set(NOW - 25);
    assert_eq!(sync(&one, &service).skew_ms, -45_000, "this is within the drift");
    now.set(NOW + 27);
    write(&one, "a", "1");
    let report = sync(&one, &service);
    assert_eq!((report.clock_corrected_ms, report.restamped), (None, 0));
    assert_eq!(report.clock_doubt, Some(ClockDoubt::Changed), "one of the two has jumped");
}

/// Seed 7358 of the lab's profile `times`: the device was set forward while it was corrected.
#[test]
fn a_time_that_the_peer_does_not_take_is_corrected_though_it_is_as_good_as_right() {
    let (fast, now, slow) = (Hand::at(NOW + 34), Hand::at(NOW), Hand::at(NOW - 31));
    let (service, other, one) = (service(&now), replica(1, &fast), replica(2, &slow));
    write(&other, "a", "1");
    sync(&other, &service);
    slow.set(NOW - 107);
    assert_eq!(sync(&one, &service).clock_corrected_ms, Some(107_000));
    slow.set(NOW - 41);
    assert_eq!(seconds(write(&one, "b", "2")), NOW + 66, "the correction holds until the next sync");
    let report = sync(&one, &service);
    assert_eq!((report.stopped, report.pushed, report.restamped), (None, 1, 1));
    assert!(in_sync(&one));
}

#[test]
fn what_a_peer_said_is_remembered_over_a_restart() {
    let (now, server) = (Hand::at(NOW), Hand::at(NOW));
    let (service, store) = (service(&server), memory());
    let open = || block_on(compose(store.clone(), &now).open(id(1))).unwrap();
    sync(&open(), &service);
    server.set(NOW - HOUR);
    write(&open(), "a", "1");
    assert_eq!(sync(&open(), &service).clock_doubt, Some(ClockDoubt::Changed));
    let report = sync(&open(), &service);
    assert_eq!((report.restamped, report.clock_corrected_ms), (1, Some(-3_600_000)), "it insists");
}

#[test]
fn a_correction_by_a_server_that_turns_out_to_be_wrong_is_taken_back() {
    let (now, server) = (Hand::at(NOW), Hand::at(NOW - HOUR));
    let (service, one) = (service(&server), replica(1, &now));
    write(&one, "a", "1");
    // The bundle has its new time, and the push that carries it does not arrive, as far as is known.
    let report = block_on(one.sync(&NoPush(way(&service))));
    assert!(report.is_err());
    assert_eq!(seconds(write(&one, "b", "2")), NOW - HOUR, "corrected");
    server.set(NOW);
    let report = sync(&one, &service);
    let what = "the second was never sent";
    assert_eq!((report.restamped, report.clock_corrected_ms, report.pushed), (1, None, 2), "{what}");
    let head = block_on(one.store().status()).unwrap().heads.get(id(1));
    assert_eq!(seconds(head.time), NOW);
}

/// Lets no push through.
#[derive(Debug)]
struct NoPush<T>(T);

#[async_trait::async_trait]
impl<T: Transport> Transport for NoPush<T> {
    async fn call(
        &self,
        request: syncline::protocol::Request,
    ) -> Result<syncline::protocol::Answer, syncline::TransportError> {
        if matches!(request, syncline::protocol::Request::Push(..)) {
            return Err(syncline::TransportError::Unreachable("the way is closed".into()));
        }
        self.0.call(request).await
    }

    syncline::transport::forward_watch!(self.0);
}
