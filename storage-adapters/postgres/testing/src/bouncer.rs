//! PgBouncer in front of a server: what a managed database has there.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cluster::{as_user, directory};
use crate::{programs, user};

/// How a pooler gives its clients the server's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// To one client, until that goes.
    Session,
    /// To whoever has a transaction, until that ends.
    Transaction,
}

/// A running pooler. Stopped when dropped, or when this process ends.
#[derive(Debug)]
pub struct Bouncer {
    directory: PathBuf,
    keeper: Child,
}

/// Arguments: the program, the directory.
const KEEPER: &str = r#"
"$1" "$2/pgbouncer.ini" >"$2/log" 2>&1 </dev/null &
pooler=$!
while read -r _; do :; done
kill "$pooler"
wait "$pooler"
cd / && rm -rf "$2"
"#;

impl Bouncer {
    /// Starts a pooler in front of the server whose sockets lie in this directory; `more` are lines of its configuration.
    /// `None`, with a line that says so, if there is no PgBouncer and none can be installed.
    pub(crate) fn start(server: &Path, mode: PoolMode, more: &str) -> Option<Self> {
        let program = match programs::find_or_install_pooler() {
            Ok(program) => program,
            Err(why) => {
                eprintln!("does not run: a test needs PgBouncer, the package `pgbouncer` ({why})");
                return None;
            }
        };
        let user = user::substitute();
        let directory = directory(user).expect("a temporary directory can be made for the pooler's user");
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let settings = format!(
            "[databases]\n* = host={} user=sync\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {}\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = 40\n{more}\n",
            server.display(),
            directory.display()
        );
        std::fs::write(directory.join("pgbouncer.ini"), settings).expect("its settings can be written");
        let mut command = as_user(Command::new("/bin/sh"), user, &directory);
        command.args(["-c", KEEPER, "keeper"]).args([&program, &directory]);
        let keeper = command.process_group(0).stdin(Stdio::piped()).spawn().expect("a shell runs");
        let mut bouncer = Self { directory, keeper };
        bouncer.wait_until_it_listens();
        Some(bouncer)
    }

    fn wait_until_it_listens(&mut self) {
        while UnixStream::connect(self.directory.join(".s.PGSQL.6432")).is_err() {
            let ended = self.keeper.try_wait().expect("the keeper can be asked");
            assert!(ended.is_none(), "the pooler did not start");
            std::thread::yield_now();
        }
    }

    /// How to connect to the server through it.
    pub fn url(&self) -> String {
        format!("postgres://sync@localhost:6432/postgres?host={}", self.directory.display())
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        // The end of its input makes the keeper stop the pooler.
        if let Some(mut input) = self.keeper.stdin.take() {
            let _ = input.flush();
        }
        let _ = self.keeper.wait();
    }
}
