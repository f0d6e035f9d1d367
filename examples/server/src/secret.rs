//! Random bits.

use std::io;

/// 256 random bits from the operating system.
///
/// # Errors
/// If it has none.
pub(crate) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
