//! The two forms of a message: compact binary for programs, JSON for people and other languages.

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline::format::codec;
use syncline::limits::{FRAME_BYTES_MAX, JSON_DEPTH_MAX};

/// Media type of messages in binary form, version 1.
pub const BINARY: &str = "application/vnd.syncline.v1";
/// Media type of messages in JSON form.
pub const JSON: &str = "application/json";

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Binary,
    Json,
}

impl Form {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Binary => BINARY,
            Self::Json => JSON,
        }
    }

    /// The form that a media type names, its parameters aside.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        [Self::Binary, Self::Json].into_iter().find(|form| name.eq_ignore_ascii_case(form.media_type()))
    }

    /// Bytes of a message, decompressed. JSON spells bodies out in base 64, so the same message takes more; one of many tiny
    /// bundles may take more still, and is to be cut smaller.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Self::Binary => FRAME_BYTES_MAX,
            Self::Json => 2 * FRAME_BYTES_MAX,
        }
    }

    /// Writes a message.
    pub(crate) fn encode<T: Serialize>(self, message: &T) -> Vec<u8> {
        match self {
            Self::Binary => codec::encode(message),
            Self::Json => serde_json::to_vec(message).expect("messages are structs with text keys"),
        }
    }

    /// Reads a message; the error says what is wrong without repeating any of it.
    pub(crate) fn decode<T: DeserializeOwned>(self, what: &'static str, bytes: &[u8]) -> Result<T, String> {
        match self {
            Self::Binary => codec::decode(what, bytes).map_err(|error| error.to_string()),
            Self::Json => from_json(what, bytes),
        }
    }
}

fn from_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, String> {
    if nests_too_deep(bytes) {
        return Err(format!("{what} nests deeper than {JSON_DEPTH_MAX} levels"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let wrong = match error.classify() {
            serde_json::error::Category::Eof => "it is cut off",
            serde_json::error::Category::Data => "a field is missing, unknown or of another kind",
            _ => "it is not JSON",
        };
        format!("{what} does not read: {wrong}, at line {} column {}", error.line(), error.column())
    })
}

/// Whether arrays and objects lie deeper in each other than any message needs. Looks at brackets outside of strings only.
fn nests_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_apart_whatever_their_case_and_parameters() {
        assert_eq!(Form::of("Application/JSON; charset=utf-8"), Some(Form::Json));
        assert_eq!(Form::of("application/vnd.syncline.v1"), Some(Form::Binary));
        assert_eq!(Form::of("application/vnd.syncline.v2"), None);
        assert_eq!(Form::of(""), None);
    }

    #[test]
    fn brackets_count_outside_of_strings_only() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(!nests_too_deep(deep(JSON_DEPTH_MAX).as_bytes()));
        assert!(nests_too_deep(deep(JSON_DEPTH_MAX + 1).as_bytes()));
        assert!(!nests_too_deep(format!(r#"["\"{}"]"#, deep(100)).as_bytes()));
    }

    #[test]
    fn an_error_repeats_nothing_of_the_message() {
        for wrong in [r#"{"secret": 1}"#, r#""secret""#, "[secret]", r#"["secret"#] {
            let error = Form::Json.decode::<u32>("number", wrong.as_bytes()).unwrap_err();
            assert!(error.starts_with("number does not read") && !error.contains("secret"), "{error}");
        }
    }
}
