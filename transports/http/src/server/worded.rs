//! A socket that tells clients why hyper refuses them.
//!
//! A request whose head does not parse never reaches the router. hyper answers it with a bare status and closes the connection. Here
//! that answer gets a problem document, as every other answer has one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::StatusCode;
use syncline::protocol::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::problem::{self, PROBLEM_JSON};

/// How an answer ends that has no body.
const BARE: &str = "content-length: 0\r\n";

/// A socket that adds a document to answers without one.
#[derive(Debug)]
pub(super) struct Worded<S> {
    socket: S,
    /// What is still to be sent in place of a bare answer.
    rest: Bytes,
}

impl<S> Worded<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, rest: Bytes::new() }
    }
}

/// The whole answer, if these bytes are the bare one. The router's own refusals name the type of their document, and are left alone.
fn worded(bytes: &[u8]) -> Option<Bytes> {
    if !bytes.starts_with(b"HTTP/1.1 4") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok().filter(|head| !head.contains("content-type:"))?;
    let (before, after) = head.split_once(BARE)?;
    let status = StatusCode::from_bytes(head.get(9..12)?.as_bytes()).ok()?;
    let problem = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            Problem::new(Code::TooLarge, "the head of the request is too large: send fewer or shorter headers")
        }
        _ => Problem::new(
            Code::Malformed,
            "the head of the request is not one of HTTP/1.1: send method, path and headers",
        ),
    };
    let body = problem::to_json(&problem, status, "");
    let head = format!("{before}content-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\n{after}", body.len());
    Some([head.as_bytes(), &body].concat().into())
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let Some(answer) = worded(bytes) else { return Pin::new(&mut this.socket).poll_write(cx, bytes) };
            this.rest = answer;
        }
        while this.rest.has_remaining() {
            let written = ready!(Pin::new(&mut this.socket).poll_write(cx, &this.rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.rest.advance(written);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer is one part: it has no body.
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        match (filled.next(), filled.next()) {
            (Some(only), None) => self.poll_write(cx, only),
            _ => Pin::new(&mut self.socket).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const BARE_400: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    /// What a peer reads, over a way that takes a few bytes at a time.
    async fn heard(said: &'static [u8]) -> String {
        let (near, mut far) = duplex(7);
        let mut near = Worded::new(near);
        tokio::spawn(async move { near.write_all(said).await });
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn a_bare_refusal_gets_a_document_of_its_length() {
        let heard = heard(BARE_400).await;
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json")
        );
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.contains("urn:syncline:problem:malformed"), "{body}");
    }

    #[tokio::test]
    async fn all_other_answers_pass_as_they_are() {
        for said in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n",
            "",
        ] {
            assert_eq!(heard(said.as_bytes()).await, said);
        }
    }
}
