//! A file system of the rig's own, in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use super::tools::{program, run};
use super::{RigError, at};

/// How long the processes of a dead server may still hold the file system.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(10);

/// An ext4 file system in a file, mounted. Taken apart when dropped.
#[derive(Debug)]
pub(super) struct Image {
    file: PathBuf,
    device: PathBuf,
    mount: PathBuf,
    is_mounted: bool,
}

impl Image {
    /// Makes one in `scratch`, and mounts it there. It takes up no more than what is written to it.
    pub(super) fn new(scratch: &Path, bytes: u64) -> Result<Self, RigError> {
        if !geteuid().is_root() {
            let (what, advice) =
                ("only root may mount the file systems whose power is cut", "run as root, or ask for kills");
            return Err(RigError::Missing { what, advice });
        }
        let (file, mount) = (scratch.join("image"), scratch.join("mount"));
        File::create(&file).and_then(|image| image.set_len(bytes)).map_err(at(file.display().to_string()))?;
        fs::create_dir_all(&mount).map_err(at(mount.display().to_string()))?;
        let options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
        run(program("mkfs.ext4", ["-q", "-F", "-E", options]).arg(&file))?;
        let device = run(program("losetup", ["--find", "--show"]).arg(&file))?.into();
        let mut image = Self { file, device, mount, is_mounted: false };
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.mount
    }

    /// Mounts it: the system recovers it from its journal.
    pub(super) fn mount(&mut self) -> Result<(), RigError> {
        run(program("mount", ["-t", "ext4", "-o", "noatime"]).arg(&self.device).arg(&self.mount))?;
        self.is_mounted = true;
        Ok(())
    }

    /// Unmounts it, as soon as nobody uses it any more.
    pub(super) fn unmount(&mut self) -> Result<(), RigError> {
        let start = Instant::now();
        while self.is_mounted {
            match run(&mut program("umount", [&self.mount])) {
                Ok(_) => self.is_mounted = false,
                Err(RigError::Program { output, .. })
                    if output.contains("busy") && start.elapsed() < UNMOUNT_PATIENCE =>
                {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // What is left over here, the script that started this takes apart.
        let _ = self.unmount();
        let _ = run(program("losetup", ["--detach"]).arg(&self.device));
        let _ = fs::remove_file(&self.file);
    }
}
