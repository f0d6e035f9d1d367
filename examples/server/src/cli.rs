//! The command line.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use syncline::authority::{Name, Role};
use syncline::{Position, ReplicaId, SpaceId};
use syncline_any::StoreName;

use crate::config::ServeOptions;
use crate::span::Span;

mod help;
mod small;

use help::{AFTER_LONG_HELP, LONG_ABOUT};
pub(crate) use small::{ArchiveTask, Folded, SnapshotTask, Trim};

/// The reference server of Syncline, and its administration.
#[derive(Debug, Parser)]
#[command(
    name = "syncline-server",
    version,
    long_about = LONG_ABOUT,
    after_help = "`syncline-server --help` shows a first session, configuration and exit codes.",
    after_long_help = AFTER_LONG_HELP,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Configuration file in TOML. Flags and SYNCLINE_* variables override it
    #[arg(long, global = true, env = "SYNCLINE_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Database file [default: syncline.sqlite]
    #[arg(long, global = true, env = "SYNCLINE_DATABASE", value_name = "FILE", hide_env_values = true)]
    pub(crate) database: Option<PathBuf>,
    /// Where the logs are, if not in the database: sqlite:FILE, redb:FILE, sled:FOLDER, postgres://…, memory:
    #[arg(long, global = true, env = "SYNCLINE_STORE", value_name = "STORE", hide_env_values = true)]
    pub(crate) store: Option<StoreName>,
    /// Folder that keeps the bundles that are trimmed: with it, whole logs are exported and folded, also after a trim
    #[arg(long, global = true, env = "SYNCLINE_ARCHIVE", value_name = "FOLDER", hide_env_values = true)]
    pub(crate) archive: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve devices over HTTP, until SIGINT or SIGTERM
    ///
    /// Prints one line with its address when it is ready. Logs go to standard error. Besides the routes of the protocol
    /// under /v1 it answers /healthz, /readyz and, in the Prometheus text format, /metrics. It speaks plain HTTP: put a proxy
    /// with TLS in front of it if other machines reach it.
    Serve(Box<ServeOptions>),
    #[command(flatten)]
    Task(Task),
    #[command(flatten)]
    Carry(Carry),
    /// List, verify and restore what an archive keeps (--archive)
    #[command(subcommand)]
    Archive(ArchiveTask),
}

/// What carries whole logs from one place to another. Files and other stores are opened by this process, so that its
/// permissions count and not those of the running server.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Carry {
    /// Write a space's whole log to a file, or to standard output if the file is `-`
    ///
    /// Every store gives the same file, byte for byte. The file is complete or not there at all. It holds everything up to
    /// the moment at which the export began, and the owners of the replicas. The server continues to serve. Prints the log's digest.
    /// What was trimmed comes from the archive.
    Export {
        /// Space
        space: SpaceId,
        /// File, or `-`
        file: PathBuf,
    },
    /// Take a space's log from a file, or from standard input if the file is `-`
    ///
    /// The file names the space. The space must be empty, or hold a beginning of the file's log: to continue an interrupted import,
    /// repeat the command. Every hash is checked before anything is kept. The replicas belong to the devices that
    /// the file names. Missing users and devices are added, without a token and without a role.
    Import {
        /// File, or `-`
        file: PathBuf,
    },
    /// Copy the whole SQLite database to a file, while it is served: logs, accounts, everything
    ///
    /// The copy shows one moment. It is checked as by `verify`, and only its owner can read it. It is complete or not there at
    /// all.
    Backup {
        /// File
        file: PathBuf,
    },
    /// Put a backup in the place of the SQLite database, while no server has it open
    ///
    /// The backup is checked first. A write-ahead log that was left next to the database is not mixed with it. Devices bring
    /// back what the backup lacks.
    Restore {
        /// File
        file: PathBuf,
        /// Replace an existing database, and keep it with `.old` after its name
        #[arg(long)]
        replace: bool,
    },
    /// Copy a space's log to another store, while it is served
    ///
    /// You may repeat it: each run copies what is new since the last. The owners of replicas are copied, too. Roles and tokens are not.
    Move {
        /// Space
        space: SpaceId,
        /// Store that has it [default: that of --store or --database]
        #[arg(long, value_name = "STORE")]
        from: Option<StoreName>,
        /// Store that gets it
        #[arg(long, value_name = "STORE")]
        to: StoreName,
    },
}

