//! The one place that names the binary codec of messages and engine rows.
//!
//! Bytes of this codec are never hashed or compared: equal values may have different bytes. What needs canonical bytes (runs,
//! stamps, the attribute rows) is laid out by hand.

use bincode::config::Config;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::wire::{DecodeError, check_size};
use crate::limits::{FRAME_BYTES_MAX, ROW_BYTES_MAX};

/// What bincode counts at most for one encoded byte: an integer of 16 bytes may be written as one.
const CLAIMED_PER_BYTE: usize = 16;

/// Encodes a message or an engine row.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .expect("engine types encode: no maps of unknown length")
}

/// Decodes a message or an engine row. Sizes are bounded, and no bytes may be left over.
///
/// # Errors
/// [`DecodeError`] if the bytes are too many, cut off, malformed, or followed by others.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    check_size(what, bytes.len(), FRAME_BYTES_MAX)?;
    decode_with(what, bytes, bincode::config::standard().with_limit::<{ 2 * FRAME_BYTES_MAX }>())
}

/// Decodes a projection's row, of any size. One that a store keeps as it is may be damaged, so a length in it is not believed
/// beyond a bound; a larger one was put together from pieces whose hash was checked.
///
/// # Errors
/// [`DecodeError`] if the bytes are cut off, malformed, or followed by others.
pub fn decode_row<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let config = bincode::config::standard();
    match bytes.len() {
        0..=ROW_BYTES_MAX => decode_with("row", bytes, config.with_limit::<{ CLAIMED_PER_BYTE * ROW_BYTES_MAX }>()),
        _ => decode_checked("row", bytes),
    }
}

/// Decodes bytes of any size that are known to be as they were encoded, by a hash that was checked: lengths in them are believed.
///
/// # Errors
/// [`DecodeError`] if the bytes are cut off, malformed, or followed by others.
pub fn decode_checked<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    decode_with(what, bytes, bincode::config::standard())
}

fn decode_with<T: DeserializeOwned>(what: &'static str, bytes: &[u8], config: impl Config) -> Result<T, DecodeError> {
    match bincode::serde::decode_from_slice(bytes, config) {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) => Err(DecodeError::Malformed { what, why: "bytes are left over" }),
        Err(bincode::error::DecodeError::UnexpectedEnd { additional }) => {
            Err(DecodeError::Truncated { what, missing: additional })
        }
        Err(_) => Err(DecodeError::Malformed { what, why: "a field breaks its rule" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encode(&7u32);
        assert_eq!(decode::<u32>("number", &bytes), Ok(7));
        bytes.push(0);
        assert!(decode::<u32>("number", &bytes).is_err());
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let lies = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(decode::<Vec<u64>>("numbers", &lies).is_err());
        assert!(decode_row::<Vec<u64>>(&lies).is_err());
        assert!(decode_row::<String>(&lies).is_err());
    }

    #[test]
    fn a_row_of_any_size_reads_back() {
        for count in [0, 3_000_000, ROW_BYTES_MAX] {
            let row = vec![1u64; count];
            assert!(decode_row::<Vec<u64>>(&encode(&row)).unwrap() == row, "{count} numbers");
        }
        let text = "x".repeat(2 * FRAME_BYTES_MAX);
        assert!(decode_row::<String>(&encode(&text)).unwrap() == text);
    }
}
