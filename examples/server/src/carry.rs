//! Carrying whole logs from one place to another: stores, files, a running server.
//!
//! Whatever the two ends are, between them goes a portable log, and this process verifies it on its way.

use std::path::Path;
use std::sync::Arc;

use syncline::SpaceId;
use syncline::portable::Exporter;
use syncline_any::{Scheme, StoreName};
use tokio::io::{BufReader, Take};
use tokio::net::tcp::OwnedReadHalf;

use crate::archive;
use crate::backup;
use crate::cli::Carry;
use crate::config::Place;
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::{Reached, Stack, reach, reach_store};
use crate::time;

mod difference;
mod draft;
mod input;
mod source;
mod target;

pub(crate) use difference::Difference;

use draft::Draft;
use input::Input;
use source::{Source, Verified};
use target::Target;

impl Carry {
    /// Carries it out, with the help of the running servers that have stores open, and answers on the console.
    ///
    /// # Errors
    /// [`Failure`]. A file that was to be written is as it was before; a store holds a beginning of the log.
    pub(crate) async fn run_at(self, place: &Place) -> Result<(), Failure> {
        let mut out = Output::console();
        let result = match self {
            Self::Export { space, file } if file.as_os_str() == "-" => print(space, place, &mut out).await,
            Self::Export { space, file } => {
                let source = of_place(place, space).await?;
                save(source, Draft::create(&file)?, &mut out).await
            }
            Self::Import { file } => import(Input::open(&file)?, place, &mut out).await,
            Self::Move { space, from, to } => relocate(space, from, to, place, &mut out).await,
            Self::Backup { file } => backup::backup(&file, place, &mut out).await,
            Self::Restore { file, replace } => backup::restore(&file, replace, place, &mut out).await,
        };
        out.flush().await?;
        result
    }
}

/// `export` to standard output.
async fn print(space: SpaceId, place: &Place, out: &mut Output) -> Result<(), Failure> {
    let mut source = of_place(place, space).await?;
    while let Some(piece) = source.next(out).await? {
        out.data(&piece.bytes).await?;
    }
    out.flush().await?;
    Ok(out.note(source.summary()).await?)
}

/// `export` to a file.
async fn save(mut source: Verified<'_>, mut draft: Draft, out: &mut Output) -> Result<(), Failure> {
    while let Some(piece) = source.next(out).await? {
        draft.write(&piece.bytes)?;
    }
    draft.finish()?;
    Ok(out.line(source.summary()).await?)
}

/// `import`.
async fn import(mut input: Input, place: &Place, out: &mut Output) -> Result<(), Failure> {
    match reach(place).await? {
        Reached::Here(stack) => take(Verified::new(Source::File(input)), &stack, out).await,
        Reached::There(line) => {
            let mut answer = line.import().await?;
            while let Some(bytes) = input.next().await? {
                answer.send(&bytes).await?;
            }
            answer.finish(out).await
        }
    }
}

/// Takes a log into a store that this process has open.
async fn take(mut source: Verified<'_>, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let mut target = Target::store(&*stack.storage, Some(&*stack.accounts));
    while let Some(piece) = source.next(out).await? {
        target.take(piece).await?;
    }
    let added = target.finish(out).await?.unwrap_or_default();
    out.line(format!("{}, {added} of them new", source.summary())).await?;
    let (space, listing) = (&source.read().0.space, stack.accounts.list().await?);
    if !listing.spaces.iter().any(|entry| entry.space == *space) {
        out.note(format!("nobody may use space {space} yet; next: space add {space} --owner USER")).await?;
    }
    Ok(())
}

