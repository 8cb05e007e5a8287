//! What went wrong, as one paragraph for a person: what was expected, what came, what to do.

use std::fmt;
use std::io::{self, ErrorKind};

use pith_io::tokio::quic;
use pith_quic::ConnectionError;
use pith_tls::{AlertDescription, Error, Fault};

/// The end of a command that did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    exit_code: u8,
    paragraph: String,
}

impl Failure {
    /// The connection or TLS failed.
    pub(crate) fn connection(paragraph: impl Into<String>) -> Self {
        Self {
            exit_code: 1,
            paragraph: paragraph.into(),
        }
    }

    /// The command line, or a file that it names, cannot be used.
    pub(crate) fn input(paragraph: impl Into<String>) -> Self {
        Self {
            exit_code: 2,
            paragraph: paragraph.into(),
        }
    }

    pub(crate) fn with_exit_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.paragraph)
    }
}

/// Standard output that went away, or is full.
pub(crate) fn output(error: &io::Error) -> Failure {
    Failure::connection(format!("standard output cannot be written: {error}"))
}

/// Nobody listens there.
pub(crate) fn cannot_listen(address: &str, error: &io::Error) -> Failure {
    Failure::connection(format!(
        "cannot listen on {address} ({error}): give an address of this machine as ADDR:PORT, with a free port, 0 for any"
    ))
}

/// No TCP connection to `server`.
pub(crate) fn tcp(server: &str, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there: start the server, or correct the port"
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            "nothing answers there: correct the address, or look for a firewall on the way"
        }
        _ => "correct the address, or look at this machine's network",
    };
    Failure::connection(format!("no TCP connection to {server} ({error}): {advice}"))
}

/// The handshake with `server` failed.
pub(crate) fn handshake(server: &str, name: &str, error: &io::Error) -> Failure {
    Failure::connection(match tls(error) {
        Some(Error::Certificate(error)) => {
            format!("{server} did not prove that it is {name}: {error}. Nothing was sent to it.")
        }
        Some(Error::Fault(Fault::PlainHttp)) => format!(
            "expected TLS from {server}, but it speaks plain HTTP: use the port on which it serves HTTPS, often 443 or 8443."
        ),
        Some(Error::Fault(fault @ (Fault::NoTls13 { .. } | Fault::Downgrade))) => {
            format!("expected TLS 1.3 from {server}, but {fault}. {OLD_PEER}")
        }
        Some(Error::Alert(AlertDescription::PROTOCOL_VERSION)) => {
            format!(
                "expected TLS 1.3 from {server}, but it refused with the alert protocol_version. {OLD_PEER}"
            )
        }
        Some(Error::Truncated) => format!(
            "expected the handshake of TLS 1.3 from {server}, but it closed the connection in the middle without saying why: see that this port speaks TLS, and what the server logged."
        ),
        Some(Error::Alert(alert)) => {
            format!(
                "{server} ended the handshake with the alert {alert}: {}.",
                advice(*alert)
            )
        }
        Some(Error::Fault(_)) => format!(
            "the handshake with {server} failed, because it does not follow TLS 1.3: {error}. See that this port speaks TLS; if it does, its software is at fault."
        ),
        _ if error.kind() == ErrorKind::ConnectionReset => format!(
            "expected the handshake of TLS 1.3 from {server}, but it reset the connection: see that this port speaks TLS, and what the server logged."
        ),
        _ => format!("the handshake with {server} failed: {error}."),
    })
}

/// The connection to `server` failed after the handshake.
pub(crate) fn transfer(server: &str, error: &io::Error) -> Failure {
    Failure::connection(match tls(error) {
        Some(Error::Truncated) => format!(
            "{server} ended the connection without close_notify: what it sent may be cut short, by somebody on the way or because it failed; do not take it for complete."
        ),
        Some(Error::Alert(alert)) => format!(
            "{server} ended the connection with the alert {alert}: {}.",
            advice(*alert)
        ),
        _ if error.kind() == ErrorKind::ConnectionReset => {
            format!("{server} reset the connection: see what the server logged.")
        }
        _ => format!("the connection to {server} failed: {error}."),
    })
}

/// No connection to `server` over QUIC.
pub(crate) fn quic(server: &str, name: &str, error: &quic::Error) -> Failure {
    Failure::connection(match error {
        quic::Error::Connection(ConnectionError::Tls(error)) => {
            return handshake(server, name, &io::Error::other(error.clone()));
        }
        quic::Error::Connection(ConnectionError::PeerClosed { code, .. })
            if code.alert().is_some() =>
        {
            let alert = code.alert().unwrap_or(AlertDescription::INTERNAL_ERROR);
            format!(
                "{server} ended the handshake with the alert {alert}: {}.",
                advice(alert)
            )
        }
        quic::Error::NoAnswer(address) => format!(
            "nothing came from {server} ({address}) in the time for a handshake: start a server that speaks QUIC there, correct the port, or look for a firewall that stops UDP."
        ),
        _ => format!("no QUIC connection to {server}: {error}."),
    })
}

/// What a server's alert often means, and what to do.
fn advice(alert: AlertDescription) -> &'static str {
    use AlertDescription as A;
    match alert {
        A::CERTIFICATE_REQUIRED => {
            "it wants a certificate of this client: give one with --cert and --key"
        }
        A::UNSUPPORTED_CERTIFICATE => {
            "the two sides have no kind of certificate in common: if it shows a raw key, pin that with --pin; if this client does (--raw-key), give a certificate with --cert"
        }
        A::UNKNOWN_PSK_IDENTITY => {
            "it has no certificate, and no pre-shared key of the identity that was given: give one that it knows with --psk"
        }
        A::DECRYPT_ERROR => {
            "something that proves a key did not verify there: if --psk is given, compare the key in its FILE with the server's"
        }
        A::BAD_CERTIFICATE
        | A::CERTIFICATE_REVOKED
        | A::CERTIFICATE_EXPIRED
        | A::CERTIFICATE_UNKNOWN
        | A::UNKNOWN_CA
        | A::ACCESS_DENIED => {
            "it does not let this client in with its certificate: see what the server logged, and that --cert leads to a CA that it trusts"
        }
        A::HANDSHAKE_FAILURE | A::INSUFFICIENT_SECURITY => {
            "it has no group, cipher suite or signature in common with this client: compare --groups, --suites, --policy and --require-pq with what it has"
        }
        A::NO_APPLICATION_PROTOCOL => {
            "it speaks none of the protocols that --alpn names: correct them"
        }
        A::UNRECOGNIZED_NAME => "it serves nothing of that name: give another with --sni",
        _ => "see what the server logged",
    }
}

/// The TLS error inside an error of a stream.
pub(crate) fn tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

const OLD_PEER: &str =
    "Pith speaks nothing older: enable TLS 1.3 on the server, or use another client for it.";
