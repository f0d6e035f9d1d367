//! What the program is told.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use syncline_benches::Failure;
use syncline_benches::choose::{self, Candidate, Flags, Pattern};
use syncline_benches::compare::baseline::Rule;
use syncline_benches::compare::{Effort, Work, crash};
use syncline_benches::place::Backend;

/// Compares Syncline's backends with each other, and each with its bare library doing the same work by hand.
///
/// Every backend (SQLite, redb, sled, Postgres, memory) does the same work with every durability that it has. Next to it the bare
/// library does that work by hand, in the same run and in turns, so that a disk which changes its mind does it to both. The
/// ratio is ours to by hand, the median of the rounds' ratios: 1 is as good, and for costs, too, more is better. Rates are of
/// this machine; ratios carry over to others.
///
/// The first table says which store suits a workload: throughput, latency, disk, memory, reopening, durability. Describe your own
/// workload with the flags under that heading or with a file, and only this table is made. To measure a store of your own next to the
/// shipped ones, see benches/examples/own_store.rs.
///
/// A table is printed; compare.json and compare.html, a page that needs nothing else, are written to the folder --out.
///
/// Postgres is a throw-away server of our own, or the one that the variable SYNCLINE_TEST_POSTGRES_URL names. If none can be
/// had, the output says so.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = AFTER, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    /// A rough run of one or two minutes, in place of ten to fifteen
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only this backend; may be given several times
    #[arg(long, value_name = "NAME")]
    backend: Vec<Backend>,
    /// Only this work; may be given several times
    #[arg(long, value_name = "NAME")]
    workload: Vec<Work>,
    /// Where the files are written to
    #[arg(long, value_name = "FOLDER", default_value = "target/compare")]
    pub(crate) out: PathBuf,
    /// Where the databases are made: on the disk that is to be measured. The folder for temporary files unless told
    /// otherwise, which may lie in memory, where nothing waits for a disk. Postgres keeps its own in the latter
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// An earlier compare.json. If a ratio fell by more than the margin, or something measured then and asked for now is
    /// missing, its name is printed and the exit code is 1
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// By what part something may be worse than in the baseline
    #[arg(long, value_name = "PART", default_value_t = 0.15, value_parser = part)]
    margin: f64,
    /// Compares values with the baseline as well, not ratios alone. Only on the machine that the baseline was measured on
    #[arg(long, requires = "baseline")]
    absolute: bool,
    /// Measures nothing: takes an earlier compare.json, and makes of it the table and the page, and the comparison with a
    /// baseline
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
  compare --workload single --workload batch          the work with targets, on all backends
  compare --payload-bytes 2000 --writers 4            which store suits this workload
  compare --pattern benches/examples/chat.toml        the same, described by a file
  compare --baseline main.json --margin 0.2           exit code 1 where a ratio is more than 20 % worse

Exit codes: 0 measured; 1 worse than the baseline; 2 wrong arguments, an unreadable baseline, or a failure.";

#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// What a process of its own is started for.
    #[command(name = crash::ERRAND, hide = true)]
    Errand { errand: String },
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
