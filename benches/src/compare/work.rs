//! What is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use syncline::store::Durability;

use crate::compare::Unit;
use crate::place::Backend;
use crate::workload::Keys;

/// Events that make a batch.
pub const BATCH: usize = 100;
/// Writers at once.
pub const WRITERS: usize = 16;
/// Few keys, which are written again and again.
pub const FEW: Keys = Keys::TEN_THOUSAND;

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// One event per commit, the log alone.
    Single,
    /// 100 events per commit, the log alone.
    Batch,
    /// 16 writers at once, one event per commit each.
    Writers,
    /// 16 writers at once, compared with one.
    Grouping,
    /// One event per commit, and its attribute row.
    SingleRow,
    /// 100 events per commit, and their rows out of 10,000.
    FewKeys,
    /// 100 events per commit, each with a row of its own.
    ManyKeys,
    /// Bundles of others, received in the order of their times.
    InOrder,
    /// The same bundles, shuffled, and those of one device last.
    Late,
    /// The last 100 bundles of a log, read by who has the others.
    Tail,
    /// A view thrown away and folded again from the log.
    Rebuild,
    /// A replica that has nothing yet, synced over HTTP.
    Fresh,
    /// The same with a row of its own for each event.
    FreshDistinct,
    /// The first status after the writing process was killed.
    Reopen,
    /// What an event takes on the disk.
    Disk,
    /// The most memory that a process takes which writes and reads a log.
    Memory,
    /// What an event takes over the wire when a fresh replica syncs.
    Wire,
    /// The same with a row of its own for each event.
    WireDistinct,
    /// What a push of one event takes in addition to its payload.
    Push,
    /// What a log of single events takes in its tables.
    LogSingle,
    /// What a log in bundles takes in its tables.
    LogBundles,
    /// What such a log takes on a replica that has received it.
    LogSynced,
    /// The most memory that a server takes.
    Server,
}

