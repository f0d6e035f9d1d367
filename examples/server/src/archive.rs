//! The archive: a folder that keeps what was trimmed.

use std::path::Path;
use std::sync::Arc;

use syncline::SpaceId;
use syncline::archive::{Archive, ArchiveError, Archived, History};
use syncline_archive::ObjectArchive;

use crate::carry;
use crate::cli::{ArchiveTask, Task};
use crate::config::Place;
use crate::failure::Failure;
use crate::output::Output;
use crate::spaces;
use crate::stack::Stack;
use crate::text::count;

/// Opens the archive in a folder, and creates the folder.
///
/// # Errors
/// [`Failure::NoArchive`].
pub(crate) fn open(folder: &Path) -> Result<Arc<dyn Archive>, Failure> {
    Ok(Arc::new(in_folder(folder)?))
}

fn in_folder(folder: &Path) -> Result<ObjectArchive, Failure> {
    ObjectArchive::folder(folder).map_err(|source| Failure::NoArchive { folder: folder.to_owned(), source })
}

impl ArchiveTask {
    /// Carries it out, and answers on the console.
    ///
    /// # Errors
    /// [`Failure`]. Nothing has changed.
    pub(crate) async fn run_at(self, place: &Place) -> Result<(), Failure> {
        let folder = place.archive.as_deref().ok_or(Failure::WhichArchive)?;
        let mut out = Output::console();
        let result = match self {
            Self::List => list(folder, &mut out).await,
            Self::Restore { space, file } => carry::restore(space, folder, &file, &mut out).await,
            Self::Verify { space } if place.paths().any(|path| !path.exists()) => {
                let history = History::alone(open(folder)?, &space).await?;
                tell(&space, &history.verify().await?, "there is no log", &mut out).await
            }
            Self::Verify { space } => {
                return Task::VerifyArchive { space, archive: folder.to_owned() }.run_at(place).await;
            }
        };
        out.flush().await?;
        result
    }
}

/// `archive list`.
async fn list(folder: &Path, out: &mut Output) -> Result<(), Failure> {
    let archive = in_folder(folder)?;
    let unavailable = |what| move |source| ArchiveError::Unavailable { what, source };
    for space in archive.spaces().await.map_err(unavailable("list its spaces"))? {
        let names = archive.list(&space).await.map_err(unavailable("list its segments"))?;
        let Some(last) = names.iter().map(|name| name.last).max() else { continue };
        let segments = count(names.len() as u64, "segment");
        out.line(format!("space {space}: {segments}, up to position {last}")).await?;
    }
    Ok(())
}

/// `archive verify`.
///
/// # Errors
/// [`Failure::Archive`] with what is wrong first.
pub(crate) async fn verify(space: &SpaceId, folder: &Path, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let archive = open(folder)?;
    let log = spaces::find(space, stack).await?.open(stack).await?;
    let (history, log) = match log {
        Some(store) => (History::of(store, archive, space).await?, "the log follows"),
        None => (History::alone(archive, space).await?, "there is no log"),
    };
    tell(space, &history.verify().await?, log, out).await
}

async fn tell(space: &SpaceId, archived: &Archived, log: &str, out: &mut Output) -> Result<(), Failure> {
    let (bundles, segments) = (count(archived.end.get(), "bundle"), count(archived.segments, "segment"));
    Ok(out.line(format!("space {space}: {bundles} in {segments}, all of them right; {log}")).await?)
}
