//! Handing bundles over.

use std::sync::Arc;

use syncline::format::Run;
use syncline::format::run::VerifiedRun;
use syncline::limits::{PAGE_BYTES_MAX, PAGE_RUNS_MAX, PAYLOAD_BYTES_MAX, REFUSAL_MESSAGE_BYTES_MAX};
use syncline::protocol::{Code, Push, Pushed, Refusal, RefusedBundle, Request};
use syncline::{Event, Position, Seq};

use crate::peer::{Peer, REFUSED, noise, push};
use crate::{Author, NOTE, SPACE, TransportHarness, placed, space};

fn runs<'a>(written: impl IntoIterator<Item = &'a VerifiedRun>) -> Vec<Run> {
    written.into_iter().map(|verified| verified.run().clone()).collect()
}

/// A run of about two mebibytes.
fn large_run(author: &mut Author, seed: u64) -> VerifiedRun {
    let event = |part: u64| Event::new(NOTE, noise(PAYLOAD_BYTES_MAX - 100, 4 * seed + part));
    author.write_events(&[(0..3).map(event).collect(), (3..6).map(event).collect()])
}

/// Hashes are over bytes: a transport that re-encodes breaks the chain of everybody behind.
pub async fn pushed_bundles_arrive_byte_for_byte(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads = [vec![], vec![0], every_byte, vec![0xff; 300], b"\r\n\r\n0\r\n".to_vec(), noise(5_000, 1)];
    let bundles = payloads.map(|payload| vec![Event::new(NOTE, payload.clone()), Event::new(NOTE, payload)]);
    let written = [ann.write_events(&bundles)];
    peer.connect(harness).await.push(runs(&written)).await;
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}

/// A log's order is causal: a transport may not sort or join what it carries.
pub async fn pushed_runs_arrive_in_their_order(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let (mut ann, mut bob) = (Author::new(2), Author::new(1));
    let written = [ann.write(2), bob.write(1), ann.write(1), bob.write(3), ann.write(4)];
    peer.connect(harness).await.push(runs(&written)).await;
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}

/// The owner depends on it: a device owns what it writes, and not what it brings for others.
pub async fn the_senders_own_replica_arrives(harness: &dyn TransportHarness) {
    let (own, other) = (Author::new(2).origin(), Author::new(9).origin());
    for (named, expected) in [(Some(own), vec![own]), (Some(other), vec![]), (None, vec![])] {
        let peer = Peer::new();
        let written = [Author::new(1).write(1), Author::new(2).write(1), Author::new(3).write(1)];
        let push = Request::Push(space(SPACE), named, Push { runs: runs(&written) });
        peer.connect(harness).await.call(push).await;
        assert_eq!(peer.desk.claimed().into_iter().collect::<Vec<_>>(), expected, "{named:?} is named");
    }
}

/// This answer is the acknowledgement: which log has it, how far, and where.
pub async fn a_push_is_answered_with_how_far_the_peer_has_it(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    line.push(runs(&[ann.write(3)])).await;
    let pushed = line.push(runs(&[ann.write(2), bob.write(4)])).await;
    let expected = Pushed {
        log: peer.log(SPACE).await.status().await.log,
        through: vec![(ann.origin(), Seq::new(5)), (bob.origin(), Seq::new(4))],
        placed: Some((Position::new(4), Position::new(9))),
        refused: vec![],
    };
    assert_eq!(pushed, expected);
}

