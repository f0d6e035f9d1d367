//! The way from a device to the server, with a switch on it.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde::Deserialize;
use syncline::protocol::{Answer, Notice, Request};
use syncline::{Cursor, SpaceId, Transport, TransportError};
use thiserror::Error;
use tokio::sync::watch;

use crate::message::{Came, What};
use crate::messages::Messages;

/// How long a slow link holds a message back.
const SLOW: Duration = Duration::from_secs(1);

/// What a link lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Passage {
    /// Everything, at once.
    Whole,
    /// Everything, a second late.
    Slow,
    /// Nothing.
    Cut,
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Slow => "slow",
            Self::Cut => "cut",
        })
    }
}

/// The link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the link is cut")]
struct LinkIsCut;

type Notices = BoxStream<'static, Result<Notice, TransportError>>;

/// A transport that can be cut and healed, and that tells of each message. Everything else is as the transport below it does it.
/// Clones are one link.
#[derive(Debug, Clone)]
pub struct Link {
    below: Arc<dyn Transport>,
    passage: watch::Sender<Passage>,
    messages: Messages,
}

impl Link {
    /// A whole link over this transport.
    pub fn over(below: Arc<dyn Transport>, messages: Messages) -> Self {
        Self { below, passage: watch::Sender::new(Passage::Whole), messages }
    }

    /// What it lets through.
    pub fn passage(&self) -> Passage {
        *self.passage.borrow()
    }

    /// Sets what it lets through. A cut breaks what is on its way.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
        self.messages.change();
    }

    /// What has passed.
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Returns when the link is cut.
    fn is_cut(&self) -> BoxFuture<'static, ()> {
        let mut passage = self.passage.subscribe();
        Box::pin(async move {
            // A link that is gone passes nothing either.
            let _ = passage.wait_for(|passage| *passage == Passage::Cut).await;
        })
    }

    /// Returns once a message has got to the other end.
    async fn travel(&self) {
        if self.passage() == Passage::Slow {
            tokio::time::sleep(SLOW).await;
        }
    }

    /// Carries a message, unless the link is cut before the answer is here.
    async fn carry<T>(&self, carried: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        if self.passage() == Passage::Cut {
            return Err(TransportError::Unreachable(LinkIsCut.into()));
        }
        let carried = pin!(async {
            self.travel().await;
            carried.await
        });
        match select(self.is_cut(), carried).await {
            Either::Left(_) => Err(TransportError::Interrupted(LinkIsCut.into())),
            Either::Right((answer, _)) => answer,
        }
    }
}

#[async_trait]
impl Transport for Link {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        let message = self.messages.begin(What::of(&request));
        let answer = self.carry(self.below.call(request)).await;
        message.end(answer.as_ref().map_or_else(Came::failed, Came::of));
        answer
    }

    async fn watch(&self, space: &SpaceId, after: Cursor) -> Result<Notices, TransportError> {
        let message = self.messages.begin(What::Watch);
        let notices = self.carry(self.below.watch(space, after)).await;
        message.end(notices.as_ref().map_or_else(Came::failed, |_| Came::Answer));
        let following = Following { link: self.clone(), notices: notices?, cut: self.is_cut() };
        Ok(stream::unfold(Some(following), Following::next).boxed())
    }
}

/// A watch that has been opened.
struct Following {
    link: Link,
    notices: Notices,
    cut: BoxFuture<'static, ()>,
}

impl Following {
    /// The next notice. None follows an error.
    async fn next(this: Option<Self>) -> Option<(Result<Notice, TransportError>, Option<Self>)> {
        let mut this = this?;
        let notice = this.told().await?;
        match &notice {
            Ok(notice) => this.link.messages.tell(What::told(notice)),
            Err(error) => this.link.messages.begin(What::Watch).end(Came::failed(error)),
        }
        let goes_on = notice.is_ok().then_some(this);
        Some((notice, goes_on))
    }

    /// What the server tells next, or why it tells nothing more.
    async fn told(&mut self) -> Option<Result<Notice, TransportError>> {
        let (link, notices) = (&self.link, &mut self.notices);
        let next = pin!(async {
            let notice = notices.next().await;
            link.travel().await;
            notice
        });
        match select(&mut self.cut, next).await {
            Either::Left(_) => Some(Err(TransportError::Interrupted(LinkIsCut.into()))),
            Either::Right((notice, _)) => notice,
        }
    }
}
