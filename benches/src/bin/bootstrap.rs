//! Measures beginning with a snapshot against folding the log. Prints one table.

use std::path::Path;
use std::time::Duration;

use syncline_benches::Failure;
use syncline_benches::bootstrap::{Cost, Measured, SERVE, measure, serve};

/// Rows if no number is given.
const ROWS: usize = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [serves, file] if serves == SERVE => serve(Path::new(file)).await,
        [] => run(Path::new(&args[0]), ROWS).await,
        [rows] => run(Path::new(&args[0]), rows.parse()?).await,
        _ => Err("usage: bootstrap [ROWS]".into()),
    }
}

async fn run(program: &Path, rows: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let Measured { rows, making, bytes, bootstrap, replay, p99: [quiet, making_p99] } =
        measure(program, folder.path(), rows).await?;
    println!("{rows} rows of attributes, SQLite to SQLite over loopback HTTP, synced\n");
    println!("| what | CPU of the process | wall | rows/s of CPU |");
    println!("|---|---|---|---|");
    line("making the snapshot", making, rows);
    line("new device that takes it", bootstrap, rows);
    line("new device that folds one event for each row", replay, rows);
    let ratio = replay.cpu.as_secs_f64() / bootstrap.cpu.as_secs_f64();
    println!("\nfolding against taking: {ratio:.1} x the CPU; {bytes} bytes travelled");
    let ratio = making_p99.as_secs_f64() / quiet.as_secs_f64();
    println!("push, p99 of 16 writers: {} quiet, {} while a snapshot is made: {ratio:.2} x", ms(quiet), ms(making_p99));
    Ok(())
}

fn line(what: &str, Cost { cpu, wall }: Cost, rows: usize) {
    let rate = rows as f64 / cpu.as_secs_f64() / 1_000.0;
    println!("| {what} | {} | {} | {rate:.0} k |", ms(cpu), ms(wall));
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
