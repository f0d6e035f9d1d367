//! Being told to stop.

use std::io;

/// The signals that tell the server to stop: SIGINT and SIGTERM, or Ctrl-C if there are no such signals.
#[derive(Debug)]
pub(super) struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits until the process is told to stop, or told again.
    ///
    /// # Cancel
    /// Dropping the future stops waiting.
    pub(super) async fn told(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // It cannot be told, so it runs until it is killed, which loses nothing.
            std::future::pending::<()>().await;
        }
    }
}
