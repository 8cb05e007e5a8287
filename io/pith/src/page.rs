//! The page of `pith server --http`: one HTTP/1.1 response, HTML without scripts or anything fetched.

use std::fmt::Write;
use std::time::Duration;

use pith_tls::Summary;

use crate::negotiated;

/// The whole response to a GET.
pub(crate) fn negotiated(summary: &Summary, handshake: Duration, unix: Duration) -> String {
    let (class, verdict, meaning) = if summary.group.is_post_quantum() {
        (
            "good",
            "This connection is post-quantum",
            "What is sent here stays secret even from someone who records it today and has a quantum computer later.",
        )
    } else {
        (
            "fair",
            "This connection is not post-quantum",
            "It is TLS 1.3, but who records it today and has a quantum computer later can read it. This client names no post-quantum group.",
        )
    };
    let mut rows = negotiated::rows(summary);
    rows.push(("handshake", negotiated::time(handshake)));
    rows.push((
        "served",
        format!("{} by pith {}", utc(unix), env!("CARGO_PKG_VERSION")),
    ));
    let mut table = String::new();
    for (name, value) in rows {
        let value = escaped(&value);
        let _infallible = writeln!(table, "<dt>{name}</dt><dd>{value}</dd>").is_ok();
    }
    let body = format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{verdict}</title>
<style>{STYLE}</style>
<main>
<p class="mark {class}">{VERSION}</p>
<h1>{verdict}</h1>
<p>{meaning}</p>
<dl>
{table}</dl>
</main>
</html>
"#,
        VERSION = negotiated::VERSION,
    );
    response("200 OK", "", "text/html", &body)
}

/// A response that says no; `header` is a whole header line, or nothing.
pub(crate) fn refusal(status: &str, header: &str) -> String {
    response(status, header, "text/plain", &format!("{status}\n"))
}

fn response(status: &str, header: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: {kind}; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\
         {header}\r\n\
         {body}",
        body.len()
    )
}

/// Text for HTML. Some of it was chosen by the client.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
        out
    })
}

/// A time as a date in UTC. The calendar is counted in eras of 400 years that begin in March, which puts the leap day last.
fn utc(unix: Duration) -> String {
    let (days, second) = (unix.as_secs() / 86_400, unix.as_secs() % 86_400);
    let days = days.saturating_add(719_468); // from 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let leaps = (day / 1_460)
        .saturating_sub(day / 36_524)
        .saturating_add(day / 146_096);
    let year = day.saturating_sub(leaps) / 365;
    let before = year
        .saturating_mul(365)
        .saturating_add(year / 4)
        .saturating_sub(year / 100);
    let day = day.saturating_sub(before);
    let march_month = day.saturating_mul(5).saturating_add(2) / 153;
    let day = day.saturating_sub(march_month.saturating_mul(153).saturating_add(2) / 5);
    let (month, next) = if march_month < 10 {
        (march_month.saturating_add(3), 0)
    } else {
        (march_month.saturating_sub(9), 1)
    };
    let year = era
        .saturating_mul(400)
        .saturating_add(year)
        .saturating_add(next);
    format!(
        "{year:04}-{month:02}-{:02} {:02}:{:02}:{:02} UTC",
        day.saturating_add(1),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2024; --quiet: #60646c; --ground: #fbfbf9; --line: #e3e3de; --good: #1a7f4e; --fair: #9a6200 }
@media (prefers-color-scheme: dark) { :root { --ink: #eceeed; --quiet: #a0a6a4; --ground: #151817; --line: #2c312f; --good: #4cc38a; --fair: #e3a94a } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif }
main { max-width: 38rem; margin: 0 auto; padding: 12vh 1.5rem 4rem }
h1 { margin: .5rem 0; font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.2; letter-spacing: -.02em; text-wrap: balance }
p { margin: 0; color: var(--quiet); max-width: 34rem }
.mark { font-weight: 600; font-size: .9rem }
.mark::before { content: ''; display: inline-block; width: .6em; height: .6em; margin-right: .5em; border-radius: 50%; background: currentColor }
.good { color: var(--good) }
.fair { color: var(--fair) }
dl { display: grid; grid-template-columns: max-content 1fr; margin: 2.5rem 0 0; border-top: 1px solid var(--line) }
dt, dd { margin: 0; padding: .55rem 0; border-bottom: 1px solid var(--line) }
dt { padding-right: 2rem; color: var(--quiet) }
dt::first-letter { text-transform: uppercase }
dd { font-family: ui-monospace, monospace; font-size: .92rem; overflow-wrap: anywhere }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr } dt { border: 0; padding-bottom: 0 } dd { padding-top: 0 } }
";

#[cfg(test)]
mod tests {
    use super::{escaped, utc};
    use std::time::Duration;

    #[test]
    fn dates() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_795_503_723, "2026-11-24 07:02:03 UTC"),
            (4_102_444_800, "2100-01-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), want, "{seconds}");
        }
    }

    #[test]
    fn what_a_client_chose_is_escaped() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
