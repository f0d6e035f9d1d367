//! What the tests run: the program in a directory of its own, and replicas that sync with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use syncline::replica::Compose;
use syncline::{Event, EventStore, EventType, LogId, MemoryStore, NTP64, Replica, ReplicaId, SpaceId};
use syncline_http::HttpTransport;
use tempfile::TempDir;

/// A directory with a database in it, or not yet.
pub(crate) struct Home {
    dir: TempDir,
}

/// A command that has come to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("syncline.sqlite")
    }

    /// The program, started in the directory, with nothing of this process's own settings.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline-server"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCLINE_")) {
            command.env_remove(name);
        }
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command line to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        ran(self.command(line.split_whitespace()))
    }

    /// Runs a command line that must succeed, and answers its standard output.
    pub(crate) fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        ran.out
    }

    /// Runs a command line that must fail with one line, and answers that line.
    pub(crate) fn fails(&self, code: i32, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        ran.one_line()
    }

    /// Runs a command line that must fail after it has said something, and answers the line that says why.
    pub(crate) fn fails_with_output(&self, code: i32, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        Ran { out: String::new(), ..ran }.one_line()
    }

    /// Creates user ann, device laptop and space notes, and answers the device's token.
    pub(crate) fn set_up(&self) -> String {
        self.ok("setup --user ann --device laptop --space notes").trim().to_owned()
    }

    /// Serves on a free port until it is stopped or dropped.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_as(self.command(["serve", "--listen", "127.0.0.1:0"]))
    }

    /// The same, with the logs in this store.
    pub(crate) fn serve_on(&self, store: &str) -> Serving {
        self.serve_as(self.command(["serve", "--listen", "127.0.0.1:0", "--store", store]))
    }

    /// Serves by this command, which must take port 0.
    pub(crate) fn serve_as(&self, command: Command) -> Serving {
        let log = File::create(self.path("server.log")).unwrap();
        self.serve_to(log, command)
    }

    /// The same, with the log going there.
    pub(crate) fn serve_to(&self, log: impl Into<Stdio>, mut command: Command) -> Serving {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").and_then(|line| line.split(',').next());
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let log = std::fs::read_to_string(self.path("server.log"));
            panic!("the server is not ready: {line:?} {log:?}");
        };
        Serving { child, address, line, out: Some(out) }
    }

    /// What the server has logged so far.
    pub(crate) fn server_log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap()
    }
}

/// Runs a command to its end.
pub(crate) fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// What a failed command says: one line, and nothing on standard output.
    pub(crate) fn one_line(&self) -> String {
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.matches('\n').count(), 1, "one line: {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err.trim().to_owned()
    }
}

/// A running server.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The line that said it was ready.
    pub(crate) line: String,
    /// `None` if the test has its output.
    out: Option<BufReader<ChildStdout>>,
}

impl Serving {
    /// Serves by this command, which says where its output goes, and writes this file when it is ready.
    pub(crate) fn unheard(mut command: Command, port: &Path) -> Self {
        let mut child = command.spawn().unwrap();
        let port = loop {
            match std::fs::read_to_string(port) {
                Ok(text) => break text.trim().parse().unwrap(),
                Err(_) => assert!(child.try_wait().unwrap().is_none(), "the server has ended"),
            }
            std::thread::yield_now();
        };
        Self { child, address: ([127, 0, 0, 1], port).into(), line: String::new(), out: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The way to the server with this token.
    pub(crate) fn transport(&self, token: &str) -> HttpTransport {
        HttpTransport::builder(&self.url(), token).build().unwrap()
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the server has ended, and checks that it has said nothing after its first line.
    pub(crate) fn ended(mut self) -> ExitStatus {
        if let Some(out) = &mut self.out {
            let mut rest = String::new();
            out.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "");
        }
        self.child.wait().unwrap()
    }

    /// Stops the server as a supervisor would.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.ended().code(), Some(0));
    }

    /// Kills the server as the system would.
    pub(crate) fn kill(self) {
        self.signal("KILL");
        assert_eq!(self.ended().code(), None);
    }

    /// Sends these bytes, and answers all that comes back.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks for a path without a token, and answers status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let answer = self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn notes() -> SpaceId {
    SpaceId::new("notes").unwrap()
}

/// A replica of the space `notes`, in memory.
pub(crate) async fn replica(byte: u8) -> Replica {
    let store = Arc::new(MemoryStore::new(LogId::from_bytes([byte; 16]).unwrap()));
    compose(store).open(ReplicaId::from_bytes([byte; 16]).unwrap()).await.unwrap()
}

/// A replica of the space `notes` on this store, by the machine's clock.
pub(crate) fn compose(store: Arc<dyn EventStore>) -> Compose {
    let clock = || NTP64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    Replica::compose(notes(), store).clock(clock)
}

/// An event with a JSON text in it.
pub(crate) fn note(text: &str) -> Event {
    Event::new(EventType::new("note.taken", 1), format!("{{\"text\":\"{text}\"}}"))
}

/// Writes these notes, a bundle each, and syncs.
pub(crate) async fn push(serving: &Serving, token: &str, byte: u8, notes: &[&str]) -> Replica {
    let replica = replica(byte).await;
    for text in notes {
        replica.write(&[note(text)]).await.unwrap();
    }
    let report = replica.sync(&serving.transport(token)).await.unwrap();
    assert!(report.is_complete() && report.pushed == notes.len() as u64, "{report:?}");
    replica
}
