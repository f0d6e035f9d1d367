//! Which spaces there are: some have a log, some only members so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline::{EventStore, SpaceId};

use crate::failure::Failure;
use crate::stack::Stack;

/// A space that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) space: SpaceId,
    /// Something was pushed or pulled already.
    has_log: bool,
}

/// All spaces, with and without a log, in the order of their names. They are asked for once, however many there are.
///
/// # Errors
/// [`Failure`] of the database.
pub(crate) async fn all(stack: &Stack) -> Result<Vec<Listed>, Failure> {
    let members = stack.accounts.list().await?.spaces.into_iter().map(|entry| (entry.space, false));
    let logs = stack.storage.spaces().await?.into_iter().map(|space| (space, true));
    let spaces: BTreeMap<_, _> = members.chain(logs).collect();
    Ok(spaces.into_iter().map(|(space, has_log)| Listed { space, has_log }).collect())
}

/// One space by its name.
///
/// # Errors
/// [`Failure::NoSpace`] if there is none; [`Failure`] of the database.
pub(crate) async fn find(space: &SpaceId, stack: &Stack) -> Result<Listed, Failure> {
    let mut all = all(stack).await?.into_iter();
    all.find(|listed| listed.space == *space).ok_or_else(|| Failure::NoSpace(space.to_string()))
}

impl Listed {
    /// Its log, `None` if it has members and no log yet. Looking creates nothing.
    ///
    /// # Errors
    /// [`Failure`] of the database.
    pub(crate) async fn open(&self, stack: &Stack) -> Result<Option<Arc<dyn EventStore>>, Failure> {
        Ok(if self.has_log { Some(stack.storage.open(&self.space).await?) } else { None })
    }
}
