//! A cluster whose server is gone with the program that started it.

use std::ffi::OsString;
use std::path::Path;

use crate::cluster::Cluster;
use crate::error::ServerError;
use crate::keeper::Keeper;

/// Whether the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Trusted,
    Ignored,
}

/// A running server and its keeper.
#[derive(Debug)]
pub(crate) struct Kept {
    cluster: Cluster,
    _keeper: Keeper,
}

/// Arguments: the programs, the folder, the settings, what else to prepare, and the command that makes the data.
const KEEPER: &str = r#"
programs=$1 folder=$2 settings=$3 prepare=$4
shift 4
leave() {
    "$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1
    cd / && rm -rf "$folder"
}
trap leave EXIT
fail() {
    tail -n 20 "$folder/log"
    exit 1
}
"$@" >"$folder/log" 2>&1 </dev/null || fail
printf '%s\n' "$settings" >>"$folder/data/postgresql.conf"
(cd "$folder/data" && eval "$prepare") >>"$folder/log" 2>&1 </dev/null || fail
"$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 start >/dev/null 2>&1 </dev/null || fail
echo ready
while read -r _; do :; done
"#;

impl Kept {
    /// Makes a cluster and starts its server.
    pub(crate) fn start(disk: Disk) -> Result<Self, ServerError> {
        Self::make(disk, "", "true", Cluster::initdb)
    }

    /// The same, listening with TLS at a port of this machine.
    pub(crate) fn start_with_tls(port: u16) -> Result<Self, ServerError> {
        let settings = format!("listen_addresses = 'localhost'\nport = {port}\nssl = on");
        let certify = "openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -keyout server.key -out server.crt
            chmod 600 server.key";
        Self::make(Disk::Ignored, &settings, certify, Cluster::initdb)
    }

    /// Makes a copy of this cluster, which follows it.
    pub(crate) fn standby(&self) -> Result<Self, ServerError> {
        Self::make(Disk::Trusted, "", "true", |copy| copy.base_backup(self.cluster.folder()))
    }

    fn make(
        disk: Disk,
        more: &str,
        prepare: &str,
        making: impl FnOnce(&Cluster) -> Vec<OsString>,
    ) -> Result<Self, ServerError> {
        let cluster = Cluster::temporary()?;
        let mut settings = cluster.settings() + "\nmax_connections = 200\nautovacuum_naptime = 10min\n";
        if disk == Disk::Ignored {
            settings += "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n";
        }
        settings += more;
        let programs = cluster.program("");
        let mut arguments: Vec<OsString> =
            vec![programs.into(), cluster.folder().into(), settings.into(), prepare.into()];
        arguments.extend(making(&cluster));
        let keeper = Keeper::start("Postgres", KEEPER, cluster.user(), cluster.folder(), &arguments)?;
        Ok(Self { cluster, _keeper: keeper })
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    pub(crate) fn stop(&self) -> Result<(), ServerError> {
        self.cluster.control(&["-m", "immediate", "stop"])
    }

    pub(crate) fn restart(&self) -> Result<(), ServerError> {
        self.cluster.control(&["-m", "immediate", "-w", "-t", "60", "restart"])
    }

    pub(crate) fn promote(&self) -> Result<(), ServerError> {
        self.cluster.control(&["-w", "-t", "60", "promote"])
    }
}