/// What is done on the database, by this process or by the running server.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Create user, device and space at once, and print a token for the device
    ///
    /// You may repeat it: what exists stays as it is and is named, and the device gets one more token.
    Setup(Setup),
    /// Add users
    #[command(subcommand)]
    User(UserTask),
    /// Add devices
    #[command(subcommand)]
    Device(DeviceTask),
    /// Create and revoke tokens
    #[command(subcommand)]
    Token(TokenTask),
    /// Add spaces
    #[command(subcommand)]
    Space(SpaceTask),
    /// Show, release and move replicas: who owns the bundles of a log
    #[command(subcommand)]
    Claim(ClaimTask),
    /// Give a user a role in a space, in place of any other
    Grant {
        /// Space
        space: SpaceId,
        /// User
        user: Name,
        /// A reader pulls, a writer also pushes, an owner also grants
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Take a user's role in a space away
    Revoke {
        /// Space
        space: SpaceId,
        /// User
        user: Name,
    },
    /// List users, devices, spaces and roles
    List(Form),
    /// Re-hash every bundle, check it against heads and indices; name the first broken one
    ///
    /// Reads the whole log of one space, or of all: positions and seqs without a hole, rising times, the chain of
    /// hashes up to the heads, bodies that can be read as events, every bundle found by its position and by its origin. Then it
    /// asks the store to check itself: SQLite by its integrity_check, Postgres by amcheck if that is installed, redb and
    /// sled by the checksums of all values. Exit code 1 if one of them does not hold.
    ///
    /// With --against, proves that another store holds the same log: same heads, and the same digest of what `export`
    /// would write.
    Verify {
        /// Space; all if none is named
        space: Option<SpaceId>,
        /// Compare with the same space of another store
        #[arg(long, value_name = "STORE", requires = "space")]
        #[serde(skip)]
        against: Option<StoreName>,
    },
    /// Print a space's events as JSON, one per line
    ///
    /// Each line has the bundle's position, origin, seq and time, the event's index in the bundle, its kind and its
    /// payload: attribute operations by name, other payloads as they are if they are JSON, else in base 64.
    /// A refused bundle is one line with "void": true.
    Log {
        /// Space
        space: SpaceId,
        /// Start after this position
        #[arg(long, value_name = "POSITION", default_value = "0", value_parser = position)]
        after: Position,
        /// Stop after so many bundles
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Make and list snapshots, with which new devices begin without the log's history
    #[command(subcommand)]
    Snapshot(SnapshotTask),
    /// Delete the first bundles of a space's log, as many as a snapshot covers and nobody needs
    ///
    /// What goes is computed. Nothing goes beyond the newest snapshot, nor beyond what a device has read that was here within the window.
    /// The answer names everything that holds bundles: which device, which view, which snapshot. Devices that lack
    /// trimmed bundles take the snapshot when they come back, and keep what they have written.
    Trim(Trim),
    /// `archive verify`, by the process that has the log.
    #[command(skip)]
    VerifyArchive {
        /// Space
        space: SpaceId,
        /// The folder
        archive: PathBuf,
    },
    /// Show each space's bundles, origins, bytes and log, and the database's durability and formats
    Status(Form),
}

/// What `setup` creates.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// User
    #[arg(long)]
    pub(crate) user: Name,
    /// The user's device
    #[arg(long)]
    pub(crate) device: Name,
    /// Space, owned by the user
    #[arg(long)]
    pub(crate) space: SpaceId,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Args, Serialize, Deserialize)]
pub(crate) struct Form {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// `user`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UserTask {
    /// Add a user
    Add {
        /// Name: 1 to 64 of a-z 0-9 . _ -
        name: Name,
    },
}

/// `device`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceTask {
    /// Add a device to a user
    Add {
        /// User
        user: Name,
        /// Name: 1 to 64 of a-z 0-9 . _ -
        device: Name,
    },
}

