//! What the server is told: by flags, then by the environment, then by a file, then by default.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory, ValueEnum};
use serde::{Deserialize, Deserializer, de};
use syncline::clock::MAX_DRIFT;
use syncline::replica::Keep;
use syncline::store::Durability;
use syncline_any::{Scheme, StoreName};
use syncline_http::{RouterOptions, ServerOptions};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::span::Span;

#[cfg(test)]
mod tests;

/// Where the database is by default.
const DATABASE: &str = "syncline.sqlite";
/// Where the server listens by default: this machine alone can reach it.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8550);

/// The flags of `serve`, and the keys of the configuration file: they have the same names and meanings.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ServeOptions {
    /// The database. As a flag it belongs to every command, so it is not one of `serve`'s own.
    #[arg(skip)]
    pub(crate) database: Option<PathBuf>,
    /// The store of the logs; a flag of every command, too.
    #[arg(skip)]
    #[serde(default, deserialize_with = "store_name")]
    pub(crate) store: Option<StoreName>,
    /// The archive of trimmed logs; a flag of every command, too.
    #[arg(skip)]
    pub(crate) archive: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes any free one [default: 127.0.0.1:8550]
    #[arg(long, env = "SYNCLINE_LISTEN", value_name = "ADDRESS", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
    /// What an acknowledged push survives: a power cut, or only the death of the process [default: synced]
    #[arg(long, env = "SYNCLINE_DURABILITY", value_name = "PROMISE", hide_env_values = true)]
    pub(crate) durability: Option<Promise>,
    /// How far a bundle's time may be ahead of this machine's clock [default: 60s]
    #[arg(long, env = "SYNCLINE_MAX_DRIFT", value_name = "SPAN", hide_env_values = true)]
    pub(crate) max_drift: Option<Span>,
    /// Connections open at once. Idle ones are closed to make room for new ones [default: 4096]
    #[arg(long, env = "SYNCLINE_MAX_CONNECTIONS", value_name = "N", hide_env_values = true)]
    pub(crate) max_connections: Option<NonZeroU32>,
    /// Watch streams open at once, out of those connections. Each user may hold as many as are free. Further ones are asked to come
    /// back [default: three quarters]
    #[arg(long, env = "SYNCLINE_MAX_WATCHES", value_name = "N", hide_env_values = true)]
    pub(crate) max_watches: Option<NonZeroU32>,
    /// Memory for messages that are being received and sent, in MiB. Each user may hold as much as is free [default: 48]
    #[arg(long, env = "SYNCLINE_MESSAGE_MEMORY", value_name = "MIB", hide_env_values = true)]
    pub(crate) message_memory: Option<NonZeroU32>,
    /// How long a request's headers may take [default: 5s]
    #[arg(long, env = "SYNCLINE_HEADER_TIMEOUT", value_name = "SPAN", hide_env_values = true)]
    pub(crate) header_timeout: Option<Span>,
    /// How long a request's body may stop, or be slower than 16 KiB/s [default: 30s]
    #[arg(long, env = "SYNCLINE_BODY_TIMEOUT", value_name = "SPAN", hide_env_values = true)]
    pub(crate) body_timeout: Option<Span>,
    /// How long a connection is kept between two requests [default: 75s]
    #[arg(long, env = "SYNCLINE_IDLE_TIMEOUT", value_name = "SPAN", hide_env_values = true)]
    pub(crate) idle_timeout: Option<Span>,
    /// How long a peer may read nothing of its answer, or less than 16 KiB/s [default: 30s]
    #[arg(long, env = "SYNCLINE_WRITE_TIMEOUT", value_name = "SPAN", hide_env_values = true)]
    pub(crate) write_timeout: Option<Span>,
    /// How long running requests may take after the server was asked to stop [default: 10s]
    #[arg(long, env = "SYNCLINE_SHUTDOWN_GRACE", value_name = "SPAN", hide_env_values = true)]
    pub(crate) shutdown_grace: Option<Span>,
    /// Make a snapshot of each space whose log has grown by so many bundles since the last one [default: never]
    #[arg(long, env = "SYNCLINE_SNAPSHOT_EVERY", value_name = "BUNDLES", hide_env_values = true)]
    pub(crate) snapshot_every: Option<NonZeroU32>,
    /// Trim a log after each snapshot of it, and keep so many of the newest bundles, and what active devices have not read
    /// [default: never]
    #[arg(long, env = "SYNCLINE_TRIM_KEEP", value_name = "BUNDLES", hide_env_values = true)]
    pub(crate) trim_keep: Option<u32>,
    /// A device is active if it was here within this time [default: 30d]
    #[arg(long, env = "SYNCLINE_TRIM_WINDOW", value_name = "SPAN", hide_env_values = true)]
    pub(crate) trim_window: Option<Span>,
    /// How log lines are written [default: text]
    #[arg(long, env = "SYNCLINE_LOG_FORMAT", value_name = "FORMAT", hide_env_values = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged: a level, or levels by module such as `warn,syncline_http=debug` [default: info]
    #[arg(long, env = "SYNCLINE_LOG", value_name = "FILTER", hide_env_values = true)]
    pub(crate) log: Option<String>,
    /// Write the port to this file when the server is ready
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) port_file: Option<PathBuf>,
}

