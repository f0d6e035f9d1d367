//! PgBouncer before a server.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use crate::cluster::url;
use crate::keeper::{self, Keeper};
use crate::user::{self, User};
use crate::{Server, programs};

/// The port that names the pooler's socket.
const PORT: u16 = 6432;

/// A running PgBouncer, stopped when dropped.
#[derive(Debug)]
pub struct Pooler {
    directory: PathBuf,
    _keeper: Keeper,
}

/// Arguments: the program, the directory.
const KEEPER: &str = r#"
directory=$2
"$1" -q "$directory/pgbouncer.ini" >"$directory/log" 2>&1 </dev/null &
pooler=$!
leave() {
    kill "$pooler" 2>/dev/null && wait "$pooler"
    cd / && rm -rf "$directory"
}
trap leave EXIT
while ! [ -S "$directory/.s.PGSQL.6432" ]; do
    kill -0 "$pooler" 2>/dev/null || { tail -n 20 "$directory/log"; exit 1; }
    sleep 0.05
done
echo ready
while read -r _; do :; done
"#;

impl Pooler {
    /// Starts PgBouncer before a server, with these lines in its configuration. `None`, and a line that says so, if it is not
    /// here and cannot be installed: the test has not run then.
    ///
    /// # Panics
    /// If it is here and does not start, or the server is somebody else's.
    pub fn start(server: &Server, settings: &str) -> Option<Self> {
        Self::before(server.own().folder(), settings)
    }

    /// Starts PgBouncer before the server that has this address now.
    ///
    /// # Panics
    /// If it is here and does not start.
    pub fn at(address: &Address, settings: &str) -> Option<Self> {
        Self::before(&address.link(), settings)
    }

    fn before(server: &Path, settings: &str) -> Option<Self> {
        let program = match programs::find_or_install_pooler() {
            Ok(program) => program,
            Err(why) => {
                eprintln!("not run, because there is no PgBouncer: {why}");
                return None;
            }
        };
        // Like Postgres, it does not run as root.
        let user = user::substitute().expect("there is a user for it");
        let directory = keeper::directory(user).expect("a temporary directory can be made for the pooler's user");
        let (users, configuration) = (directory.join("users"), directory.join("pgbouncer.ini"));
        fs::write(&users, "\"sync\" \"\"\n").expect("the directory can be written to");
        let text = format!(
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_port = {PORT}\nunix_socket_dir = {}\n\
             auth_type = trust\nauth_file = {}\nmax_client_conn = 500\nserver_login_retry = 1\n{settings}\n",
            server.display(),
            directory.display(),
            users.display(),
        );
        fs::write(&configuration, text).expect("the directory can be written to");
        let arguments = [program.into(), directory.clone().into()];
        let keeper = Keeper::start("PgBouncer", KEEPER, user, &directory, &arguments);
        Some(Self { directory, _keeper: keeper.unwrap_or_else(|error| panic!("{error}")) })
    }

    /// How to connect.
    pub fn url(&self) -> String {
        format!("{}&port={PORT}", url(&self.directory))
    }
}

/// An address that leads to one server, and later to another one.
#[derive(Debug)]
pub struct Address(PathBuf);

impl Address {
    /// A new address of this server.
    ///
    /// # Panics
    /// If the server is somebody else's, or the file system has no symbolic links.
    pub fn of(server: &Server) -> Self {
        let user = user::substitute().expect("there is a user for the server");
        let address = Self(keeper::directory(user).expect("a temporary directory can be made"));
        if let Some(User { uid, gid }) = user {
            chown(&address.0, Some(uid), Some(gid)).expect("root gives a directory away");
        }
        address.move_to(server);
        address
    }

    /// Leads new connections to this server.
    ///
    /// # Panics
    /// As [`of`](Self::of).
    pub fn move_to(&self, server: &Server) {
        let next = self.0.join("next");
        symlink(server.own().folder(), &next).expect("the file system has symbolic links");
        fs::rename(next, self.link()).expect("the link can be replaced");
    }

    /// How to connect.
    pub fn url(&self) -> String {
        url(&self.link())
    }

    fn link(&self) -> PathBuf {
        self.0.join("now")
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0)); // it is left in the temporary directory then
    }
}
