//! Accounts: users, devices, tokens, spaces and roles.

use std::time::Duration;

use syncline::SpaceId;
use syncline::authority::accounts::{AccountsError, Listing, Token};
use syncline::authority::{Name, Role};
use syncline::format::time::after;

use crate::cli::{DeviceTask, Form, SpaceTask, TokenTask, UserTask};
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::Stack;
use crate::text::count;
use crate::{secret, time};

/// `user`.
pub(crate) async fn user(task: UserTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let UserTask::Add { name } = task;
    stack.accounts.add_user(&name).await?;
    Ok(out.note(format!("user {name} added; next: device add {name} DEVICE")).await?)
}

/// `device`.
pub(crate) async fn device(task: DeviceTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let DeviceTask::Add { user, device } = task;
    stack.accounts.add_device(&user, &device).await?;
    Ok(out.note(format!("device {user}/{device} added; next: token create {user} {device}")).await?)
}

/// `token`.
pub(crate) async fn token(task: TokenTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    match task {
        TokenTask::Create { user, device, expires } => {
            create_token(&user, &device, expires.map(|span| span.0), stack, out).await
        }
        TokenTask::Revoke { user, device } => {
            stack.accounts.revoke_tokens(&user, &device).await?;
            Ok(out.note(format!("all tokens of {user}/{device} are now invalid")).await?)
        }
    }
}

/// Creates a token and prints it: the only time that anybody sees it.
pub(crate) async fn create_token(
    user: &Name,
    device: &Name,
    valid: Option<Duration>,
    stack: &Stack,
    out: &mut Output,
) -> Result<(), Failure> {
    let secret = secret::random().map_err(|source| Failure::Machine {
        what: "the system gives no random bits for a token".to_owned(),
        source,
        next: "try again",
    })?;
    let (token, expires) = (Token::from_secret(secret), valid.map(|valid| after(time::now(), valid)));
    stack.accounts.add_token(user, device, &token.hash(), expires).await?;
    let until = expires.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {}", time::iso(at)));
    out.line(token.reveal()).await?;
    Ok(out
        .note(format!("this token of {user}/{device} is valid {until}; it is shown this once, keep it secret"))
        .await?)
}

/// `space`.
pub(crate) async fn space(task: SpaceTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let SpaceTask::Add { space, owner } = task;
    stack.accounts.add_space(&space, &owner).await?;
    Ok(out.note(format!("space {space} added, owned by {owner}; others join by: grant {space} USER ROLE")).await?)
}

/// `grant`.
pub(crate) async fn grant(
    space: &SpaceId,
    user: &Name,
    role: Role,
    stack: &Stack,
    out: &mut Output,
) -> Result<(), Failure> {
    stack.accounts.grant(space, user, role).await?;
    Ok(out.note(format!("{user} has the role {role} in {space} from now on")).await?)
}

/// `revoke`.
pub(crate) async fn revoke(space: &SpaceId, user: &Name, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    stack.accounts.revoke(space, user).await?;
    Ok(out.note(format!("{user} has no role in {space} any more; what {user} wrote stays")).await?)
}

/// `list`.
pub(crate) async fn list(form: Form, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let listing = stack.accounts.list().await?;
    if form.json {
        let json = serde_json::to_string(&listing).expect("a listing has text keys");
        return Ok(out.line(json).await?);
    }
    for line in lines(&listing) {
        out.line(line).await?;
    }
    if listing.users.is_empty() {
        out.note("there are no users yet; next: setup --user USER --device DEVICE --space SPACE").await?;
    }
    Ok(())
}

/// The listing for people: one fact per line, each line saying what it is.
fn lines(listing: &Listing) -> Vec<String> {
    let mut lines = Vec::new();
    for user in &listing.users {
        lines.push(format!("user    {}", user.user));
        for device in &user.devices {
            let replicas = match device.replicas.len() {
                0 => "no replica yet".to_owned(),
                _ => device.replicas.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            };
            let tokens = count(device.tokens, "valid token");
            lines.push(format!("device  {}/{}  {tokens}  {replicas}", user.user, device.device));
        }
    }
    for space in &listing.spaces {
        let members: Vec<_> = space.members.iter().map(|(name, role)| format!("{name}:{role}")).collect();
        lines.push(format!("space   {}  {}", space.space, members.join(" ")));
    }
    lines
}

/// Whether a change was made, or was there already.
///
/// # Errors
/// Every other [`AccountsError`].
pub(crate) fn unless_exists(result: Result<(), AccountsError>) -> Result<bool, AccountsError> {
    match result {
        Ok(()) => Ok(true),
        Err(AccountsError::Exists { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
