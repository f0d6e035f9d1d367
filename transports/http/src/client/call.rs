//! One request and its answer.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use reqwest::{Response, Url};
use syncline::TransportError;
use syncline::protocol::{Answer, AskSnapshot, Code, Problem, Reply, Request, Supply};
use thiserror::Error;

use super::retry::Failed;
use super::{Inner, wait};
use crate::compression::{ZSTD, compress, decompress};
use crate::form::Form;
use crate::gather::{Gather, TooMany};
use crate::problem::{self, PROBLEM_JSON};

/// A request, ready to be sent as often as it takes.
struct Outgoing {
    url: Url,
    /// Bytes, and whether they are compressed.
    body: Option<(Bytes, bool)>,
}

impl Inner {
    pub(super) async fn call(&self, request: &Request) -> Result<Answer, TransportError> {
        let outgoing = self.outgoing(request)?;
        let mut made = 0;
        loop {
            made += 1;
            match self.attempt(&outgoing).await {
                Ok(answer) if fits(request, &answer.reply) => return Ok(answer),
                Ok(_) => return Err(garbled("it answers another request")),
                Err(failed) => self.retry.again(made, failed).await?,
            }
        }
    }

    /// The address of a route, and a query if there is one.
    pub(super) fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("routes are plain paths and queries")
    }

    fn outgoing(&self, request: &Request) -> Result<Outgoing, TransportError> {
        let (path, body) = match request {
            Request::Hello => ("v1".to_owned(), None),
            Request::Heads(space) => (format!("v1/spaces/{space}/heads"), None),
            Request::HeadsAfter(space, origin) => (format!("v1/spaces/{space}/heads?after={origin}"), None),
            Request::Pull(space, pull) => (format!("v1/spaces/{space}/pull"), Some(self.form.encode(pull))),
            Request::Compare(space, ask) => (format!("v1/spaces/{space}/compare"), Some(self.form.encode(ask))),
            Request::Push(space, own, push) => {
                let own = own.map(|own| format!("?own={own}")).unwrap_or_default();
                (format!("v1/spaces/{space}/push{own}"), Some(self.form.encode(push)))
            }
            Request::Snapshot(space, AskSnapshot::List) => (format!("v1/spaces/{space}/snapshots"), None),
            Request::Snapshot(space, AskSnapshot::Manifest(id)) => (format!("v1/spaces/{space}/snapshots/{id}"), None),
            Request::Snapshot(space, AskSnapshot::Chunk(hash)) => (format!("v1/spaces/{space}/chunks/{hash}"), None),
            Request::Supply(space, Supply::Manifest(piece)) => {
                (format!("v1/spaces/{space}/snapshots"), Some(self.form.encode(piece)))
            }
            Request::Supply(space, Supply::Chunk(id, index, piece)) => {
                (format!("v1/spaces/{space}/snapshots/{id}/chunks/{index}"), Some(self.form.encode(piece)))
            }
        };
        let max = self.form.bytes_max();
        if let Some(size) = body.as_ref().map(Vec::len).filter(|size| *size > max) {
            let detail = format!("a message of {size} bytes exceeds {max}; push in several parts");
            return Err(Problem::new(Code::TooLarge, detail).into());
        }
        let body = body.map(|body| match (request, self.form) {
            // Pieces of snapshots are packed already.
            (Request::Supply(..), Form::Binary) => (body.into(), false),
            _ => compress(body),
        });
        Ok(Outgoing { url: self.url(&path), body })
    }

    async fn attempt(&self, outgoing: &Outgoing) -> Result<Answer, Failed> {
        let media_type = self.form.media_type();
        let request = match &outgoing.body {
            None => self.http.get(outgoing.url.clone()),
            Some((body, compressed)) => {
                let request = self.http.post(outgoing.url.clone()).header(CONTENT_TYPE, media_type).body(body.clone());
                if *compressed { request.header(CONTENT_ENCODING, ZSTD) } else { request }
            }
        };
        self.counters.request(outgoing.body.as_ref().map_or(0, |(body, _)| body.len()));
        let response = request.header(ACCEPT, media_type).timeout(self.request_timeout).send().await.map_err(lost)?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let form = content_type(response.headers()).and_then(Form::of);
        let form = form.ok_or_else(|| foreign_type(&response))?;
        let body = self.receive(response).await?;
        Ok(form.decode("answer", &body).map_err(garbled)?)
    }

    /// Why a response is not the one hoped for. Only a problem document of this protocol is the peer's own word; everything else
    /// was answered by somebody on the way.
    pub(super) async fn refusal(&self, response: Response) -> Failed {
        let status = response.status();
        let wait = wait::asked(response.headers());
        let id = response.headers().get("x-request-id");
        tracing::debug!(status = status.as_u16(), id = ?id, "the request was refused");
        let is_problem = content_type(response.headers()).is_some_and(|name| name.eq_ignore_ascii_case(PROBLEM_JSON));
        if is_problem {
            match self.receive(response).await.map(|body| problem::from_json(&body)) {
                Ok(Some(problem)) => return TransportError::Refused(wait::at_least(wait, problem)).into(),
                Ok(None) => {}
                Err(error) => return error.into(),
            }
        }
        let gateway = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        let what = if is_problem { "a problem that is none of this protocol's" } else { "no problem document" };
        let error = foreign(format!("status {status} with {what}"), wait);
        Failed { error, wait, is_brief: gateway.contains(&status) }
    }

    /// An answer's body, bounded on the wire and decompressed.
    async fn receive(&self, mut response: Response) -> Result<Bytes, TransportError> {
        let compressed = match response.headers().get(CONTENT_ENCODING).map(|coding| coding.as_bytes()) {
            None => false,
            Some(coding) if coding.eq_ignore_ascii_case(ZSTD.as_bytes()) => true,
            Some(_) => return Err(garbled("its Content-Encoding was not asked for")),
        };
        let max = self.form.bytes_max();
        let mut gather = Gather::new(max, response.content_length());
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            self.counters.receive(piece.len());
            gather.push(piece).map_err(|TooMany| garbled(format!("it exceeds {max} bytes")))?;
        }
        let body = gather.finish();
        if !compressed {
            return Ok(body);
        }
        let decompressed = decompress(&body, max);
        decompressed.map(Bytes::from).map_err(|why| garbled(format!("it does not decompress: {why:?}")))
    }
}

