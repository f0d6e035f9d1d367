//! The convergence lab as a program; see `--help`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use syncline_sim::{Outcome, Profile, run_seed};

/// Runs histories of simulated replicas and servers, with faults, and checks that what must hold does.
///
/// The real engine runs on simulated disks, clocks and networks, in virtual time. One seed is one history, always the same. Exits
/// with 1 where a history breaks a law.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = "Example: sim --profile restore --seed 17 --story")]
struct Cli {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds from there on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    histories: u64,
    /// Which faults: calm, flaky, partition, crash, clock, restore, hostile, mixed.
    #[arg(long, default_value = "mixed")]
    profile: Profile,
    /// Steps per history.
    #[arg(long, default_value_t = 200, value_name = "N")]
    steps: usize,
    /// Threads.
    #[arg(long, default_value_t = 1, value_name = "J")]
    jobs: u64,
    /// Print what happens, step by step.
    #[arg(long)]
    story: bool,
}

/// What all histories together came to.
#[derive(Default)]
struct Sum {
    steps: u64,
    faults: BTreeMap<String, u64>,
    findings: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.steps += outcome.steps;
        for (fault, count) in outcome.tally.iter().filter(|(_, count)| *count > 0) {
            *self.faults.entry(format!("{fault:?}")).or_default() += u64::from(count > 0);
        }
        self.findings.extend(outcome.finding.as_ref().map(|finding| (seed, finding.to_string())));
    }
}

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    let (sum, next, start) = (Mutex::new(Sum::default()), AtomicU64::new(cli.seed), Instant::now());
    let end = cli.seed.saturating_add(cli.histories);
    std::thread::scope(|scope| {
        for _ in 0..cli.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run_seed(seed, cli.profile, cli.steps, cli.story);
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &outcome);
                    tell(&outcome);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut out = io::stdout().lock();
    let seconds = start.elapsed().as_secs_f64().max(1e-9);
    let (histories, steps) = (cli.histories as f64 / seconds, sum.steps as f64 / seconds);
    writeln!(out, "{}: seeds {} to {}, {} steps each", cli.profile, cli.seed, end - 1, cli.steps)?;
    writeln!(
        out,
        "{} histories, {} findings, {histories:.0} histories/s, {steps:.0} steps/s",
        cli.histories,
        sum.findings.len()
    )?;
    for (fault, count) in &sum.faults {
        writeln!(out, "  {fault} in {:.1}% of histories", 100.0 * *count as f64 / cli.histories as f64)?;
    }
    for (seed, finding) in &sum.findings {
        writeln!(
            out,
            "seed {seed}: {finding}\n  again: sim --profile {} --seed {seed} --steps {} --story",
            cli.profile, cli.steps
        )?;
    }
    Ok(if sum.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a history's story, if it has one. A closed pipe ends the telling, not the run.
fn tell(outcome: &Outcome) {
    let mut out = io::stdout().lock();
    for line in &outcome.story {
        let _ = writeln!(out, "{:10.3} s  {}", line.at as f64 / 1e6, line.text);
    }
}
