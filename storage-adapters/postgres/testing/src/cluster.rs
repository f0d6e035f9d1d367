//! A cluster: the files of a server, and the programs that work on them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{ServerError, at};
use crate::keeper::{as_user, directory};
use crate::postmaster::Postmaster;
use crate::programs;
use crate::user::{self, User};

/// The files of a server in one folder: its data, its log, and its socket while it runs.
///
/// Whoever makes a cluster stops its server and deletes the folder. A [`Server`](crate::Server) does both by itself.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    user: Option<User>,
    folder: PathBuf,
}

impl Cluster {
    /// Makes a cluster in an empty folder, with more options for `initdb` and more lines for its configuration. The folder belongs to
    /// the server's user from then on. The server listens on a socket in this folder only.
    ///
    /// # Errors
    /// [`ServerError::Missing`] without a Postgres or a user for it, [`ServerError::Program`] if `initdb` fails, and
    /// [`ServerError::Io`] if the folder cannot be written to.
    pub fn create(folder: &Path, initdb: &[&str], settings: &str) -> Result<Self, ServerError> {
        let (programs, user) = (programs::find_or_install()?, user::substitute()?);
        let cluster = Self { programs, user, folder: folder.to_owned() };
        if let Some(User { uid, gid }) = user {
            chown(folder, Some(uid), Some(gid)).map_err(at(folder.display().to_string()))?;
        }
        let [program, arguments @ ..] = &cluster.initdb()[..] else { unreachable!("a command has a program") };
        let mut command = as_user(Command::new(program), user, folder);
        run(command.args(arguments).args(initdb))?;
        let file = cluster.data().join("postgresql.conf");
        let text = format!("{}\n{settings}\n", cluster.settings());
        let written = OpenOptions::new().append(true).open(&file).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(at(file.display().to_string()))?;
        Ok(cluster)
    }

    /// A cluster that is yet to be made, in a new temporary folder. Nobody deletes it but a keeper.
    pub(crate) fn temporary() -> Result<Self, ServerError> {
        let (programs, user) = (programs::find_or_install()?, user::substitute()?);
        let folder = directory(user).map_err(at("a temporary folder for Postgres"))?;
        Ok(Self { programs, user, folder })
    }

    /// Copies the data of a cluster whose server does not run.
    ///
    /// # Errors
    /// [`ServerError`] if that fails.
    pub fn copy_to(&self, data: &Path) -> Result<(), ServerError> {
        run(Command::new("cp").arg("-a").arg(self.data()).arg(data))
    }

    /// Starts a server on a copy of the data. It recovers what a crash has left, and then answers; nobody waits for that here.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the program or its log cannot be started.
    pub fn start_on(&self, data: &Path) -> Result<Postmaster, ServerError> {
        let file = self.log_file();
        let log = File::create(&file).and_then(|log| Ok((log.try_clone()?, log)));
        let (log, other) = log.map_err(at(file.display().to_string()))?;
        let mut command = as_user(Command::new(self.program("postgres")), self.user, &self.folder);
        command.arg("-D").arg(data).stdin(Stdio::null()).stdout(log).stderr(other);
        command.spawn().map(Postmaster::new).map_err(at("postgres"))
    }

    /// How to connect.
    pub fn url(&self) -> String {
        url(&self.folder)
    }

    /// What the server has said since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn user(&self) -> Option<User> {
        self.user
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The command that makes the data.
    pub(crate) fn initdb(&self) -> Vec<OsString> {
        let options = ["-U", "sync", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
        let place = [self.program("initdb").into(), "-D".into(), self.data().into()];
        place.into_iter().chain(options.map(OsString::from)).collect()
    }

    /// The command that makes the data as a copy of another cluster, whose server runs.
    pub(crate) fn base_backup(&self, primary: &Path) -> Vec<OsString> {
        let options = ["-U", "sync", "-R", "-c", "fast", "--no-sync"].map(OsString::from);
        let place =
            [self.program("pg_basebackup").into(), "-D".into(), self.data().into(), "-h".into(), primary.into()];
        place.into_iter().chain(options).collect()
    }

    /// The lines that every configuration has.
    pub(crate) fn settings(&self) -> String {
        format!("listen_addresses = ''\nunix_socket_directories = '{}'", self.folder.display())
    }

    /// Runs `pg_ctl`.
    pub(crate) fn control(&self, arguments: &[&str]) -> Result<(), ServerError> {
        let mut command = as_user(Command::new(self.program("pg_ctl")), self.user, &self.folder);
        command.arg("-D").arg(self.data()).arg("-l").arg(self.log_file()).args(arguments);
        run(&mut command)
    }
}

/// How to connect to the server whose socket is in this folder.
pub(crate) fn url(folder: &Path) -> String {
    format!("postgres://sync@localhost/postgres?host={}", folder.display())
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), ServerError> {
    let text = format!("{command:?}");
    // A server that `pg_ctl` starts inherits neither of them, so both end with the program.
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().map_err(at(text.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ServerError::Program { command: text, output })
}
