//! The command line.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use syncline::store::Durability;

use crate::schedule::Schedule;
use crate::stores::Choice;

/// Replays a git history through many replicas and a real server, and proves that all end with the same state.
///
/// Every author of the history gets one of K replicas, each with a store of its own. If there are fewer authors than replicas, commits
/// take turns. Each commit becomes a bundle that its replica writes: for each path the content id, or a delete. The replicas sync
/// with a server over HTTP. In the end a fresh replica fetches everything, and the state digest of each is printed: SHA-256 over the
/// sorted lines `path TAB id LF`.
///
/// Exits with 1 if two digests differ. In causal mode it also exits with 1 if they are not what the history in order leads to.
#[derive(Debug, Parser)]
#[command(name = "git-replay", version, after_help = EXAMPLES, group = clap::ArgGroup::new("mode"))]
pub(crate) struct Cli {
    /// A git repository or a history file (plain or gzip). Without it: the repository of the current directory, else a small
    /// built-in sample.
    pub(crate) path: Option<PathBuf>,

    /// How many replicas the authors, or the commits, are spread over.
    #[arg(long, value_name = "K", default_value = "16")]
    pub(crate) replicas: NonZeroUsize,

    /// The writer syncs before and after each commit: every commit has seen all before it. The default.
    #[arg(long, group = "mode")]
    pub(crate) causal: bool,

    /// Replicas write offline, all at once, and sync only every N commits of the history.
    #[arg(long, value_name = "N", group = "mode")]
    pub(crate) offline: Option<NonZeroU32>,

    /// What drives the replicas' physical clocks.
    #[arg(long, value_enum, default_value_t = Clock::Wall)]
    pub(crate) clock: Clock,

    /// What a returned write has survived.
    #[arg(long, value_enum, default_value_t = Survives::PowerCut)]
    pub(crate) survives: Survives,

    /// What the replicas store in: sqlite, redb, sled, memory, or postgres://USER@HOST/DATABASE.
    ///
    /// Build with `--features all-stores` for redb, sled and Postgres.
    ///
    /// Each replica has a file or folder of its own; in Postgres all have one new schema, which is left there.
    #[arg(long, value_name = "STORE", default_value = "sqlite")]
    pub(crate) store: Choice,

    /// What the server stores in, likewise. Accounts are kept in SQLite where the store has none.
    #[arg(long, value_name = "STORE", default_value = "sqlite")]
    pub(crate) server_store: Choice,

    /// Keep the stores' files in this new or empty folder, to look at them afterwards.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  git-replay                              this repository, causal
  git-replay ~/src/linux --offline 1000   another one, with replicas that are offline for long
  git-replay --store redb --server-store postgres://localhost/replay     (built with --features all-stores)
  git-replay history.tsv.gz --clock history --keep replay
  sqlite3 replay/replica-0.sqlite 'select * from attributes limit 5'";

/// What drives the replicas' physical clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// The machine's clock.
    Wall,
    /// The author dates as recorded, which jump by years in both directions.
    History,
}

/// What a returned write has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Survives {
    /// A power cut: durability `synced`.
    PowerCut,
    /// The death of the process only: durability `process`.
    ProcessDeath,
}

impl Cli {
    pub(crate) fn schedule(&self) -> Schedule {
        self.offline.map_or(Schedule::Causal, |every| Schedule::Offline { every })
    }

    pub(crate) fn durability(&self) -> Durability {
        match self.survives {
            Survives::PowerCut => Durability::Synced,
            Survives::ProcessDeath => Durability::Process,
        }
    }
}
