//! The key in a page's address.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use thiserror::Error;

/// 128 random bits, as 32 hex digits. Who has it may read and write. It is shown by its address alone.
#[derive(Clone)]
pub struct Key(String);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a page's key takes 32 lower-case hex digits")]
pub struct InvalidKey;

impl Key {
    /// A new key.
    pub fn fresh() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("every supported system has a source of chance");
        Self(HEXLOWER.encode(&bytes))
    }

    /// The key as it stands in an address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the key. Takes as long whatever was given: how much of a guess is right cannot be measured.
    pub fn is(&self, given: &str) -> bool {
        // Hashes compare in constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match HEXLOWER.decode(text.as_bytes()) {
            Ok(bytes) if bytes.len() == 16 => Ok(Self(text.to_owned())),
            _ => Err(InvalidKey),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
