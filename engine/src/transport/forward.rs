//! For transports that wrap another one, and change only what is called.

use std::pin::Pin;

use futures_util::stream::BoxStream;

use super::TransportError;
use crate::protocol::Notice;

/// Notices of a peer's log, or why there are none, as `async_trait` writes it.
pub type Watching<'f> = Pin<
    Box<dyn Future<Output = Result<BoxStream<'static, Result<Notice, TransportError>>, TransportError>> + Send + 'f>,
>;

/// Writes [`Transport::watch`](crate::Transport::watch) so that it only calls the same method of the transport inside, which is a field.
///
/// ```
/// use async_trait::async_trait;
/// use syncline::protocol::{Answer, Code, Problem, Request};
/// use syncline::transport::forward_watch;
/// use syncline::{Transport, TransportError};
///
/// #[derive(Debug)]
/// struct ReadOnly<T>(T);
///
/// #[async_trait]
/// impl<T: Transport> Transport for ReadOnly<T> {
///     forward_watch!(self.0);
///
///     async fn call(&self, request: Request) -> Result<Answer, TransportError> {
///         match request {
///             Request::Push(..) => Err(Problem::new(Code::Forbidden { origins: Vec::new() }, "this way only reads").into()),
///             request => self.0.call(request).await,
///         }
///     }
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __forward_watch {
    ($me:ident.$inner:tt) => {
        fn watch<'s, 'a, 'f>(
            &'s $me,
            space: &'a $crate::SpaceId,
            after: $crate::Cursor,
        ) -> $crate::transport::forward::Watching<'f>
        where
            's: 'f,
            'a: 'f,
            Self: 'f,
        {
            Box::pin(async move { $me.$inner.watch(space, after).await })
        }
    };
}
