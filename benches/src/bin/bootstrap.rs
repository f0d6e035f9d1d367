//! Measures beginning with a snapshot against folding the log. Prints one table.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use syncline_benches::Failure;
use syncline_benches::bootstrap::{Measured, SERVE, measure, serve};
use syncline_benches::cost::Cost;

/// Rows if no number is given. Each is written once then.
const ROWS: usize = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [serves, file] if serves == SERVE => serve(Path::new(file)).await,
        [] => run(Path::new(&args[0]), ROWS, 1).await,
        [rows] => run(Path::new(&args[0]), rows.parse()?, 1).await,
        [rows, events] => run(Path::new(&args[0]), rows.parse()?, events.parse()?).await,
        _ => Err("usage: bootstrap [ROWS [EVENTS-PER-ROW]]".into()),
    }
}

async fn run(program: &Path, rows: usize, events_per_row: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let Measured { rows, events_per_row, making, bytes, bootstrap, replay, by_hand, p99: [quiet, making_p99] } =
        measure(program, folder.path(), rows, events_per_row).await?;
    let ratio = |after: Duration, before: Duration| after.as_secs_f64() / before.as_secs_f64();
    let (folding, pushing) = (ratio(replay.cpu, bootstrap.cpu), ratio(making_p99, quiet));
    let lines = [
        format!("{rows} rows of attributes, SQLite to SQLite over loopback HTTP, synced\n"),
        "| what | CPU of the process | wall | rows/s of CPU |\n|---|---|---|---|".to_owned(),
        line("making the snapshot", making, rows),
        line("new device that takes it", bootstrap, rows),
        line(&format!("new device that folds the log, events for each row: {events_per_row}"), replay, rows),
        line("the same rows into a SQLite table, by hand", by_hand, rows),
        format!("\nfolding against taking: {folding:.1} x the CPU; {bytes} bytes travelled"),
        format!(
            "push, p99 of 16 writers: {} quiet, {} while a snapshot is made: {pushing:.2} x",
            ms(quiet),
            ms(making_p99)
        ),
    ];
    Ok(writeln!(io::stdout(), "{}", lines.join("\n"))?)
}

fn line(what: &str, Cost { cpu, wall }: Cost, rows: usize) -> String {
    let rate = rows as f64 / cpu.as_secs_f64() / 1_000.0;
    format!("| {what} | {} | {} | {rate:.0} k |", ms(cpu), ms(wall))
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
