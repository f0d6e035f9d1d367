//! Refusals: typed, told to the writer, and nothing waits behind them.

use std::sync::Arc;

use crate::world::*;
use futures_util::FutureExt as _;
use syncline::authority::AllowAll;
use syncline::protocol::Request;
use syncline::replica::{AckLevel, Outcome, ReplicaError};
use syncline::store::Limit;
use syncline::{Dot, Position, Service};

fn strict(clock: &Hand) -> Arc<Service> {
    let service = Service::new(storage(), Arc::new(AllowAll), Arc::new(clock.reader()));
    Arc::new(service.with_policy(Arc::new(Forbids("secret"))))
}

/// Polls so often, and then gives up.
fn poll(times: usize, future: impl Future) {
    let mut future = Box::pin(future);
    let _ = (0..times).find(|_| (&mut future).now_or_never().is_some());
}

#[test]
fn a_refused_bundle_becomes_a_void_and_nothing_behind_it_waits() {
    let clock = Hand::at(100);
    let (service, one, other) = (strict(&clock), replica(1, &clock), replica(2, &clock));
    block_on(one.write(&[set("a", "1")])).unwrap();
    let refused = block_on(one.write(&[set("a", "secret"), set("b", "secret")])).unwrap();
    let behind = block_on(one.write(&[set("c", "3")])).unwrap();
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.pushed, report.refused.len()), (3, 1));
    assert!(
        matches!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Refused(refusal) if refusal.code == "forbidden-word")
    );
    assert_eq!(block_on(one.outcome(behind.dot)).unwrap(), Outcome::Stored);
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&one), pairs(&other), "the refused events are out of the rows of their writer, too");
    assert_eq!(pairs(&one), [("a".into(), "1".into()), ("c".into(), "3".into())].into());
}

#[test]
fn the_log_tells_by_pages_who_wrote_what_and_what_became_of_it() {
    let clock = Hand::at(100);
    let (service, one, other) = (strict(&clock), replica(1, &clock), replica(2, &clock));
    let stored = block_on(one.write(&[set("a", "1"), set("b", "2")])).unwrap();
    let refused = block_on(one.write(&[set("a", "secret")])).unwrap();
    block_on(other.write(&[set("c", "3")])).unwrap();
    block_on(other.sync(&way(&service))).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let pending = block_on(one.write(&[set("d", "4")])).unwrap();

    let (mut log, mut after) = (Vec::new(), Position::ZERO);
    loop {
        let page = block_on(one.log(after, Limit::items(3))).unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        log.extend(page);
    }
    let positions: Vec<_> = log.iter().map(|bundle| bundle.position.get()).collect();
    assert_eq!(positions, [1, 2, 3, 4], "every place once, and none beyond the end");
    let events: Vec<_> = log.iter().map(|bundle| bundle.events.clone().unwrap()).collect();
    assert_eq!(events, [vec![set("a", "1"), set("b", "2")], vec![], vec![set("c", "3")], vec![set("d", "4")]]);
    assert_eq!([log[0].dot, log[1].dot, log[3].dot], [stored.dot, refused.dot, pending.dot]);
    assert_eq!((log[2].dot.origin, log[0].time), (id(2), stored.time));
    assert!(matches!(&log[1].outcome, Outcome::Refused(refusal) if refusal.code == "forbidden-word"));
    assert_eq!(
        [&log[0].outcome, &log[2].outcome, &log[3].outcome],
        [&Outcome::Stored, &Outcome::Stored, &Outcome::Pending]
    );
    for bundle in &log {
        assert_eq!(block_on(one.outcome(bundle.dot)).unwrap(), bundle.outcome, "as it is told of one alone");
    }
}

#[test]
fn a_dead_letter_keeps_what_was_refused_until_it_is_dealt_with() {
    let clock = Hand::at(100);
    let (service, one) = (strict(&clock), replica(1, &clock));
    let refused = block_on(one.write(&[set("a", "secret")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let letters = block_on(one.dead_letters()).unwrap();
    assert_eq!((letters[0].dot, letters[0].events.clone()), (refused.dot, vec![set("a", "secret")]));
    let status = block_on(one.status()).unwrap();
    assert!(status.refused == 1 && !status.in_sync(), "a refusal is not hidden");
    block_on(one.forget_dead_letter(refused.dot)).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    assert!(block_on(one.status()).unwrap().in_sync());
    assert!(matches!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Refused(_)), "forgotten is not stored");
    assert!(matches!(block_on(one.forget_dead_letter(refused.dot)), Err(ReplicaError::NoDeadLetter { .. })));
}

#[test]
fn a_dead_letter_that_is_written_again_is_superseded_by_the_new_bundle() {
    let clock = Hand::at(100);
    let (service, one, other) = (strict(&clock), replica(1, &clock), replica(2, &clock));
    let refused = block_on(one.write(&[set("a", "secret")])).unwrap();
    block_on(one.sync(&way(&service))).unwrap();
    let written = block_on(one.rewrite_dead_letter(refused.dot, &[set("a", "hint")])).unwrap();
    assert_eq!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Superseded(written.dot));
    assert_eq!(block_on(one.outcome(written.dot)).unwrap(), Outcome::Pending);
    block_on(one.sync(&way(&service))).unwrap();
    assert!(block_on(one.status()).unwrap().in_sync());
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&other), [("a".into(), "hint".into())].into());
    let again = block_on(one.rewrite_dead_letter(refused.dot, &[set("a", "hint")]));
    assert!(matches!(again, Err(ReplicaError::NoDeadLetter { dot }) if dot == refused.dot), "nothing is written twice");
    assert_eq!(block_on(one.status()).unwrap().head.get(), 2);
}

