//! Who somebody is, and what they may do.

use std::collections::BTreeMap;

use syncline::authority::accounts::TokenHash;
use syncline::authority::{Name, Principal, Role};
use syncline::{NTP64, ReplicaId, SpaceId, StoreError};

use crate::ask::Ask;
use crate::connection::Connection;
use crate::error::{Result, corrupt};
use crate::number::to_bytes;
use crate::tail::read_origin;

/// The device with this token, unless it is revoked or its time has come.
pub(super) struct Holder {
    pub(super) token: TokenHash,
    pub(super) now: NTP64,
}

impl Ask for Holder {
    const DURING: &'static str = "checking a token";
    type Answer = Option<Principal>;

    async fn ask(&self, connection: &mut Connection) -> Result<Option<Principal>> {
        let select = "SELECT user_name, device_name FROM account_tokens
            WHERE hash = $1 AND NOT revoked AND (expires IS NULL OR expires > $2)";
        let query = sqlx::query_as(select).bind(self.token.0).bind(to_bytes(self.now));
        Ok(query.fetch_optional(connection).await?.map(principal).transpose()?)
    }
}

/// The devices that have claimed these origins.
pub(super) struct Owners(pub(super) Vec<ReplicaId>);

impl Ask for Owners {
    const DURING: &'static str = "checking origins";
    type Answer = BTreeMap<ReplicaId, Principal>;

    async fn ask(&self, connection: &mut Connection) -> Result<BTreeMap<ReplicaId, Principal>> {
        let select = "SELECT origin, user_name, device_name FROM account_replicas WHERE origin = ANY ($1)";
        let origins: Vec<_> = self.0.iter().map(|origin| origin.to_bytes().to_vec()).collect();
        let rows: Vec<(Vec<u8>, String, String)> = sqlx::query_as(select).bind(origins).fetch_all(connection).await?;
        let owner =
            |(origin, user, device): (Vec<u8>, String, String)| Ok((read_origin(&origin)?, principal((user, device))?));
        rows.into_iter().map(owner).collect()
    }
}

/// The device that has claimed an origin.
pub(super) async fn owner(connection: &mut Connection, origin: ReplicaId) -> Result<Option<Principal>> {
    Ok(Owners(vec![origin]).ask(connection).await?.remove(&origin))
}

/// A user's role in a space.
pub(super) struct RoleOf {
    pub(super) user: Name,
    pub(super) space: SpaceId,
}

impl Ask for RoleOf {
    const DURING: &'static str = "checking a role";
    type Answer = Option<Role>;

    async fn ask(&self, connection: &mut Connection) -> Result<Option<Role>> {
        let select = "SELECT role FROM account_grants WHERE space = $1 AND user_name = $2";
        let query = sqlx::query_scalar::<_, String>(select).bind(self.space.as_str()).bind(self.user.as_str());
        Ok(query.fetch_optional(connection).await?.map(|role| parse_role(&role)).transpose()?)
    }
}

pub(super) fn principal((user, device): (String, String)) -> std::result::Result<Principal, StoreError> {
    Ok(Principal { user: name(user)?, device: name(device)? })
}

/// A stored name.
pub(super) fn name(text: String) -> std::result::Result<Name, StoreError> {
    Name::new(text).map_err(|error| corrupt("the accounts", error))
}

/// The role with this name.
pub(super) fn parse_role(text: &str) -> std::result::Result<Role, StoreError> {
    let role = [Role::Reader, Role::Writer, Role::Owner].into_iter().find(|role| role.to_string() == text);
    role.ok_or_else(|| corrupt("the accounts", format!("`{text}` is not a role")))
}
