//! Reading a request's body: bounded in bytes and time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::Code;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Fault;
use super::negotiate;
use crate::compression::{Swollen, swell};
use crate::form::Form;
use crate::gather::{Gather, TooMany};

/// Bytes of body that each second must bring, on average and beside the patience of the options.
const BODY_BYTES_PER_SECOND: usize = 16 * 1024;
/// How long to go on reading a body that is not wanted any more.
const DRAIN: Duration = Duration::from_secs(1);
/// How soon to send again what came too slowly, in milliseconds.
const SLOW_RETRY_MS: u64 = 1_000;

/// Reads a body of this form, and decompresses it: at most so many bytes on the wire as the form allows decompressed.
pub(super) async fn read(body: &mut Body, headers: &HeaderMap, form: Form, patience: Duration) -> Result<Bytes, Fault> {
    let (compressed, max) = (negotiate::body_is_zstd(headers)?, form.bytes_max());
    let received = receive(body, max, patience).await?;
    if !compressed {
        return Ok(received);
    }
    match swell(&received, max) {
        Ok(bytes) => Ok(bytes.into()),
        Err(Swollen::TooLarge) => Err(too_large(max, "decompressed")),
        Err(Swollen::Malformed) => {
            let detail = "the body is not zstd, or cut off, or its window exceeds 16 MiB; compress it again";
            Err(Fault::new(Code::Malformed, detail))
        }
    }
}

async fn receive(body: &mut Body, max: usize, patience: Duration) -> Result<Bytes, Fault> {
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > max as u64) {
        return Err(too_large(max, "announced"));
    }
    let begun = Instant::now() + patience;
    let mut gather = Gather::new(max, announced);
    loop {
        let deadline = begun + Duration::from_secs(1) * (gather.len() / BODY_BYTES_PER_SECOND) as u32;
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(too_slow(patience)),
            Ok(None) => return Ok(gather.finish()),
            Ok(Some(Err(_))) => return Err(Fault::new(Code::Malformed, "the body was cut off; send it again")),
            Ok(Some(Ok(frame))) => {
                let Ok(piece) = frame.into_data() else { continue };
                gather.push(piece).map_err(|TooMany| too_large(max, "sent"))?;
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
    let detail = format!(
        "the body did not come within {} s plus a second for each {BODY_BYTES_PER_SECOND} bytes; send it again",
        patience.as_secs_f64()
    );
    Fault::new(Code::Busy { retry_after_ms: SLOW_RETRY_MS }, detail).with_status(StatusCode::REQUEST_TIMEOUT)
}
