//! What was negotiated, for people and as JSON.

use std::fmt::Write;
use std::time::Duration;

use pith_tls::Summary;

/// A name and a value for each thing that was negotiated.
pub(crate) fn rows(summary: &Summary) -> Vec<(&'static str, String)> {
    let group = summary.group;
    let strength = if group.is_post_quantum() {
        "post-quantum"
    } else {
        "not post-quantum"
    };
    vec![
        ("version", VERSION.to_owned()),
        ("key exchange", format!("{group} ({strength})")),
        ("cipher suite", summary.suite.to_string()),
        ("signature", summary.signature_scheme.to_string()),
        ("server name", text(summary.server_name.as_deref())),
        ("ALPN", text(protocol(summary).as_deref())),
        (
            "HelloRetryRequest",
            (if summary.retried { "yes" } else { "no" }).to_owned(),
        ),
    ]
}

/// The rows as lines, aligned.
pub(crate) fn table<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    rows.iter().fold(String::new(), |mut lines, (name, value)| {
        let _infallible = writeln!(lines, "  {name:width$}  {value}").is_ok();
        lines
    })
}

/// One JSON object.
pub(crate) fn json(server: &str, summary: &Summary, handshake: Duration) -> String {
    format!(
        "{{\"peer\":{},\"version\":{},\"group\":{},\"post_quantum\":{},\"suite\":{},\"signature\":{},\"server_name\":{},\"alpn\":{},\"hello_retry_request\":{},\"handshake_ms\":{:.3}}}",
        quoted(server),
        quoted(VERSION),
        quoted(summary.group.name()),
        summary.group.is_post_quantum(),
        quoted(&summary.suite.to_string()),
        quoted(&summary.signature_scheme.to_string()),
        nullable(summary.server_name.as_deref()),
        nullable(protocol(summary).as_deref()),
        summary.retried,
        handshake.as_secs_f64() * 1000.0,
    )
}

/// A duration as a person reads it.
pub(crate) fn time(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// The application protocol; what is not printable is escaped, since the peer wrote it.
fn protocol(summary: &Summary) -> Option<String> {
    let protocol = summary.protocol.as_deref()?;
    Some(protocol.escape_ascii().to_string())
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or("none").to_owned()
}

fn nullable(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), quoted)
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(character)).is_ok();
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

pub(crate) const VERSION: &str = "TLS 1.3";

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn json_strings_are_escaped() {
        for (name, text, want) in [
            ("plain", "h2", r#""h2""#),
            ("quote and backslash", r#"a"b\c"#, r#""a\"b\\c""#),
            ("control", "a\nb\0", r#""a\u000ab\u0000""#),
        ] {
            assert_eq!(quoted(text), want, "{name}");
        }
    }
}
