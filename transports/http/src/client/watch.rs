//! Following a peer's log.

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt, unfold};
use http::StatusCode;
use http::header::ACCEPT;
use reqwest::Response;
use syncline::protocol::Notice;
use syncline::{Cursor, SpaceId, TransportError};
use tokio::time::timeout;

use super::Inner;
use super::call::{content_type, foreign_type, garbled, lost};
use super::retry::Failed;
use crate::form::Form;
use crate::frame::{Frame, FrameReader, StreamForm};

type Item = Result<Notice, TransportError>;

impl Inner {
    pub(super) async fn watch(
        self: Arc<Self>,
        space: &SpaceId,
        after: Cursor,
    ) -> Result<BoxStream<'static, Item>, TransportError> {
        let mut url = self.url(&format!("v1/spaces/{space}/watch"));
        url.query_pairs_mut()
            .append_pair("log", &after.log.to_string())
            .append_pair("position", &after.position.to_string());
        let form = match self.form {
            Form::Binary => StreamForm::Frames,
            Form::Json => StreamForm::Events,
        };
        let mut made = 0;
        let response = loop {
            made += 1;
            match self.begin_watch(url.clone(), form).await {
                Ok(response) => break response,
                Err(failed) => self.retry.again(made, failed).await?,
            }
        };
        let watching = Watching { inner: self, response, reader: FrameReader::new(form), ended: false };
        Ok(unfold(watching, |mut watching| async move { Some((watching.next().await?, watching)) }).boxed())
    }

    async fn begin_watch(&self, url: reqwest::Url, form: StreamForm) -> Result<Response, Failed> {
        self.counters.request(0);
        let request = self.http.get(url).header(ACCEPT, form.media_type());
        let Ok(sent) = timeout(self.watch_patience, request.send()).await else {
            return Err(TransportError::Interrupted("the watch was not answered".into()).into());
        };
        let response = sent.map_err(lost)?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        match content_type(response.headers()).and_then(StreamForm::of) {
            Some(found) if found == form => Ok(response),
            _ => Err(foreign_type(&response).into()),
        }
    }
}

/// One stream.
struct Watching {
    inner: Arc<Inner>,
    response: Response,
    reader: FrameReader,
    ended: bool,
}

impl Watching {
    /// The next notice, or the error that ends the stream, or its end.
    async fn next(&mut self) -> Option<Item> {
        if self.ended {
            return None;
        }
        let item = self.notice().await;
        self.ended = item.is_err();
        Some(item)
    }

    async fn notice(&mut self) -> Item {
        loop {
            match self.reader.next().map_err(garbled)? {
                Some(Frame::Notice(notice)) => return Ok(notice),
                Some(Frame::End(problem)) => return Err(problem.into()),
                Some(Frame::Tick) => continue,
                None => {}
            }
            let interrupted = |why: &str| Err(TransportError::Interrupted(why.into()));
            match timeout(self.inner.watch_patience, self.response.chunk()).await {
                Err(_) => return interrupted("the watch stream has fallen silent"),
                Ok(Err(error)) => return Err(lost(error)),
                Ok(Ok(None)) => return interrupted("the watch stream ended without saying why"),
                Ok(Ok(Some(piece))) => {
                    self.inner.counters.receive(piece.len());
                    self.reader.push(&piece);
                }
            }
        }
    }
}
