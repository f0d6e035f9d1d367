//! One request, one answer: its own, whole, and with the peer's clock.

use futures_util::future::join_all;
use futures_util::poll;
use syncline::format::Heads;
use syncline::format::heads::{Part, Prefix};
use syncline::protocol::{AskSnapshot, Compare, Have, Hello, Pull, Reply, Request};
use syncline::store::Limit;
use syncline::{Event, Position};
use tokio::task::yield_now;

use crate::peer::{NOW, Peer, READER, WAITS, WRITER, after, push};
use crate::{Author, SPACE, TransportHarness, appends, placed, space};

/// One request of every kind that reads.
async fn readings(peer: &Peer) -> Vec<Request> {
    let log = peer.log(SPACE).await;
    let heads: Heads = log.status().await.heads.iter().take(1).collect();
    vec![
        Request::Hello,
        Request::Heads(space(SPACE)),
        Request::Heads(space("other")),
        Request::HeadsAfter(space(SPACE), Author::new(1).origin()),
        Request::Compare(space(SPACE), Compare { since: Some(log.cursor(3).await), parts: vec![Prefix::default()] }),
        Request::Compare(space("other"), Compare::default()),
        Request::Snapshot(space(SPACE), AskSnapshot::List),
        Request::Pull(
            space(SPACE),
            Pull { have: Have::Tail(log.cursor(3).await), ..after(log.cursor(3).await, Limit::PAGE) },
        ),
        Request::Pull(space(SPACE), after(log.cursor(0).await, Limit::PAGE)),
        Request::Pull(space(SPACE), after(log.cursor(3).await, Limit::items(2))),
        Request::Pull(space(SPACE), Pull { have: Have::Heads(heads), without: None, limit: Limit::bytes(200) }),
    ]
}

/// A peer that holds bundles of two authors.
async fn filled() -> Peer {
    let peer = Peer::new();
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    peer.log(SPACE).await.commit(appends([ann.write(3), bob.write(4), ann.write(2)])).await;
    peer.log("other").await.commit(appends([Author::new(3).write(7)])).await;
    peer
}

/// Versions and limits are agreed on by this answer, before anything else.
pub async fn hello_says_what_the_peer_can_do(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let answer = peer.connect(harness).await.call(Request::Hello).await;
    let Reply::Hello(hello) = &answer.reply else { panic!("hello was asked for, not {answer:?}") };
    assert!(matches!(hello, Hello { versions, .. } if versions.contains(&syncline::protocol::PROTOCOL_VERSION)));
    assert_eq!(Ok(answer), peer.answer(WRITER, Request::Hello).await);
}

/// A transport only carries: it changes nothing and leaves nothing out.
pub async fn every_answer_is_the_one_the_service_gives(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let line = peer.connect(harness).await;
    for request in readings(&peer).await {
        assert_eq!(Ok(line.call(request.clone()).await), peer.answer(WRITER, request).await);
    }
}

/// A device with a wrong clock is helped by its peer's, whatever it asks; the time is 64 bits without a sign.
pub async fn every_answer_brings_the_peers_clock(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let line = peer.connect(harness).await;
    let mut requests = readings(&peer).await;
    requests.push(push(vec![Author::new(5).write(1).run().clone()]));
    for request in requests {
        assert_eq!(line.call(request.clone()).await.clock, NOW, "{request:?}");
    }
}

/// Two sides that compare digests must read the same ones, find the origins that have moved, and reach every subtree by its name.
pub async fn digests_lead_to_the_heads_that_differ(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let mut authors: Vec<_> = (1..=200).map(Author::new).collect();
    log.commit(appends(authors.iter_mut().map(|author| author.write(1)))).await;
    let (before, since) = (log.status().await.heads, log.cursor(200).await);
    log.commit(appends([authors[3].write(2), authors[150].write(1)])).await;
    let (heads, line) = (log.status().await.heads, peer.connect(harness).await);
    let ask = async |since, parts| {
        let answer = line.call(Request::Compare(space(SPACE), Compare { since, parts })).await;
        let Reply::Compare(told) = answer.reply else { panic!("a comparison was asked for, not {answer:?}") };
        assert_eq!((told.head, told.digest), (log.cursor(203).await, heads.digest()));
        told
    };
    let moved = heads.differences(&before).into_iter().map(|differ| (differ.origin, differ.ours)).collect::<Heads>();
    assert_eq!(ask(Some(since), Vec::new()).await.moved, moved);
    let (mut found, mut open) = (before, vec![Prefix::default()]);
    while !open.is_empty() {
        assert!(open.len() <= moved.len(), "more subtrees differ than origins have moved: {open:?}");
        let told = ask(None, open.clone()).await;
        assert_eq!(told.parts.len(), open.len(), "one part for each prefix");
        for (prefix, part) in std::mem::take(&mut open).into_iter().zip(told.parts) {
            match part {
                Part::Heads(below) => found.replace_below(&prefix, &below),
                Part::Digests(digests) => {
                    let below = (0..16).filter_map(|digit| prefix.then(digit)).zip(*digests);
                    open.extend(
                        below.filter(|(below, told)| found.digest_below(below) != *told).map(|(below, _)| below),
                    );
                }
            }
        }
    }
    assert_eq!(found, heads);
}

