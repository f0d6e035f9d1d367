//! Lines that are written by a thread of their own. What comes faster than it is taken is lost, and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// Bytes of lines that may wait to be written. As many may be on their way.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// How long to wait before writing again to a pipe that is full and says so.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes whole lines and returns at once, whatever becomes of them.
#[derive(Debug, Clone)]
pub(super) struct Lossy(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines.
    text: Vec<u8>,
    /// Whether the thread is writing what it took before.
    is_writing: bool,
}

impl Lossy {
    /// Writes to `out` from now on, on a thread that ends with the process.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self(Arc::default());
        let shared = lines.0.clone();
        thread::Builder::new().name("syncline-log".into()).spawn(move || shared.write_to(out))?;
        Ok(lines)
    }

    /// Counts the lines that were lost so far.
    pub(super) fn lost(&self) -> Counter {
        self.0.lost.clone()
    }

    /// Waits until every line is written or lost, but not longer than this.
    pub(super) fn settle(&self, patience: Duration) {
        let busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.text.is_empty();
        // Nothing depends on whether it was in time.
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), patience, busy);
    }
}

/// One call is one line.
impl Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.text.len() + line.len() > WAITING_BYTES_MAX {
            self.0.lost.inc();
        } else {
            waiting.text.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        let (mut told, mut is_cut) = (0, false);
        loop {
            let text = self.take();
            // A line that broke off must not run into the next one.
            is_cut = is_cut && write_all(&mut out, b"\n") == 0;
            let (written, rest) = text.split_at(if is_cut { 0 } else { write_all(&mut out, &text) });
            is_cut = is_cut || written.last().is_some_and(|byte| *byte != b'\n');
            self.lost.inc_by(rest.iter().filter(|byte| **byte == b'\n').count() as u64);
            let lost = self.lost.get();
            if rest.is_empty() && lost > told {
                tracing::warn!(
                    lines = lost - told,
                    "log lines were lost here: they could not be written, or not in time"
                );
                told = lost;
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for lines, and takes all of them.
    fn take(&self) -> Vec<u8> {
        let waiting = self.changed.wait_while(self.lock(), |waiting| waiting.text.is_empty());
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.is_writing = true;
        std::mem::take(&mut waiting.text)
    }
}

/// Writes as much as can be written, and returns how many bytes that were.
fn write_all(out: &mut impl Write, text: &[u8]) -> usize {
    let mut written = 0;
    while written < text.len() {
        match out.write(&text[written..]) {
            Ok(0) => break,
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests;