/// What an acknowledged push has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Promise {
    /// A power cut
    Synced,
    /// The death of the process, not a power cut; faster
    Process,
}

impl From<Promise> for Durability {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Synced => Self::Synced,
            Promise::Process => Self::Process,
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line, for programs
    Json,
}

/// What the server does, with nothing left open.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    pub(crate) listen: SocketAddr,
    pub(crate) max_drift: Duration,
    pub(crate) router: RouterOptions,
    pub(crate) server: ServerOptions,
    pub(crate) small: Option<Small>,
    pub(crate) log_format: LogFormat,
    pub(crate) log: EnvFilter,
    pub(crate) port_file: Option<PathBuf>,
}

/// How the server keeps logs small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Small {
    /// So many bundles lie between two snapshots.
    pub(crate) every: u64,
    /// What a trim keeps; `None` if nothing is trimmed.
    pub(crate) keep: Option<Keep>,
}

/// Why the configuration was refused. Nothing was started or changed.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}: {source}; name another with --config, or leave it out", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: std::io::Error,
    },
    /// The file does not say what it should.
    #[error("configuration file {}, line {line}: {why}; correct this line, or the end of the file if it was cut off", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A variable of the environment is none of ours.
    #[error("{name}: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A value makes no sense.
    #[error("{name}: {why}")]
    Senseless {
        /// Which setting.
        name: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
}

/// If the logs and the accounts are, and how to open them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The store of the logs.
    pub(crate) logs: StoreName,
    /// The SQLite file of the accounts if the store of the logs keeps none.
    pub(crate) accounts: Option<PathBuf>,
    pub(crate) durability: Durability,
    /// The folder that keeps what is trimmed.
    pub(crate) archive: Option<PathBuf>,
}

impl Place {
    /// The logs in this store; the accounts there too, or in the database.
    fn new(database: PathBuf, store: Option<StoreName>, durability: Durability, archive: Option<PathBuf>) -> Self {
        let logs = store.unwrap_or_else(|| StoreName::sqlite(&database));
        let accounts = (!logs.scheme().has_accounts()).then_some(database);
        // The running server, which may do the work, has another working directory.
        let archive = archive.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        Self { logs, accounts, durability, archive }
    }

    /// The files and folders that one process at a time can have open: anyone who has the first has them all.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.accounts.as_deref().into_iter().chain(self.logs.path())
    }
}

/// The logs' store; a SQLite file by its path.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.logs.scheme(), self.logs.path()) {
            (Scheme::Sqlite, Some(path)) => path.display().fmt(f),
            _ => self.logs.fmt(f),
        }
    }
}

/// Where everything is: the flags or variables, else what the file says, else the default.
///
/// # Errors
/// [`ConfigError`] of the file.
pub(crate) fn place(
    database: Option<PathBuf>,
    store: Option<StoreName>,
    archive: Option<PathBuf>,
    config: Option<&Path>,
) -> Result<Place, ConfigError> {
    ServeOptions { database, store, archive, ..ServeOptions::default() }.settle(config).map(|settings| settings.place)
}

/// Connections open at once.
const CONNECTIONS_MAX: usize = 4_096;

