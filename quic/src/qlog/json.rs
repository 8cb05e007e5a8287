//! JSON (RFC 8259), as far as it takes to write it.

use core::fmt::{self, Display, Write};
use core::time::Duration;

/// An object that is being written.
pub(super) struct Object<'a> {
    to: &'a mut String,
    is_empty: bool,
}

/// A list that is being written.
pub(super) struct List<'a> {
    to: &'a mut String,
    is_empty: bool,
}

impl Object<'_> {
    /// Writes an object.
    pub(super) fn write(to: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
        to.push('{');
        fill(&mut Object {
            to: &mut *to,
            is_empty: true,
        });
        to.push('}');
    }

    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        self.name(name);
        text(self.to, value);
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        number(self.to, value);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.to.push_str(if value { "true" } else { "false" });
    }

    /// A time in milliseconds.
    pub(super) fn time(&mut self, name: &str, value: Duration) {
        self.name(name);
        let micros = value.as_micros();
        plain(
            self.to,
            format_args!("{}.{:03}", micros / 1000, micros % 1000),
        );
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        Object::write(self.to, fill);
    }

    pub(super) fn list(&mut self, name: &str, fill: impl FnOnce(&mut List<'_>)) {
        self.name(name);
        List::write(self.to, fill);
    }

    fn name(&mut self, name: &str) {
        comma(self.to, &mut self.is_empty);
        text(self.to, name);
        self.to.push(':');
    }
}

impl List<'_> {
    pub(super) fn text(&mut self, value: impl Display) {
        comma(self.to, &mut self.is_empty);
        text(self.to, value);
    }

    pub(super) fn number(&mut self, value: u64) {
        comma(self.to, &mut self.is_empty);
        number(self.to, value);
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        comma(self.to, &mut self.is_empty);
        Object::write(self.to, fill);
    }

    pub(super) fn list(&mut self, fill: impl FnOnce(&mut List<'_>)) {
        comma(self.to, &mut self.is_empty);
        List::write(self.to, fill);
    }

    fn write(to: &mut String, fill: impl FnOnce(&mut List<'_>)) {
        to.push('[');
        fill(&mut List {
            to: &mut *to,
            is_empty: true,
        });
        to.push(']');
    }
}

fn comma(to: &mut String, is_empty: &mut bool) {
    if !core::mem::take(is_empty) {
        to.push(',');
    }
}

fn text(to: &mut String, value: impl Display) {
    to.push('"');
    write!(Escaped(to), "{value}").unwrap_or_default();
    to.push('"');
}

/// What a double cannot hold is written as text, as the drafts allow: a reader in a browser would round it.
fn number(to: &mut String, value: u64) {
    if value <= LARGEST {
        plain(to, value);
    } else {
        text(to, value);
    }
}

fn plain(to: &mut String, value: impl Display) {
    // Writing to a String does not fail.
    write!(to, "{value}").unwrap_or_default();
}

/// Escapes what a JSON string cannot hold.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.0.extend(['\\', letter]),
                // Line ends of some readers are among the latter.
                '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    write!(self.0, "\\u{:04x}", u32::from(letter))?;
                }
                _ => self.0.push(letter),
            }
        }
        Ok(())
    }
}

/// 2^53 - 1.
const LARGEST: u64 = 9_007_199_254_740_991;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut text = String::new();
        Object::write(&mut text, fill);
        text
    }

    #[test]
    fn values_of_each_kind_are_written() {
        let text = written(|o| {
            o.text("text", "a b");
            o.number("number", 7);
            o.flag("yes", true);
            o.flag("no", false);
            o.time("time", Duration::from_nanos(12_003_004_999));
            o.object("empty", |_| ());
            o.list("none", |_| ());
            o.object("object", |o| o.number("inner", 1));
            o.list("list", |l| {
                l.text("x");
                l.number(2);
                l.object(|o| o.number("y", 3));
                l.list(|l| l.number(4));
            });
        });
        assert_eq!(
            text,
            r#"{"text":"a b","number":7,"yes":true,"no":false,"time":12003.004,"empty":{},"none":[],"object":{"inner":1},"list":["x",2,{"y":3},[4]]}"#
        );
    }

    #[test]
    fn strings_are_escaped_whatever_is_in_them() {
        for (raw, want) in [
            ("", ""),
            ("\"", r#"\""#),
            ("\\", r"\\"),
            ("a\"b\\c", r#"a\"b\\c"#),
            ("\n\r\t", r"\u000a\u000d\u0009"),
            ("\0\x1e\x1f\x7f", r"\u0000\u001e\u001f\u007f"),
            ("\u{2028}\u{85}", r"\u2028\u0085"),
            ("/ é 🦀", "/ é 🦀"),
        ] {
            let text = written(|o| o.text(raw, raw));
            assert_eq!(text, format!("{{\"{want}\":\"{want}\"}}"), "{raw:?}");
        }
    }

    #[test]
    fn numbers_that_a_double_would_round_are_text() {
        for (value, want) in [
            (0, "0"),
            (LARGEST, "9007199254740991"),
            (LARGEST + 1, "\"9007199254740992\""),
            (u64::MAX, "\"18446744073709551615\""),
        ] {
            assert_eq!(
                written(|o| o.number("n", value)),
                format!("{{\"n\":{want}}}")
            );
        }
    }
}
