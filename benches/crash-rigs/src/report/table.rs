//! The table of the document.

use std::fmt::Write;

use super::Outcome;
use crate::setting::{Crash, Promise};

/// What stands before the table in the document.
const BEGIN: &str = "<!-- crash table: written by scripts/crash -->\n";
/// What stands behind it.
const END: &str = "<!-- end of crash table -->\n";

/// The outcomes as two tables in Markdown: what must keep everything, and the controls.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (promise, title) in [
        (Promise::Keeps, "Nothing acknowledged may be lost"),
        (Promise::Loses, "Controls: the last acknowledged bundles may be lost, and some must be"),
    ] {
        let mut chosen: Vec<_> =
            outcomes.iter().filter(|outcome| outcome.setting.promise(outcome.crash) == promise).collect();
        chosen.sort_by_key(|outcome| (outcome.crash == Crash::Kill, outcome.setting.mode, outcome.setting.backend));
        let _ = write!(text, "### {title}\n\n{HEADER}");
        chosen.into_iter().for_each(|outcome| text.push_str(&row(outcome)));
        text.push('\n');
    }
    text
}

const HEADER: &str = "\
| store | setting | durability | crash | crashes | of them while opening \
| bundles acknowledged | openings with loss | bundles lost | inconsistent | not opening | recovery p50 / p99 / max |
|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
";

fn row(outcome: &Outcome) -> String {
    let Outcome { setting, crash, recovery, .. } = outcome;
    let millis = |micros: u64| {
        if micros < 10_000 { format!("{:.1}", micros as f64 / 1_000.0) } else { (micros / 1_000).to_string() }
    };
    let recovery = format!("{} / {} / {} ms", millis(recovery.p50), millis(recovery.p99), millis(recovery.max));
    let numbers = [
        outcome.crashes,
        outcome.while_opening,
        outcome.acknowledged,
        outcome.cycles_with_loss,
        outcome.lost,
        outcome.inconsistent,
        outcome.unopenable,
    ];
    let numbers = numbers.map(grouped).join(" | ");
    let (backend, words, crash) = (setting.backend.as_str(), setting.words(), crash.as_str());
    format!("| {backend} | {words} | {} | {crash} | {numbers} | {recovery} |\n", setting.durability())
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// The document with this table in place of the one it has; `None` if it has no place for one.
pub fn put_table(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_old_one() {
        let document = format!("a\n{BEGIN}old{END}b\n");
        assert_eq!(put_table(&document, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}b\n")));
        assert_eq!(put_table("nothing marked", "new"), None);
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
