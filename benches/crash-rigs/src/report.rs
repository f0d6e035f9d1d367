//! What became of a series of crashes, and whether that is as it must be.

mod table;

pub use table::{put_table, table};

use serde::{Deserialize, Serialize};
use syncline::Position;

use crate::check::{Finding, Report};
use crate::ledger::{Found, Import};
use crate::script::{REPLACED, TRIMMED};
use crate::setting::{Crash, Promise, Setting};

/// Troubles that are written down in words, at most; all are counted.
const NOTED_MAX: usize = 20;
/// So many looks must find rows, a log that was trimmed, and one that was replaced, or the series has not put them to the test.
const LOOKS_MANY: u64 = 30;
/// Findings of one look that are written down, at most.
const FINDINGS_MAX: usize = 8;

/// How a series went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The store.
    pub setting: Setting,
    /// How it was crashed.
    pub crash: Crash,
    /// The seed of the series.
    pub seed: u64,
    /// How often.
    pub crashes: u64,
    /// How often of these before the store was open.
    pub while_opening: u64,
    /// How often it was opened and looked into.
    pub looks: u64,
    /// How many of these found rows.
    #[serde(default)]
    pub folded: u64,
    /// How many of these found a log that had been trimmed.
    #[serde(default)]
    pub trimmed: u64,
    /// How many of these found a log that a snapshot had replaced.
    #[serde(default)]
    pub replaced: u64,
    /// How many of these found a snapshot that was being fetched to replace a log.
    #[serde(default)]
    pub fetching: u64,
    /// How many of these found a log that a snapshot had replaced, and rows of it were missing.
    #[serde(default)]
    pub filling: u64,
    /// Bundles acknowledged.
    pub acknowledged: u64,
    /// Commits that returned while the power was going, and do not count.
    pub late: u64,
    /// Looks that missed something acknowledged.
    pub cycles_with_loss: u64,
    /// Acknowledged bundles that were missing.
    pub lost: u64,
    /// Looks at a store that contradicted itself, or held what nobody wrote.
    pub inconsistent: u64,
    /// Stores that could not be opened or read any more.
    pub unopenable: u64,
    /// Commits that failed before anything was crashed.
    pub failed: u64,
    /// Opening after a crash, in microseconds.
    pub recovery: Recovery,
    /// Each opening, while the series runs.
    #[serde(skip)]
    pub recoveries: Vec<u64>,
    /// The first troubles, in words.
    pub troubles: Vec<Trouble>,
}

/// How long opening took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Half of the openings took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// None took longer.
    pub max: u64,
}

/// Something that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// What a look found amiss.
    Amiss(Vec<Finding>),
    /// What the process and its server said last.
    Unopenable(String),
    /// What a commit answered.
    Failed(String),
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn new(setting: Setting, crash: Crash, seed: u64) -> Self {
        Self {
            setting,
            crash,
            seed,
            crashes: 0,
            while_opening: 0,
            looks: 0,
            folded: 0,
            trimmed: 0,
            replaced: 0,
            fetching: 0,
            filling: 0,
            acknowledged: 0,
            late: 0,
            cycles_with_loss: 0,
            lost: 0,
            inconsistent: 0,
            unopenable: 0,
            failed: 0,
            recovery: Recovery::default(),
            recoveries: Vec::new(),
            troubles: Vec::new(),
        }
    }

    /// Counts a look.
    pub fn looked(&mut self, report: &Report) {
        self.looks += 1;
        let has = |is_it: &dyn Fn(&Found) -> bool| u64::from(report.found.iter().any(is_it));
        let begins_late = |space: u8| has(&|found| found.space == space && found.base > Position::ZERO);
        self.folded += has(&|found| found.folded > Position::ZERO);
        self.trimmed += begins_late(TRIMMED);
        self.replaced += begins_late(REPLACED);
        self.fetching += has(&|found| found.import == Import::Fetching);
        self.filling += has(&|found| found.import == Import::Filling);
        self.lost += report.lost;
        self.cycles_with_loss += u64::from(report.findings.iter().any(Finding::is_loss));
        self.inconsistent += u64::from(!report.is_consistent());
        // A loss that was to be expected needs no words.
        let is_expected = report.is_consistent() && self.setting.promise(self.crash) == Promise::Loses;
        if !report.findings.is_empty() && !is_expected {
            self.note(Trouble::Amiss(report.findings.iter().take(FINDINGS_MAX).cloned().collect()));
        }
    }

    /// Writes a trouble down.
    pub fn note(&mut self, trouble: Trouble) {
        if self.troubles.len() < NOTED_MAX {
            self.troubles.push(trouble);
        }
    }

    /// Sums the recoveries up.
    pub fn finish(&mut self) {
        self.recoveries.sort_unstable();
        let all = &self.recoveries;
        let at = |hundredths: usize| all.get((all.len() * hundredths).div_ceil(100).saturating_sub(1)).copied();
        let at = |hundredths| at(hundredths).unwrap_or_default();
        self.recovery = Recovery { p50: at(50), p99: at(99), max: at(100) };
    }

    /// Whether the series shows what it must.
    pub fn verdict(&self) -> Verdict {
        match self.setting.promise(self.crash) {
            Promise::Keeps
                if self.lost + self.cycles_with_loss + self.inconsistent + self.unopenable + self.failed > 0 =>
            {
                Verdict::Broken
            }
            Promise::Keeps if self.looks >= LOOKS_MANY && [self.folded, self.trimmed, self.replaced].contains(&0) => {
                Verdict::Void
            }
            Promise::Loses if self.cycles_with_loss + self.unopenable == 0 => Verdict::Void,
            _ => Verdict::AsPromised,
        }
    }
}

/// What a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What was promised was kept; a control has lost.
    AsPromised,
    /// A promise was broken.
    Broken,
    /// A control has lost nothing, or there were no rows, trims or replaced logs to lose: the rig shows nothing.
    Void,
}

/// What a whole run shows: why it is not as it must be, in words; nothing if it is.
pub fn objections(outcomes: &[Outcome]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for outcome in outcomes {
        let name = format!("{} {}", outcome.setting, outcome.crash.as_str());
        match outcome.verdict() {
            Verdict::AsPromised => {}
            Verdict::Broken => found.push(format!("{name}: the store broke its promise; see its troubles")),
            Verdict::Void if outcome.setting.promise(outcome.crash) == Promise::Keeps => {
                found
                    .push(format!("{name}: the run is void, no look has found rows, a trimmed log and a replaced one"));
            }
            Verdict::Void => found.push(format!("{name}: the run is void, this control must lose and lost nothing")),
        }
    }
    let is_control = |outcome: &&Outcome| outcome.setting.promise(Crash::Cut) == Promise::Loses;
    let cuts: Vec<_> = outcomes.iter().filter(|outcome| outcome.crash == Crash::Cut).collect();
    if !cuts.is_empty() && !cuts.iter().any(is_control) {
        found.push("cuts: the run is void, no control was cut next to the others".to_owned());
    }
    found
}
