//! The process that writes, as seen from the one that watches.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{RigError, at};
use crate::message::Message;
use crate::work::Task;

/// How long opening and looking may take before the store counts as one that cannot be opened.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line, and when it came.
pub(super) type Line = (Instant, Message);

/// A process at work.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    lines: Receiver<Line>,
    seen: Vec<Line>,
}

impl Worker {
    /// Starts the program on a task. If it fails, it says why in `log`.
    pub(super) fn start(program: &Path, task: &Task, log: &Path) -> Result<Self, RigError> {
        let log_folder = log.parent().unwrap_or(Path::new("/"));
        let log = File::create(log).map_err(at(log.display().to_string()))?;
        let mut command = Command::new(program);
        command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // By this the script that started all this finds it, should it be left over.
        command.current_dir(log_folder);
        let mut child = command.spawn().map_err(at(program.display().to_string()))?;
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // A line that does not read is the last, cut short: the process died while it handed over a long one.
                let Ok(message) = line.parse() else { break };
                if send.send((Instant::now(), message)).is_err() {
                    break;
                }
            }
        });
        let text = serde_json::to_vec(task).expect("a task is plain data");
        // A process that does not take its task ends, which is seen below.
        let _ = child.stdin.take().expect("its input is a pipe").write_all(&text);
        Ok(Self { child, lines, seen: Vec::new() })
    }

    /// Kills it, unless it has ended by itself.
    pub(super) fn kill(&mut self) -> Result<(), RigError> {
        self.child.kill().map_err(at("the writing process"))
    }

    /// Waits for a message; false if the process ends without, or takes too long.
    pub(super) fn wait_for(&mut self, is_it: impl Fn(&Message) -> bool) -> bool {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    let found = is_it(&line.1);
                    self.seen.push(line);
                    if found {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits for its end, and gives all that it has said.
    pub(super) fn end(mut self) -> Result<Vec<Line>, RigError> {
        self.child.wait().map_err(at("the writing process"))?;
        self.seen.extend(self.lines.iter());
        Ok(std::mem::take(&mut self.seen))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // After its end neither does anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
