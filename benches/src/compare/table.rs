//! A report as text, for a terminal.

use std::fmt::Write as _;

use crate::compare::measure::Figure;
use crate::compare::{Measurement, Report, Work};

const HEAD: [&str; 9] = ["", "durability", "ours", "p50 µs", "p99 µs", "by hand", "", "ratio", "target"];

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    for work in Work::ALL {
        let measured: Vec<_> = report.measurements.iter().filter(|measured| measured.work == work).collect();
        if measured.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{work} ({})", work.unit().label());
        let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(measured.into_iter().map(cells)).collect();
        out.push_str(&columns(&rows));
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

/// Rows in columns: text to the left, numbers to the right.
fn columns(rows: &[[String; 9]]) -> String {
    const TEXT: [usize; 4] = [0, 1, 6, 8];
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if TEXT.contains(&column) {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
