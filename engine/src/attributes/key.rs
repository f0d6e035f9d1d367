//! Names of attributes, and the keys of their rows.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::limits::KEY_BYTES_MAX;

/// Bytes of an entity's name.
pub const ENTITY_BYTES_MAX: usize = 512;
/// Bytes of an attribute's name.
pub const ATTRIBUTE_BYTES_MAX: usize = 255;

const _: () = assert!(ENTITY_BYTES_MAX + 1 + ATTRIBUTE_BYTES_MAX <= KEY_BYTES_MAX, "every attribute has a row key");

/// One attribute of one entity: the key of a row of the view `attributes@1`.
///
/// The entity's name takes 1 to 512 bytes of UTF-8, the attribute's 1 to 255, neither with a NUL. They sort as their rows
/// do: by entity, then by attribute, by bytes.
///
/// ```
/// use syncline::attributes::Attribute;
///
/// let title = Attribute::new("todo/7", "title").unwrap();
/// assert_eq!(title.key(), &b"todo/7\0title"[..]);
/// assert_eq!(Attribute::from_key(&title.key()).unwrap(), title);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// Entity, NUL, attribute.
    key: Box<str>,
    entity_bytes: usize,
}

/// Why a pair of names, or a row key, is no [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAttribute {
    /// The entity's name is empty.
    #[error("the entity has no name; it takes 1 to {ENTITY_BYTES_MAX} bytes")]
    EntityEmpty,
    /// The entity's name is longer than [`ENTITY_BYTES_MAX`].
    #[error("the entity's name takes {bytes} bytes, the limit is {ENTITY_BYTES_MAX}; shorten or hash it")]
    EntityTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The attribute's name is empty.
    #[error("the attribute has no name; it takes 1 to {ATTRIBUTE_BYTES_MAX} bytes")]
    AttributeEmpty,
    /// The attribute's name is longer than [`ATTRIBUTE_BYTES_MAX`].
    #[error("the attribute's name takes {bytes} bytes, the limit is {ATTRIBUTE_BYTES_MAX}; shorten or hash it")]
    AttributeTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A name holds the character that separates entity and attribute.
    #[error("the name of the {part} holds a NUL; leave it out")]
    HoldsNul {
        /// `entity` or `attribute`.
        part: &'static str,
    },
    /// The key is not made of an entity, a NUL and an attribute in UTF-8.
    #[error("a row key is not that of an attribute: {why}")]
    NotAKey {
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Attribute {
    /// Checks and takes the names.
    ///
    /// # Errors
    /// [`InvalidAttribute`] if a name is empty, too long or holds a NUL.
    pub fn new(entity: &str, attribute: &str) -> Result<Self, InvalidAttribute> {
        check(entity, attribute)?;
        Ok(Self { key: format!("{entity}\0{attribute}").into(), entity_bytes: entity.len() })
    }

    /// The attribute with this row key.
    ///
    /// # Errors
    /// [`InvalidAttribute`] if no attribute has it.
    pub fn from_key(key: &[u8]) -> Result<Self, InvalidAttribute> {
        let (entity, attribute) = split(key)?;
        Ok(Self { key: format!("{entity}\0{attribute}").into(), entity_bytes: entity.len() })
    }

    /// The entity's name.
    pub fn entity(&self) -> &str {
        &self.key[..self.entity_bytes]
    }

    /// The attribute's name.
    pub fn attribute(&self) -> &str {
        &self.key[self.entity_bytes + 1..]
    }

    /// The key of the row.
    pub fn key(&self) -> Bytes {
        Bytes::copy_from_slice(self.key.as_bytes())
    }

    pub(super) fn as_key(&self) -> &[u8] {
        self.key.as_bytes()
    }
}

/// The entity and the attribute of a row key.
pub(super) fn split(key: &[u8]) -> Result<(&str, &str), InvalidAttribute> {
    let text = std::str::from_utf8(key).map_err(|_| InvalidAttribute::NotAKey { why: "it is not UTF-8" })?;
    let (entity, attribute) =
        text.split_once('\0').ok_or(InvalidAttribute::NotAKey { why: "it has no NUL between entity and attribute" })?;
    check(entity, attribute)?;
    Ok((entity, attribute))
}

fn check(entity: &str, attribute: &str) -> Result<(), InvalidAttribute> {
    match (entity.len(), attribute.len()) {
        (0, _) => Err(InvalidAttribute::EntityEmpty),
        (bytes, _) if bytes > ENTITY_BYTES_MAX => Err(InvalidAttribute::EntityTooLong { bytes }),
        (_, 0) => Err(InvalidAttribute::AttributeEmpty),
        (_, bytes) if bytes > ATTRIBUTE_BYTES_MAX => Err(InvalidAttribute::AttributeTooLong { bytes }),
        _ if entity.as_bytes().contains(&0) => Err(InvalidAttribute::HoldsNul { part: "entity" }),
        _ if attribute.as_bytes().contains(&0) => Err(InvalidAttribute::HoldsNul { part: "attribute" }),
        _ => Ok(()),
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.attribute(), self.entity())
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({:?}, {:?})", self.entity(), self.attribute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_the_rule_are_refused_each_with_its_reason() {
        let (long_entity, long_attribute) = ("e".repeat(513), "a".repeat(256));
        let refused = |entity: &str, attribute: &str| Attribute::new(entity, attribute).unwrap_err();
        assert_eq!(refused("", "a"), InvalidAttribute::EntityEmpty);
        assert_eq!(refused("e", ""), InvalidAttribute::AttributeEmpty);
        assert_eq!(refused(&long_entity, "a"), InvalidAttribute::EntityTooLong { bytes: 513 });
        assert_eq!(refused("e", &long_attribute), InvalidAttribute::AttributeTooLong { bytes: 256 });
        assert_eq!(refused("e\0", "a"), InvalidAttribute::HoldsNul { part: "entity" });
        assert_eq!(refused("e", "a\0"), InvalidAttribute::HoldsNul { part: "attribute" });
        assert!(Attribute::new(&long_entity[1..], &long_attribute[1..]).is_ok());
    }

    #[test]
    fn keys_of_other_shapes_are_refused() {
        for key in [&b""[..], b"\0", b"e", b"e\0", b"\0a", b"e\0a\0b", b"e\0\xff"] {
            assert!(Attribute::from_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn attributes_sort_as_their_keys_do() {
        let names = [("a", "z"), ("a", "b"), ("a\u{1}", "a"), ("a!", "a"), ("ab", "a"), ("b", "a"), ("ä", "a")];
        let mut attributes: Vec<_> = names.iter().map(|(entity, name)| Attribute::new(entity, name).unwrap()).collect();
        attributes.sort();
        assert!(attributes.is_sorted_by_key(Attribute::key));
        assert_eq!((attributes[0].entity(), attributes[0].attribute()), ("a", "b"));
    }
}