#[test]
fn a_rewriting_that_is_given_up_half_way_is_not_done_twice() {
    for polls in 1..12 {
        let clock = Hand::at(100);
        let service = strict(&clock);
        let one = block_on(compose(Arc::new(Yields(memory())), &clock).open(id(1))).unwrap();
        let refused = block_on(one.write(&[set("a", "secret")])).unwrap();
        block_on(one.sync(&way(&service))).unwrap();
        let events = [set("a", "hint")];
        poll(polls, one.rewrite_dead_letter(refused.dot, &events));
        let _ = block_on(one.rewrite_dead_letter(refused.dot, &events));
        assert_eq!(block_on(one.status()).unwrap().head.get(), 2, "given up after {polls} polls");
        assert!(matches!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Superseded(_)));
        assert_eq!(block_on(one.dead_letters()).unwrap(), []);
    }
}

#[test]
fn a_bundle_can_be_waited_for_here_and_at_a_peer() {
    let clock = Hand::at(100);
    let service = strict(&clock);
    let one = block_on(compose(Arc::new(Yields(memory())), &clock).open(id(1))).unwrap();
    let good = block_on(one.write(&[set("a", "1")])).unwrap().dot;
    let bad = block_on(one.write(&[set("a", "secret")])).unwrap().dot;
    assert_eq!(block_on(one.wait_for(good, AckLevel::Local)).unwrap(), Outcome::Pending);
    let next = Dot { seq: bad.seq.plus(1), ..bad };
    assert_eq!(
        block_on(one.wait_for(next, AckLevel::Peer)).unwrap(),
        Outcome::Unknown,
        "what is not there is not waited for"
    );
    poll(1, one.write(&[set("b", "2")]));
    assert_eq!(block_on(one.wait_for(next, AckLevel::Local)).unwrap(), Outcome::Pending);
    let peer = way(&service);
    let (good, bad, _) = block_on(async {
        futures_util::join!(one.wait_for(good, AckLevel::Peer), one.wait_for(bad, AckLevel::Peer), one.sync(&peer))
    });
    assert_eq!(good.unwrap(), Outcome::Stored);
    assert!(matches!(bad.unwrap(), Outcome::Refused(_)));
}

#[test]
fn a_lost_refusal_is_told_again() {
    let clock = Hand::at(100);
    let (service, one) = (strict(&clock), replica(1, &clock));
    let refused = block_on(one.write(&[set("a", "secret")])).unwrap();
    let lossy = LosesAnswers(way(&service), |request| matches!(request, Request::Push(..)));
    assert!(block_on(one.sync(&lossy)).is_err());
    assert_eq!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Pending);
    block_on(one.sync(&way(&service))).unwrap();
    assert!(matches!(block_on(one.outcome(refused.dot)).unwrap(), Outcome::Refused(_)));
    assert!(pairs(&one).is_empty());
}

#[test]
fn a_void_is_told_to_whoever_still_has_the_body() {
    let clock = Hand::at(100);
    let (first, one) = (strict(&clock), replica(1, &clock));
    block_on(one.write(&[set("a", "secret")])).unwrap();
    let clone = block_on(compose(crate::recovery::copy(&**one.store(), 1, memory()), &clock).open(id(1))).unwrap();
    block_on(one.sync(&way(&first))).unwrap();
    // Another server gets the bundle as the void that it has become, and then in full from a copy of the device.
    let second = strict(&clock);
    block_on(one.sync(&way(&second))).unwrap();
    let report = block_on(clone.sync(&way(&second))).unwrap();
    assert_eq!(report.refused.len(), 1);
    assert_eq!(pairs(&clone), pairs(&one));
}

#[test]
fn many_refusals_among_many_bundles_leave_exactly_the_others() {
    let clock = Hand::at(100);
    let (service, one, other) = (strict(&clock), replica(1, &clock), replica(2, &clock));
    for number in 0..60 {
        let value = if number % 4 == 0 { format!("secret {number}") } else { number.to_string() };
        block_on(one.write(&[set(&(number % 9).to_string(), &value)])).unwrap();
    }
    let report = block_on(one.sync(&way(&service))).unwrap();
    assert_eq!((report.pushed, report.refused.len()), (60, 15));
    block_on(other.sync(&way(&service))).unwrap();
    assert_eq!(pairs(&one), pairs(&other));
    assert!(pairs(&one).values().all(|value| !value.contains("secret")));
}
