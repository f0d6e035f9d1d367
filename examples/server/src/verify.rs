//! Re-reading a space's whole log: is every bundle what its replica wrote, in its place, and found by every way to it?

use syncline::store::Limit;
use syncline::{Cursor, EventStore, SpaceId, Storage, StoreError};

use crate::failure::Failure;
use crate::output::Output;
use crate::spaces;
use crate::stack::Stack;
use crate::text::count;

mod chain;
mod damage;
mod origins;

pub(crate) use damage::Damage;

use chain::Checker;

/// How much is read at once.
const PAGE: Limit = Limit::bytes(1024 * 1024);

/// `verify`: checks one space, or all of them, then has the stores check themselves. Stops at the first damage.
pub(crate) async fn run(space: Option<SpaceId>, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let spaces = match space {
        Some(space) => vec![spaces::find(&space, stack).await?],
        None => spaces::all(stack).await?,
    };
    for listed in spaces {
        let space = &listed.space;
        let Some(store) = listed.open(stack).await? else {
            out.line(format!("space {space}: no bundle yet")).await?;
            continue;
        };
        let checked = verify(&*store, out).await?;
        let checked =
            checked.map_err(|damage| Failure::Damaged { space: space.to_string(), damage: Box::new(damage) })?;
        out.line(format!("space {space}: {checked}")).await?;
    }
    for store in &stack.stores {
        out.line(format!("checked: {}", store.check().await?)).await?;
    }
    Ok(())
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Checked {
    bundles: u64,
    voids: u64,
    events: u64,
    origins: usize,
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bundles, events) = (count(self.bundles, "bundle"), count(self.events, "event"));
        let (origins, voids) = (count(self.origins as u64, "origin"), count(self.voids, "void"));
        write!(f, "whole: {bundles} of {origins}, with {events} and {voids}")
    }
}

/// Checks a log up to the head that it has now; what is written in the meantime is not looked at.
async fn verify(store: &dyn EventStore, out: &mut Output) -> Result<Result<Checked, Damage>, Failure> {
    let status = store.status().await?;
    let mut checker = Checker::new(&status);
    let mut cursor = Cursor { log: status.log, position: status.base };
    while cursor.position < status.head {
        let before = checker.clone();
        let checked = match read(store, cursor, PAGE, &mut checker).await? {
            Ok(next) if next.position > cursor.position => Ok(next),
            Ok(_) => Err(Damage::Ends { after: cursor.position, head: status.head }),
            // Bundles of one origin come packed. One by one they say more closely which it is.
            Err(damage) => Err(narrow(store, cursor, before).await?.unwrap_or(damage)),
        };
        match checked {
            Ok(next) => cursor = next,
            Err(damage) => return Ok(Err(damage)),
        }
        out.progress(cursor.position.get().min(status.head.get()), status.head.get()).await?;
    }
    let starts = checker.starts().clone();
    let checked = match checker.finish(&status) {
        Ok(checked) => origins::check(store, &status, &starts).await?.map(|()| checked),
        damage => damage,
    };
    Ok(checked)
}

/// Reads and checks one page, and answers where the next begins.
async fn read(
    store: &dyn EventStore,
    cursor: Cursor,
    limit: Limit,
    checker: &mut Checker,
) -> Result<Result<Cursor, Damage>, Failure> {
    let page = match store.read(cursor, limit).await {
        Ok(page) => page,
        Err(StoreError::Corrupt { at, why, .. }) => return Ok(Err(Damage::Unreadable { at, why })),
        Err(error) => return Err(error.into()),
    };
    Ok(page.runs.iter().try_for_each(|stored| checker.check(stored)).map(|()| page.next))
}

/// Reads a page that was found damaged again, bundle by bundle, up to the damage.
async fn narrow(store: &dyn EventStore, mut cursor: Cursor, mut checker: Checker) -> Result<Option<Damage>, Failure> {
    loop {
        match read(store, cursor, Limit::items(1), &mut checker).await? {
            Err(damage) => return Ok(Some(damage)),
            Ok(next) if next.position > cursor.position => cursor = next,
            Ok(_) => return Ok(None),
        }
    }
}
