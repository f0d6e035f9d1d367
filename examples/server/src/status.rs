//! Where the database and its logs stand.

use std::path::Path;

use serde::Serialize;
use syncline::format::run::RUN_VERSION;
use syncline::protocol::PROTOCOL_VERSION;
use syncline::store::{Durability, Limit};
use syncline::{Cursor, EventStore, LogId, SpaceId, StoreError};
use syncline_any::Scheme;

use crate::cli::Form;
use crate::config::Place;
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::Stack;
use crate::text::{count, size};
use crate::{spaces, time};

/// The database and its spaces.
#[derive(Debug, Serialize)]
struct Report {
    /// Where the logs are, and the accounts unless `accounts` says otherwise.
    database: String,
    /// The file of the accounts if it is another one.
    accounts: Option<String>,
    /// Bytes on disk of what lies on this machine, write-ahead logs included.
    file_bytes: Option<u64>,
    durability: Durability,
    protocol_version: u16,
    run_version: u8,
    spaces: Vec<SpaceReport>,
}

/// One space.
#[derive(Debug, Serialize)]
struct SpaceReport {
    space: SpaceId,
    /// `None` if nothing was pushed or pulled yet.
    log: Option<LogReport>,
}

/// One space's log.
#[derive(Debug, Serialize)]
struct LogReport {
    log: LogId,
    /// The position of the last bundle: how many there have been.
    head: u64,
    /// Bundles up to this position are trimmed.
    base: u64,
    revision: u64,
    origins: usize,
    /// Bytes of its runs as they are read and sent.
    bytes: u64,
    /// Time of the latest bundle, ISO 8601.
    latest: Option<String>,
}

/// `status`.
pub(crate) async fn run(form: Form, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let mut spaces = Vec::new();
    for listed in spaces::all(stack).await? {
        let log = match listed.open(stack).await? {
            Some(store) => Some(look(&*store).await?),
            None => None,
        };
        spaces.push(SpaceReport { space: listed.space, log });
    }
    let Place { logs, accounts, .. } = &stack.place;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let report = Report {
        database: match (logs.scheme(), logs.path()) {
            (Scheme::Sqlite, Some(file)) => absolute(file),
            (scheme, Some(path)) => format!("{scheme}:{}", absolute(path)),
            (_, None) => logs.to_string(),
        },
        accounts: accounts.as_deref().map(absolute),
        file_bytes: stack.place.paths().map(bytes_on_disk).reduce(|sum, bytes| sum + bytes),
        durability: stack.storage.durability(),
        protocol_version: PROTOCOL_VERSION,
        run_version: RUN_VERSION,
        spaces,
    };
    if form.json {
        let json = serde_json::to_string(&report).expect("a report has text keys");
        return Ok(out.line(json).await?);
    }
    for line in report.lines() {
        out.line(line).await?;
    }
    Ok(())
}

async fn look(store: &dyn EventStore) -> Result<LogReport, StoreError> {
    let status = store.status().await?;
    let latest = status.heads.iter().map(|(_, head)| head.time).max();
    let mut bytes = 0;
    let mut cursor = Cursor { log: status.log, position: status.base };
    while cursor.position < status.head {
        let page = store.read(cursor, Limit::PAGE).await?;
        bytes += page.runs.iter().map(|stored| stored.run.as_bytes().len() as u64).sum::<u64>();
        if page.is_last() {
            break;
        }
        cursor = page.next;
    }
    Ok(LogReport {
        log: status.log,
        head: status.head.get(),
        base: status.base.get(),
        revision: status.revision.get(),
        origins: status.heads.len(),
        bytes,
        latest: latest.map(time::iso),
    })
}

/// Bytes of a file and its write-ahead log, or of all files in a folder.
fn bytes_on_disk(path: &Path) -> u64 {
    if let Ok(entries) = std::fs::read_dir(path) {
        return entries.flatten().map(|entry| bytes_on_disk(&entry.path())).sum();
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    size(path) + size(Path::new(&log))
}

impl Report {
    /// The report for people.
    fn lines(&self) -> Vec<String> {
        let Self { database, accounts, file_bytes, durability, protocol_version, run_version, spaces } = self;
        let accounts = accounts.as_ref().map(|file| format!("accounts in {file}, ")).unwrap_or_default();
        let on_disk = file_bytes.map(|bytes| format!("{} on disk, ", size(bytes))).unwrap_or_default();
        let mut lines = vec![format!(
            "database {database}: {accounts}{on_disk}durability {durability}, protocol {protocol_version}, run format {run_version}"
        )];
        lines.extend(spaces.iter().map(|SpaceReport { space, log }| match log {
            None => format!("space {space}: no log yet"),
            Some(LogReport { log, head, base, origins, bytes, latest, .. }) => {
                let latest = latest.as_deref().unwrap_or("never");
                let trimmed = if *base > 0 { format!(", the first {base} trimmed") } else { String::new() };
                let (bundles, origins) = (count(*head, "bundle"), count(*origins as u64, "origin"));
                format!("space {space}: {bundles} of {origins}{trimmed}, {}, latest {latest}, log {log}", size(*bytes))
            }
        }));
        lines
    }
}
