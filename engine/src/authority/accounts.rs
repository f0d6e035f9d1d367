//! Users, devices, tokens and grants: what a server stores about who may do what.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use data_encoding::{BASE32_NOPAD, Encoding};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Authority, Name, Principal, Role};
use crate::format::time::NTP64;
use crate::id::{InvalidId, ReplicaId, SpaceId};
use crate::store::BoxError;

/// Accounts of a server, to be administered. The adapter that stores them is an [`Authority`] too. Every change is durable
/// when it returns, and effective for the next request.
#[async_trait]
pub trait Accounts: Authority {
    /// Adds a user.
    ///
    /// # Errors
    /// [`AccountsError::Exists`].
    async fn add_user(&self, user: &Name) -> Result<(), AccountsError>;

    /// Adds a device to a user.
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::Unknown`].
    async fn add_device(&self, user: &Name, device: &Name) -> Result<(), AccountsError>;

    /// Stores a device's token, hashed, valid until `expires`; without it, until revoked.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`], [`AccountsError::Exists`].
    async fn add_token(
        &self,
        user: &Name,
        device: &Name,
        token: &TokenHash,
        expires: Option<NTP64>,
    ) -> Result<(), AccountsError>;

    /// Makes all tokens of a device invalid.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    async fn revoke_tokens(&self, user: &Name, device: &Name) -> Result<(), AccountsError>;

    /// Adds a space with its first owner. The log is created when it is first opened.
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::Unknown`].
    async fn add_space(&self, space: &SpaceId, owner: &Name) -> Result<(), AccountsError>;

    /// Gives a user a role in a space, in place of any other.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    async fn grant(&self, space: &SpaceId, user: &Name, role: Role) -> Result<(), AccountsError>;

    /// Takes a user's role in a space away.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    async fn revoke(&self, space: &SpaceId, user: &Name) -> Result<(), AccountsError>;

    /// Claims origins for their devices as another server had them: with an imported log, or from a backup. All claims are made at
    /// once, or none. A user or a device that does not exist is added, without a token and without a role. So nobody else gets their
    /// origins, and nobody can use them without a token. An origin that a device has claimed here keeps its owner.
    ///
    /// Returns the origins that belong to other devices here, in order.
    ///
    /// # Errors
    /// [`AccountsError::Backend`].
    async fn add_claims(&self, claims: &[(ReplicaId, Principal)]) -> Result<Vec<ReplicaId>, AccountsError>;

    /// Releases an origin: it has no owner until a device claims it. Returns the previous owner.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`] if nobody has claimed it.
    async fn release_claim(&self, origin: ReplicaId) -> Result<Principal, AccountsError>;

    /// Gives an origin to a device, whoever has claimed it. Returns the previous owner.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`] if there is no such user or device.
    async fn move_claim(&self, origin: ReplicaId, to: &Principal) -> Result<Option<Principal>, AccountsError>;

    /// Everything but the tokens, for a person to read.
    ///
    /// # Errors
    /// [`AccountsError::Backend`].
    async fn list(&self) -> Result<Listing, AccountsError>;
}

/// The reason why an account was not changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// There is one already.
    #[error("{what} `{name}` exists already; choose another name")]
    Exists {
        /// A user, a device, a space, a token.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none.
    #[error("there is no {what} `{name}`; list what there is, or create it first")]
    Unknown {
        /// A user, a device, a space, a claim of a replica.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The store failed.
    #[error("accounts cannot be changed: {0}")]
    Backend(#[source] BoxError),
}

/// Users and spaces, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listing {
    /// The users.
    pub users: Vec<UserEntry>,
    /// The spaces.
    pub spaces: Vec<SpaceEntry>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The user's name.
    pub user: Name,
    /// The user's devices.
    pub devices: Vec<DeviceEntry>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// The device's name.
    pub device: Name,
    /// How many of its tokens are neither revoked nor expired.
    pub tokens: u64,
    /// The replicas it has claimed.
    pub replicas: Vec<ReplicaId>,
}

/// One space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceEntry {
    /// The space's name.
    pub space: SpaceId,
    /// Its members.
    pub members: Vec<(Name, Role)>,
}

/// A token: 256 random bits that a device shows to prove who it is. Written `slt_` and 55 characters of base 32, the last ones
/// a check, so that a scanner finds leaked tokens and a typing error is noticed. Debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// The start of every token.
const TOKEN_PREFIX: &str = "slt_";
/// Bytes of the check behind the secret.
const TOKEN_CHECK_BYTES: usize = 2;

fn token_encoding() -> Encoding {
    let mut spec = BASE32_NOPAD.specification();
    spec.symbols = "abcdefghijklmnopqrstuvwxyz234567".into();
    spec.encoding().expect("32 different symbols")
}

impl Token {
    /// The token with this secret, which must be random.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What a server stores of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(*blake3::hash(&self.0).as_bytes())
    }

    /// The text that a device shows. Keep it secret.
    pub fn reveal(&self) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(&self.hash().0[..TOKEN_CHECK_BYTES]);
        format!("{TOKEN_PREFIX}{}", token_encoding().encode(&bytes))
    }
}

impl FromStr for Token {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // The text is a secret even if it is wrong, so the error does not repeat it.
        let invalid =
            || InvalidId::new("token", "…", "it reads `slt_` and 55 characters of a-z 2-7, the last ones a check");
        let encoded = text.strip_prefix(TOKEN_PREFIX).ok_or_else(invalid)?;
        let bytes = token_encoding().decode(encoded.as_bytes()).map_err(|_| invalid())?;
        let (secret, check) = bytes.split_first_chunk::<32>().ok_or_else(invalid)?;
        let token = Self(*secret);
        if check == &token.hash().0[..TOKEN_CHECK_BYTES] { Ok(token) } else { Err(invalid()) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// BLAKE3 of a token's secret. Since the secret is 256 random bits, no salt and no slow hash is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_from_its_text_and_hides_in_debug_output() {
        let token = Token::from_secret([7; 32]);
        assert_eq!(token.reveal().parse::<Token>().unwrap(), token);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_mistyped_token_is_refused_without_being_repeated() {
        let text = Token::from_secret([7; 32]).reveal();
        let wrong = text.replacen('a', "b", 1);
        let error = wrong.parse::<Token>().unwrap_err().to_string();
        assert!(!error.contains(&wrong[4..]), "{error}");
        assert!("slt_".parse::<Token>().is_err() && "".parse::<Token>().is_err());
    }
}
