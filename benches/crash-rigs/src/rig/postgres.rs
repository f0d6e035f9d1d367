//! A Postgres server of the rig's own.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::hand::Hand;
use super::tools::{id, is_root, program, run};
use super::{RigError, at};

/// Small, so that it starts quickly, and as safe as a server is by default.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 40
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
min_wal_size = 4MB
max_wal_size = 64MB
fsync = on
full_page_writes = on
synchronous_commit = on
autovacuum_naptime = 10s
";

/// The programs, a freshly made cluster to copy, and the place of the socket.
#[derive(Debug)]
pub(super) struct Postgres {
    programs: PathBuf,
    template: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
    user: Option<(u32, u32)>,
    server: Option<Child>,
}

impl Postgres {
    /// Makes the cluster that all others are copies of.
    pub(super) fn new(scratch: &Path) -> Result<Self, RigError> {
        let user = if is_root() { Some(substitute()?) } else { None };
        let [template, sockets] = ["template", "sockets"].map(|name| scratch.join(name));
        for folder in [&template, &sockets] {
            fs::create_dir(folder).map_err(at(folder.display().to_string()))?;
            if let Some((uid, gid)) = user {
                chown(folder, Some(uid), Some(gid)).map_err(at(folder.display().to_string()))?;
            }
        }
        let log = scratch.join("postgres.log");
        let postgres = Self { programs: programs()?, template, sockets, log, user, server: None };
        let mut initdb = postgres.command("initdb", &postgres.template);
        initdb.args(["-U", "sync", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        run(initdb.args(["--wal-segsize", "1"]))?;
        let file = postgres.template.join("postgresql.conf");
        let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", postgres.sockets.display());
        let text = fs::read_to_string(&file).map_err(at(file.display().to_string()))?;
        fs::write(&file, text + &settings).map_err(at(file.display().to_string()))?;
        Ok(postgres)
    }

    /// Puts a new cluster into a folder.
    pub(super) fn copy_to(&self, folder: &Path) -> Result<(), RigError> {
        run(program("cp", ["-a"]).arg(&self.template).arg(folder.join("data"))).map(drop)
    }

    /// How to connect.
    pub(super) fn url(&self) -> String {
        format!("postgres://sync@localhost/postgres?host={}", self.sockets.display())
    }

    /// Starts the server over the cluster in a folder; it recovers, and then answers.
    pub(super) fn start(&mut self, folder: &Path) -> Result<(), RigError> {
        let open = || File::create(&self.log).and_then(|log| Ok((log.try_clone()?, log)));
        let (log, other) = open().map_err(at(self.log.display().to_string()))?;
        let mut server = self.command("postgres", &folder.join("data"));
        server.stdin(Stdio::null()).stdout(log).stderr(other);
        self.server = Some(server.spawn().map_err(at("postgres"))?);
        Ok(())
    }

    /// Kills the server, all of its processes.
    pub(super) fn fell(&mut self, hand: &mut Hand) -> Result<(), RigError> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        // One that is dead already has not been waited for, so that its number is still its own.
        let felled = hand.fell(server.id());
        server.wait().map_err(at("postgres"))?;
        felled
    }

    /// The end of what the server has said.
    pub(super) fn last_words(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn command(&self, name: &str, data: &Path) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.arg("-D").arg(data).env("LC_ALL", "C").current_dir(&self.sockets);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The script that started this ends what is left over.
        let _ = self.fell(&mut Hand::default());
    }
}

/// As whom root lets the server run.
fn substitute() -> Result<(u32, u32), RigError> {
    let found = ["postgres", "nobody"].into_iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    let (what, advice) = ("Postgres does not run as root, and there is no user for it", "add a user `postgres`");
    found.ok_or(RigError::Missing { what, advice })
}

/// The folder of the server's programs: that of `PG_BIN_DIR`, the newest of the distribution's, or one of the `PATH`.
fn programs() -> Result<PathBuf, RigError> {
    let is_complete = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    let named = env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let version = |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(version).map(|(version, path)| (version, path.join("bin")));
    let newest = newest.filter(|(_, folder)| is_complete(folder)).max().map(|(_, folder)| folder);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all = named.into_iter().chain(newest).chain(env::split_paths(&path));
    let (what, advice) =
        ("the programs of a Postgres server were not found", "install it, or name their folder in PG_BIN_DIR");
    all.find(is_complete).ok_or(RigError::Missing { what, advice })
}
