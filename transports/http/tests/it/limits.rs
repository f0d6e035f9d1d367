//! Bounds: on the wire, decompressed, in headers.

use bytes::Bytes;
use futures_util::stream;
use syncline::format::codec;
use syncline::format::run::VerifiedRun;
use syncline::limits::{FRAME_BYTES_MAX, PAGE_BYTES_MAX, PUSH_ORIGINS_MAX};
use syncline::protocol::{Code, Reply, Request};
use syncline::{Cursor, ReplicaId, Transport, TransportError};
use syncline_conformance::Author;
use syncline_conformance::peer::noise;

use crate::asking::{Raw, get, http, post, post_json, send};
use crate::people::ANN;
use crate::site::{Site, body, message, pull, push, pushed};

const MIB: usize = 1024 * 1024;

/// A zstd frame of 512 MiB in 16 KiB: blocks that repeat one byte. `announced`: the frame's header says how long it is.
fn bomb(announced: bool) -> Vec<u8> {
    const BLOCK: u32 = 128 * 1024;
    const BLOCKS: u32 = 4_096;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    frame.extend(if announced { [0xc0, 0x38] } else { [0x00, 0x38] });
    if announced {
        frame.extend((u64::from(BLOCK) * u64::from(BLOCKS)).to_le_bytes());
    }
    for block in 1..=BLOCKS {
        let header = BLOCK << 3 | 1 << 1 | u32::from(block == BLOCKS);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// The most memory that this process has ever had, in bytes if the system tells.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<usize>().ok()? * 1024)
}

/// Runs of one origin, ten bundles of noise that together make `bytes`.
fn large(author: &mut Author, bytes: usize) -> Vec<VerifiedRun> {
    let body = body(&noise(bytes / 10, 0));
    (0..10).map(|_| author.write_bodies(&[&body])).collect()
}

#[tokio::test]
async fn a_zip_bomb_is_too_large_and_costs_no_memory() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    for announced in [true, false] {
        let frame = bomb(announced);
        assert!(frame.len() < 17 * 1024);
        for request in [post(&site, "push", frame.clone()), post_json(&site, "pull", frame)] {
            send(request.header("content-encoding", "zstd")).await.problem(413, "too-large");
        }
    }
    // The tests next to this one hold some dozens of megabytes; the bomb alone would be 512.
    if let Some(peak) = peak_memory() {
        assert!(peak < 450 * MIB, "{peak} bytes at the peak");
    }
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_body_that_is_not_zstd_or_wants_a_large_window_is_malformed() {
    let site = Site::start().await;
    let large_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    let whole = zstd::encode_all(&[7; 1_000][..], 1).unwrap();
    for body in [&b""[..], b"nonsense", &large_window, &whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
        let request = post(&site, "push", body.to_vec()).header("content-encoding", "zstd");
        send(request).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_too_large_before_it_is_sent() {
    let site = Site::start().await;
    let mut raw = Raw::connect(site.address).await;
    let length = 2 * FRAME_BYTES_MAX + 1;
    raw.say(format!(
        "POST /v1/spaces/notes/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    let heard = raw.hear_to_the_end().await;
    assert!(heard.starts_with("HTTP/1.1 413") && heard.contains("urn:syncline:problem:too-large"), "{heard}");
}

#[tokio::test]
async fn a_body_too_large_by_one_byte_is_too_large_however_it_is_sent() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    let body = vec![0; FRAME_BYTES_MAX + 1];
    send(post(&site, "push", body.clone())).await.problem(413, "too-large");
    let pieces: Vec<_> =
        body.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    let chunked = reqwest::Body::wrap_stream(stream::iter(pieces));
    send(post(&site, "push", chunked)).await.problem(413, "too-large");
    let packed = zstd::encode_all(&body[..], 1).unwrap();
    send(post(&site, "push", packed).header("content-encoding", "zstd")).await.problem(413, "too-large");
    send(post(&site, "push", body[1..].to_vec())).await.problem(400, "malformed");
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_push_of_more_than_a_page_is_too_large() {
    let site = Site::start().await;
    let runs = large(&mut Author::new(1), PAGE_BYTES_MAX);
    send(post(&site, "push", codec::encode(&message(runs.clone())))).await.problem(413, "too-large");
    let refused = site.ann().call(push(runs)).await.unwrap_err();
    assert!(matches!(refused, TransportError::Refused(problem) if problem.code == Code::TooLarge));
    assert_eq!(site.head().await.position.get(), 0);
}

#[tokio::test]
async fn the_largest_pages_pass_in_both_forms() {
    let site = Site::start().await;
    let runs = large(&mut Author::new(1), PAGE_BYTES_MAX - 4096);
    pushed(site.ann().call(push(runs.clone())).await);
    let head = site.head().await;
    for (client, pages) in [(site.ann(), 1), (site.client(ANN).json().build().unwrap(), 10)] {
        let (mut next, mut seen, mut asked) = (Cursor::start(head.log), 0, 0);
        while next != head {
            let Request::Pull(space, mut ask) = pull(next) else { panic!("a pull") };
            ask.limit.bytes = u32::MAX;
            let answer = client.call(Request::Pull(space, ask)).await.unwrap();
            let Reply::Pull(page) = answer.reply else { panic!("a page") };
            seen += page.runs.iter().map(|run| run.count()).sum::<u64>();
            next = page.next;
            asked += 1;
        }
        assert_eq!((seen, asked), (10, pages));
    }
}

#[tokio::test]
async fn a_last_page_that_exceeds_a_message_by_its_heads_is_cut_smaller() {
    let site = Site::start().await;
    let client = site.ann();
    let origin = |number: u128| ReplicaId::from_bytes((number << 64).to_be_bytes()).unwrap();
    let runs: Vec<_> = (1..=24_000).map(|number| Author::with_origin(origin(number)).write(1)).collect();
    for part in runs.chunks(PUSH_ORIGINS_MAX) {
        pushed(client.call(push(part.to_vec())).await);
    }
    let before = site.head().await;
    pushed(client.call(push(large(&mut Author::new(1), PAGE_BYTES_MAX - 4096))).await);

    let Request::Pull(space, mut ask) = pull(before) else { panic!("a pull") };
    ask.limit.bytes = u32::MAX;
    let Reply::Pull(page) = client.call(Request::Pull(space, ask)).await.unwrap().reply else { panic!("a page") };
    assert!(!page.runs.is_empty() && page.next.position < page.head, "{:?} of {}", page.next, page.head);
}

#[tokio::test]
async fn headers_beyond_the_bounds_are_too_large() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    send(get(&site, "heads").header("x-large", "x".repeat(17 * 1024))).await.problem(431, "too-large");
    send(http().get(site.url(&format!("/v1?{}", "x".repeat(17 * 1024))))).await.problem(431, "too-large");
    let mut many = get(&site, "heads");
    for number in 0..70 {
        many = many.header(format!("x-{number}"), "x");
    }
    send(many).await.problem(431, "too-large");
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn headers_without_end_are_cut() {
    let site = Site::start().await;
    let mut raw = Raw::connect(site.address).await;
    raw.say("GET /v1 HTTP/1.1\r\n").await;
    raw.say_until_cut(format!("x: {}\r\n", "x".repeat(1_000)).as_bytes()).await;
}

#[tokio::test]
async fn headers_beyond_what_is_read_at_all_are_told_so() {
    let site = Site::start().await;
    let mut raw = Raw::connect(site.address).await;
    raw.try_say(format!("GET /v1 HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(65 * 1024))).await;
    let heard = raw.hear("\r\n\r\n").await + &raw.hear_to_the_end().await;
    assert!(heard.starts_with("HTTP/1.1 431") && heard.contains("urn:syncline:problem:too-large"), "{heard:?}");
}