fn count(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

impl ServeOptions {
    /// Fills in what the file says and what is left to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn settle(self, config: Option<&Path>) -> Result<Settings, ConfigError> {
        let file = read(config)?;
        let small = self.small(&file)?;
        let log = self.log.or(file.log).unwrap_or_else(|| "info".to_owned());
        let router = RouterOptions::default();
        let router = told(router, self.body_timeout.or(file.body_timeout), RouterOptions::with_body_patience);
        let router = match self.message_memory.or(file.message_memory) {
            Some(mib) => router.with_memory(count(mib).saturating_mul(1024 * 1024)),
            None => router,
        };
        let server = ServerOptions::default();
        let server = told(server, self.header_timeout.or(file.header_timeout), ServerOptions::with_header_timeout);
        let server = told(server, self.idle_timeout.or(file.idle_timeout), ServerOptions::with_idle_timeout);
        let server = told(server, self.write_timeout.or(file.write_timeout), ServerOptions::with_write_timeout);
        let server = told(server, self.shutdown_grace.or(file.shutdown_grace), ServerOptions::with_grace);
        let connections = self.max_connections.or(file.max_connections).map_or(CONNECTIONS_MAX, count);
        let server = server.with_connections_max(connections);
        // One connection at least is left to everything else.
        let watches = self.max_watches.or(file.max_watches).map_or(connections - connections.div_ceil(4), count);
        let router = router.with_watches_max(watches.min(connections - 1));
        Ok(Settings {
            place: Place::new(
                self.database.or(file.database).unwrap_or_else(|| DATABASE.into()),
                self.store.or(file.store),
                self.durability.or(file.durability).unwrap_or(Promise::Synced).into(),
                self.archive.or(file.archive),
            ),
            listen: self.listen.or(file.listen).unwrap_or(LISTEN),
            max_drift: self.max_drift.or(file.max_drift).map_or(MAX_DRIFT, |span| span.0),
            router,
            server,
            small,
            log_format: self.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log: filter(&log)?,
            port_file: self.port_file,
        })
    }
}

impl ServeOptions {
    /// How logs are kept small, with what the file says.
    fn small(&self, file: &Self) -> Result<Option<Small>, ConfigError> {
        let window = self.trim_window.or(file.trim_window).map_or(Keep::WINDOW, |span| span.0);
        let keep = self.trim_keep.or(file.trim_keep).map(|bundles| Keep { window, ..Keep::from(u64::from(bundles)) });
        match self.snapshot_every.or(file.snapshot_every) {
            Some(every) => Ok(Some(Small { every: u64::from(every.get()), keep })),
            None if keep.is_none() => Ok(None),
            None => {
                let why = "a log is trimmed up to a snapshot alone; give --snapshot-every, too".to_owned();
                Err(ConfigError::Senseless { name: "trim-keep", why })
            }
        }
    }
}

fn store_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StoreName>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}

/// Options with a span that was given, or as they are.
fn told<T>(options: T, given: Option<Span>, with: impl FnOnce(T, Duration) -> T) -> T {
    match given {
        Some(span) => with(options, span.0),
        None => options,
    }
}

fn filter(text: &str) -> Result<EnvFilter, ConfigError> {
    EnvFilter::try_new(text).map_err(|error| {
        let why = format!("`{text}` is not a log filter ({error}); give a level such as info, or module=level");
        ConfigError::Senseless { name: "log", why }
    })
}

/// Reads the configuration file; without one, nothing is said.
fn read(config: Option<&Path>) -> Result<ServeOptions, ConfigError> {
    let Some(path) = config else { return Ok(ServeOptions::default()) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        line: line(&text, error.span().map_or(0, |span| span.start)),
        why: complaint(&text, &error),
    })
}

/// What is wrong with a line, and with which key.
fn complaint(text: &str, error: &toml::de::Error) -> String {
    let why = error.message().replace('\n', ", ");
    let at = text.lines().nth(line(text, error.span().map_or(0, |span| span.start)) - 1);
    match at.and_then(|line| line.split_once('=')) {
        Some((key, _)) if !why.contains(&format!("`{}`", key.trim())) => format!("`{}`: {why}", key.trim()),
        _ => why,
    }
}

/// Refuses variables that look as if they were settings and are none: a mistyped one would be skipped in silence.
///
/// # Errors
/// [`ConfigError::Variable`] with what there is.
pub(crate) fn check_variables(given: impl IntoIterator<Item = String>) -> Result<(), ConfigError> {
    let known = variables();
    let unknown = |name: &String| name.starts_with(VARIABLES) && !known.contains(name);
    let Some(name) = given.into_iter().find(unknown) else { return Ok(()) };
    let all: Vec<_> = known.iter().map(String::as_str).collect();
    let why = format!("there is no such setting; unset it, or write one of {}", all.join(", "));
    Err(ConfigError::Variable { name, why })
}

/// The names of all variables that stand for flags.
fn variables() -> BTreeSet<String> {
    let command = Cli::command();
    let below = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let named = command.get_arguments().chain(below).filter_map(|flag| flag.get_env()?.to_str());
    named.map(str::to_owned).collect()
}

/// What the names of all variables begin with.
const VARIABLES: &str = "SYNCLINE_";

/// The line that holds a byte.
fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
