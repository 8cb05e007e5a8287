//! Text that somebody else wrote, made safe to show on a terminal, in HTML and in JSON.
//!
//! Certificates hold any text: control characters that move a terminal's cursor, marks that turn the reading direction, markup.
//! All that is not plainly printable is shown by its number.

use std::fmt::Write;

/// For people to read, on a terminal or (after [`html`]) on a page.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '"' | '\'' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
        out
    })
}

/// For HTML, in text and in quoted attributes.
pub(crate) fn html(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
        out
    })
}

/// A JSON string, quotes included. It reads back as `text`, and is safe on a terminal too.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\'' => out.push(character),
            _ if character.escape_debug().len() == 1 => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(out, "\\u{unit:04x}").is_ok();
                }
            }
        }
    }
    out.push('"');
    out
}

/// A JSON string, or null.
pub(crate) fn json_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), json)
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}").is_ok();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn whatever_a_peer_writes_is_shown_and_does_nothing() {
        let rows = [
            ("plain", "h2", "h2", "h2", r#""h2""#),
            ("letters", "Zoë 東京", "Zoë 東京", "Zoë 東京", "\"Zoë 東京\""),
            ("markup", "<b a=\"1\">&'", "<b a=\"1\">&'", "&lt;b a=&quot;1&quot;&gt;&amp;&#39;", r#""<b a=\"1\">&'""#),
            ("backslash", r"a\b", r"a\\b", r"a\b", r#""a\\b""#),
            ("controls", "a\nb\0\x7f", r"a\nb\0\u{7f}", "a\nb\0\x7f", r#""a\u000ab\u0000\u007f""#),
            ("escape sequence", "\x1b[2J\u{9b}2J", r"\u{1b}[2J\u{9b}2J", "\x1b[2J\u{9b}2J", r#""\u001b[2J\u009b2J""#),
            ("right to left", "a\u{202e}b\u{2066}", r"a\u{202e}b\u{2066}", "a\u{202e}b\u{2066}", r#""a\u202eb\u2066""#),
            ("beyond 16 bits", "\u{e0041}🦀", r"\u{e0041}🦀", "\u{e0041}🦀", r#""\udb40\udc41🦀""#),
        ];
        for (name, text, shown, page, quoted) in rows {
            assert_eq!(printable(text), shown, "{name}");
            assert_eq!(html(text), page, "{name}");
            assert_eq!(json(text), quoted, "{name}");
        }
    }
}
