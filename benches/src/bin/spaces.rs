//! Measures what a server keeps in memory of spaces that are idle. Prints one table.

use std::io::{self, Write as _};
use std::path::Path;

use syncline_benches::Failure;
use syncline_benches::spaces::{SERVE, SMALL, Taken, measure, serve};

/// Spaces if no number is given.
const SPACES: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [serves, file, small @ ..] if serves == SERVE => serve(Path::new(file), small == [SMALL]).await,
        [] => run(Path::new(&args[0]), SPACES).await,
        [spaces] => run(Path::new(&args[0]), spaces.parse()?).await,
        _ => Err("usage: spaces [SPACES]".into()),
    }
}

async fn run(program: &Path, spaces: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut out = io::stdout();
    writeln!(
        out,
        "{spaces} spaces, each opened once by a push and a pull over HTTP, on SQLite; MB of resident memory\n"
    )?;
    writeln!(out, "| caches of the database | at the start | idle afterwards | more |\n|---|---|---|---|")?;
    for (caches, is_small) in [("1 MiB", true), ("as by default", false)] {
        let file = folder.path().join(format!("{is_small}.sqlite"));
        let Taken { before, after } = measure(program, &file, spaces, is_small).await?;
        let more = after.saturating_sub(before);
        writeln!(out, "| {caches} | {} | {} | {} |", megabytes(before), megabytes(after), megabytes(more))?;
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