/// Every part of a head decides: seq, hash, and time.
pub async fn heads_arrive_as_the_peer_has_them(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let log = peer.log(SPACE).await;
    let runs = (1..=200).map(|byte| {
        let times = (1..=u64::from(byte) % 5 + 1).map(|step| syncline::format::time::NTP64(u64::MAX - 1_000 + step));
        Author::new(byte).write_timed(times.map(|time| (time, [byte])))
    });
    log.commit(appends(runs)).await;
    let heads = peer.connect(harness).await.heads(SPACE).await;
    let status = log.status().await;
    assert_eq!(heads.heads, status.heads);
    assert_eq!(heads.head, log.cursor(status.head.get()).await);
}

/// Calls share a connection, and their answers come in any order.
pub async fn concurrent_answers_do_not_mix(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let line = peer.connect(harness).await;
    let mut expected = Vec::new();
    for request in readings(&peer).await {
        expected.push((peer.answer(WRITER, request.clone()).await, request));
    }
    let calls = (0..60).map(|call| {
        let (line, (answer, request)) = (line.clone(), expected[call % expected.len()].clone());
        tokio::spawn(async move { (Ok(line.call(request).await), answer) })
    });
    for call in join_all(calls).await {
        let (found, expected) = call.expect("the call ends well");
        assert_eq!(found, expected);
    }
}

/// A push that takes long holds up itself, not the others on its connection.
pub async fn a_slow_call_holds_up_no_other(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let slow = Author::new(1).write_events(&[vec![Event::new(WAITS, "")]]);
    let pushing = tokio::spawn({
        let line = line.clone();
        async move { line.push(vec![slow.run().clone()]).await }
    });
    peer.gate.arrival().await;
    for _ in 0..5 {
        assert_eq!(line.heads(SPACE).await.head.position, Position::ZERO);
    }
    line.push(vec![Author::new(2).write(1).run().clone()]).await;
    peer.gate.open(8);
    assert_eq!(pushing.await.expect("the push ends well").refused, []);
    assert_eq!(line.heads(SPACE).await.head.position, Position::new(2));
}

/// However many there are: a bound on calls at a time would only move the moment at which everything waits.
pub async fn many_slow_calls_and_watches_hold_up_no_other(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let start = peer.log(SPACE).await.cursor(0).await;
    let mut watches = Vec::new();
    for _ in 0..40 {
        watches.push(line.watch(SPACE, start).await);
    }
    let pushes = (1..=40).map(|byte| {
        let (line, slow) = (line.clone(), Author::new(byte).write_events(&[vec![Event::new(WAITS, "")]]));
        tokio::spawn(async move { line.push(vec![slow.run().clone()]).await })
    });
    let pushes: Vec<_> = pushes.collect();
    for _ in 0..40 {
        peer.gate.arrival().await;
    }
    assert_eq!(line.heads(SPACE).await.head.position, Position::ZERO);
    peer.gate.open(usize::MAX >> 4);
    for push in join_all(pushes).await {
        assert_eq!(push.expect("the push ends well").refused, []);
    }
}

/// Identity is the connection's: two devices on one machine are still two.
pub async fn two_connections_are_two_principals(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let (writer, reader) = (peer.connect(harness).await, peer.connect_as(harness, READER).await);
    for byte in 10..15 {
        let request = push(vec![Author::new(byte).write(1).run().clone()]);
        reader.problem(request.clone()).await;
        writer.call(request).await;
        assert_eq!(reader.heads(SPACE).await, writer.heads(SPACE).await);
    }
}

/// An answer may be lost on the way. A repeated request gets the same answer, and nothing is stored twice.
pub async fn a_repeated_call_is_answered_alike(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let verified = Author::new(1).write(3);
    let first = line.push(vec![verified.run().clone()]).await;
    for _ in 0..3 {
        let again = line.push(vec![verified.run().clone()]).await;
        assert_eq!((again.log, &again.through, &again.refused), (first.log, &first.through, &first.refused));
    }
    assert_same!(peer.log(SPACE).await.log().await, placed(1, [&verified]));
}

/// A call that is given up has happened or not; repeating it makes it have happened, once.
pub async fn a_call_given_up_may_be_repeated(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let mut ann = Author::new(1);
    let mut written = Vec::new();
    for polls in 0..12 {
        let verified = ann.write(2);
        let mut call = line.0.call(push(vec![verified.run().clone()]));
        for _ in 0..polls {
            if poll!(&mut call).is_ready() {
                break;
            }
            yield_now().await;
        }
        drop(call);
        let pushed = line.push(vec![verified.run().clone()]).await;
        assert_eq!(pushed.through, [(ann.origin(), ann.head().seq)]);
        written.push(verified);
    }
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}

/// A connection lives as long as its device is awake: calls do not use it up.
pub async fn a_connection_bears_many_calls(harness: &dyn TransportHarness) {
    let peer = filled().await;
    let line = peer.connect(harness).await;
    let expected = line.heads(SPACE).await;
    for _ in 0..200 {
        assert_eq!(line.heads(SPACE).await, expected);
    }
}
