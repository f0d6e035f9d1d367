//! From an enum to the event type and payload of an event, and back: serde's tag of the enum is the event type, its content the payload.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde_json::Value;

use super::{TypedEvent, Unwritable};
use crate::format::event::{Event, EventType};
use crate::projection::Unreadable;

/// Encodes an event, and reads it back, so that no event is written that nobody can read.
pub(super) fn encode<E: TypedEvent>(event: &E) -> Result<Event, Unwritable> {
    let json = Bytes::from(serde_json::to_vec(event).map_err(Unwritable::new)?);
    let (tag, payload) = untag(&json).ok_or_else(|| Unwritable::new("it is not a value of a plain serde enum"))?;
    let event_type: EventType = tag.parse().map_err(|error| {
        let hint = r#"give the variant its event type as its name, as in #[serde(rename = "expense.added@1")]"#;
        Unwritable::new(format_args!("{error}; {hint}"))
    })?;
    match decode::<E>(event_type.name(), event_type.version(), &payload) {
        Ok(Some(_)) => Ok(Event { event_type, payload }),
        Ok(None) => Err(Unwritable::new(format_args!("{event_type} is written but not read by the enum's serde code"))),
        Err(unreadable) => Err(Unwritable::new(unreadable.reason)),
    }
}

/// Splits serde's form of an enum's value, which is `{"tag":payload}`, or `"tag"` if the variant has no fields.
fn untag(json: &Bytes) -> Option<(&str, Bytes)> {
    let text = std::str::from_utf8(json).ok()?;
    if let Some(tag) = text.strip_prefix('"') {
        return Some((tag.strip_suffix('"')?, Bytes::from_static(b"{}")));
    }
    let (tag, payload) = text.strip_prefix("{\"")?.strip_suffix('}')?.split_once("\":")?;
    Some((tag, json.slice_ref(payload.as_bytes())))
}

/// Decodes an event, upcast first if it is older than the enum. `None` if the enum does not have its type.
pub(super) fn decode<E: TypedEvent>(name: &str, version: u16, payload: &[u8]) -> Result<Option<E>, Unreadable> {
    match E::deserialize(Typed::<E> { name, version, payload, event: PhantomData }) {
        Ok(event) => Ok(Some(event)),
        Err(Failure::Foreign) => Ok(None),
        Err(Failure::Newer { known }) => Err(Unreadable::new(format!(
            "{name}@{version} is newer than version {known}, which is the newest that this program reads: upgrade it"
        ))),
        Err(Failure::Malformed(why)) => Err(Unreadable::new(format!("{name}@{version} does not read: {why}"))),
    }
}

/// The event types in the names of the variants, aliases included.
pub(super) fn types<E: TypedEvent>() -> Vec<EventType> {
    let mut types = Vec::new();
    // It fails, since there is no event to be read.
    let _: Result<E, Failure> = E::deserialize(Names(&mut types));
    types
}

/// Why an event does not become a value of the enum.
#[derive(Debug)]
enum Failure {
    /// The enum does not have its type.
    Foreign,
    /// The enum has its type in older versions only.
    Newer { known: u16 },
    /// Its payload is wrong.
    Malformed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::Malformed(why.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// An event as a serde deserializer of the enum `E`.
struct Typed<'a, E> {
    name: &'a str,
    version: u16,
    payload: &'a [u8],
    event: PhantomData<E>,
}

impl<'de, E: TypedEvent> Deserializer<'de> for Typed<'de, E> {
    type Error = Failure;

    /// The names of the variants, aliases included, tell which types and versions the enum has.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let versions = || variants.iter().filter_map(|tag| Some((*tag, version_of(tag, self.name)?)));
        let tag_of = |version| versions().find(|(_, known)| *known == version).map(|(tag, _)| tag);
        let known = versions().map(|(_, known)| known).max().ok_or(Failure::Foreign)?;
        if self.version > known {
            return Err(Failure::Newer { known });
        }
        if let Some(tag) = tag_of(self.version) {
            let mut payload = serde_json::Deserializer::from_slice(self.payload);
            let event = visitor.visit_enum(Variant { tag, payload: &mut payload })?;
            payload.end()?;
            return Ok(event);
        }
        let mut payload: Value = serde_json::from_slice(self.payload)?;
        let mut version = self.version;
        loop {
            payload = E::upcast(self.name, version, payload).map_err(|unreadable| {
                Failure::Malformed(format!("upcasting it from version {version}: {}", unreadable.reason))
            })?;
            version += 1;
            if let Some(tag) = tag_of(version) {
                return visitor.visit_enum(Variant { tag, payload });
            }
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(Failure::Malformed("the type that reads it is not a plain serde enum".to_owned()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Takes down the names of an enum's variants, and never reads a value.
struct Names<'a>(&'a mut Vec<EventType>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Failure;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Failure> {
        self.0.extend(variants.iter().filter_map(|tag| tag.parse::<EventType>().ok()));
        Err(Failure::Foreign)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(Failure::Foreign)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The version in a variant's name, if it is a version of the event type `name`.
fn version_of(tag: &str, name: &str) -> Option<u16> {
    tag.strip_prefix(name)?.strip_prefix('@')?.parse().ok()
}

/// One variant of the enum and a deserializer of its payload.
struct Variant<D> {
    tag: &'static str,
    payload: D,
}

impl<'de, D: Deserializer<'de, Error = serde_json::Error>> EnumAccess<'de> for Variant<D> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let variant = seed.deserialize(IntoDeserializer::<Failure>::into_deserializer(self.tag))?;
        Ok((variant, self))
    }
}

impl<'de, D: Deserializer<'de, Error = serde_json::Error>> VariantAccess<'de> for Variant<D> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Empty {}
        let Empty {} = Empty::deserialize(self.payload)?;
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        Ok(seed.deserialize(self.payload)?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failure> {
        Ok(self.payload.deserialize_tuple(len, visitor)?)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        Ok(self.payload.deserialize_struct("", fields, visitor)?)
    }
}
