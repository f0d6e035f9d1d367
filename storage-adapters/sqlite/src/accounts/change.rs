//! Changes of accounts. Each checks before it changes anything.

use rusqlite::{Connection, OptionalExtension, params};
use syncline::authority::accounts::{AccountsError, TokenHash};
use syncline::authority::{Name, Role};
use syncline::{NTP64, SpaceId};

use super::trouble::Trouble;
use crate::error::Result as Read;
use crate::number::to_blob;

type Result<T = ()> = std::result::Result<T, Trouble>;

pub(super) fn add_user(db: &Connection, user: &Name) -> Result {
    let insert = "INSERT INTO account_users (name) VALUES (?1) ON CONFLICT DO NOTHING";
    let added = db.execute(insert, [user.as_str()])?;
    is_new(added, "user", user)
}

pub(super) fn add_device(db: &Connection, user: &Name, device: &Name) -> Result {
    let user = user_id(db, user)?;
    let insert = "INSERT INTO account_devices (user, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let added = db.execute(insert, params![user, device.as_str()])?;
    is_new(added, "device", device)
}

pub(super) fn add_token(
    db: &Connection,
    (user, device): (&Name, &Name),
    token: &TokenHash,
    expires: Option<NTP64>,
) -> Result {
    let device_id = device_id(db, user, device)?;
    let insert = "INSERT INTO account_tokens (hash, device, expires) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let added = db.execute(insert, params![token.0, device_id, expires.map(to_blob)])?;
    is_new(added, "token of", &format!("{user}/{device}"))
}

pub(super) fn revoke_tokens(db: &Connection, user: &Name, device: &Name) -> Result {
    let device = device_id(db, user, device)?;
    db.execute("UPDATE account_tokens SET revoked = 1 WHERE device = ?1", [device])?;
    Ok(())
}

pub(super) fn add_space(db: &Connection, space: &SpaceId, owner: &Name) -> Result {
    user_id(db, owner)?;
    let added = db.execute("INSERT INTO account_spaces (name) VALUES (?1) ON CONFLICT DO NOTHING", [space.as_str()])?;
    is_new(added, "space", space)?;
    grant(db, space, owner, Role::Owner)
}

pub(super) fn grant(db: &Connection, space: &SpaceId, user: &Name, role: Role) -> Result {
    let (space, user) = (space_id(db, space)?, user_id(db, user)?);
    let grant = "REPLACE INTO account_grants (space, user, role) VALUES (?1, ?2, ?3)";
    db.execute(grant, params![space, user, role.to_string()])?;
    Ok(())
}

pub(super) fn revoke(db: &Connection, space: &SpaceId, user: &Name) -> Result {
    let (space, user) = (space_id(db, space)?, user_id(db, user)?);
    db.execute("DELETE FROM account_grants WHERE space = ?1 AND user = ?2", [space, user])?;
    Ok(())
}

fn user_id(db: &Connection, user: &Name) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT id FROM account_users WHERE name = ?1")?;
    let id = select.query_row([user.as_str()], |row| row.get(0)).optional()?;
    id.ok_or_else(|| unknown("user", user))
}

fn space_id(db: &Connection, space: &SpaceId) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT id FROM account_spaces WHERE name = ?1")?;
    let id = select.query_row([space.as_str()], |row| row.get(0)).optional()?;
    id.ok_or_else(|| unknown("space", space))
}

pub(super) fn device_id(db: &Connection, user: &Name, device: &Name) -> Result<i64> {
    user_id(db, user)?;
    find_device(db, user, device)?.ok_or_else(|| unknown("device", device))
}

pub(super) fn find_device(db: &Connection, user: &Name, device: &Name) -> Read<Option<i64>> {
    let select = "SELECT devices.id FROM account_devices AS devices
        JOIN account_users AS users ON users.id = devices.user WHERE users.name = ?1 AND devices.name = ?2";
    let mut select = db.prepare_cached(select)?;
    Ok(select.query_row([user.as_str(), device.as_str()], |row| row.get(0)).optional()?)
}

fn is_new(added: usize, what: &'static str, name: &impl ToString) -> Result {
    if added == 0 {
        return Err(AccountsError::Exists { what, name: name.to_string() }.into());
    }
    Ok(())
}

pub(super) fn unknown(what: &'static str, name: &impl ToString) -> Trouble {
    AccountsError::Unknown { what, name: name.to_string() }.into()
}
