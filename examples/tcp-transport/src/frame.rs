//! What goes over the wire: four bytes of length, big-endian, and so many bytes of one message in the engine's codec.

use std::io;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncline::format::codec;
use syncline::limits::FRAME_BYTES_MAX;
use syncline::protocol::{Answer, Code, Notice, Problem, Request};
use syncline::{Cursor, SpaceId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Bytes of a client's first frame, which is its token.
pub(crate) const TOKEN_BYTES_MAX: usize = 1024;
/// How long a side stays silent at most: it then sends an empty frame, which says that it lives.
pub(crate) const TICK: Duration = Duration::from_secs(15);
/// How long the other side may be silent before it counts as gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// What a client says of one of its calls. The number is the client's choice.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) call: u64,
    pub(crate) what: What,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum What {
    /// Answer this once.
    Answer(Request),
    /// Tell of this log until it is dropped.
    Watch(SpaceId, Cursor),
    /// Nobody waits for this call any more.
    Drop,
}

/// What a server says to one of the client's calls.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tell {
    pub(crate) call: u64,
    pub(crate) what: Result<Told, Problem>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Told {
    Answer(Answer),
    Notice(Notice),
}

/// Reads one message, of at most `max` bytes. Memory grows with the bytes that come, not with those that are announced.
pub(crate) async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin), max: usize) -> io::Result<T> {
    loop {
        let length = timeout(PATIENCE, from.read_u32()).await?? as usize;
        if length == 0 {
            continue;
        }
        if length > max {
            return Err(io::Error::other(format!("a frame of {length} bytes exceeds {max}")));
        }
        let mut frame = Vec::new();
        while frame.len() < length {
            let mut rest = (&mut *from).take((length - frame.len()) as u64);
            if timeout(PATIENCE, rest.read_buf(&mut frame)).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        return codec::decode("frame", &frame).map_err(io::Error::other);
    }
}

/// Writes frames as they come, until there are no more. One future writes them all, so that anyone who is dropped in the middle of
/// a call leaves no half frame behind.
pub(crate) async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut frames: impl Stream<Item = Vec<u8>> + Unpin,
) -> io::Result<()> {
    loop {
        let frame = match timeout(TICK, frames.next()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(_) => Vec::new(),
        };
        to.write_u32(frame.len() as u32).await?;
        to.write_all(&frame).await?;
    }
}

/// A message as the bytes of its frame.
///
/// # Errors
/// [`Code::TooLarge`] if they are more than a frame may have.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let frame = codec::encode(message);
    if frame.len() > FRAME_BYTES_MAX {
        let detail = format!("a message of {} bytes exceeds {FRAME_BYTES_MAX}; send it in several parts", frame.len());
        return Err(Problem::new(Code::TooLarge, detail));
    }
    Ok(frame)
}
