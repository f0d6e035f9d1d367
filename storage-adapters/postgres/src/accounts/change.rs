//! Changes of accounts. Users, devices and spaces are never deleted, so what was there when it was looked for still is.

use syncline::authority::accounts::{AccountsError, TokenHash};
use syncline::authority::{Name, Role};
use syncline::{NTP64, SpaceId};

use super::trouble::Trouble;
use crate::connection::Connection;
use crate::number::to_bytes;

type Result = std::result::Result<(), Trouble>;

pub(super) async fn add_user(connection: &mut Connection, user: &Name) -> Result {
    let insert = "INSERT INTO account_users (name) VALUES ($1) ON CONFLICT DO NOTHING";
    let added = sqlx::query(insert).bind(user.as_str()).execute(connection).await?;
    is_new(added.rows_affected(), "user", user)
}

pub(super) async fn add_device(connection: &mut Connection, user: &Name, device: &Name) -> Result {
    need_user(connection, user).await?;
    let insert = "INSERT INTO account_devices (user_name, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let added = sqlx::query(insert).bind(user.as_str()).bind(device.as_str()).execute(connection).await?;
    is_new(added.rows_affected(), "device", device)
}

pub(super) async fn add_token(
    connection: &mut Connection,
    (user, device): (&Name, &Name),
    token: &TokenHash,
    expires: Option<NTP64>,
) -> Result {
    need_device(connection, user, device).await?;
    let insert = "INSERT INTO account_tokens (hash, user_name, device_name, expires) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    let query = sqlx::query(insert).bind(token.0).bind(user.as_str()).bind(device.as_str());
    let added = query.bind(expires.map(to_bytes)).execute(connection).await?;
    is_new(added.rows_affected(), "token of", &format!("{user}/{device}"))
}

pub(super) async fn revoke_tokens(connection: &mut Connection, user: &Name, device: &Name) -> Result {
    need_device(connection, user, device).await?;
    let update = "UPDATE account_tokens SET revoked = true WHERE user_name = $1 AND device_name = $2";
    sqlx::query(update).bind(user.as_str()).bind(device.as_str()).execute(connection).await?;
    Ok(())
}

pub(super) async fn add_space(connection: &mut Connection, space: &SpaceId, owner: &Name) -> Result {
    need_user(connection, owner).await?;
    let insert = "INSERT INTO account_spaces (name) VALUES ($1) ON CONFLICT DO NOTHING";
    let added = sqlx::query(insert).bind(space.as_str()).execute(&mut *connection).await?.rows_affected();
    if added > 0 {
        set_role(connection, space, owner, Role::Owner).await?;
    }
    is_new(added, "space", space)
}

pub(super) async fn grant(connection: &mut Connection, space: &SpaceId, user: &Name, role: Role) -> Result {
    need_space(connection, space).await?;
    need_user(connection, user).await?;
    set_role(connection, space, user, role).await
}

pub(super) async fn revoke(connection: &mut Connection, space: &SpaceId, user: &Name) -> Result {
    need_space(connection, space).await?;
    need_user(connection, user).await?;
    let delete = "DELETE FROM account_grants WHERE space = $1 AND user_name = $2";
    sqlx::query(delete).bind(space.as_str()).bind(user.as_str()).execute(connection).await?;
    Ok(())
}

async fn set_role(connection: &mut Connection, space: &SpaceId, user: &Name, role: Role) -> Result {
    let upsert = "INSERT INTO account_grants (space, user_name, role) VALUES ($1, $2, $3)
        ON CONFLICT (space, user_name) DO UPDATE SET role = excluded.role";
    let query = sqlx::query(upsert).bind(space.as_str()).bind(user.as_str()).bind(role.to_string());
    query.execute(connection).await?;
    Ok(())
}

async fn need_user(connection: &mut Connection, user: &Name) -> Result {
    let select = "SELECT EXISTS (SELECT FROM account_users WHERE name = $1)";
    let known = sqlx::query_scalar(select).bind(user.as_str()).fetch_one(&mut *connection).await?;
    is_known(known, "user", user)
}

async fn need_space(connection: &mut Connection, space: &SpaceId) -> Result {
    let select = "SELECT EXISTS (SELECT FROM account_spaces WHERE name = $1)";
    let known = sqlx::query_scalar(select).bind(space.as_str()).fetch_one(&mut *connection).await?;
    is_known(known, "space", space)
}

pub(super) async fn need_device(connection: &mut Connection, user: &Name, device: &Name) -> Result {
    need_user(connection, user).await?;
    let select = "SELECT EXISTS (SELECT FROM account_devices WHERE user_name = $1 AND name = $2)";
    let query = sqlx::query_scalar(select).bind(user.as_str()).bind(device.as_str());
    is_known(query.fetch_one(connection).await?, "device", device)
}

fn is_new(added: u64, what: &'static str, name: &impl ToString) -> Result {
    match added {
        0 => Err(Trouble::Refused(AccountsError::Exists { what, name: name.to_string() })),
        _ => Ok(()),
    }
}

fn is_known(known: bool, what: &'static str, name: &impl ToString) -> Result {
    match known {
        true => Ok(()),
        false => Err(Trouble::Refused(AccountsError::Unknown { what, name: name.to_string() })),
    }
}