/// A request or an answer that was lost on its way. Says all that is known about why: the causes too.
#[derive(Debug, Error)]
#[error("{text}")]
struct Lost {
    text: String,
    source: reqwest::Error,
}

/// What no server can have seen is unreachable; everything else may have arrived.
pub(super) fn lost(error: reqwest::Error) -> TransportError {
    // The address is known to the caller, and may be long.
    let source = error.without_url();
    let unreachable = source.is_connect() || source.is_builder();
    let mut text = source.to_string();
    let mut cause = source.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let lost = Box::new(Lost { text, source });
    if unreachable { TransportError::Unreachable(lost) } else { TransportError::Interrupted(lost) }
}

fn foreign(what: String, retry_after: Option<Duration>) -> TransportError {
    TransportError::Foreign { source: what.into(), retry_after }
}

/// A good answer of a type that this protocol does not have, as a captive portal's page.
pub(super) fn foreign_type(response: &Response) -> TransportError {
    let named = content_type(response.headers()).unwrap_or("no type");
    foreign(format!("status {} with {named}", response.status()), wait::asked(response.headers()))
}

pub(super) fn garbled(why: impl Into<String>) -> TransportError {
    TransportError::Garbled(why.into().into())
}

/// A response's media type, without parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

fn fits(request: &Request, reply: &Reply) -> bool {
    matches!(
        (request, reply),
        (Request::Hello, Reply::Hello(_))
            | (Request::Heads(_) | Request::HeadsAfter(..), Reply::Heads(_))
            | (Request::Compare(..), Reply::Compare(_))
            | (Request::Pull(..), Reply::Pull(_) | Reply::Tail(_))
            | (Request::Push(..), Reply::Push(_))
            | (Request::Snapshot(_, AskSnapshot::List), Reply::Snapshots(_))
            | (Request::Snapshot(_, AskSnapshot::Manifest(_) | AskSnapshot::Chunk(_)), Reply::Piece(_))
            | (Request::Supply(..), Reply::Wanted(_))
    )
}
