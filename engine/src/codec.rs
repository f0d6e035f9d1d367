//! The one place that names the binary codec of messages and engine rows.
//!
//! Bytes of this codec are never hashed or compared: equal values may have other bytes. What needs canonical bytes (runs,
//! stamps, the attribute rows) is laid out by hand.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::FRAME_BYTES_MAX;
use crate::wire::{DecodeError, check_size};

/// Encodes a message or an engine row.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .expect("engine types encode: no maps of unknown length")
}

/// Decodes a message or an engine row: bounded, and nothing may be left over.
///
/// # Errors
/// [`DecodeError`] where the bytes are too many, cut off, malformed, or followed by others.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    check_size(what, bytes.len(), FRAME_BYTES_MAX)?;
    let config = bincode::config::standard().with_limit::<{ 2 * FRAME_BYTES_MAX }>();
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
        assert!(decode::<Vec<u64>>("numbers", &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
