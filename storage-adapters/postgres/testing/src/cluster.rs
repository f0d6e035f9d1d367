//! A cluster of our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::keeper::{self, Keeper, as_user};
use crate::programs;
use crate::user::{self, User};

/// Whether the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Trusted,
    Ignored,
}

/// A running server and its keeper.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    user: Option<User>,
    _keeper: Keeper,
}

/// Arguments: the programs, the directory, the settings, the directory of the primary if this is to be a standby, and what else to
/// prepare.
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
if [ -n "$4" ]; then
    "$programs/pg_basebackup" -D "$directory/data" -h "$4" -U sync -R -c fast --no-sync \
        >"$directory/log" 2>&1 </dev/null || fail
else
    "$programs/initdb" -D "$directory/data" -U sync -A trust -E UTF8 --locale=C --no-sync --no-instructions \
        >"$directory/log" 2>&1 </dev/null || fail
fi
printf '%s\n' "$3" >>"$directory/data/postgresql.conf"
(cd "$directory/data" && eval "$5") >>"$directory/log" 2>&1 </dev/null || fail
"$programs/pg_ctl" -D "$directory/data" -l "$directory/log" -w -t 60 start >/dev/null 2>&1 </dev/null || fail
echo ready
while read -r _; do :; done
"#;

impl Cluster {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// If that fails.
    pub(crate) fn start(disk: Disk) -> Self {
        Self::make(disk, "", "true", Path::new(""))
    }

    /// The same, listening with TLS at a port of this machine.
    pub(crate) fn start_with_tls(port: u16) -> Self {
        let settings = format!("listen_addresses = 'localhost'\nport = {port}\nssl = on");
        let certify = "openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -keyout server.key -out server.crt
            chmod 600 server.key";
        Self::make(Disk::Ignored, &settings, certify, Path::new(""))
    }

    /// Makes a copy of this cluster, which follows it.
    ///
    /// # Panics
    /// If that fails.
    pub(crate) fn standby(&self) -> Self {
        Self::make(Disk::Trusted, "", "true", &self.directory)
    }

    fn make(disk: Disk, more: &str, prepare: &str, primary: &Path) -> Self {
        let programs = programs::find_or_install();
        let user = user::substitute();
        let directory = keeper::directory(user).expect("a temporary directory can be made for the server's user");
        let settings = settings(&directory, disk) + "\n" + more;
        let arguments =
            [programs.as_os_str(), directory.as_os_str(), settings.as_ref(), primary.as_os_str(), prepare.as_ref()];
        let keeper = Keeper::start(KEEPER, user, &directory, &arguments);
        Self { programs, directory, user, _keeper: keeper }
    }

    /// Where its socket lies.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn stop(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    pub(crate) fn restart(&self) {
        let log = self.directory.join("log");
        self.control(&["-l", &log.to_string_lossy(), "-m", "immediate", "-w", "-t", "60", "restart"]);
    }

    pub(crate) fn promote(&self) {
        self.control(&["-w", "-t", "60", "promote"]);
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = as_user(Command::new(self.programs.join("pg_ctl")), self.user, &self.directory);
        command.arg("-D").arg(self.directory.join("data")).args(arguments);
        // The server itself writes to its log, so the pipe ends with pg_ctl.
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().expect("pg_ctl runs");
        assert!(output.status.success(), "pg_ctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
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
