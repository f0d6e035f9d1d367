//! What the program is told.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use syncline_benches::choose::{self, Candidate, Flags, Pattern};
use syncline_benches::compare::baseline::Rule;
use syncline_benches::compare::{Effort, Work, crash};
use syncline_benches::place::Backend;
use syncline_benches::{Failure, memory};

/// Compares Syncline's backends with each other, and each with its bare library doing the same work by hand.
///
/// Every backend (SQLite, redb, sled, Postgres, memory) does the same work with every durability that it has. The bare library does
/// the same work by hand, in the same run and in turns, so that changes of the disk's speed affect both. The ratio compares
/// Syncline with the work by hand. It is the median of the ratios of the rounds. 1 means as good, and more is better, for costs, too.
/// Rates are valid for this machine only. Ratios are valid on other machines, too. Some ratios have targets, which stand beside them.
///
/// The first table says which store suits a workload: throughput, latency, disk, memory, reopening, durability. If you describe your own
/// workload, with the flags under that heading or with a file, only this table is made. To compare your own store with the
/// shipped ones, see benches/examples/own_store.rs.
///
/// The program prints a table, and writes compare.json and compare.html to the folder --out. The page needs no other file.
///
/// Postgres is a throw-away server, or the one that the variable SYNCLINE_TEST_POSTGRES_URL names. If there is none, the output
/// says so.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = AFTER, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    /// A rough run of about two minutes, in place of twenty
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only this backend; may be given several times
    #[arg(long, value_name = "NAME")]
    backend: Vec<Backend>,
    /// Only this work; may be given several times
    #[arg(long, value_name = "NAME")]
    workload: Vec<Work>,
    /// Folder for the files
    #[arg(long, value_name = "FOLDER", default_value = "target/compare")]
    pub(crate) out: PathBuf,
    /// Folder for the databases, on the disk that you want to measure [default: the folder for temporary files]. That folder may be
    /// in memory, and then nothing waits for a disk. Postgres always uses the folder for temporary files
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// An earlier compare.json. If a ratio fell by more than the margin, or something measured then and requested now is
    /// missing, its name is printed and the exit code is 1
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// By how much something may be worse than in the baseline: 0.15 is 15 %
    #[arg(long, value_name = "PART", default_value_t = 0.15, value_parser = part)]
    margin: f64,
    /// Compare values with the baseline, too, and not only ratios. Only valid on the machine that measured the baseline
    #[arg(long, requires = "baseline")]
    absolute: bool,
    /// Measure nothing: make the table, the page and the comparison with a baseline from an earlier compare.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "folder"])]
    pub(crate) render: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) own: Flags,
    /// A part of the usual amount of work
    #[arg(long, hide = true, value_name = "PART", default_value_t = 1.0)]
    scale: f64,
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

const AFTER: &str = "\
Examples:
  compare                                             everything, to target/compare/compare.html
  compare --quick --backend sqlite --backend redb     a rough look at two backends
  compare --workload single --workload batch          some work on all backends
  compare --payload-bytes 2000 --writers 4            which store suits this workload
  compare --pattern benches/examples/chat.toml        the same, described by a file
  compare --baseline main.json --margin 0.2           exit code 1 if a ratio is more than 20 % worse

Exit codes: 0 measured; 1 worse than the baseline; 2 wrong arguments, an unreadable baseline, or a failure.";

#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// What a process of its own is started for.
    #[command(name = crash::ERRAND, hide = true)]
    Errand { errand: String },
    /// The server whose memory is weighed.
    #[command(name = memory::SERVE, hide = true)]
    Serve { file: PathBuf },
    /// What a process of its own is started for, to see which store suits a workload.
    #[command(name = choose::ERRAND, hide = true)]
    Choose { errand: String },
}

impl Arguments {
    pub(crate) fn wants_work(&self, work: Work) -> bool {
        self.workload.is_empty() || self.workload.contains(&work)
    }

    pub(crate) fn wants_backend(&self, backend: Backend) -> bool {
        self.backend.is_empty() || self.backend.contains(&backend)
    }

    /// Whether there is anything to compare with what is done by hand: not for a workload of your own.
    pub(crate) fn wants_by_hand(&self) -> bool {
        !self.own.any()
    }

    /// The workload for which a store is looked for; none if only some work by hand is asked for.
    pub(crate) fn pattern(&self) -> Result<Option<Pattern>, Failure> {
        let mut pattern = self.own.pattern()?;
        if !self.own.any() && !self.workload.is_empty() {
            return Ok(None);
        }
        if self.own.seconds.is_none() && self.own.pattern.is_none() {
            pattern.seconds *= if self.quick { 0.3 } else { 1.0 } * self.scale;
            pattern.seconds = pattern.seconds.max(0.05);
        }
        Ok(Some(pattern))
    }

    /// The stores that are looked at.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let wanted = |candidate: &Candidate| {
            self.backend.is_empty() || self.backend.iter().any(|backend| backend.name() == candidate.name())
        };
        Candidate::shipped().filter(wanted).collect()
    }

    pub(crate) fn effort(&self) -> Effort {
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        effort.scaled(self.scale)
    }

    pub(crate) fn rule(&self) -> Rule {
        Rule { margin: self.margin, absolute: self.absolute }
    }
}

/// A part of a whole.
fn part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.0..1.0).contains(&part) => Ok(part),
        _ => Err("it is a part of the whole, from 0 to less than 1, such as 0.15".into()),
    }
}
