//! A report as text, for a terminal.

use std::fmt::Write as _;

use crate::compare::measure::Figure;
use crate::compare::{Measurement, Report, Work};
use crate::table::columns;

/// What stands over the columns of some work.
fn head(work: Work) -> [String; 9] {
    ["", "durability", "ours", "p50 µs", "p99 µs", work.compared_with(), "", "ratio", "target"].map(str::to_owned)
}

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    if let Some(summary) = &report.summary {
        out.push_str(&summary.print());
        out.push('\n');
    }
    for work in Work::ALL {
        let measured: Vec<_> = report.measurements.iter().filter(|measured| measured.work == work).collect();
        if measured.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{work} ({})", work.unit().label());
        let rows: Vec<_> = std::iter::once(head(work)).chain(measured.into_iter().map(cells)).collect();
        out.push_str(&columns(&rows, &[0, 1, 6, 8]));
        out.push('\n');
    }
    for gap in &report.gaps {
        let _ = writeln!(out, "{gap}");
    }
    let (all, met) = report.targets();
    let _ = writeln!(out, "{met} of {all} targets met, in {} s", report.seconds);
    let machine = &report.machine;
    let _ = writeln!(
        out,
        "{}, {} threads, {}, {}; a wait for the disk takes {:.0} µs, of a hundred one {:.0} µs",
        machine.cpu, machine.cores, machine.kernel, machine.file_system, machine.sync_p50_us, machine.sync_p99_us
    );
    if machine.debug {
        out.push_str("built without optimization: these numbers say nothing; use `cargo run --release`\n");
    }
    out
}

fn cells(measured: &Measurement) -> [String; 9] {
    let latency = |pick: fn(&Figure) -> Option<f64>, figure: &Figure| {
        pick(figure).map_or_else(|| "–".into(), |us| format!("{us:.0}"))
    };
    let value = |figure: &Figure| measured.unit.print(figure.value);
    [
        format!("  {}", measured.backend),
        measured.durability.to_string(),
        value(&measured.ours),
        latency(|figure| Some(figure.latency?.p50_us), &measured.ours),
        latency(|figure| Some(figure.latency?.p99_us), &measured.ours),
        measured.by_hand.as_ref().map_or_else(|| "–".into(), value),
        measured.backend.setting(measured.durability).into(),
        measured.ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}")),
        match (measured.target, measured.met()) {
            (Some(target), Some(met)) => format!("≥ {target} {}", if met { "met" } else { "MISSED" }),
            _ => "–".into(),
        },
    ]
}
