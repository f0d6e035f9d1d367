//! Holding a report against an earlier one.

use std::fmt;

use crate::compare::{Measurement, Report, Unit, Work};
use crate::place::Backend;
use crate::table::grouped;

/// What is compared, and how strictly.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// By what part something may be worse.
    pub margin: f64,
    /// Whether values without a ratio to a bare library are compared as well, which tells something on the same machine only.
    pub absolute: bool,
}

/// Something that is worse than it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Worse {
    /// The measurement's name.
    pub what: String,
    /// How.
    pub how: How,
}

/// In what respect.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// The ratio to the bare library.
    Ratio {
        /// Then.
        before: f64,
        /// Now.
        now: f64,
    },
    /// The value itself.
    Value {
        /// Then.
        before: f64,
        /// Now.
        now: f64,
        /// What it counts.
        unit: Unit,
    },
    /// It was measured then and asked for now, and is not there.
    Missing,
}

impl How {
    /// How many times as good as then.
    fn factor(&self) -> f64 {
        match *self {
            Self::Ratio { before, now } => now / before,
            Self::Value { before, now, unit } => unit.ratio(now, before),
            Self::Missing => 0.0,
        }
    }
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loss = (1.0 - self.how.factor()) * 100.0;
        write!(f, "{}: ", self.what)?;
        match self.how {
            How::Ratio { before, now } => {
                write!(f, "ratio {now:.2}, was {before:.2}: {loss:.0} % worse")
            }
            How::Value { before, now, unit } => {
                let (before, now) = (unit.print(before), unit.print(now));
                write!(f, "{now} {}, was {before}: {loss:.0} % worse", unit.label())
            }
            How::Missing => f.write_str("was measured then, and is not now"),
        }
    }
}

/// What is worse in `now` than in `before` by more than the rule allows, the worst first. `wanted` tells what was asked for now.
pub fn worse(before: &Report, now: &Report, rule: Rule, wanted: impl Fn(Work, Backend) -> bool) -> Vec<Worse> {
    let mut found = Vec::new();
    for then in before.measurements.iter().filter(|then| wanted(then.work, then.backend)) {
        let what = name(then);
        let Some(now) = now.measurements.iter().find(|now| now.key() == then.key()) else {
            found.push(Worse { what, how: How::Missing });
            continue;
        };
        let ratios = then.ratio.zip(now.ratio).map(|(before, now)| How::Ratio { before, now });
        let values = || How::Value { before: then.ours.value, now: now.ours.value, unit: now.unit };
        let how =
            [ratios, rule.absolute.then(values)].into_iter().flatten().find(|how| how.factor() < 1.0 - rule.margin);
        found.extend(how.map(|how| Worse { what, how }));
    }
    found.sort_by(|a, b| a.how.factor().total_cmp(&b.how.factor()));
    found
}

/// A line on what was compared.
pub fn summary(before: &Report, rule: Rule, worse: usize) -> String {
    let what = if rule.absolute { "ratios and values" } else { "ratios" };
    let quick = if before.quick { ", a rough one" } else { "" };
    let measured = grouped(before.measurements.len() as u64);
    format!(
        "held against {measured} measurements of {}{quick}: {worse} of the {what} are worse by more than {:.0} %",
        before.date,
        rule.margin * 100.0
    )
}

fn name(measurement: &Measurement) -> String {
    format!("{}, {}, {}", measurement.backend, measurement.durability, measurement.work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::machine::Machine;
    use crate::compare::measure::Side;
    use syncline::store::Durability;

    fn report(ours: f64, by_hand: Option<f64>) -> Report {
        let machine = Machine {
            cpu: String::new(),
            cores: 1,
            memory_bytes: 0,
            kernel: String::new(),
            file_system: String::new(),
            sync_p50_us: 1.0,
            sync_p99_us: 1.0,
            versions: Vec::new(),
            commit: String::new(),
            debug: true,
        };
        let side = |value| Side { values: vec![value], took: Vec::new() };
        let (ours, by_hand) = (side(ours), by_hand.map(side));
        let measurement = Measurement::new(Work::Reopen, Backend::Redb, Durability::Synced, ours, by_hand);
        let mut report = Report::new("today".into(), true, machine);
        report.measurements.push(measurement);
        report
    }

    const RULE: Rule = Rule { margin: 0.15, absolute: false };
    const ALL: fn(Work, Backend) -> bool = |_, _| true;

    #[test]
    fn a_ratio_that_fell_beyond_the_margin_is_named_and_one_within_is_not() {
        let before = report(10.0, Some(10.0));
        assert_eq!(worse(&before, &report(11.0, Some(10.0)), RULE, ALL), []);
        let found = worse(&before, &report(20.0, Some(10.0)), RULE, ALL);
        assert_eq!(found[0].how, How::Ratio { before: 1.0, now: 0.5 });
        let text = found[0].to_string();
        assert_eq!(text, "redb, synced, reopen after kill -9: ratio 0.50, was 1.00: 50 % worse");
    }

    #[test]
    fn a_slower_machine_is_no_regression_unless_values_are_compared() {
        let (before, now) = (report(10.0, Some(10.0)), report(20.0, Some(20.0)));
        assert_eq!(worse(&before, &now, RULE, ALL), []);
        let found = worse(&before, &now, Rule { absolute: true, ..RULE }, ALL);
        assert!(found[0].to_string().ends_with("20.0 ms, was 10.0: 50 % worse"), "{}", found[0]);
        assert_eq!(worse(&report(10.0, None), &report(20.0, None), RULE, ALL), []);
    }

    #[test]
    fn what_is_missing_is_worse_where_it_was_asked_for() {
        let (before, mut now) = (report(10.0, Some(10.0)), report(10.0, Some(10.0)));
        now.measurements.clear();
        assert_eq!(worse(&before, &now, RULE, ALL)[0].how, How::Missing);
        assert_eq!(worse(&before, &now, RULE, |work, _| work == Work::Disk), []);
    }
}
