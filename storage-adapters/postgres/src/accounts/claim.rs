//! Which device an origin belongs to.

use syncline::ReplicaId;
use syncline::authority::accounts::AccountsError;
use syncline::authority::{Claim, Principal};
use syncline::limits::CLAIMS_MAX;

use super::ask;
use super::change::need_device;
use super::trouble::Trouble;
use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::Result;
use crate::number::from_bigint;
use crate::work::Work;

/// Makes an origin a device's, unless it is somebody's.
const CLAIM: &str =
    "INSERT INTO account_replicas (origin, user_name, device_name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
/// Makes an origin a device's, whosever it is.
const GIVE: &str = "INSERT INTO account_replicas (origin, user_name, device_name) VALUES ($1, $2, $3)
    ON CONFLICT (origin) DO UPDATE SET user_name = excluded.user_name, device_name = excluded.device_name";

/// Claims an origin for a device, unless somebody has. Claiming again changes nothing, so it may be asked again.
pub(super) struct Claiming {
    pub(super) asker: Principal,
    pub(super) origin: ReplicaId,
}

impl Ask for Claiming {
    const DURING: &'static str = "claiming an origin";
    const WORK: Work = Work::Transaction;
    type Answer = Claim;

    async fn ask(&self, connection: &mut Connection) -> Result<Claim> {
        // Claims of one device are made one after the other, so that they can be counted.
        let lock = "SELECT (SELECT count(*) FROM account_replicas WHERE (user_name, device_name) = ($1, $2))
            FROM account_devices WHERE (user_name, name) = ($1, $2) FOR NO KEY UPDATE";
        let query = sqlx::query_scalar(lock).bind(self.asker.user.as_str()).bind(self.asker.device.as_str());
        let held: Option<i64> = query.fetch_optional(&mut *connection).await?;
        let held = held.map(|held| from_bigint("a number of origins", held)).transpose()?;
        let is_full = held.is_some_and(|held| held >= CLAIMS_MAX as u64);
        if held.is_some() && !is_full {
            put(connection, CLAIM, self.origin, &self.asker).await?;
        }
        let owner = ask::owner(connection, self.origin).await?;
        Ok(match owner {
            Some(owner) if owner == self.asker => Claim::Held,
            Some(_) => Claim::Taken,
            None if is_full => Claim::Full,
            None => Claim::NoDevice,
        })
    }
}

/// Claims origins as another server had them. Returns those that belong to other devices here.
pub(super) async fn add(
    connection: &mut Connection,
    claims: &[(ReplicaId, Principal)],
) -> std::result::Result<Vec<ReplicaId>, Trouble> {
    let origins: Vec<_> = claims.iter().map(|(origin, _)| origin.to_bytes().to_vec()).collect();
    let users: Vec<_> = claims.iter().map(|(_, owner)| owner.user.as_str()).collect();
    let devices: Vec<_> = claims.iter().map(|(_, owner)| owner.device.as_str()).collect();
    let user = "INSERT INTO account_users (name) SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING";
    let device = "INSERT INTO account_devices (user_name, name)
        SELECT DISTINCT unnest($1::text[]), unnest($2::text[]) ON CONFLICT DO NOTHING";
    sqlx::query(user).bind(&users).execute(&mut *connection).await?;
    sqlx::query(device).bind(&users).bind(&devices).execute(&mut *connection).await?;
    let claim = "INSERT INTO account_replicas (origin, user_name, device_name)
        SELECT unnest($1::bytea[]), unnest($2::text[]), unnest($3::text[]) ON CONFLICT DO NOTHING";
    sqlx::query(claim).bind(&origins).bind(&users).bind(&devices).execute(&mut *connection).await?;
    let all = claims.iter().map(|(origin, _)| *origin).collect();
    let owners = ask::Owners(all).ask(connection).await.map_err(Trouble::Fault)?;
    let mut others: Vec<_> =
        claims.iter().filter(|(origin, owner)| owners.get(origin) != Some(owner)).map(|(origin, _)| *origin).collect();
    others.sort();
    Ok(others)
}

/// Releases an origin, and tells whose it was.
pub(super) async fn release(connection: &mut Connection, origin: ReplicaId) -> std::result::Result<Principal, Trouble> {
    let delete = "DELETE FROM account_replicas WHERE origin = $1 RETURNING user_name, device_name";
    let owner: Option<(String, String)> =
        sqlx::query_as(delete).bind(origin.to_bytes()).fetch_optional(connection).await?;
    let unknown = || AccountsError::Unknown { what: "claim of replica", name: origin.to_string() };
    Ok(ask::principal(owner.ok_or_else(|| Trouble::Refused(unknown()))?)?)
}

/// Gives an origin to a device, and tells whose it was.
pub(super) async fn relocate(
    connection: &mut Connection,
    origin: ReplicaId,
    to: &Principal,
) -> std::result::Result<Option<Principal>, Trouble> {
    need_device(connection, &to.user, &to.device).await?;
    let owner = ask::owner(connection, origin).await.map_err(Trouble::Fault)?;
    put(connection, GIVE, origin, to).await?;
    Ok(owner)
}

/// Makes an origin a device's by this statement.
async fn put(connection: &mut Connection, put: &'static str, origin: ReplicaId, to: &Principal) -> sqlx::Result<()> {
    let query = sqlx::query(put).bind(origin.to_bytes()).bind(to.user.as_str()).bind(to.device.as_str());
    query.execute(connection).await?;
    Ok(())
}
