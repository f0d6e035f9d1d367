//! A report as one page that needs nothing else: no script, no font, no picture from anywhere.

use std::fmt::Write as _;

use syncline::store::Durability;

use crate::compare::machine::Machine;
use crate::compare::measure::{Figure, Latency};
use crate::compare::{Measurement, Report, Work};
use crate::place::Backend;

mod choice;
mod plot;

use plot::Scale;

const STYLE: &str = include_str!("page/style.css");

/// The page.
pub fn render(report: &Report) -> String {
    let mut out = String::with_capacity(128 * 1024);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Syncline: stores compared</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    head(&mut out, report);
    if let Some(summary) = &report.summary {
        choice::section(&mut out, summary);
    }
    targets(&mut out, report);
    for work in Work::ALL {
        section(&mut out, report, work);
    }
    gaps(&mut out, report);
    machine(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let (all, met) = report.targets();
    let warning = match (report.machine.debug, report.quick) {
        (true, _) => "<p class=\"warning\">Built without optimization: these numbers say nothing.</p>\n",
        (_, true) => "<p class=\"warning\">A quick run: these numbers are rough.</p>\n",
        _ => "",
    };
    let _ = write!(
        out,
        "<header>\n<h1>Syncline: stores compared</h1>\n\
         <p class=\"lead\">The same work on every backend with every durability that it has. The bare library does the same \
         work by hand, in the same run and in turns.</p>\n{warning}<ul class=\"facts\">\n\
         <li><b>{met} of {all}</b> targets met</li>\n<li><b>{:.0} µs</b> for a wait for the disk</li>\n\
         <li><b>{}</b> measurements in {} min</li>\n<li><b>{}</b> at commit {}</li>\n</ul>\n",
        report.machine.sync_p50_us,
        report.measurements.len(),
        report.seconds.div_ceil(60),
        escape(&report.date),
        escape(&report.machine.commit),
    );
    out.push_str("<ul class=\"legend\">\n");
    for (durability, meaning) in [
        (Durability::Synced, "a returned commit survives a power cut"),
        (Durability::Process, "it survives the death of the process; a power cut loses the last ones"),
        (Durability::Volatile, "nothing is kept"),
    ] {
        let _ = writeln!(out, "<li>{} {meaning}</li>", chip(durability));
    }
    let _ = writeln!(
        out,
        "<li>{} ours</li>\n<li>{} by hand on the bare library, or what else it is compared with</li>\n</ul>",
        plot::key(true),
        plot::key(false)
    );
    out.push_str(
        "<p class=\"note\">The ratio compares Syncline with the work by hand. It is the median of the ratios of the rounds. 1 is as \
         good, and more is better, for costs, too. Rates are valid for this machine only. All scales are logarithmic.</p>\n</header>\n",
    );
}

/// The ratios for which something is promised.
fn targets(out: &mut String, report: &Report) {
    let measured: Vec<_> = report.measurements.iter().filter(|measured| measured.target.is_some()).collect();
    if measured.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Targets</h2>\n<p class=\"note\">All of them are synced. Each tick is the ratio of one round, the dot is their median, the \
         bar is the target. An arrow at the edge is a ratio outside of the scale.</p>\n<div class=\"rows ratios\">\n",
    );
    for measured in measured {
        let _ = writeln!(
            out,
            "<div class=\"row {}\"><div class=\"name\"><b>{}</b> <span class=\"what\">{}</span></div>\
             <div class=\"plot\">{}</div><div class=\"ratio\">{}</div></div>",
            class(measured.durability),
            measured.backend,
            escape(measured.work.title()),
            plot::ratios(measured),
            verdict(measured),
        );
    }
    let _ = writeln!(
        out,
        "<div class=\"row axis\"><div class=\"plot\">{}</div></div>\n</div>\n</section>",
        plot::ratio_axis()
    );
}

fn section(out: &mut String, report: &Report, work: Work) {
    let measured: Vec<_> = report.measurements.iter().filter(|measured| measured.work == work).collect();
    if measured.is_empty() {
        return;
    }
    let single = measured.iter().any(|measured| measured.ours.latency.is_some());
    let latency = if single { "p50 · p99" } else { "" };
    let better = if work.unit().more_is_better() { "more is better" } else { "less is better" };
    let _ = write!(
        out,
        "<section id=\"{work_id}\">\n<h2>{title}</h2>\n<p class=\"note\">{explanation}</p>\n<div class=\"rows\">\n\
         <div class=\"row columns\"><div class=\"name\"></div><div class=\"plot\">{unit}, {better}</div>\
         <div class=\"ours\">ours</div><div class=\"hand\">{other}</div><div class=\"latency\">{latency}</div>\
         <div class=\"ratio\">ratio</div></div>\n",
        work_id = work.to_string().replace([' ', ','], "-"),
        title = capital(work.title()),
        explanation = escape(work.explanation()),
        unit = work.unit().label(),
        other = work.compared_with(),
    );
    let values = measured.iter().flat_map(|measured| std::iter::once(&measured.ours).chain(&measured.by_hand));
    let scale = Scale::of(values.map(|figure| figure.value));
    for measured in &measured {
        row(out, measured, &scale);
    }
    let _ =
        writeln!(out, "<div class=\"row axis\"><div class=\"plot\">{}</div></div>\n</div>\n</section>", scale.axis());
}

