//! Who somebody is, and what they may do.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use syncline::authority::accounts::TokenHash;
use syncline::authority::{Name, Principal, Role};
use syncline::{NTP64, ReplicaId, SpaceId, StoreError};

use crate::error::{Result, corrupt};
use crate::number::to_blob;

/// The device with this token, unless it is revoked or its time has come.
pub(super) fn principal(db: &Connection, token: &TokenHash, now: NTP64) -> Result<Option<Principal>> {
    let select = "SELECT users.name, devices.name FROM account_tokens AS tokens
        JOIN account_devices AS devices ON devices.id = tokens.device
        JOIN account_users AS users ON users.id = devices.user
        WHERE tokens.hash = ?1 AND NOT tokens.revoked AND (tokens.expires IS NULL OR tokens.expires > ?2)";
    one_principal(db, select, params![token.0, to_blob(now)])
}

/// The devices that have claimed these origins.
pub(super) fn owners(db: &Connection, origins: &[ReplicaId]) -> Result<BTreeMap<ReplicaId, Principal>> {
    let owner = |origin: &ReplicaId| Ok(owner(db, *origin)?.map(|owner| (*origin, owner)));
    origins.iter().filter_map(|origin| owner(origin).transpose()).collect()
}

/// The device that has claimed an origin.
pub(super) fn owner(db: &Connection, origin: ReplicaId) -> Result<Option<Principal>> {
    let select = "SELECT users.name, devices.name FROM account_replicas AS replicas
        JOIN account_devices AS devices ON devices.id = replicas.device
        JOIN account_users AS users ON users.id = devices.user
        WHERE replicas.origin = ?1";
    one_principal(db, select, params![origin.to_bytes()])
}

fn one_principal(db: &Connection, select: &str, params: impl rusqlite::Params) -> Result<Option<Principal>> {
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params)?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Principal { user: name(row, 0)?, device: name(row, 1)? }))
}

/// A user's role in a space.
pub(super) fn role(db: &Connection, user: &Name, space: &SpaceId) -> Result<Option<Role>> {
    let select = "SELECT grants.role FROM account_grants AS grants
        JOIN account_spaces AS spaces ON spaces.id = grants.space
        JOIN account_users AS users ON users.id = grants.user
        WHERE spaces.name = ?1 AND users.name = ?2";
    let mut select = db.prepare_cached(select)?;
    let role: Option<String> = select.query_row([space.as_str(), user.as_str()], |row| row.get(0)).optional()?;
    Ok(role.map(|role| parse_role(&role)).transpose()?)
}

/// The name in a column.
pub(super) fn name(row: &Row<'_>, column: usize) -> Result<Name> {
    let name = Name::new(row.get::<_, String>(column)?);
    Ok(name.map_err(|error| corrupt("the accounts".into(), error))?)
}

/// The role with this name.
pub(super) fn parse_role(text: &str) -> std::result::Result<Role, StoreError> {
    let role = [Role::Reader, Role::Writer, Role::Owner].into_iter().find(|role| role.to_string() == text);
    role.ok_or_else(|| corrupt("the accounts".into(), format!("`{text}` is not a role")))
}
