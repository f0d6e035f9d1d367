//! All that a first try needs, at once.

use syncline::authority::Role;

use crate::admin::{create_token, unless_exists};
use crate::cli::Setup;
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::Stack;

/// `setup`: creates what is missing, says what was there, and prints one more token for the device.
pub(crate) async fn run(setup: Setup, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let Setup { user, device, space } = setup;
    let accounts = &stack.accounts;
    let user_added = unless_exists(accounts.add_user(&user).await)?;
    out.note(said("user", user.as_str(), user_added)).await?;
    let device_added = unless_exists(accounts.add_device(&user, &device).await)?;
    out.note(said("device", &format!("{user}/{device}"), device_added)).await?;
    let space_added = unless_exists(accounts.add_space(&space, &user).await)?;
    out.note(said("space", space.as_str(), space_added)).await?;
    let listing = accounts.list().await?;
    let members = listing.spaces.iter().find(|entry| entry.space == space).map(|entry| entry.members.as_slice());
    let role = members.unwrap_or_default().iter().find(|(name, _)| *name == user).map(|(_, role)| *role);
    let role = match role {
        Some(role) => role,
        None => {
            // The space is somebody else's: enough to try, and no more than that.
            accounts.grant(&space, &user, Role::Writer).await?;
            Role::Writer
        }
    };
    out.note(format!("{user} has the role {role} in {space}")).await?;
    create_token(&user, &device, None, stack, out).await
}

fn said(what: &str, name: &str, added: bool) -> String {
    format!("{what} {name} {}", if added { "added" } else { "exists already" })
}
