//! Telling a server to come to its end.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells a [`Server`](super::Server) to end. All clones do the same.
///
/// The server puts it into the extensions of every request, so that long answers end in time. An application that serves the
/// router by other means does the same, or its watch streams end with their connections only.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// One that has not begun.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Begins the end; there is no way back.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether the end has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the end begins.
    ///
    /// # Cancel
    /// Dropping the future stops waiting.
    pub async fn begun(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}
