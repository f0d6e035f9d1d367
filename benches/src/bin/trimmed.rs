//! Measures what a trimmed log leaves on the disk. Prints one table.

use std::io::{self, Write as _};

use clap::ValueEnum as _;
use syncline_benches::Failure;
use syncline_benches::place::{Backend, Ground};
use syncline_benches::server::Server;
use syncline_benches::trimmed::{Disk, measure, told};

/// Rows that the bundles fall on.
const KEYS: u32 = 10_000;
/// Bundles if no number is given.
const BUNDLES: usize = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (backends, bundles) = match &args[..] {
        [] => (&Backend::ALL[..4], BUNDLES),
        [name, rest @ ..] if rest.len() < 2 => {
            let backend = Backend::from_str(name, true)?;
            let at =
                Backend::ALL[..4].iter().position(|known| *known == backend).ok_or("it keeps nothing on a disk")?;
            (&Backend::ALL[at..=at], rest.first().map_or(Ok(BUNDLES), |bundles| bundles.parse())?)
        }
        _ => return Err("usage: trimmed [BACKEND [BUNDLES]]".into()),
    };
    let folder = tempfile::tempdir()?;
    let server = if backends.contains(&Backend::Postgres) { Server::start().await? } else { Server::none() };
    let ground = Ground { folder: folder.path().to_owned(), postgres: server.url() };
    let mut out = io::stdout();
    writeln!(out, "{bundles} bundles of one event over {KEYS} rows, all trimmed; MB on the disk\n")?;
    writeln!(out, "| backend | before | trimmed | told to give back | the rows alone | ratio | ratio, told |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for backend in backends {
        let Disk { whole, trimmed, given_back, rows } = measure(&ground, *backend, bundles, KEYS).await?;
        let [whole, trimmed, given_back, rows] = [whole, trimmed, given_back, rows].map(|bytes| bytes as f64 / 1e6);
        let told = told(*backend).map_or("—".to_owned(), |how| format!("{given_back:.2} ({how})"));
        let (ratio, after) = (trimmed / rows, given_back / rows);
        writeln!(out, "| {backend} | {whole:.2} | {trimmed:.2} | {told} | {rows:.2} | {ratio:.2} | {after:.2} |")?;
    }
    Ok(())
}