/// `token`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenTask {
    /// Create a token for a device and print it, once: the database keeps only its hash
    Create {
        /// User
        user: Name,
        /// The user's device
        device: Name,
        /// How long it is valid, such as 12h or 30d; until revoked if this is left out
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
    },
    /// Make all tokens of a device invalid, at once
    Revoke {
        /// User
        user: Name,
        /// The user's device
        device: Name,
    },
}

/// `space`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SpaceTask {
    /// Add a space with its first owner
    Add {
        /// Name: 1 to 64 of a-z 0-9 . _ -
        space: SpaceId,
        /// User who owns it
        #[arg(long, value_name = "USER")]
        owner: Name,
    },
}

/// `claim`.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClaimTask {
    /// Show the replicas in a space's log, and their owners
    ///
    /// A replica belongs to the device that writes under its id. The server accepts its bundles from this device alone. A device
    /// claims its replica with the first bundle that it pushes. `-` means that nobody has claimed it: any writer may
    /// bring back bundles of it.
    List {
        /// Space
        space: SpaceId,
    },
    /// Take the owner of a replica away, until its device writes again
    ///
    /// This also lets others bring back what a restored server has lost of a device that is gone.
    Release {
        /// Replica, as `claim list` and `list` show it
        replica: ReplicaId,
    },
    /// Give a replica to a device, whoever owns it
    ///
    /// Use it if a device is told that its replica belongs to another device.
    Move {
        /// Replica, as `claim list` and `list` show it
        replica: ReplicaId,
        /// User
        user: Name,
        /// The user's device
        device: Name,
    },
}

impl Task {
    /// Whether it makes sense on a database that does not exist yet.
    pub(crate) fn begins_a_database(&self) -> bool {
        matches!(self, Self::Setup(_) | Self::User(_))
    }
}

/// The command as it was typed, without secrets: it has none.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(Setup { user, device, space }) => {
                write!(f, "setup --user {user} --device {device} --space {space}")
            }
            Self::User(UserTask::Add { name }) => write!(f, "user add {name}"),
            Self::Device(DeviceTask::Add { user, device }) => write!(f, "device add {user} {device}"),
            Self::Token(TokenTask::Create { user, device, .. }) => write!(f, "token create {user} {device}"),
            Self::Token(TokenTask::Revoke { user, device }) => write!(f, "token revoke {user} {device}"),
            Self::Space(SpaceTask::Add { space, owner }) => write!(f, "space add {space} --owner {owner}"),
            Self::Claim(ClaimTask::List { space }) => write!(f, "claim list {space}"),
            Self::Claim(ClaimTask::Release { replica }) => write!(f, "claim release {replica}"),
            Self::Claim(ClaimTask::Move { replica, user, device }) => write!(f, "claim move {replica} {user} {device}"),
            Self::Grant { space, user, role } => write!(f, "grant {space} {user} {role}"),
            Self::Revoke { space, user } => write!(f, "revoke {space} {user}"),
            Self::List(_) => f.write_str("list"),
            Self::Verify { space: Some(space), .. } => write!(f, "verify {space}"),
            Self::Verify { space: None, .. } => f.write_str("verify"),
            Self::Log { space, .. } => write!(f, "log {space}"),
            Self::Snapshot(SnapshotTask::Make { space, .. }) => write!(f, "snapshot make {space}"),
            Self::Snapshot(SnapshotTask::List { space }) => write!(f, "snapshot list {space}"),
            Self::Trim(Trim { space, dry_run, .. }) => {
                write!(f, "trim {space}{}", if *dry_run { " --dry-run" } else { "" })
            }
            Self::VerifyArchive { space, .. } => write!(f, "archive verify {space}"),
            Self::Status(_) => f.write_str("status"),
        }
    }
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "reader" => Ok(Role::Reader),
        "writer" => Ok(Role::Writer),
        "owner" => Ok(Role::Owner),
        _ => Err("a role is reader, writer or owner".to_owned()),
    }
}

fn position(text: &str) -> Result<Position, std::num::ParseIntError> {
    text.parse().map(Position::new)
}

#[cfg(test)]
mod tests;
