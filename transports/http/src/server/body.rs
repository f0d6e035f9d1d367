//! Reading a request's body: bounded in bytes and time, and counted against its sender's share of the memory.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use syncline::authority::Name;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::Code;
use tokio::time::{Instant, timeout};

use super::App;
use super::fault::Fault;
use super::floor::Floor;
use super::negotiate;
use super::share::Share;
use crate::compression::{DecompressError, decompress_if};
use crate::form::Form;
use crate::gather::{Gather, TooMany};

/// How long to continue reading a body that is not wanted any more.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a request waits for memory at most. It holds none in the meantime.
const MEMORY_PATIENCE: Duration = Duration::from_secs(10);
/// How soon to send again what came too slowly, or found no memory, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// A body, decompressed. Its bytes are counted until it is dropped.
pub(super) struct Read {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// Reads a body of this form, and decompresses it: at most so many bytes on the wire as the form allows decompressed.
pub(super) async fn read(
    app: &App,
    user: &Name,
    body: &mut Body,
    headers: &HeaderMap,
    form: Form,
) -> Result<Read, Fault> {
    let (compressed, max) = (negotiate::body_is_zstd(headers)?, form.bytes_max());
    let (received, mut share) = receive(app, user, body, max).await?;
    if !compressed {
        return Ok(Read { bytes: received, share });
    }
    let mut effort = app.efforts.of(user, received.len());
    let mut refusal = None;
    let decompressed = decompress_if(&received, max, |more| {
        refusal = match effort.count(more) {
            Err(wait) => Some(too_dear(wait)),
            Ok(()) if !share.grow(more) => Some(no_memory()),
            Ok(()) => None,
        };
        refusal.is_none()
    });
    match (decompressed, refusal) {
        (Ok(bytes), _) => Ok(Read { bytes: bytes.into(), share }),
        (Err(DecompressError::TooLarge), _) => Err(too_large(max, "decompressed")),
        (Err(DecompressError::NotAllowed), Some(refusal)) => Err(refusal),
        (Err(DecompressError::Malformed | DecompressError::NotAllowed), _) => {
            let detail = "the body is not zstd, or cut off, or its window exceeds 16 MiB; compress it again";
            Err(Fault::new(Code::Malformed, detail))
        }
    }
}

/// Waits for so many bytes of memory.
pub(super) async fn memory(app: &App, user: &Name, bytes: usize) -> Result<Share, Fault> {
    let patience = MEMORY_PATIENCE.min(app.options.body_patience);
    app.memory.wait(user, bytes, patience).await.ok_or_else(no_memory)
}

async fn receive(app: &App, user: &Name, body: &mut Body, max: usize) -> Result<(Bytes, Share), Fault> {
    let patience = app.options.body_patience;
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > max as u64) {
        return Err(too_large(max, "announced"));
    }
    // What is announced has its place before the first byte is read, so that nobody is refused half-way.
    let mut room = announced.map_or(0, |bytes| bytes as usize);
    let mut share = memory(app, user, room).await?;
    let mut floor = Floor::new(patience);
    let mut gather = Gather::new(max, announced);
    loop {
        let asked = Instant::now();
        match timeout(floor.left(), body.frame()).await {
            Err(_) => return Err(too_slow(patience)),
            Ok(None) => return Ok((gather.finish(), share)),
            Ok(Some(Err(_))) => return Err(Fault::new(Code::Malformed, "the body was cut off; send it again")),
            Ok(Some(Ok(frame))) => {
                let Ok(piece) = frame.into_data() else { continue };
                floor.moved(asked.elapsed(), piece.len());
                gather.push(piece).map_err(|TooMany| too_large(max, "sent"))?;
                let more = gather.len().saturating_sub(room);
                if !share.grow(more) {
                    return Err(no_memory());
                }
                room += more;
            }
        }
    }
}

/// Takes in what is left of a refused body. A sender that is still writing would else find the connection reset, and never
/// read why. One that waits for leave to send is answered at once, and one that is too slow is not waited for.
pub(super) async fn drain(body: &mut Body, headers: &HeaderMap, fault: &Fault) {
    if headers.contains_key(EXPECT) || fault.status() == StatusCode::REQUEST_TIMEOUT {
        return;
    }
    let rest = async {
        let mut left = FRAME_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whether it came to its end does not matter.
    let _ = timeout(DRAIN, rest).await;
}

fn too_large(max: usize, how: &str) -> Fault {
    Fault::new(Code::TooLarge, format!("the body exceeds {max} bytes {how}; push in several parts"))
}

fn too_slow(patience: Duration) -> Fault {
    let detail =
        format!("the body came at less than 16 KiB/s for {} s, or stood still; send it again", patience.as_secs_f64());
    Fault::new(Code::Busy { retry_after_ms: RETRY_MS }, detail).with_status(StatusCode::REQUEST_TIMEOUT)
}

/// The memory for messages is taken, or the sender has as much of it as is left.
pub(super) fn no_memory() -> Fault {
    let detail =
        "the memory for messages is in use, much of it for your own; send and read fewer at once, and try again";
    Fault::new(Code::Busy { retry_after_ms: RETRY_MS }, detail)
}

fn too_dear(wait: Duration) -> Fault {
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let detail =
        "your bodies unpack to many times their size, more than is done for one user at once; send it again later";
    Fault::new(Code::Busy { retry_after_ms }, detail).with_status(StatusCode::TOO_MANY_REQUESTS)
}
