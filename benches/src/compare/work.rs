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
    /// The first status after the writing process was killed.
    Reopen,
    /// What an event takes on the disk.
    Disk,
    /// The most memory that a process takes which writes and reads a log.
    Memory,
}

impl Work {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 14] = [
        Self::Single,
        Self::Batch,
        Self::Writers,
        Self::SingleRow,
        Self::FewKeys,
        Self::ManyKeys,
        Self::InOrder,
        Self::Late,
        Self::Tail,
        Self::Rebuild,
        Self::Fresh,
        Self::Reopen,
        Self::Disk,
        Self::Memory,
    ];

    /// A line that names it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Single => "append, one event per commit",
            Self::Batch => "append, 100 events per commit",
            Self::Writers => "append, 16 writers at once",
            Self::SingleRow => "append and row, one event per commit",
            Self::FewKeys => "append and rows, 100 per commit, 10,000 keys",
            Self::ManyKeys => "append and rows, 100 per commit, all keys distinct",
            Self::InOrder => "arrival in order",
            Self::Late => "arrival late and shuffled",
            Self::Tail => "tail read of 100 bundles",
            Self::Rebuild => "rebuild of a view",
            Self::Fresh => "fresh replica over HTTP",
            Self::Reopen => "reopen after kill -9",
            Self::Disk => "bytes on the disk",
            Self::Memory => "peak memory",
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
            Self::SingleRow => {
                "As above. The same transaction also writes the row that the event is folded into, one of 10,000. By hand: \
                 the row is written without being read."
            }
            Self::FewKeys => {
                "Bundles of 100 events and their rows, out of 10,000. By hand: each row is written once per transaction, in \
                 key order, without being read; on Postgres all with UNNEST, in one round trip."
            }
            Self::ManyKeys => {
                "The same, but no key comes twice, so each row is a new one at a random place of the index."
            }
            Self::InOrder => {
                "A log of four authors in bundles of 10, received from a peer in the same process, log and rows durable. By \
                 hand: 1,000 bundles per transaction, the later value of each row, nothing hashed or checked."
            }
            Self::Late => {
                "The same bundles, but the turns of the authors are shuffled, and all bundles of one author come at the end, as \
                 from a device that was offline. The rows must be the same."
            }
            Self::Tail => {
                "Reads of the last 100 bundles of a log, as a polling reader makes them. By hand: one SELECT or range."
            }
            Self::Rebuild => {
                "All rows are thrown away and folded again from the log, bundles of 10 over 10,000 keys. By hand: read all, \
                 fold in memory, write the rows in one transaction."
            }
            Self::Fresh => {
                "An empty replica syncs from a server on the same backend over loopback HTTP, log and rows \
                 durable, bundles of 10. By hand, for SQLite alone: a pipeline with pages of 10,000 events."
            }
            Self::Reopen => {
                "A process that writes bundles of 10 with rows is killed. Then the store is opened and asked for its status: \
                 this time is measured. By hand: the same with the bare library, up to the head of the log."
            }
            Self::Disk => {
                "The size of one event of about 100 bytes, written alone, without rows, after the store was closed. By hand: \
                 the same log, with a row for each event."
            }
            Self::Memory => {
                "The largest resident set of a process that writes a log with rows in bundles of 100, and then reads all of \
                 it. A server of Postgres is not counted."
            }
        }
    }

    /// What is counted.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Tail => Unit::ReadsPerSecond,
            Self::Reopen => Unit::Milliseconds,
            Self::Disk => Unit::BytesPerEvent,
            Self::Memory => Unit::Megabytes,
            _ => Unit::EventsPerSecond,
        }
    }

    /// The least that the ratio should be if something is promised.
    pub fn target(self, backend: Backend, durability: Durability) -> Option<f64> {
        let single = match self {
            Self::Single | Self::SingleRow => true,
            Self::Batch | Self::FewKeys | Self::ManyKeys => false,
            _ => return None,
        };
        let least = match backend {
            Backend::Sqlite | Backend::Redb | Backend::Sled if single => 0.8,
            Backend::Sqlite | Backend::Redb | Backend::Sled => 0.7,
            Backend::Postgres => 0.8,
            Backend::Memory => return None,
        };
        (durability == Durability::Synced).then_some(least)
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.title())
    }
}