impl Work {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 23] = [
        Self::Single,
        Self::Batch,
        Self::Writers,
        Self::Grouping,
        Self::SingleRow,
        Self::FewKeys,
        Self::ManyKeys,
        Self::InOrder,
        Self::Late,
        Self::Tail,
        Self::Rebuild,
        Self::Fresh,
        Self::FreshDistinct,
        Self::Reopen,
        Self::Disk,
        Self::Memory,
        Self::Wire,
        Self::WireDistinct,
        Self::Push,
        Self::LogSingle,
        Self::LogBundles,
        Self::LogSynced,
        Self::Server,
    ];

    /// A line that names it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Single => "append, one event per commit",
            Self::Batch => "append, 100 events per commit",
            Self::Writers => "append, 16 writers at once",
            Self::Grouping => "append and row, 16 writers compared with one",
            Self::SingleRow => "append and row, one event per commit",
            Self::FewKeys => "append and rows, 100 per commit, 10,000 keys",
            Self::ManyKeys => "append and rows, 100 per commit, all keys distinct",
            Self::InOrder => "arrival in order",
            Self::Late => "arrival late and shuffled",
            Self::Tail => "tail read of 100 bundles",
            Self::Rebuild => "rebuild of a view",
            Self::Fresh => "fresh replica over HTTP",
            Self::FreshDistinct => "fresh replica over HTTP, all keys distinct",
            Self::Reopen => "reopen after kill -9",
            Self::Disk => "bytes on the disk",
            Self::Memory => "peak memory",
            Self::Wire => "bytes over the wire for a fresh replica",
            Self::WireDistinct => "bytes over the wire, all keys distinct",
            Self::Push => "bytes of a push beside its payload",
            Self::LogSingle => "bytes of a log of single events",
            Self::LogBundles => "bytes of a log in bundles of 10",
            Self::LogSynced => "bytes of a log as it was received",
            Self::Server => "peak memory of a server",
        }
    }

    /// What is done, and what stands next to it.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Single => {
                "One writer, one event of about 100 bytes per commit, only into the log. By hand: the same run, head and \
                 space row in one transaction."
            }
            Self::Batch => {
                "One writer, one bundle of 100 events per commit, only into the log. By hand: the same bundle in one \
                 transaction."
            }
            Self::Writers => {
                "16 tasks, one event per commit each. By hand: 16 tasks that take turns with one connection, one transaction \
                 each, because positions are given out one after the other."
            }
            Self::Grouping => {
                "16 tasks, one event with its row per commit each, next to one task alone: what sharing commits gains."
            }
            Self::SingleRow => {
                "One writer, one event per commit. The same transaction also writes the row that the event is folded into, one of 10,000. By hand: \
                 the row is written without being read."
            }
            Self::FewKeys => {
                "Bundles of 100 events and their rows, out of 10,000. By hand: each row is written once per transaction, in \
                 key order, without being read; on Postgres all with UNNEST, in one round trip."
            }
            Self::ManyKeys => "The same, but no key comes twice, so each row is new, at a random place of the index.",
            Self::InOrder => {
                "A log of four authors in bundles of 10, received from a peer in the same process, log and rows durable. By \
                 hand: 1,000 bundles per transaction, the later value of each row, nothing hashed or checked."
            }
            Self::Late => {
                "The same bundles, but the turns of the authors are shuffled, and all bundles of one author come at the end, as \
                 from a device that was offline. The rows must be the same."
            }
            Self::Tail => "The last 100 bundles of a log, read as by a poller. By hand: one SELECT or range.",
            Self::Rebuild => {
                "All rows are thrown away and folded again from the log, bundles of 10 over 10,000 keys. By hand: read all, \
                 fold in memory, write the rows in one transaction."
            }
            Self::Fresh => {
                "An empty replica syncs from a server on the same backend over loopback HTTP, log and rows \
                 durable, bundles of 10. By hand, for SQLite alone: a pipeline with pages of 10,000 events."
            }
            Self::FreshDistinct => "The same, but no key comes twice, so each event has a row of its own.",
            Self::Reopen => {
                "A process that writes bundles of 10 with rows is killed. Then the store is opened and asked for its status: \
                 this time is measured. By hand: the same with the bare library, up to the head of the log."
            }
            Self::Disk => {
                "The size of one event of about 100 bytes, written alone, without rows, after the store was closed. By hand: \
                 the same log, with a row for each event."
            }
            Self::Memory => {
                "The most memory of a process that writes a log with rows, then reads it. Postgres is not counted."
            }
            Self::Wire => {
                "An empty replica syncs bundles of 10 over HTTP. Next to it: the payloads, compressed all at once."
            }
            Self::WireDistinct => "The same, but no key comes twice.",
            Self::Push => "The most bytes that a push of one event adds to its payload, next to the 40 allowed.",
            Self::LogSingle => {
                "All pages of the log in the file after single events, next to a log packed as densely as can be."
            }
            Self::LogBundles => "The same after bundles of 10 were written.",
            Self::LogSynced => "The same on a replica that has received bundles of 10 over HTTP.",
            Self::Server => {
                "The most memory of a server that takes and serves a million events, next to a tenth of that."
            }
        }
    }

    /// What is counted.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Tail => Unit::ReadsPerSecond,
            Self::Reopen => Unit::Milliseconds,
            Self::Disk | Self::Wire | Self::WireDistinct | Self::Push => Unit::BytesPerEvent,
            Self::LogSingle | Self::LogBundles | Self::LogSynced => Unit::BytesPerEvent,
            Self::Memory | Self::Server => Unit::Megabytes,
            _ => Unit::EventsPerSecond,
        }
    }

    /// What stands next to ours.
    pub const fn compared_with(self) -> &'static str {
        match self {
            Self::Grouping => "one writer",
            Self::Wire | Self::WireDistinct => "payloads",
            Self::Push => "allowed",
            Self::LogSingle | Self::LogBundles | Self::LogSynced => "packed",
            Self::Server => "a tenth",
            _ => "by hand",
        }
    }

    /// Whether it is measured there: some things are the same on every backend, or are only promised for SQLite.
    pub fn applies(self, backend: Backend, durability: Durability) -> bool {
        match self {
            Self::Wire
            | Self::WireDistinct
            | Self::Push
            | Self::LogSingle
            | Self::LogBundles
            | Self::LogSynced
            | Self::Server => backend == Backend::Sqlite && durability == Durability::Synced,
            _ => true,
        }
    }

    /// The least that the ratio should be if something is promised.
    pub fn target(self, backend: Backend, durability: Durability) -> Option<f64> {
        let least = match (self, backend) {
            (_, Backend::Memory) => return None,
            (Self::Single | Self::SingleRow | Self::Batch | Self::FewKeys | Self::ManyKeys, Backend::Postgres) => 0.8,
            (Self::Single | Self::SingleRow, _) => 0.8,
            (Self::Batch | Self::FewKeys | Self::ManyKeys, _) => 0.7,
            (Self::Grouping, Backend::Sqlite) => 8.0,
            (Self::Fresh | Self::FreshDistinct, Backend::Sqlite) => 1.5,
            // At most 1.1 times as many bytes, and at most 1.3 times.
            (Self::Wire | Self::WireDistinct, _) => 0.91,
            (Self::LogSingle | Self::LogBundles | Self::LogSynced, _) => 0.77,
            (Self::Push, _) => 1.0,
            // At most 1.25 times as much memory for ten times as much log.
            (Self::Server, _) => 0.8,
            _ => return None,
        };
        (durability == Durability::Synced).then_some(least)
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.title())
    }
}
