//! All accounts, for a person to read.

use std::collections::BTreeMap;

use syncline::authority::accounts::{DeviceEntry, Listing, SpaceEntry, UserEntry};
use syncline::{NTP64, SpaceId};

use super::ask::{name, parse_role};
use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::{Result, corrupt};
use crate::number::{from_bigint, to_bytes};
use crate::tail::read_origin;
use crate::work::Work;

/// Everything but the tokens, from one moment.
pub(super) struct List {
    pub(super) now: NTP64,
}

impl Ask for List {
    const DURING: &'static str = "listing accounts";
    const WORK: Work = Work::Moment;
    type Answer = Listing;

    async fn ask(&self, connection: &mut Connection) -> Result<Listing> {
        Ok(Listing { users: self.users(connection).await?, spaces: spaces(connection).await? })
    }
}

impl List {
    async fn users(&self, connection: &mut Connection) -> Result<Vec<UserEntry>> {
        let select = "SELECT name FROM account_users ORDER BY name";
        let names: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut *connection).await?;
        let mut devices = self.devices(connection).await?;
        let user =
            |user: String| Ok(UserEntry { devices: devices.remove(&user).unwrap_or_default(), user: name(user)? });
        names.into_iter().map(user).collect()
    }

    /// Devices by user, in the order of their names.
    async fn devices(&self, connection: &mut Connection) -> Result<BTreeMap<String, Vec<DeviceEntry>>> {
        let select = "SELECT user_name, name,
                (SELECT count(*) FROM account_tokens AS token
                    WHERE (token.user_name, token.device_name) = (device.user_name, device.name)
                    AND NOT revoked AND (expires IS NULL OR expires > $1)),
                ARRAY (SELECT origin FROM account_replicas AS replica
                    WHERE (replica.user_name, replica.device_name) = (device.user_name, device.name) ORDER BY origin)
            FROM account_devices AS device ORDER BY user_name, name";
        let rows: Vec<(String, String, i64, Vec<Vec<u8>>)> =
            sqlx::query_as(select).bind(to_bytes(self.now)).fetch_all(connection).await?;
        let mut devices = BTreeMap::<_, Vec<_>>::new();
        for (user, device, tokens, origins) in rows {
            let replicas = origins.iter().map(|origin| read_origin(origin)).collect::<std::result::Result<_, _>>()?;
            let tokens = from_bigint("a number of tokens", tokens)?;
            devices.entry(user).or_default().push(DeviceEntry { device: name(device)?, tokens, replicas });
        }
        Ok(devices)
    }
}

async fn spaces(connection: &mut Connection) -> Result<Vec<SpaceEntry>> {
    let select = "SELECT name, user_name, role FROM account_spaces
        LEFT JOIN account_grants ON space = name ORDER BY name, user_name";
    let rows: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(select).fetch_all(connection).await?;
    let mut spaces: Vec<SpaceEntry> = Vec::new();
    for (space, user, role) in rows {
        if spaces.last().is_none_or(|last| last.space.as_str() != space) {
            let space = SpaceId::new(&space).map_err(|error| corrupt("the accounts", error))?;
            spaces.push(SpaceEntry { space, members: Vec::new() });
        }
        if let (Some(user), Some(role), Some(entry)) = (user, role, spaces.last_mut()) {
            entry.members.push((name(user)?, parse_role(&role)?));
        }
    }
    Ok(spaces)
}
