//! Which spaces there are: some have a log, some only members so far.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline::{EventStore, SpaceId};

use crate::failure::Failure;
use crate::stack::Stack;

/// All spaces, with and without a log, in the order of their names.
///
/// # Errors
/// [`Failure`] of the database.
pub(crate) async fn all(stack: &Stack) -> Result<Vec<SpaceId>, Failure> {
    let mut spaces: BTreeSet<_> = stack.storage.spaces().await?.into_iter().collect();
    spaces.extend(stack.accounts.list().await?.spaces.into_iter().map(|entry| entry.space));
    Ok(spaces.into_iter().collect())
}

/// A space's log, `None` where it has members and no log yet. Looking creates nothing.
///
/// # Errors
/// [`Failure::NoSpace`] where there is no such space; [`Failure`] of the database.
pub(crate) async fn open(space: &SpaceId, stack: &Stack) -> Result<Option<Arc<dyn EventStore>>, Failure> {
    if stack.storage.spaces().await?.contains(space) {
        return Ok(Some(stack.storage.open(space).await?));
    }
    if all(stack).await?.contains(space) {
        return Ok(None);
    }
    Err(Failure::NoSpace(space.to_string()))
}
