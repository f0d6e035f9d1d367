//! Values of attributes.

use std::fmt;

use thiserror::Error;

use super::json::{self, TOO_DEEP};
use crate::format::wire::{DecodeError, check_size};
use crate::limits::{JSON_DEPTH_MAX, PAYLOAD_BYTES_MAX};

/// Bytes of one value's JSON text: 192 KiB. An event's payload holds it in addition to the key, the base and the context.
pub const VALUE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 64 * 1024;

/// The value of an attribute or an element of its set: a JSON text, kept as it was written.
///
/// Two values are equal if their texts are: `1`, `1.0` and `1e0` are three values. A text has at most 192 KiB, at most 32
/// levels of arrays and objects, numbers within the range of a double, and no lone surrogates.
///
/// ```
/// use syncline::attributes::Value;
///
/// let greeting = Value::from("say \"hi\"");
/// assert_eq!(greeting.as_json(), r#""say \"hi\"""#);
/// assert_eq!(greeting.text().as_deref(), Some("say \"hi\""));
/// assert_eq!(Value::from(42).as_integer(), Some(42));
/// assert_eq!(Value::json(" {\"done\": true} ").unwrap().as_json(), "{\"done\": true}");
/// assert!(Value::json("{").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Box<str>);

/// Why a text or a number is no [`Value`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// The text is longer than [`VALUE_BYTES_MAX`].
    #[error(
        "a value takes {bytes} bytes, the limit is {VALUE_BYTES_MAX}; keep large content elsewhere and its name here"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Arrays and objects nest more deeply than [`JSON_DEPTH_MAX`].
    #[error("a value nests more than {JSON_DEPTH_MAX} levels of arrays and objects; flatten it")]
    TooDeep,
    /// The text is not JSON.
    #[error("a value is not JSON: {why} at byte {at}")]
    NotJson {
        /// What is wrong.
        why: &'static str,
        /// The byte at which it is wrong.
        at: usize,
    },
    /// JSON has no infinities and no NaN.
    #[error("{given} is not a JSON number; write null or a text instead")]
    NotFinite {
        /// The number.
        given: String,
    },
}

impl Value {
    /// Checks and takes a JSON text; white space around it is left out.
    ///
    /// # Errors
    /// [`InvalidValue`] if the text is not JSON or exceeds a limit.
    pub fn json(text: &str) -> Result<Self, InvalidValue> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        if text.len() > VALUE_BYTES_MAX {
            return Err(InvalidValue::TooLarge { bytes: text.len() });
        }
        match json::check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(flaw) if flaw.why == TOO_DEEP => Err(InvalidValue::TooDeep),
            Err(flaw) => Err(InvalidValue::NotJson { why: flaw.why, at: flaw.at }),
        }
    }

    /// The JSON string that reads `text`.
    ///
    /// # Errors
    /// [`InvalidValue::TooLarge`].
    pub fn string(text: &str) -> Result<Self, InvalidValue> {
        // Checked first, so that no oversized copy is made; quotes and escapes may still carry it over the limit.
        check_text_size(text.len())?;
        Self::try_from(serde_json::Value::from(text))
    }

    /// The JSON number `number`.
    ///
    /// # Errors
    /// [`InvalidValue::NotFinite`].
    pub fn float(number: f64) -> Result<Self, InvalidValue> {
        match serde_json::Number::from_f64(number) {
            Some(number) => Ok(Self(number.to_string().into())),
            None => Err(InvalidValue::NotFinite { given: number.to_string() }),
        }
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The text that the value is, without quotes and escapes; `None` if it is no string.
    pub fn text(&self) -> Option<String> {
        serde_json::from_str(&self.0).ok()
    }

    /// The value if it is an integer within the range of `i64`, written without fraction and exponent.
    pub fn as_integer(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The texts of the elements if the value is an array.
    pub fn as_array(&self) -> Option<Vec<&str>> {
        json::array_elements(&self.0)
    }

    /// The value with exactly this text, white space around it forbidden.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let malformed = |why| DecodeError::Malformed { what: "attribute value", why };
        check_size("attribute value", bytes.len(), VALUE_BYTES_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        json::check(text).map_err(|flaw| malformed(flaw.why))?;
        Ok(Self(text.into()))
    }

    /// An element that was cut out of a value.
    pub(super) fn of_checked(text: &str) -> Self {
        debug_assert_eq!(json::check(text), Ok(()));
        Self(text.into())
    }
}

fn check_text_size(bytes: usize) -> Result<(), InvalidValue> {
    if bytes > VALUE_BYTES_MAX { Err(InvalidValue::TooLarge { bytes }) } else { Ok(()) }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

/// The JSON string that reads so. If a text's value exceeds [`VALUE_BYTES_MAX`], [`View::set`](crate::replica::View::set) and
/// [`View::insert`](crate::replica::View::insert) refuse it, and an [`Op`](super::Op) of it that is written in another way is put aside by
/// every replica. To find out before, use [`Value::string`].
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string().into())
    }
}

