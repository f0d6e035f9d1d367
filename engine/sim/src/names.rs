//! Short names for the long ids in a story.

use std::collections::BTreeMap;

use crate::trace::Line;

/// Digits of an id.
const DIGITS: usize = 32;

/// Gives every replica and log id in a story a letter, in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The story with short names.
    pub(crate) fn story(&mut self, story: Vec<Line>) -> Vec<Line> {
        story.into_iter().map(|line| Line { text: self.shorten(&line.text), ..line }).collect()
    }

    /// The text with short names.
    pub(crate) fn shorten(&mut self, text: &str) -> String {
        let (mut short, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = id_in(rest) {
            short.push_str(&rest[..at]);
            short.push_str(self.name(&rest[at..at + DIGITS]));
            rest = &rest[at + DIGITS..];
        }
        short.push_str(rest);
        short
    }

    fn name(&mut self, id: &str) -> &str {
        let next = self.0.len();
        self.0.entry(id.to_owned()).or_insert_with(|| {
            let letter = char::from(b'A' + (next % 26) as u8);
            if next < 26 { letter.to_string() } else { format!("{letter}{}", next / 26) }
        })
    }
}

/// Where the first id in a text begins.
fn id_in(text: &str) -> Option<usize> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let windows = text.as_bytes().windows(DIGITS);
    windows.enumerate().find(|(_, window)| window.iter().all(digit)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_letter_throughout() {
        let (one, other) = ("0f".repeat(16), "a1".repeat(16));
        let mut names = Names::default();
        assert_eq!(names.shorten(&format!("{one}:3 after {other}:1")), "A:3 after B:1");
        assert_eq!(names.shorten(&other), "B");
    }

    #[test]
    fn other_text_stays() {
        assert_eq!(Names::default().shorten("dead beef, café 0f0f"), "dead beef, café 0f0f");
    }
}
