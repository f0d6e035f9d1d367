//! All accounts, for a person to read.

use rusqlite::Connection;
use syncline::authority::accounts::{DeviceEntry, Listing, SpaceEntry, UserEntry};
use syncline::authority::{Name, Role};
use syncline::{NTP64, ReplicaId, SpaceId};

use super::ask::{name, parse_role};
use crate::error::{Result, corrupt};
use crate::number::{from_integer, to_blob};

pub(super) fn list(db: &Connection, now: NTP64) -> Result<Listing> {
    let users = ids_and_names(db, "SELECT id, name FROM account_users ORDER BY name")?;
    let user =
        |(id, user): (i64, String)| Ok(UserEntry { user: parse(Name::new(user))?, devices: devices(db, id, now)? });
    let spaces = ids_and_names(db, "SELECT id, name FROM account_spaces ORDER BY name")?;
    let space =
        |(id, space): (i64, String)| Ok(SpaceEntry { space: parse(SpaceId::new(&space))?, members: members(db, id)? });
    Ok(Listing {
        users: users.into_iter().map(user).collect::<Result<_>>()?,
        spaces: spaces.into_iter().map(space).collect::<Result<_>>()?,
    })
}

fn devices(db: &Connection, user: i64, now: NTP64) -> Result<Vec<DeviceEntry>> {
    let select = "SELECT name, id, (SELECT count(*) FROM account_tokens WHERE device = account_devices.id
        AND NOT revoked AND (expires IS NULL OR expires > ?2)) FROM account_devices WHERE user = ?1 ORDER BY name";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(rusqlite::params![user, to_blob(now)])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        let tokens = from_integer("number of tokens", row.get(2)?)?;
        devices.push(DeviceEntry { device: name(row, 0)?, tokens, replicas: replicas(db, row.get(1)?)? });
    }
    Ok(devices)
}

fn replicas(db: &Connection, device: i64) -> Result<Vec<ReplicaId>> {
    let mut select = db.prepare_cached("SELECT origin FROM account_replicas WHERE device = ?1 ORDER BY origin")?;
    let origins = select.query_map([device], |row| row.get(0))?;
    let replica = |origin: rusqlite::Result<_>| {
        ReplicaId::from_bytes(origin?).ok_or_else(|| corrupt("the accounts".into(), "a replica id is all zero").into())
    };
    origins.map(replica).collect()
}

fn members(db: &Connection, space: i64) -> Result<Vec<(Name, Role)>> {
    let select = "SELECT users.name, grants.role FROM account_grants AS grants
        JOIN account_users AS users ON users.id = grants.user WHERE grants.space = ?1 ORDER BY users.name";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query([space])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push((name(row, 0)?, parse_role(&row.get::<_, String>(1)?)?));
    }
    Ok(members)
}

fn ids_and_names(db: &Connection, select: &str) -> Result<Vec<(i64, String)>> {
    let mut select = db.prepare_cached(select)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn parse<T>(name: std::result::Result<T, syncline::id::InvalidId>) -> Result<T> {
    Ok(name.map_err(|error| corrupt("the accounts".into(), error))?)
}
