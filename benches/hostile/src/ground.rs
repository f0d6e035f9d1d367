//! A folder with a server process in it, and accounts: one user who is honest, one who is not.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use syncline_http::HttpTransport;
use syncline_postgres_testing::Server as Database;
use tempfile::TempDir;

use crate::{Failure, Store};

/// The honest user's space.
pub(crate) const HOME: &str = "home";
/// The hostile user's space.
pub(crate) const ATTIC: &str = "attic";

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all scenarios of one store share.
pub(crate) struct Ground {
    program: PathBuf,
    pub(crate) store: Store,
    database: Option<Database>,
    games: AtomicU64,
}

impl Ground {
    pub(crate) fn prepare(program: PathBuf, store: Store) -> Result<Self, Failure> {
        let database = (store == Store::Postgres).then(Database::start);
        Ok(Self { program, store, database, games: AtomicU64::new(0) })
    }

    /// The database server, if the store has one.
    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// A new folder, a new log, a running server. `err` is where the server logs to.
    pub(crate) fn start(&self, err: impl FnOnce(&Path) -> Result<Stdio, Failure>) -> Result<Game, Failure> {
        let folder = TempDir::new()?;
        let number = self.games.fetch_add(1, Ordering::Relaxed);
        let mut arguments = vec!["--database".to_owned(), folder.path().join("hostile.sqlite").display().to_string()];
        if let Some(database) = &self.database {
            let mark = if database.url().contains('?') { '&' } else { '?' };
            arguments.extend(["--store".to_owned(), format!("{}{mark}schema=hostile_{number}", database.url())]);
        }
        let mut game =
            Game { program: self.program.clone(), arguments, folder, server: None, tokens: Default::default() };
        game.tokens.honest = game.run(&["setup", "--user", "ben", "--device", "phone", "--space", HOME])?;
        game.tokens.hostile = game.run(&["setup", "--user", "mallory", "--device", "laptop", "--space", ATTIC])?;
        let err = err(game.folder.path())?;
        game.serve(err)?;
        Ok(game)
    }
}

/// A server's log as a file.
pub(crate) fn log_file(folder: &Path) -> Result<Stdio, Failure> {
    Ok(File::create(folder.join("server.log"))?.into())
}

#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) honest: String,
    pub(crate) hostile: String,
}

/// A running server.
pub(crate) struct Game {
    program: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
    server: Option<(Child, SocketAddr)>,
    pub(crate) tokens: Tokens,
}

impl Game {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCLINE_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).args(&self.arguments).stdin(Stdio::null());
        command
    }

    /// Runs an administrative command to its end, and gives what it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.command().args(arguments).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?.trim().to_owned()),
            false => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    fn serve(&mut self, err: Stdio) -> Result<(), Failure> {
        let port = self.folder.path().join("port");
        let _ = fs::remove_file(&port);
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--port-file", "port"]).stdout(Stdio::null()).stderr(err);
        let mut child = command.spawn()?;
        let started = Instant::now();
        loop {
            if let Some(port) = fs::read_to_string(&port).ok().and_then(|text| text.trim().parse().ok()) {
                self.server = Some((child, SocketAddr::from(([127, 0, 0, 1], port))));
                return Ok(());
            }
            if child.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let _ = child.kill();
                let log = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
                return Err(format!("the server does not start: {log}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("it runs until it is stopped").1
    }

    /// The way to the server with this token, which tries once.
    pub(crate) fn transport(&self, token: &str) -> Result<HttpTransport, Failure> {
        let url = format!("http://{}", self.address());
        Ok(HttpTransport::builder(&url, token).attempts(1).request_timeout(PATIENCE).build()?)
    }

    /// Bytes of memory that the server takes now.
    pub(crate) fn memory(&self) -> u64 {
        let id = self.server.as_ref().map_or(0, |(child, _)| child.id());
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).map_or(0, |kib: u64| kib * 1024)
    }

    /// Stops the server, and starts it again.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        self.stop()?;
        self.serve(log_file(self.folder.path())?)
    }

    /// Tells the server to stop, and how long it took; `None` if it had to be killed.
    pub(crate) fn stop(&mut self) -> Result<Option<Duration>, Failure> {
        let Some((mut child, _)) = self.server.take() else { return Ok(None) };
        let asked = Instant::now();
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        while asked.elapsed() < PATIENCE {
            if child.try_wait()?.is_some() {
                return Ok(Some(asked.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill()?;
        child.wait()?;
        Ok(None)
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.server {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