/// As from `&str`.
impl From<String> for Value {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self(truth.to_string().into())
    }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = InvalidValue;

    fn try_from(value: serde_json::Value) -> Result<Self, InvalidValue> {
        Self::json(&value.to_string())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_the_text_that_was_written() {
        for text in ["1.0", "1e2", "{ \"b\": 1, \"a\": [ ] }", "\"\\u00e4\"", "-0", "null"] {
            assert_eq!(Value::json(&format!(" \n{text}\t")).unwrap().as_json(), text);
        }
    }

    #[test]
    fn numbers_that_json_lacks_are_refused() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(Value::float(number), Err(InvalidValue::NotFinite { .. })));
        }
        for number in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0, 1.0] {
            let value = Value::float(number).unwrap();
            assert_eq!(Value::json(value.as_json()).unwrap(), value);
        }
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_and_one_at_the_limit_is_taken() {
        let edge = "x".repeat(VALUE_BYTES_MAX - 2);
        assert_eq!(Value::string(&edge).unwrap().as_json().len(), VALUE_BYTES_MAX);
        let long = InvalidValue::TooLarge { bytes: VALUE_BYTES_MAX + 1 };
        assert_eq!(Value::string(&(edge.clone() + "x")).unwrap_err(), long);
        assert_eq!(Value::json(&"1".repeat(VALUE_BYTES_MAX + 1)).unwrap_err(), long);
        assert!(Value::string(&"\n".repeat(VALUE_BYTES_MAX / 2)).is_err());
    }

    #[test]
    fn a_text_comes_back_without_quotes_and_escapes() {
        for text in
            ["", "Milk", "say \"hi\"", "back\\slash", "line\nbreak", "\u{0}\u{1f600}", "null", "42", "ä\u{202e}"]
        {
            assert_eq!(Value::from(text).text().as_deref(), Some(text));
            assert_eq!(Value::from(text.to_owned()), Value::string(text).unwrap());
        }
        for other in ["42", "null", "true", "[\"a\"]", "{\"a\": \"b\"}"] {
            assert_eq!(Value::json(other).unwrap().text(), None);
        }
        assert_eq!(Value::json("\"\\u00e4\"").unwrap().text().as_deref(), Some("ä"));
    }

    #[test]
    fn deep_nesting_is_refused_by_every_way_in() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Value::json(&deep(JSON_DEPTH_MAX)).is_ok());
        for depth in [JSON_DEPTH_MAX + 1, 90_000] {
            assert_eq!(Value::json(&deep(depth)).unwrap_err(), InvalidValue::TooDeep);
            assert!(Value::decode(deep(depth).as_bytes()).is_err());
        }
        let nested = (0..33).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
        assert_eq!(Value::try_from(nested).unwrap_err(), InvalidValue::TooDeep);
    }
}
