//! What was negotiated, for people and as JSON.

use std::fmt::Write;
use std::time::Duration;

use pith_tls::{EarlyData, Psk, Role, Summary};

use crate::escape;
use crate::flights::Bytes;
use crate::identity::Identity;

/// A name and a value for each thing that was negotiated. What the peer wrote is escaped for a terminal.
pub(crate) fn rows(summary: &Summary) -> Vec<(&'static str, String)> {
    let group = summary.group;
    let strength = if group.is_post_quantum() {
        "post-quantum"
    } else {
        "not post-quantum"
    };
    let mut rows = vec![
        ("version", VERSION.to_owned()),
        ("key exchange", format!("{group} ({strength})")),
        ("cipher suite", summary.suite.to_string()),
        ("signature", signature(summary)),
        ("server name", text(summary.server_name.as_deref())),
        ("ALPN", text(protocol(summary).as_deref())),
        (
            "HelloRetryRequest",
            (if summary.retried { "yes" } else { "no" }).to_owned(),
        ),
    ];
    if let Some(scheme) = summary.client_signature_scheme {
        rows.push(("client's signature", scheme.to_string()));
    }
    if let Some(identity) = psk(summary) {
        rows.push(("pre-shared key", identity));
    }
    rows
}

/// What the server signed with, or what it did not have to sign for.
pub(crate) fn signature(summary: &Summary) -> String {
    match &summary.signature_scheme {
        Some(scheme) => scheme.to_string(),
        None if summary.resumed() => "none: resumed".to_owned(),
        None => "none: a pre-shared key".to_owned(),
    }
}

/// Who the peer is, as its certificate says.
pub(crate) fn peer(summary: &Summary) -> Option<Identity> {
    Identity::read(summary.peer_chain.as_ref()?.first()?)
}

/// A name and a value for what is to be said of the peer.
pub(crate) fn peer_rows(summary: &Summary, whose: &'static str) -> Vec<(String, String)> {
    if let Some(peer) = peer(summary) {
        return peer.rows(whose);
    }
    let key = summary.peer_raw_key.as_ref().and(summary.peer_key);
    let row = key.map(|key| {
        let pin = escape::hex(&key);
        (format!("{whose}'s raw key"), format!("SHA-256 {pin}"))
    });
    row.into_iter().collect()
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

/// A connection, once it is over.
pub(crate) struct Report<'a> {
    /// This side.
    pub(crate) role: Role,
    /// The peer's address, as the user or the system writes it.
    pub(crate) peer: &'a str,
    /// `None` if the handshake failed.
    pub(crate) summary: Option<&'a Summary>,
    /// By name, in order.
    pub(crate) times: &'a [(&'static str, Duration)],
    pub(crate) bytes: Bytes,
    pub(crate) error: Option<&'a str>,
}

impl Report<'_> {
    /// One JSON object, the same keys in the same order for each role.
    pub(crate) fn json(&self) -> String {
        let summary = self.summary;
        let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        let quoted = |text: Option<&str>| escape::json_or_null(text);
        let named = |scheme: Option<pith_tls::SignatureScheme>| {
            quoted(scheme.map(|scheme| scheme.to_string()).as_deref())
        };
        let certificate = match self.role {
            Role::Client => "server_certificate",
            Role::Server => "client_certificate",
        };
        let fields = [
            ("peer", escape::json(self.peer)),
            ("version", quoted(summary.map(|_| VERSION))),
            ("group", quoted(summary.map(|summary| summary.group.name()))),
            (
                "post_quantum",
                or_null(summary.map(|summary| summary.group.is_post_quantum().to_string())),
            ),
            ("suite", quoted(summary.map(|summary| summary.suite.name()))),
            (
                "signature_scheme",
                named(summary.and_then(|summary| summary.signature_scheme)),
            ),
            (
                "server_name",
                quoted(summary.and_then(|summary| summary.server_name.as_deref())),
            ),
            ("protocol", quoted(summary.and_then(protocol).as_deref())),
            (
                "hello_retry_request",
                or_null(summary.map(|summary| summary.retried.to_string())),
            ),
            (
                "resumed",
                or_null(summary.map(|summary| summary.resumed().to_string())),
            ),
            (
                "early_data",
                quoted(summary.map(|summary| early_data(summary.early_data))),
            ),
            ("psk", quoted(summary.and_then(psk).as_deref())),
            (
                "client_signature_scheme",
                named(summary.and_then(|summary| summary.client_signature_scheme)),
            ),
            (
                "peer_key_sha256",
                quoted(
                    summary
                        .and_then(|summary| summary.peer_key)
                        .map(|key| escape::hex(&key))
                        .as_deref(),
                ),
            ),
            (
                certificate,
                or_null(summary.and_then(peer).map(|peer| peer.json())),
            ),
            ("milliseconds", self.milliseconds()),
            (
                "bytes",
                format!(
                    "{{\"sent\":{},\"received\":{}}}",
                    self.bytes.sent, self.bytes.received
                ),
            ),
            ("error", quoted(self.error)),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", fields.join(","))
    }

    fn milliseconds(&self) -> String {
        let times = self.times.iter();
        let times =
            times.map(|(name, time)| format!("\"{name}\":{:.3}", time.as_secs_f64() * 1000.0));
        format!("{{{}}}", times.collect::<Vec<_>>().join(","))
    }
}

/// A duration as a person reads it.
pub(crate) fn time(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// What became of early data, by the name that a report has for it.
pub(crate) fn early_data(early_data: EarlyData) -> &'static str {
    match early_data {
        EarlyData::NotOffered => "not_offered",
        EarlyData::Offered => "offered",
        EarlyData::Accepted => "accepted",
        EarlyData::Rejected => "rejected",
    }
}

/// The identity of an external key, any bytes.
fn psk(summary: &Summary) -> Option<String> {
    match summary.psk.as_ref()? {
        Psk::External { identity } => Some(identity.escape_ascii().to_string()),
        _ => None,
    }
}

/// The application protocol, any bytes.
fn protocol(summary: &Summary) -> Option<String> {
    let protocol = summary.protocol.as_deref()?;
    Some(protocol.escape_ascii().to_string())
}

fn text(value: Option<&str>) -> String {
    value.map_or_else(|| "none".to_owned(), escape::printable)
}

pub(crate) const VERSION: &str = "TLS 1.3";
