//! The table: medians, and ratios of the same round.

use std::fmt::Write as _;
use std::time::Duration;

use crate::plan::{PER_BUNDLE, Plan, WRITERS};
use crate::round::Round;
use crate::{by_hand, loro, syncline_on};

/// A system's name and durability, and its rounds.
type Measured = ((&'static str, &'static str), Vec<Round>);

/// Which part of a round.
type Part = fn(&Round) -> Duration;

const LOCAL: Part = |round| round.writes;
const FRESH: Part = |round| round.fresh;

/// The ratios that have targets: what, whose, of which part, compared with whom, at least how much.
const TARGETS: [(&str, &str, Part, &str, f64); 5] = [
    ("local writes", syncline_on::SQLITE, LOCAL, by_hand::BY_EVENT, 0.9),
    ("local writes", syncline_on::SQLITE, LOCAL, by_hand::BY_BUNDLE, 0.9),
    ("local writes", syncline_on::MEMORY, LOCAL, loro::NAME, 1.0),
    ("fresh replica", syncline_on::SQLITE, FRESH, loro::NAME, 1.2),
    ("fresh replica", syncline_on::MEMORY, FRESH, loro::NAME, 1.2),
];

/// The whole output.
pub(crate) fn of(plan: &Plan, measured: &[Measured]) -> String {
    let keys = if plan.keys == 0 { "all keys distinct".to_owned() } else { format!("{} keys", plan.keys) };
    let mut out = format!(
        "{WRITERS} replicas, {} attribute writes each in bundles of {PER_BUNDLE}, {keys}. Events per second of CPU time, medians.\n\n",
        plan.writes
    );
    let _ = writeln!(out, "{:<40} {:<10} {:>12} {:>14}", "system", "durability", "local writes", "fresh replica");
    for ((name, durability), rounds) in measured {
        let rate = |part: Part| plan.total() as f64 / median(rounds.iter().map(|round| part(round).as_secs_f64()));
        let _ = writeln!(out, "{name:<40} {durability:<10} {:>12.0} {:>14.0}", rate(LOCAL), rate(FRESH));
    }
    out.push('\n');
    for (what, ours, part, other, least) in TARGETS {
        let find = |wanted| measured.iter().find(|((name, _), _)| *name == wanted).map(|(_, rounds)| rounds);
        let Some((ours_took, other_took)) = find(ours).zip(find(other)) else { continue };
        let ratios = ours_took.iter().zip(other_took).map(|(a, b)| part(b).as_secs_f64() / part(a).as_secs_f64());
        let ratio = median(ratios);
        let verdict = if ratio >= least { "reached" } else { "missed" };
        let _ = writeln!(out, "{what}: {ours} / {other} = {ratio:.2}; target {least:.1} {verdict}");
    }
    out
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
