//! A server that is killed.

use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{ServerError, at};

/// How long processes may take to stop, and to be gone once they are killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server: the process that starts all others. Killed when dropped.
#[derive(Debug)]
pub struct Postmaster(Child);

impl Postmaster {
    pub(crate) fn new(process: Child) -> Self {
        Self(process)
    }

    /// Kills the server as `kill -9` does, all of its processes, and waits until they are gone. A server that has ended already stays as
    /// it is. Needs the `/proc` of Linux, which lists the processes.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the system does not do it, or the processes are still there after five seconds.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.kill_all().map_err(at("the processes of the Postgres server"))
    }

    fn kill_all(&mut self) -> io::Result<()> {
        if self.0.try_wait()?.is_some() {
            return Ok(());
        }
        let server = Pid::from_child(&self.0);
        // While it stands still it starts no process, and no number of one that ends is given to another. One that waits for a disk for
        // ever is killed all the same.
        kill_process(server, Signal::STOP)?;
        drop(wait_until(|| matches!(state(server), None | Some('T' | 'Z'))));
        let children = children(server)?;
        for child in &children {
            // One that has just ended is what it shall be.
            let _ = kill_process(*child, Signal::KILL);
        }
        self.0.kill()?;
        self.0.wait()?;
        wait_until(|| children.iter().all(|child| matches!(state(*child), None | Some('Z' | 'X'))))
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        drop(self.kill()); // whoever made the cluster's folder looks after what is left
    }
}

/// The processes that a process has started. Those of a server are leaders of groups of their own, so no signal reaches them together.
fn children(process: Pid) -> io::Result<Vec<Pid>> {
    let number = process.as_raw_nonzero();
    let list = fs::read_to_string(format!("/proc/{number}/task/{number}/children"))?;
    Ok(list.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect())
}

/// The letter that the system has for the state of a process; none if there is no such process.
fn state(process: Pid) -> Option<char> {
    let file = Path::new("/proc").join(process.as_raw_nonzero().to_string()).join("stat");
    let stat = fs::read_to_string(file).ok()?;
    // The name in brackets may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

fn wait_until(is_so: impl Fn() -> bool) -> io::Result<()> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