/// The writer of a refused bundle must be able to show why, in any language, now and when asked again.
pub async fn refusals_come_back_with_their_reasons(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let mut ann = Author::new(1);
    let longest = "ä".repeat(REFUSAL_MESSAGE_BYTES_MAX / 2);
    let reasons =
        [("too-late", "zu spät – „morgen“ 明日"), ("empty", ""), ("longest", &longest), ("quoted", "\"\\\t\0")];
    let event = |(code, message): (&str, &str)| vec![Event::new(REFUSED, format!("{code}\n{message}"))];
    let mut bundles: Vec<_> = reasons.into_iter().map(event).collect();
    bundles.insert(2, vec![Event::new(NOTE, "this one is fine")]);
    let written = [ann.write_events(&bundles)];
    let refused = [1, 2, 4, 5].into_iter().zip(reasons).map(|(seq, (code, message))| RefusedBundle {
        origin: ann.origin(),
        seq: Seq::new(seq),
        refusal: Refusal::new(code, message),
    });
    let refused: Vec<_> = refused.collect();
    assert_eq!(line.push(runs(&written)).await.refused, refused);
    assert_eq!(line.push(runs(&written)).await.refused, refused);
}

/// Nothing to hand over is handed over.
pub async fn an_empty_push_is_answered(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let pushed = peer.connect(harness).await.push(vec![]).await;
    assert_eq!((pushed.through, pushed.placed, pushed.refused), (vec![], None, vec![]));
}

/// Voids keep their hashes on every way.
pub async fn pushed_voids_arrive_as_voids(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let written = Author::new(1).write(4).with_voids(&[Seq::new(1), Seq::new(3)]);
    peer.connect(harness).await.push(vec![written.run().clone()]).await;
    assert_same!(peer.log(SPACE).await.log().await, placed(1, [&written]));
}

/// What the limits allow passes, also if nothing can be compressed.
pub async fn the_largest_push_passes(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut ann = Author::new(1);
    let written: Vec<_> = (0..5).map(|seed| large_run(&mut ann, seed)).collect();
    let bytes: usize = written.iter().map(|verified| verified.run().as_bytes().len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX && bytes > PAGE_BYTES_MAX - 600_000, "{bytes}");
    peer.connect(harness).await.push(runs(&written)).await;
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}

/// More is refused, by the client or the server, and the connection continues.
pub async fn a_push_beyond_the_limit_of_bytes_is_too_large(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let mut ann = Author::new(1);
    let written: Vec<_> = (0..6).map(|seed| large_run(&mut ann, seed)).collect();
    assert_eq!(line.code(push(runs(&written))).await, Code::TooLarge);
    assert_eq!(line.heads(SPACE).await.head.position, Position::ZERO);
    line.push(runs(&written[..1])).await;
}

/// Small runs have a limit of their own, since each costs memory.
pub async fn a_push_of_too_many_runs_is_too_large(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let line = peer.connect(harness).await;
    let run = Author::new(1).write_events(&[vec![Event::new(NOTE, "")]]).run().clone();
    assert_eq!(line.code(push(vec![run.clone(); PAGE_RUNS_MAX + 1])).await, Code::TooLarge);
    assert_eq!(line.heads(SPACE).await.head.position, Position::ZERO);
    line.push(vec![run; 3]).await;
}

/// A chatty space is thousands of runs of one bundle.
pub async fn many_runs_pass_in_one_push(harness: &dyn TransportHarness) {
    let peer = Peer::new();
    let mut authors: Vec<_> = (1..=50).map(Author::new).collect();
    let written: Vec<_> = (0..3_000).map(|turn| authors[turn % 50].write(1)).collect();
    peer.connect(harness).await.push(runs(&written)).await;
    assert_same!(peer.log(SPACE).await.log().await, placed(1, &written));
}

/// Many devices push at once; each is answered for its own.
pub async fn concurrent_pushes_are_answered_each_for_its_own(harness: &dyn TransportHarness) {
    let peer = Arc::new(Peer::new());
    let line = peer.connect(harness).await;
    let pushes = (1..=24).map(|byte| {
        let (line, mut author) = (line.clone(), Author::new(byte));
        tokio::spawn(async move {
            for _ in 0..3 {
                let pushed = line.push(runs(&[author.write(2)])).await;
                assert_eq!(pushed.through, [(author.origin(), author.head().seq)]);
            }
        })
    });
    for push in futures_util::future::join_all(pushes).await {
        push.expect("the pushes end well");
    }
    assert_eq!(line.heads(SPACE).await.head.position, Position::new(24 * 6));
}