/// `move`.
async fn relocate(
    space: SpaceId,
    from: Option<StoreName>,
    to: StoreName,
    place: &Place,
    out: &mut Output,
) -> Result<(), Failure> {
    if to.scheme() == Scheme::Memory {
        return Err(Failure::Fleeting);
    }
    if to == *from.as_ref().unwrap_or(&place.logs) {
        return Err(Failure::SameStore(to.to_string()));
    }
    let from = from.filter(|from| *from != place.logs);
    let mut source = match &from {
        Some(from) => of_store(from, space.clone(), place).await?,
        None => of_place(place, space.clone()).await?,
    };
    let reached = reach_store(&to, place.durability).await?;
    let storage = if let Reached::Here(storage) = &reached { Some(storage.clone()) } else { None };
    let accounts = match &storage {
        Some(storage) => storage.accounts(Arc::new(time::now)).await?,
        None => None,
    };
    let mut target = match reached {
        Reached::Here(ref storage) => Target::store(storage, accounts.as_deref()),
        Reached::There(line) => Target::Server(line.import().await?),
    };
    while let Some(piece) = source.next(out).await? {
        target.take(piece).await?;
    }
    let added = target.finish(out).await?;
    let mut copy = match storage {
        Some(storage) => Verified::new(Source::of(&storage, None, None, &space).await?),
        None => of_store(&to, space, place).await?,
    };
    let (from, to) = (from.map_or_else(|| place.to_string(), |from| from.to_string()), to.to_string());
    drain(&mut copy, out).await?;
    Difference::check(&source, &copy, &from, &to)?;
    let new = added.map(|added| format!(", {added} of them new")).unwrap_or_default();
    Ok(out.line(format!("{}{new}; the same in {from} and {to}", source.summary())).await?)
}

/// `verify --against`.
///
/// # Errors
/// [`Failure::Differ`] if they are not the same.
pub(crate) async fn compare(
    space: &SpaceId,
    place: &Place,
    other: &StoreName,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut ours = of_place(place, space.clone()).await?;
    drain(&mut ours, out).await?;
    let mut theirs = of_store(other, space.clone(), place).await?;
    drain(&mut theirs, out).await?;
    let (here, there) = (place.to_string(), other.to_string());
    Difference::check(&ours, &theirs, &here, &there)?;
    Ok(out.line(format!("{}; the same in {here} and {there}", ours.summary())).await?)
}

/// Sends a space's log to anyone who asked this server for it.
///
/// # Errors
/// [`Failure`]; the log then breaks off.
pub(crate) async fn send(space: &SpaceId, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let mut source = Source::of(&*stack.storage, Some(&*stack.accounts), stack.place.archive.as_deref(), space).await?;
    while let Some(bytes) = source.next().await? {
        out.data(&bytes).await?;
    }
    Ok(())
}

/// `archive restore`.
pub(crate) async fn restore(space: SpaceId, folder: &Path, file: &Path, out: &mut Output) -> Result<(), Failure> {
    let exporter = Exporter::begin_archived(archive::open(folder)?, space).await?;
    save(Verified::new(Source::Store(Box::new(exporter))), Draft::create(file)?, out).await
}

/// Takes the log that somebody sends to this server.
///
/// # Errors
/// [`Failure`]; the store then holds a beginning of the log.
pub(crate) async fn receive(
    from: &mut BufReader<Take<OwnedReadHalf>>,
    stack: &Stack,
    out: &mut Output,
) -> Result<(), Failure> {
    take(Verified::new(Source::Wire(from)), stack, out).await
}

/// The log of a space in the store of the settings.
async fn of_place(place: &Place, space: SpaceId) -> Result<Verified<'static>, Failure> {
    if let Some(missing) = place.paths().find(|path| !path.exists()) {
        return Err(Failure::NoDatabase(missing.to_owned()));
    }
    Ok(Verified::new(match reach(place).await? {
        Reached::Here(stack) => {
            Source::of(&*stack.storage, Some(&*stack.accounts), stack.place.archive.as_deref(), &space).await?
        }
        Reached::There(line) => Source::Server(line.export(space).await?),
    }))
}

/// The log of a space in another store.
async fn of_store(name: &StoreName, space: SpaceId, place: &Place) -> Result<Verified<'static>, Failure> {
    if let Some(missing) = name.path().filter(|path| !path.exists()) {
        return Err(Failure::NoStore(missing.to_owned()));
    }
    Ok(Verified::new(match reach_store(name, place.durability).await? {
        Reached::Here(storage) => {
            let accounts = storage.existing_accounts(Arc::new(time::now)).await?;
            Source::of(&storage, accounts.as_deref(), place.archive.as_deref(), &space).await?
        }
        Reached::There(line) => Source::Server(line.export(space).await?),
    }))
}

/// Reads a log to its end.
async fn drain(source: &mut Verified<'_>, out: &mut Output) -> Result<(), Failure> {
    while source.next(out).await?.is_some() {}
    Ok(())
}