fn row(out: &mut String, measured: &Measurement, scale: &Scale) {
    let value = |figure: &Figure| measured.unit.print(figure.value);
    let latency = measured.ours.latency.map_or_else(String::new, |Latency { p50_us, p99_us }| {
        format!("<span class=\"label\">p50 · p99 </span>{} · {}", micros(p50_us), micros(p99_us))
    });
    let by_hand = measured.by_hand.as_ref().map_or_else(|| "–".into(), value);
    let _ = writeln!(
        out,
        "<div class=\"row {class}\"><div class=\"name\"><b>{backend}</b> {chip}<span class=\"setting\">{setting}</span></div>\
         <div class=\"plot\">{plot}</div><div class=\"ours\"><span class=\"label\">ours </span>{ours}</div>\
         <div class=\"hand\"><span class=\"label\">{other} </span>{by_hand}</div><div class=\"latency\">{latency}</div>\
         <div class=\"ratio\">{verdict}</div></div>",
        class = class(measured.durability),
        backend = measured.backend,
        chip = chip(measured.durability),
        setting = setting(measured),
        plot = scale.pair(measured),
        ours = value(&measured.ours),
        other = measured.work.compared_with(),
        verdict = verdict(measured),
    );
}

fn setting(measured: &Measurement) -> String {
    let setting = measured.backend.setting(measured.durability);
    if measured.backend == Backend::Sled { format!("{setting}; experimental") } else { setting.into() }
}

/// The ratio, and whether that is enough.
fn verdict(measured: &Measurement) -> String {
    let Some(ratio) = measured.ratio else { return "<span class=\"none\">–</span>".into() };
    let verdict = match (measured.target, measured.met()) {
        (Some(target), Some(true)) => format!("<b>{ratio:.2}</b> <span class=\"met\">≥ {target} met</span>"),
        (Some(target), Some(false)) => format!("<b>{ratio:.2}</b> <span class=\"missed\">≥ {target} missed</span>"),
        _ => format!("<b>{ratio:.2}</b>"),
    };
    match measured.ratio_of_medians() {
        Some(other) if disagree(ratio, other) => format!(
            "{verdict}<span class=\"setting\">The two values give {other:.2}. The ratio is the median of what each round gave, and a round \
             measures both sides within moments; the values are medians of rounds that lie far apart. The machine changed its pace \
             meanwhile: trust the ratio.</span>"
        ),
        _ => verdict,
    }
}

/// Whether two ratios differ by more than a tenth.
fn disagree(ratio: f64, other: f64) -> bool {
    ratio.max(other) > 1.1 * ratio.min(other)
}

fn class(durability: Durability) -> String {
    durability.to_string()
}

/// What a commit survives, in colour and in a word.
fn chip(durability: Durability) -> String {
    let lossy = if durability == Durability::Synced { "" } else { ": lossy" };
    format!("<span class=\"chip {durability}\">{durability}{lossy}</span>")
}

/// A span in a unit that suits it.
fn micros(us: f64) -> String {
    match us {
        us if us < 10.0 => format!("{us:.1} µs"),
        us if us < 1_000.0 => format!("{us:.0} µs"),
        us if us < 10_000.0 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.0} ms", us / 1e3),
    }
}

fn gaps(out: &mut String, report: &Report) {
    if report.gaps.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Not measured</h2>\n<ul class=\"gaps\">\n");
    for gap in &report.gaps {
        let _ = writeln!(out, "<li>{}</li>", escape(&gap.to_string()));
    }
    out.push_str("</ul>\n</section>\n");
}

fn machine(out: &mut String, report: &Report) {
    let Machine { cpu, cores, memory_bytes, kernel, file_system, sync_p50_us, sync_p99_us, versions, commit, .. } =
        &report.machine;
    let versions: Vec<_> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let lines = [
        ("Processor", format!("{cpu}, {cores} threads")),
        ("Memory", format!("{:.1} GB", *memory_bytes as f64 / 1e9)),
        ("System", kernel.clone()),
        ("File system", file_system.clone()),
        ("VerifiedRun of 4 KiB and fdatasync", format!("p50 {}, p99 {}", micros(*sync_p50_us), micros(*sync_p99_us))),
        ("Versions", versions.join(" · ")),
        ("Commit", commit.clone()),
        ("Date", report.date.clone()),
    ];
    out.push_str("<section>\n<h2>Machine and versions</h2>\n<dl>\n");
    for (name, value) in lines {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str(
        "</dl>\n<p class=\"note\">To repeat it: <code>cargo run --release -p syncline-benches --bin compare</code></p>\n\
         </section>\n",
    );
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_by_others_is_text_and_no_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }

    #[test]
    fn spans_have_a_unit_that_suits_them() {
        assert_eq!([1.25, 125.4, 1_254.0, 12_540.0].map(micros), ["1.2 µs", "125 µs", "1.3 ms", "13 ms"]);
    }

    #[test]
    fn what_loses_data_says_so_in_a_word() {
        assert!(!chip(Durability::Synced).contains("lossy"));
        assert!(chip(Durability::Process).contains("lossy") && chip(Durability::Volatile).contains("lossy"));
    }
}
