//! Crashes the stores. `scripts/crash` builds and calls this; see `engine/docs/durability.md`.

use std::error::Error;
use std::fs;
use std::io::{Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use syncline_crash::report::{Outcome, objections, put_table, table};
use syncline_crash::rig::{Series, own_scratch, run};
use syncline_crash::setting::{Crash, Setting};
use syncline_crash::work::work;

/// Kills and power cuts against every store of Syncline.
#[derive(Debug, Parser)]
#[command(name = "crash")]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Crash stores, and write one JSON file for each series.
    Run(Run),
    /// Make the table of all series in a folder, and say whether they are as they must be.
    Table(Table),
    /// Be the process that is crashed.
    #[command(hide = true)]
    Work,
}

#[derive(Debug, Args)]
struct Run {
    /// Number of kills for each setting that must survive kills.
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// Number of power cuts for each setting that must survive them. Needs root.
    #[arg(long, default_value_t = 1000)]
    cuts: u64,
    /// Number of crashes of each kind for each control, and for each store that is not a durable store of Syncline.
    #[arg(long, default_value_t = 200)]
    controls: u64,
    /// Only this store: sqlite, redb, sled, postgres, file.
    #[arg(long)]
    backend: Option<String>,
    /// Only this setting: synced, one-phase, process, unsynced.
    #[arg(long)]
    durability: Option<String>,
    /// Seed of everything random, except the scheduler.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the JSON files.
    #[arg(long)]
    out: PathBuf,
    /// An empty folder whose name begins with `syncline-crash.`; it is deleted at the end.
    #[arg(long)]
    scratch: PathBuf,
}

#[derive(Debug, Args)]
struct Table {
    /// Folder with the JSON files.
    #[arg(long)]
    out: PathBuf,
    /// Replace the table in this document.
    #[arg(long)]
    document: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let done = match Command::parse().what {
        What::Run(options) => run_all(&options),
        What::Table(options) => make_table(&options),
        What::Work => run_work(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("crash: {error}");
            ExitCode::from(2)
        }
    }
}

fn run_work() -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work(stdin()))?;
    Ok(ExitCode::SUCCESS)
}

impl Run {
    fn is_chosen(&self, setting: Setting) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        fits(&self.backend, setting.backend.as_str()) && fits(&self.durability, setting.mode.as_str())
    }

    fn count(&self, setting: Setting, crash: Crash) -> u64 {
        let asked = match crash {
            Crash::Kill => self.kills,
            Crash::Cut => self.cuts,
        };
        // None of one kind asked for is none of its controls, either.
        if setting.is_durable_store() || asked == 0 { asked } else { self.controls }
    }
}

fn run_all(options: &Run) -> Result<ExitCode, Failure> {
    let scratch = own_scratch(&options.scratch)?;
    fs::create_dir_all(&options.out)?;
    let program = std::env::current_exe()?;
    let chosen: Vec<_> = Setting::ALL.into_iter().filter(|setting| options.is_chosen(*setting)).collect();
    if chosen.is_empty() {
        return Err(format!("no such setting; there are {}", Setting::ALL.map(|it| it.to_string()).join(", ")).into());
    }
    let mut outcomes = Vec::new();
    for (setting, crash) in chosen.iter().flat_map(|setting| [(*setting, Crash::Kill), (*setting, Crash::Cut)]) {
        let count = options.count(setting, crash);
        if count == 0 {
            continue;
        }
        let (scratch, program) = (scratch.clone(), program.clone());
        let series = Series { setting, crash, count, seed: options.seed, scratch, program };
        let outcome = run(&series, |outcome| say(outcome, count))?;
        let file = options.out.join(format!("{setting}-{}.json", crash.as_str()));
        fs::write(&file, serde_json::to_string_pretty(&outcome)? + "\n")?;
        outcomes.push(outcome);
    }
    judge(&outcomes)
}

fn say(outcome: &Outcome, count: u64) {
    let Outcome { setting, crash, crashes, acknowledged, lost, inconsistent, unopenable, failed, .. } = outcome;
    let line = format!(
        "{setting} {}: {crashes} of {count}, {acknowledged} bundles acknowledged, {lost} lost, {inconsistent} inconsistent, \
         {unopenable} not opening, {failed} failed",
        crash.as_str()
    );
    // Progress is for anyone who watches; nothing depends on it.
    let _ = writeln!(stdout(), "{line}");
}

fn judge(outcomes: &[Outcome]) -> Result<ExitCode, Failure> {
    let objections = objections(outcomes);
    for objection in &objections {
        writeln!(stdout(), "NOT AS IT MUST BE: {objection}")?;
    }
    Ok(if objections.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn make_table(options: &Table) -> Result<ExitCode, Failure> {
    let outcomes = read_all(&options.out)?;
    let table = table(&outcomes);
    fs::write(options.out.join("table.md"), &table)?;
    if let Some(file) = &options.document {
        let document = fs::read_to_string(file)?;
        let document = put_table(&document, &table).ok_or("the document has no place marked for the table")?;
        fs::write(file, document)?;
    }
    judge(&outcomes)
}

fn read_all(folder: &Path) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let outcome = serde_json::from_str(&fs::read_to_string(&path)?);
            outcomes.push(outcome.map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    Ok(outcomes)
}
