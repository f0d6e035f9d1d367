//! Compares all backends, durability classes and bare libraries, see `--help`.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use clap::Parser as _;
use syncline_benches::choose::{self, Candidate};
use syncline_benches::compare::crash::Errand;
use syncline_benches::compare::machine::Machine;
use syncline_benches::compare::{Bench, Gap, Report, Work, baseline, page, table};
use syncline_benches::place::{Backend, Ground};
use syncline_benches::server::Server;
use syncline_benches::{Failure, memory};

mod arguments;

use arguments::{Arguments, Part};

/// Something got worse.
const WORSE: u8 = 1;
/// The program was told something that it cannot do, or could not measure.
const FAILED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "compare: {failure}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match &arguments.part {
        Some(Part::Errand { errand }) => return Errand::parse(errand)?.run().await.map(|()| ExitCode::SUCCESS),
        Some(Part::Serve { file }) => return memory::serve(file).await.map(|()| ExitCode::SUCCESS),
        Some(Part::Choose { errand }) => {
            let candidates: Vec<_> = Candidate::shipped().collect();
            return choose::run_errand(errand, &candidates).await.map(|()| ExitCode::SUCCESS);
        }
        None => {}
    }
    // Told now, not after ten minutes.
    let before = arguments.baseline.as_deref().map(Report::read).transpose()?;
    let earlier = arguments.render.as_deref().map(Report::read).transpose()?;
    let quick = earlier.as_ref().map_or(arguments.quick, |report| report.quick);
    if let Some(before) = before.as_ref().filter(|before| before.quick != quick) {
        return Err(unlike(before.quick).into());
    }
    fs::create_dir_all(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    let report = match earlier {
        Some(report) => report,
        None => measure(&arguments).await?,
    };
    write(&arguments, &report)?;
    let Some(before) = before else { return Ok(ExitCode::SUCCESS) };
    let wanted = |work: Work, backend: Backend| arguments.wants_work(work) && arguments.wants_backend(backend);
    let worse = baseline::worse(&before, &report, arguments.rule(), wanted);
    let mut out = io::stdout().lock();
    writeln!(out, "{}", baseline::summary(&before, arguments.rule(), worse.len()))?;
    worse.iter().try_for_each(|worse| writeln!(out, "  {worse}"))?;
    Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WORSE) })
}

/// Why a quick run and a full one are not compared: what costs the same once weighs more on little work.
fn unlike(quick: bool) -> &'static str {
    if quick {
        "the baseline is of a quick run and this is a full one, whose ratios differ: add --quick"
    } else {
        "the baseline is of a full run and this is a quick one, whose ratios differ: leave out --quick, or measure the baseline \
         with it"
    }
}

/// Measures what is asked for.
async fn measure(arguments: &Arguments) -> Result<Report, Failure> {
    let (start, pattern) = (Instant::now(), arguments.pattern()?);
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let parent = tempfile::Builder::new().prefix("syncline-compare-").tempdir_in(&folder);
    let parent = parent.map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut ground = Ground { folder: parent.path().to_owned(), postgres: None };
    let mut gaps = Vec::new();
    let mut backends: Vec<_> = Backend::ALL.into_iter().filter(|backend| arguments.wants_backend(*backend)).collect();
    let server = if backends.contains(&Backend::Postgres) { Server::start().await } else { Ok(Server::none()) };
    match &server {
        Ok(server) => ground.postgres = server.url(),
        Err(why) => {
            gaps.push(Gap { backend: Backend::Postgres, work: None, why: why.clone() });
            backends.retain(|backend| *backend != Backend::Postgres);
        }
    }
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut report = Report::new(date, arguments.quick, Machine::look(&ground).await?);
    report.gaps = gaps;
    let program = std::env::current_exe()?;
    if let Some(pattern) = pattern {
        announce(&format!("which store suits: {pattern}"));
        report.summary = Some(choose::measure(&arguments.candidates(), &pattern, &ground, &program).await);
    }
    let by_hand = arguments.wants_by_hand();
    for work in Work::ALL.into_iter().filter(|work| by_hand && arguments.wants_work(*work)) {
        for backend in backends.iter().copied() {
            for durability in backend.durabilities().iter().copied().filter(|it| work.applies(backend, *it)) {
                let bench =
                    Bench { backend, durability, ground: &ground, effort: arguments.effort(), program: &program };
                match bench.gap(work) {
                    Some(why) => report.gaps.push(Gap { backend, work: Some(work), why: why.into() }),
                    None => {
                        announce(&format!("{work}: {backend}, {durability}"));
                        let measured = bench.measure(work).await;
                        report.measurements.push(measured.map_err(|error| format!("{backend}, {work}: {error}"))?);
                    }
                }
            }
        }
    }
    report.gaps.dedup();
    report.seconds = start.elapsed().as_secs();
    Ok(report)
}

/// Prints the table, and writes the files.
fn write(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    let [json, html] = ["compare.json", "compare.html"].map(|name| arguments.out.join(name));
    fs::write(&json, report.to_json()?).map_err(|error| format!("{}: {error}", json.display()))?;
    fs::write(&html, page::render(report)).map_err(|error| format!("{}: {error}", html.display()))?;
    let mut out = io::stdout().lock();
    out.write_all(table::print(report).as_bytes())?;
    writeln!(out, "written to {} and {}", html.display(), json.display())?;
    Ok(())
}

/// Says on a terminal what is being measured.
fn announce(what: &str) {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "measuring {what}");
    }
}
