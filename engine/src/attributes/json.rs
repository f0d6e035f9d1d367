//! A JSON checker without recursion and allocation.
//!
//! What is JSON decides which events are readable, so every replica must draw the line in the same place for ever: the
//! grammar of RFC 8259, no lone surrogates, numbers within the range of a double, and a limit on nesting. A parser library
//! would move the line with its version and features.

use crate::limits::JSON_DEPTH_MAX;

/// What is wrong with a text, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

/// The reason of a [`Flaw`] if arrays and objects nest too deeply.
pub(super) const TOO_DEEP: &str = "arrays and objects nest more than 32 levels deep";
const _: () = assert!(JSON_DEPTH_MAX == 32, "the text above and the bits of `Scanner::objects` name the limit");

/// Decimal digits that every double can hold as an integer: up to 10^308.
const SURE_DIGITS: usize = 308;

/// Checks that `text` is one JSON value and nothing else, white space around it included.
pub(super) fn check(text: &str) -> Result<(), Flaw> {
    let mut scanner = Scanner::new(text);
    scanner.value()?;
    scanner.end()
}

/// The texts of the elements if `text`, which was checked, is an array.
pub(super) fn array_elements(text: &str) -> Option<Vec<&str>> {
    let mut scanner = Scanner::new(text);
    let mut elements = Vec::new();
    if !scanner.eat(b'[') {
        return None;
    }
    scanner.skip_space();
    while !scanner.eat(b']') {
        scanner.eat(b',');
        scanner.skip_space();
        let start = scanner.at;
        scanner.value().ok()?;
        elements.push(&text[start..scanner.at]);
        scanner.skip_space();
    }
    Some(elements)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// How many arrays and objects are open.
    depth: usize,
    /// One bit per open level, the innermost lowest: set for an object.
    objects: u32,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, objects: 0 }
    }

    /// Skips one value.
    fn value(&mut self) -> Result<(), Flaw> {
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.open(true)?;
                    if !self.closes(b'}') {
                        self.key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.open(false)?;
                    if !self.closes(b']') {
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return self.flaw("a value is missing"),
            }
            if self.close_all()? {
                return Ok(());
            }
        }
    }

    /// Opens a level and goes to what follows.
    fn open(&mut self, object: bool) -> Result<(), Flaw> {
        if self.depth == JSON_DEPTH_MAX {
            return self.flaw(TOO_DEEP);
        }
        self.at += 1;
        self.depth += 1;
        self.objects = self.objects << 1 | u32::from(object);
        self.skip_space();
        Ok(())
    }

    /// Closes the innermost level if `end` comes next.
    fn closes(&mut self, end: u8) -> bool {
        let closes = self.eat(end);
        if closes {
            self.depth -= 1;
            self.objects >>= 1;
        }
        closes
    }

    /// Behind a value: closes what ends here. Returns whether all is closed, or goes to the next value.
    fn close_all(&mut self) -> Result<bool, Flaw> {
        while self.depth > 0 {
            self.skip_space();
            let object = self.objects & 1 == 1;
            if self.eat(b',') {
                self.skip_space();
                if object {
                    self.key()?;
                }
                return Ok(false);
            }
            if !self.closes(if object { b'}' } else { b']' }) {
                return self.flaw("a comma or a closing bracket is missing");
            }
        }
        Ok(true)
    }

    /// Skips an object's key and colon, up to the value.
    fn key(&mut self) -> Result<(), Flaw> {
        if self.peek() != Some(b'"') {
            return self.flaw("an object's key is missing");
        }
        self.string()?;
        self.skip_space();
        if !self.eat(b':') {
            return self.flaw("a colon is missing");
        }
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            self.at += rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return self.flaw("a control character is not escaped"),
                None => return self.flaw("a string does not end"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                0xd800..0xdc00 => {
                    let low = self.eat(b'\\') && self.peek() == Some(b'u') && matches!(self.unit()?, 0xdc00..0xe000);
                    if !low {
                        return self.flaw("half of a surrogate pair is missing");
                    }
                }
                0xdc00..0xe000 => return self.flaw("half of a surrogate pair is missing"),
                _ => {}
            },
            _ => return self.flaw("an escape is unknown"),
        }
        Ok(())
    }

    /// Skips the `u` and the four hex digits of an escape.
    fn unit(&mut self) -> Result<u32, Flaw> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5).unwrap_or_default();
        let value = digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?));
        match value {
            Some(value) if digits.len() == 4 => {
                self.at += 5;
                Ok(value)
            }
            _ => self.flaw("an escape takes four hex digits"),
        }
    }

    fn number(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        self.eat(b'-');
        let whole = self.at;
        if !self.eat(b'0') {
            self.digits()?;
        }
        let mut sure = self.at - whole <= SURE_DIGITS;
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
            sure = false;
        }
        let finite = || self.text[start..self.at].parse::<f64>().is_ok_and(f64::is_finite);
        if sure || finite() { Ok(()) } else { self.flaw("a number exceeds the range of a double") }
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.flaw("a digit is missing") } else { Ok(()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Flaw> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.flaw("a word is unknown");
        }
        self.at += word.len();
        Ok(())
    }

    fn end(&self) -> Result<(), Flaw> {
        if self.at == self.text.len() { Ok(()) } else { self.flaw("something follows the value") }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn flaw<T>(&self, why: &'static str) -> Result<T, Flaw> {
        Err(Flaw { at: self.at, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts of JSON's own characters, most of them broken.
    fn nearly_json() -> impl Strategy<Value = String> {
        let pieces = [
            "{", "}", "[", "]", ",", ":", " ", "\n", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\n", "a", "ä", "\u{1}",
            "0", "1", "17", "-", "+", ".", "e", "E", "true", "false", "null", "\"k\":", "\"s\"",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let object = prop::collection::hash_map(any::<String>(), inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Into::into),
                object.prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_checker_and_serde_json_agree_on_short_texts(text in nearly_json()) {
            let trimmed = text.trim_matches([' ', '\n']);
            let parsed = serde_json::from_str::<serde_json::Value>(trimmed);
            prop_assert_eq!(check(trimmed).is_ok(), parsed.is_ok(), "{:?} {:?}", check(trimmed), parsed);
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_json(value in json()) {
            prop_assert_eq!(check(&value.to_string()), Ok(()));
            prop_assert_eq!(check(&serde_json::to_string_pretty(&value).unwrap()), Ok(()));
        }

        #[test]
        fn the_elements_of_an_array_are_found(values in prop::collection::vec(json(), 0..6)) {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            let (tight, wide) = (format!("[{}]", texts.join(",")), format!("[ {} ]", texts.join(" ,\n")));
            prop_assert_eq!(array_elements(&tight).unwrap(), &texts[..]);
            prop_assert_eq!(array_elements(&wide).unwrap(), &texts[..]);
        }
    }

    #[test]
    fn nesting_ends_at_the_limit_without_a_deep_stack() {
        assert_eq!(check(&nested(JSON_DEPTH_MAX)), Ok(()));
        for depth in [JSON_DEPTH_MAX + 1, 100_000] {
            assert_eq!(check(&nested(depth)), Err(Flaw { at: JSON_DEPTH_MAX, why: TOO_DEEP }));
            assert_eq!(check(&"{\"a\":".repeat(depth)).unwrap_err().why, TOO_DEEP);
        }
        let wide = format!("[{}]", vec![nested(JSON_DEPTH_MAX - 1); 1_000].join(","));
        assert_eq!(check(&wide), Ok(()));
    }

    #[test]
    fn numbers_end_where_doubles_end() {
        let digits = |count| "9".repeat(count);
        for number in ["1.7976931348623157e308", "-1.7976931348623157E+308", "1e-999", "0e999999", &digits(308)] {
            assert_eq!(check(number), Ok(()), "{number}");
            assert!(serde_json::from_str::<serde_json::Value>(number).is_ok(), "{number}");
        }
        for number in ["1e309", "-1e309", "1.8e308", &digits(310), "1e99999999999999999999"] {
            assert!(check(number).is_err(), "{number}");
            assert!(serde_json::from_str::<serde_json::Value>(number).is_err(), "{number}");
        }
    }

    #[test]
    fn only_whole_values_are_json() {
        for text in ["", " ", "1 ", " 1", "[1,]", "[,1]", "{\"a\":1,}", "{1:2}", "01", "1.", ".5", "+1", "1e", "nul"] {
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["\"\\ud800\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\u12\"", "\"a\0b\"", "\"", "\"\\\"", "[}"]
        {
            assert!(check(text).is_err(), "{text}");
        }
        assert_eq!(check("\"\\ud83d\\ude00 \\u0000 \\/\""), Ok(()));
    }
}
