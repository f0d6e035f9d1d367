//! The entity that stands for a path. An entity's name is limited to 512 bytes; git's paths are not: 4,096 bytes, and four times that
//! when quoted, as every byte of a Chinese name is.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use syncline::attributes::ENTITY_BYTES_MAX;

/// Bytes of a hash in hexadecimal digits, and the mark before it.
const HASH_BYTES: usize = 1 + 64;

/// The path itself if it is short enough. Otherwise its beginning, and the SHA-256 of the whole, so that no two paths share an entity.
pub(crate) fn entity(path: &str) -> Cow<'_, str> {
    if path.len() <= ENTITY_BYTES_MAX {
        return Cow::Borrowed(path);
    }
    let mut name = path[..path.floor_char_boundary(ENTITY_BYTES_MAX - HASH_BYTES)].to_owned();
    name.push('#');
    for byte in Sha256::digest(path) {
        write!(name, "{byte:02x}").expect("a string takes everything");
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::attributes::Attribute;

    /// As git prints it: four characters for each of the 132 bytes.
    const CHINESE: &str = "\\345\\220\\214\\346\\255\\245/";

    #[test]
    fn a_short_path_stands_for_itself() {
        for path in ["a", "src/lib.rs", "\"M\\303\\244rchen\"", &"x".repeat(ENTITY_BYTES_MAX)] {
            assert_eq!(entity(path), path);
        }
    }

    #[test]
    fn a_long_path_is_an_entity_of_its_own() {
        let long = |last: &str| format!("\"{}{last}\"", CHINESE.repeat(22));
        let (one, other) = (long("a"), long("b"));
        assert!(one.len() > ENTITY_BYTES_MAX);
        assert_ne!(entity(&one), entity(&other));
        for path in [&one, &other, &"ä".repeat(2_000)] {
            let name = entity(path);
            assert!(path.starts_with(name.split_once('#').unwrap().0), "{name}");
            Attribute::new(&name, "id").unwrap();
        }
    }
}
