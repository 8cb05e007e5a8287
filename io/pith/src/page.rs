//! The page that shows what was negotiated, and responses of HTTP/1.1: HTML without scripts or anything fetched.

use std::fmt::Write;
use std::time::Duration;

use pith_tls::{EarlyData, Summary};
use time::OffsetDateTime;

use crate::{escape, identity, negotiated};

/// The whole response to a GET; `header` is whole header lines, or nothing.
pub(crate) fn negotiated(
    summary: &Summary,
    handshake: Duration,
    now: OffsetDateTime,
    header: &str,
) -> String {
    response(
        "200 OK",
        header,
        "text/html",
        &body(summary, handshake, now),
    )
}

/// The page.
pub(crate) fn body(summary: &Summary, handshake: Duration, now: OffsetDateTime) -> String {
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
    let client = negotiated::peer_rows(summary, "client");
    let rows = negotiated::rows(summary).into_iter();
    let rows = rows
        .map(|(name, value)| (name.to_owned(), value))
        .chain(client);
    let served = format!(
        "{} by pith {}",
        identity::utc(now),
        env!("CARGO_PKG_VERSION")
    );
    let early = match summary.early_data {
        EarlyData::Accepted => "accepted, and replayable",
        EarlyData::Rejected => "rejected",
        _ => "none",
    };
    let last = [
        ("early data", early.to_owned()),
        ("handshake", negotiated::time(handshake)),
        ("served", served),
    ];
    let last = last.map(|(name, value)| (name.to_owned(), value));
    let table = rows
        .chain(last)
        .fold(String::new(), |mut table, (name, value)| {
            let (name, value) = (escape::html(&name), escape::html(&value));
            let _infallible = writeln!(table, "<dt>{name}</dt><dd>{value}</dd>").is_ok();
            table
        });
    format!(
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
    )
}

/// The head of a response with a file; `header` is whole header lines, or nothing.
pub(crate) fn file(length: u64, kind: &str, header: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {length}\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\
         {header}\r\n"
    )
}

/// A response that says no; `header` is whole header lines, or nothing.
pub(crate) fn refusal(status: &str, header: &str) -> String {
    response(status, header, "text/plain", &format!("{status}\n"))
}

fn response(status: &str, header: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: {kind}; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Content-Security-Policy: {POLICY}\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\
         {header}\r\n\
         {body}",
        body.len()
    )
}

/// Nothing is fetched for the page, and nothing runs on it.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

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
