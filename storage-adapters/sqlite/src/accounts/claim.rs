//! Which device an origin belongs to.

use rusqlite::{Connection, params};
use syncline::ReplicaId;
use syncline::authority::{Claim, Principal};
use syncline::limits::CLAIMS_MAX;

use super::ask;
use super::change::{device_id, find_device, unknown};
use super::trouble::Trouble;
use crate::error::Result;

/// Claims an origin for a device, unless somebody has.
pub(super) fn claim(db: &Connection, asker: &Principal, origin: ReplicaId) -> Result<Claim> {
    match ask::owner(db, origin)? {
        Some(owner) if owner == *asker => return Ok(Claim::Held),
        Some(_) => return Ok(Claim::Taken),
        None => {}
    }
    let Some(device) = find_device(db, &asker.user, &asker.device)? else { return Ok(Claim::NoDevice) };
    let count = "SELECT count(*) FROM account_replicas WHERE device = ?1";
    let held: i64 = db.prepare_cached(count)?.query_row([device], |row| row.get(0))?;
    if usize::try_from(held).is_ok_and(|held| held >= CLAIMS_MAX) {
        return Ok(Claim::Full);
    }
    put(db, origin, device)?;
    Ok(Claim::Held)
}

/// Claims origins as another server had them. Returns those that belong to other devices here.
pub(super) fn add(db: &Connection, claims: &[(ReplicaId, Principal)]) -> Result<Vec<ReplicaId>> {
    let mut others = Vec::new();
    for (origin, owner) in claims {
        match ask::owner(db, *origin)? {
            Some(here) if here == *owner => {}
            Some(_) => others.push(*origin),
            None => put(db, *origin, added_device(db, owner)?)?,
        }
    }
    others.sort();
    Ok(others)
}

/// Releases an origin, and tells whose it was.
pub(super) fn release(db: &Connection, origin: ReplicaId) -> std::result::Result<Principal, Trouble> {
    let owner = ask::owner(db, origin)?.ok_or_else(|| unknown("claim of replica", &origin))?;
    db.execute("DELETE FROM account_replicas WHERE origin = ?1", [origin.to_bytes()])?;
    Ok(owner)
}

/// Gives an origin to a device, and tells whose it was.
pub(super) fn relocate(
    db: &Connection,
    origin: ReplicaId,
    to: &Principal,
) -> std::result::Result<Option<Principal>, Trouble> {
    let device = device_id(db, &to.user, &to.device)?;
    let owner = ask::owner(db, origin)?;
    put(db, origin, device)?;
    Ok(owner)
}

fn put(db: &Connection, origin: ReplicaId, device: i64) -> Result<()> {
    let put = "REPLACE INTO account_replicas (origin, device) VALUES (?1, ?2)";
    db.prepare_cached(put)?.execute(params![origin.to_bytes(), device])?;
    Ok(())
}

/// The device, which is added with its user if it does not exist.
fn added_device(db: &Connection, Principal { user, device }: &Principal) -> Result<i64> {
    if let Some(found) = find_device(db, user, device)? {
        return Ok(found);
    }
    db.execute("INSERT INTO account_users (name) VALUES (?1) ON CONFLICT DO NOTHING", [user.as_str()])?;
    let insert =
        "INSERT INTO account_devices (user, name) SELECT id, ?2 FROM account_users WHERE name = ?1 RETURNING id";
    Ok(db.query_row(insert, [user.as_str(), device.as_str()], |row| row.get(0))?)
}
