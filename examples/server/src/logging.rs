//! The server's own log, on standard error. Nothing in the server ever waits for anyone who reads it (law 16).

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

mod lossy;

use lossy::Lossy;

/// How long the end of the process waits for the last lines to be taken.
pub(crate) const LAST_LINES_TIME_MAX: Duration = Duration::from_secs(1);

/// The log, until this is dropped. The last lines then get a moment to go out.
#[derive(Debug)]
pub(crate) struct Logging(Lossy);

impl Logging {
    /// Begins to log. Panics go to the log, too: the hook that Rust brings along writes to standard error itself, and waits.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn begin(format: LogFormat, filter: EnvFilter) -> io::Result<Self> {
        let lines = Lossy::to(io::stderr())?;
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
        match format {
            LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
            LogFormat::Json => log.json().init(),
        }
        panic::set_hook(Box::new(note_panic));
        Ok(Self(lines))
    }

    /// Counts the lines that were lost so far.
    pub(crate) fn lost(&self) -> Counter {
        self.0.lost()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.settle(LAST_LINES_TIME_MAX);
    }
}

fn note_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(thread, %panic, %backtrace, "a thread panicked"),
        _ => tracing::error!(thread, %panic, "a thread panicked"),
    }
}
