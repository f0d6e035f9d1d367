//! Where a store lies, and what has to be crashed with it.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_postgres_testing::{Cluster, Postmaster};

use super::hand::Hand;
use super::image::Image;
use super::tools::{program, run};
use super::worker::Worker;
use super::{RigError, Series, at};
use crate::setting::{Backend, Crash};

/// Room for a store of a few megabytes and its waste.
const IMAGE_BYTES: u64 = 512 * 1024 * 1024;

/// Small, so that a server starts quickly, and as safe as a server is by default.
const SERVER_SETTINGS: &str = "
max_connections = 40
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
min_wal_size = 4MB
max_wal_size = 64MB
fsync = on
full_page_writes = on
synchronous_commit = on
autovacuum_naptime = 10s
";

/// The file system and the server beneath a store.
#[derive(Debug)]
pub(super) struct Ground {
    scratch: PathBuf,
    image: Option<Image>,
    /// The cluster whose copies are the stores of a server.
    cluster: Option<Cluster>,
    server: Option<Postmaster>,
    /// Where the present store lies.
    folder: PathBuf,
}

impl Ground {
    pub(super) fn new(series: &Series) -> Result<Self, RigError> {
        let scratch = series.scratch.join(format!("{}-{}", series.setting, series.crash.as_str()));
        fs::create_dir(&scratch).map_err(at(scratch.display().to_string()))?;
        let cluster = match series.setting.backend {
            Backend::Postgres => {
                let folder = scratch.join("cluster");
                fs::create_dir(&folder).map_err(at(folder.display().to_string()))?;
                Some(Cluster::create(&folder, &["--wal-segsize", "1"], SERVER_SETTINGS)?)
            }
            _ => None,
        };
        let image = match series.crash {
            Crash::Cut => Some(Image::new(&scratch, IMAGE_BYTES)?),
            Crash::Kill => None,
        };
        Ok(Self { folder: scratch.clone(), scratch, image, cluster, server: None })
    }

    /// Makes the folder of a new store, so that it will still be there after a cut.
    pub(super) fn begin(&mut self, number: u64) -> Result<(), RigError> {
        let place = self.image.as_ref().map_or(self.scratch.as_path(), Image::path);
        self.folder = place.join(format!("store-{number}"));
        fs::create_dir(&self.folder).map_err(at(self.folder.display().to_string()))?;
        if let Some(cluster) = &self.cluster {
            cluster.copy_to(&self.data())?;
        }
        self.write_back()
    }

    /// Lets the system write all that it holds of the store's file system. Nothing is to be done if that is not crashed.
    pub(super) fn write_back(&self) -> Result<(), RigError> {
        match self.image {
            Some(_) => run(program("sync", ["--file-system"]).arg(&self.folder)).map(drop),
            None => Ok(()),
        }
    }

    /// Starts the server, if there is one and it does not run.
    pub(super) fn start(&mut self) -> Result<(), RigError> {
        if let (Some(cluster), None) = (&self.cluster, &self.server) {
            self.server = Some(cluster.start_on(&self.data())?);
        }
        Ok(())
    }

    /// Kills the server, if there is one.
    fn kill_server(&mut self) -> Result<(), RigError> {
        match self.server.take() {
            Some(mut server) => Ok(server.kill()?),
            None => Ok(()),
        }
    }

    /// Makes the crash, and says when what is told from then on is told too late, in microseconds since 1970.
    ///
    /// A kill leaves nothing to be told: all counts that comes through the pipe. A cut takes ext4 a millisecond or more, in
    /// which a sync under way may still return and be wrong: the file system refuses to record its files' sizes, and continues
    /// with its journal. No process would be there to see that were the power gone, so what it tells then does not count.
    pub(super) fn crash(&mut self, hand: &mut Hand, worker: &mut Worker) -> Result<u64, RigError> {
        let mut late = u64::MAX;
        if let Some(image) = &self.image {
            late = hand.cut(image.path())?;
        } else {
            // The server first: its client is to be told of commits up to the last moment.
            self.kill_server()?;
        }
        worker.kill()?;
        Ok(late)
    }

    /// Once the writing process is gone: ends what is left of the server, and brings the file system back.
    pub(super) fn come_back(&mut self) -> Result<(), RigError> {
        self.kill_server()?;
        if let Some(image) = &mut self.image {
            image.unmount()?;
            image.mount()?;
        }
        Ok(())
    }

    /// Deletes the store.
    pub(super) fn end(&mut self) -> Result<(), RigError> {
        self.kill_server()?;
        fs::remove_dir_all(&self.folder).map_err(at(self.folder.display().to_string()))
    }

    /// Where the store lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How to connect to its server.
    pub(super) fn url(&self) -> Option<String> {
        self.cluster.as_ref().map(Cluster::url)
    }

    /// Where the data of its server are.
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A file for what the writing process says if it fails.
    pub(super) fn log(&self) -> PathBuf {
        self.scratch.join("work.log")
    }

    /// What process and server have said last.
    pub(super) fn last_words(&self) -> String {
        let work = fs::read_to_string(self.log()).unwrap_or_default();
        let server = self.cluster.as_ref().map(Cluster::log).unwrap_or_default();
        let all = format!("{}\n{}", work.trim(), server.trim());
        let from = all.char_indices().rev().nth(1_500).map_or(0, |(at, _)| at);
        all[from..].trim().to_owned()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // In this order: the server uses the file system.
        self.server = None;
        self.image = None;
        let _ = fs::remove_dir_all(&self.scratch); // the script that made the folder deletes it, too
    }
}
