//! Files that say what they are: a magic, the version of the format, the content, and a hash over all of that.

/// Bytes of a magic.
const MAGIC_BYTES: usize = 12;
/// Bytes of the hash: BLAKE3.
const HASH_BYTES: usize = 32;

/// Why bytes are not a file of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealed {
    /// They begin otherwise.
    Foreign,
    /// They have a format of a later version.
    Newer(u8),
    /// Some of them have changed, or are missing.
    Hash,
}

/// How a file begins. Its content follows.
pub(crate) fn begin(magic: [u8; MAGIC_BYTES], version: u8) -> Vec<u8> {
    [&magic[..], &[version]].concat()
}

/// Ends a file with its hash, and gives the hash.
pub(crate) fn seal(file: &mut Vec<u8>) -> [u8; HASH_BYTES] {
    let hash = *blake3::hash(file).as_bytes();
    file.extend_from_slice(&hash);
    hash
}

/// The content of a file of this version, and its hash.
pub(crate) fn open(file: &[u8], magic: [u8; MAGIC_BYTES], version: u8) -> Result<(&[u8], [u8; HASH_BYTES]), Unsealed> {
    match file.strip_prefix(&magic).and_then(<[u8]>::first) {
        Some(found) if *found == version => {}
        Some(found) if *found > version => return Err(Unsealed::Newer(*found)),
        _ => return Err(Unsealed::Foreign),
    }
    let (hashed, hash) = file.split_last_chunk::<HASH_BYTES>().ok_or(Unsealed::Hash)?;
    match hashed.get(MAGIC_BYTES + 1..) {
        Some(content) if blake3::hash(hashed).as_bytes() == hash => Ok((content, *hash)),
        _ => Err(Unsealed::Hash),
    }
}
