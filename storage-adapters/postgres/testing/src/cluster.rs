//! A cluster of our own, and who looks after it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, io};

use crate::programs;
use crate::user::{self, User};

/// The longest path of a directory that a socket's name still fits behind.
const DIRECTORY_BYTES_MAX: usize = 80;

/// Whether the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Trusted,
    Ignored,
}

/// A running server and its keeper: a shell in a process group of its own that makes the cluster, starts the server, waits for
/// the end of its input, and then stops the server and deletes the directory. Its input ends with this process, however that
/// ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    user: Option<User>,
    keeper: Child,
}

/// Arguments: the programs, the directory, the settings, what makes the data, and what else to prepare.
const KEEPER: &str = r#"
programs=$1 directory=$2
leave() {
    "$programs/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null 2>&1
    cd / && rm -rf "$directory"
}
trap leave EXIT
fail() {
    tail -n 20 "$directory/log" >&2
    exit 1
}
eval "$4" >"$directory/log" 2>&1 </dev/null || fail
printf '%s\n' "$3" >>"$directory/data/postgresql.conf"
(cd "$directory/data" && eval "$5") >>"$directory/log" 2>&1 </dev/null || fail
"$programs/pg_ctl" -D "$directory/data" -l "$directory/log" -w -t 60 start >/dev/null 2>&1 </dev/null || fail
echo ready
while read -r _; do :; done
"#;

/// Makes an empty cluster.
const INIT: &str =
    r#""$programs/initdb" -D "$directory/data" -U sync -A trust -E UTF8 --locale=C --no-sync --no-instructions"#;

impl Cluster {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// Where that fails.
    pub(crate) fn start(disk: Disk) -> Self {
        Self::prepared(disk, "", INIT, "true")
    }

    /// A copy of this cluster that follows it.
    pub(crate) fn standby(&self) -> Self {
        let copy = format!(
            r#""$programs/pg_basebackup" -h '{}' -U sync -D "$directory/data" -R -X stream -c fast"#,
            self.directory.display()
        );
        Self::prepared(Disk::Trusted, "", &copy, "true")
    }

    /// Makes a follower a server of its own.
    pub(crate) fn promote(&self) {
        self.control(&["-w", "-t", "60", "promote"]);
    }

    /// The same, listening with TLS at a port of this machine.
    pub(crate) fn start_with_tls(port: u16) -> Self {
        let settings = format!("listen_addresses = 'localhost'\nport = {port}\nssl = on");
        let certify = "openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -keyout server.key -out server.crt
            chmod 600 server.key";
        Self::prepared(Disk::Ignored, &settings, INIT, certify)
    }

    fn prepared(disk: Disk, more: &str, make: &str, prepare: &str) -> Self {
        let programs = programs::find_or_install();
        let user = user::substitute();
        let directory = directory(user).expect("a temporary directory can be made for the server's user");
        let mut command = as_user(Command::new("/bin/sh"), user, &directory);
        command
            .args(["-c", KEEPER, "keeper"])
            .args([&programs, &directory])
            .arg(settings(&directory, disk) + "\n" + more);
        command.args([make, prepare]);
        let keeper = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut keeper = keeper.expect("a shell runs");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the keeper's output can be read");
        assert_eq!(line.trim(), "ready", "the server did not start; what it said stands above");
        Self { programs, directory, user, keeper }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://sync@localhost/postgres?host={}", self.directory.display())
    }

    /// Where its sockets are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn stop(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    pub(crate) fn restart(&self) {
        self.control(&[
            "-l",
            &self.directory.join("log").to_string_lossy(),
            "-m",
            "immediate",
            "-w",
            "-t",
            "60",
            "restart",
        ]);
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = as_user(Command::new(self.programs.join("pg_ctl")), self.user, &self.directory);
        command.arg("-D").arg(self.directory.join("data")).args(arguments);
        // The server itself writes to its log, so the pipe ends with pg_ctl.
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().expect("pg_ctl runs");
        assert!(output.status.success(), "pg_ctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait()); // it stops the server; nothing depends on how that goes
    }
}

/// A new directory that belongs to the server's user. The keeper deletes it.
pub(crate) fn directory(user: Option<User>) -> io::Result<PathBuf> {
    let usual = env::temp_dir();
    let fits = user.is_none() && usual.as_os_str().len() <= DIRECTORY_BYTES_MAX - 20;
    // Another user may have no way into root's own directory.
    let parent = if fits { usual } else { PathBuf::from("/tmp") };
    let directory = tempfile::Builder::new().prefix("syncline-pg-").tempdir_in(parent)?.keep();
    if let Some(User { uid, gid }) = user {
        chown(&directory, Some(uid), Some(gid))?;
    }
    Ok(directory)
}

pub(crate) fn as_user(mut command: Command, user: Option<User>, directory: &Path) -> Command {
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    // What these say is meant for another server.
    env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.env("LC_ALL", "C").current_dir(directory);
    command
}

fn settings(directory: &Path, disk: Disk) -> String {
    let common = format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 200\nautovacuum_naptime = 10min",
        directory.display()
    );
    match disk {
        Disk::Trusted => common,
        Disk::Ignored => format!("{common}\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off"),
    }
}
