//! What the numbers were measured on, and with what.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::place::Ground;

/// The versions of everything that was built in.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// The packages whose versions matter.
const LIBRARIES: [&str; 4] = ["rusqlite", "redb", "sled", "sqlx"];
/// Appends to the disk that are timed.
const WAITS: usize = 101;

/// A machine, with what runs on it. What is not known is `unknown`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Threads that run at once.
    pub cores: usize,
    /// Bytes of memory; 0 if that is not known.
    pub memory_bytes: u64,
    /// The system and its version.
    pub kernel: String,
    /// The file system that the databases lie on.
    pub file_system: String,
    /// How long the disk takes to make an append of 4 KiB durable, in microseconds: the middle one of 101.
    pub sync_p50_us: f64,
    /// The longest but one of a hundred.
    pub sync_p99_us: f64,
    /// Libraries and servers with their versions.
    pub versions: Vec<(String, String)>,
    /// The commit that was built, with `+` behind it if files had changed since.
    pub commit: String,
    /// Whether the program was built without optimization, which makes its numbers worthless.
    pub debug: bool,
}

impl Machine {
    /// Looks at this one.
    ///
    /// # Errors
    /// If nothing can be written in the folder, or the server does not answer.
    pub async fn look(ground: &Ground) -> Result<Self, Failure> {
        let waits = disk_waits(&ground.folder)?;
        Ok(Self {
            cpu: cpu().unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory().unwrap_or_default(),
            kernel: kernel().unwrap_or_else(|| std::env::consts::OS.into()),
            file_system: file_system(&ground.folder).unwrap_or_else(unknown),
            sync_p50_us: waits.median.as_nanos() as f64 / 1e3,
            sync_p99_us: waits.worst.as_nanos() as f64 / 1e3,
            versions: versions(ground).await?,
            commit: commit().unwrap_or_else(unknown),
            debug: cfg!(debug_assertions),
        })
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

fn kernel() -> Option<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
    Some(format!("{} {}", read("ostype")?.trim(), read("osrelease")?.trim()))
}

/// The type of the file system that holds a folder: that of the deepest mount above it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    deepest(&fs::read_to_string("/proc/self/mounts").ok()?, &folder)
}

fn deepest(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // If two mounts are at one place, the later one hides the earlier.
    let above = mounts.filter(|(at, _)| folder.starts_with(at));
    above.max_by_key(|(at, _)| at.len()).map(|(_, kind)| kind.to_owned())
}

async fn versions(ground: &Ground) -> Result<Vec<(String, String)>, Failure> {
    let mut versions = vec![
        ("Syncline".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("SQLite".to_owned(), rusqlite::version().to_owned()),
    ];
    let locked = LIBRARIES.iter().filter_map(|name| Some(((*name).to_owned(), locked(LOCK, name)?)));
    versions.extend(locked);
    if let Some(url) = &ground.postgres {
        use sqlx::Connection as _;
        let mut server = sqlx::PgConnection::connect(url).await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut server).await?;
        versions.push(("Postgres".to_owned(), version));
    }
    Ok(versions)
}

/// The version of a package in a lock file.
fn locked(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if changed { commit + "+" } else { commit })
}

/// How long a disk takes to make a small append durable.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// The middle one.
    pub median: Duration,
    /// The longest but one of a hundred.
    pub worst: Duration,
}

/// Appends to a file in `folder`, and waits for the disk each time.
///
/// # Errors
/// [`io::Error`] if a file in the folder cannot be created, written or synced.
pub fn disk_waits(folder: &Path) -> io::Result<Waits> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut waits = Vec::new();
    for _ in 0..WAITS {
        let start = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    Ok(Waits { median: waits[WAITS / 2], worst: waits[WAITS - 2] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_names_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
        let kind = |folder: &str| deepest(mounts, Path::new(folder)).unwrap();
        assert_eq!(["/home", "/tmp", "/tmp/xy", "/tmp/x/y"].map(kind), ["ext4", "tmpfs", "tmpfs", "xfs"]);
    }

    #[test]
    fn every_library_has_a_version() {
        for name in LIBRARIES {
            assert!(locked(LOCK, name).unwrap().starts_with(|first: char| first.is_ascii_digit()), "{name}");
        }
        assert_eq!(locked(LOCK, "nothing-of-this-name"), None);
    }
}
