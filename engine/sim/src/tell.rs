//! How events, keys and rows are told to people.

use std::sync::Arc;

use syncline::format::Stamp;
use syncline::{Dot, Event, EventRef, NTP64, ReplicaId, Seq};

/// Tells an event as its user wants it told.
pub(crate) type TellEvent = Arc<dyn Fn(&EventRef<'_>) -> String + Send + Sync>;
/// Tells the bytes of a row.
pub(crate) type TellRow = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// How many characters of a text are told, and how many bytes that are no text.
const TEXT: usize = 1_000;
const BYTES: usize = 48;
/// A pair of values is told whole up to so many characters each. Of longer ones so many are told before the place where they differ.
const WHOLE: usize = 300;
const BEFORE: usize = 60;

/// Bytes for people: as text if they are text, else as hexadecimal digits.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let readable = |text: &&str| !text.chars().any(|sign| sign.is_control() && !sign.is_whitespace());
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(readable) {
        let first = cut(text, TEXT);
        let more = more(text.len() - first.len(), bytes);
        // JSON stays readable.
        let quoted = first.contains('"') && !first.contains(char::is_control);
        return if quoted { format!("`{first}`{more}") } else { format!("{first:?}{more}") };
    }
    let plain = bytes.iter().filter(|byte| byte.is_ascii_graphic() || **byte == b' ').count();
    let first = &bytes[..bytes.len().min(BYTES)];
    let more = more(bytes.len() - first.len(), bytes);
    if plain * 2 >= bytes.len() {
        return format!("\"{}\"{more}", first.escape_ascii());
    }
    let word = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("0x {}{more}", first.chunks(4).map(word).collect::<Vec<_>>().join(" "))
}

fn more(left_out: usize, bytes: &[u8]) -> String {
    if left_out > 0 { format!("… ({} bytes)", bytes.len()) } else { String::new() }
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Two values for people. If they are long, only from shortly before the place where they differ.
pub(crate) fn apart(one: &str, other: &str) -> (String, String) {
    if one.len() <= WHOLE && other.len() <= WHOLE {
        return (one.into(), other.into());
    }
    let alike = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let part = |text: &str| {
        let start = text.floor_char_boundary(alike.saturating_sub(BEFORE));
        let told = cut(&text[start..], WHOLE);
        let before = if start > 0 { "…" } else { "" };
        let after = if start + told.len() < text.len() { "…" } else { "" };
        format!("{before}{told}{after}")
    };
    (part(one), part(other))
}

/// An event for people: as its user tells it, or its event type and payload.
pub(crate) fn event(tell: Option<&TellEvent>, event: &EventRef<'_>) -> String {
    match tell {
        Some(tell) => tell(event),
        None => format!("{} {}", event.event_type(), shown(event.payload)),
    }
}

/// Events that are about to be written, for people. They have no place in a log yet.
pub(crate) fn events(tell: Option<&TellEvent>, events: &[Event]) -> String {
    let origin = ReplicaId::from_bytes([0xff; 16]).expect("it is not zero");
    let told = events.iter().zip(0..).map(|(written, index)| {
        let (dot, stamp) = (Dot { origin, seq: Seq::ZERO }, Stamp { time: NTP64(0), origin, index });
        event(tell, &EventRef::new(dot, stamp, &written.event_type, &written.payload))
    });
    told.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_as_text_and_other_bytes_as_digits() {
        assert_eq!(shown("{\"title\":\"買い物, café\"}".as_bytes()), r#"`{"title":"買い物, café"}`"#);
        assert_eq!(shown(b"list-1\0item-2"), r#""list-1\x00item-2""#);
        assert_eq!(shown(&[1, 1, 0xd7, 0xf0, 7]), "0x 0101d7f0 07");
        assert_eq!(shown(b""), "\"\"");
    }

    #[test]
    fn what_is_very_long_is_cut_between_characters() {
        let long = "é".repeat(1_000);
        assert!(shown(long.as_bytes()).ends_with("\"… (2000 bytes)"), "{}", shown(long.as_bytes()));
        assert!(shown(&[1; 100]).ends_with("… (100 bytes)"));
    }

    #[test]
    fn two_long_values_are_told_where_they_differ() {
        let (one, other) = (format!("{}a, and so on", "é".repeat(500)), format!("{}b", "é".repeat(500)));
        let (told_one, told_other) = apart(&one, &other);
        assert!(told_one.starts_with('…') && told_one.ends_with("a, and so on"), "{told_one}");
        assert!(told_other.ends_with("éb") && told_other.len() < 100, "{told_other}");
        assert_eq!(apart("[1]", "[2]"), ("[1]".into(), "[2]".into()));
    }
}
