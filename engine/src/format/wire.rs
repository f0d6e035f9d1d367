//! Strict reading of bytes from a peer or a disk: bounded, minimal integers, nothing left over.

use thiserror::Error;

/// Why bytes are not what they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of something.
    #[error("{what} is cut off: {missing} more bytes were announced; fetch it again")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// How many bytes were missing.
        missing: usize,
    },
    /// A format version this build does not know.
    #[error("{what} has format version {found}, this build reads up to {newest}; upgrade Syncline to read it")]
    UnsupportedVersion {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version this build reads.
        newest: u32,
    },
    /// A limit of [`limits`](crate::limits) is exceeded.
    #[error("{what} is {size} large, the limit is {max}; split it")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Bytes that the format forbids.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Checks a size against a limit before anything is allocated for it.
pub(crate) fn check_size(what: &'static str, size: usize, max: usize) -> Result<(), DecodeError> {
    if size > max {
        return Err(DecodeError::TooLarge { what, size, max });
    }
    Ok(())
}

/// Appends `value` as an unsigned LEB128 integer, least significant group first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over borrowed bytes that names what it was reading when it fails.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn malformed(&self, why: &'static str) -> DecodeError {
        DecodeError::Malformed { what: self.what, why }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(count) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(DecodeError::Truncated { what: self.what, missing: count - self.rest.len() }),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("take(N) returned N bytes"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    /// Reads a LEB128 integer and refuses any but its shortest form, so that equal values have equal bytes.
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && group > 1 {
                return Err(self.malformed("an integer is larger than 64 bits"));
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(self.malformed("an integer is not in its shortest form"));
                }
                return Ok(value);
            }
        }
        Err(self.malformed("an integer is larger than 64 bits"))
    }

    /// Reads how many things follow, each of which takes at least one byte.
    pub(crate) fn count(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        check_size(what, count, self.remaining())?;
        Ok(count)
    }

    /// Reads a length, checked against a limit.
    pub(crate) fn length(&mut self, what: &'static str, max: usize) -> Result<usize, DecodeError> {
        let size = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        check_size(what, size, max)?;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_integer_reads_back_and_leaves_nothing(value in any::<u64>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new("integer", &bytes);
            prop_assert_eq!(reader.varint().unwrap(), value);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn integers_at_powers_of_two_read_back() {
        for bit in 0..64 {
            for value in [1u64 << bit, (1u64 << bit) - 1, (1u64 << bit).wrapping_add(1), u64::MAX] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                assert_eq!(Reader::new("integer", &bytes).varint().unwrap(), value);
            }
        }
    }

    #[test]
    fn a_longer_spelling_of_an_integer_is_refused() {
        assert!(Reader::new("integer", &[0x80, 0x00]).varint().is_err());
        assert!(Reader::new("integer", &[0xff; 10]).varint().is_err());
        assert!(Reader::new("integer", &[0xff; 11]).varint().is_err());
    }

    #[test]
    fn a_cut_integer_says_that_it_is_cut() {
        let error = Reader::new("integer", &[0x80]).varint().unwrap_err();
        assert_eq!(error, DecodeError::Truncated { what: "integer", missing: 1 });
    }
}
