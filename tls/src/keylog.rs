//! The secrets of connections as a key log (RFC 9850), for those who look at their own traffic.
//!
//! Off unless a configuration is given a [`KeyLog`]. Whoever reads what it gets can decrypt the connections.

use core::fmt::Write;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Where the lines of a key log go. Cloning shares it.
#[derive(Clone)]
pub struct KeyLog(Arc<dyn Fn(&str) + Send + Sync>);

impl KeyLog {
    /// Calls `write` with each line, without its end: label, client random and secret, as `SSLKEYLOGFILE` has them.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }
}

/// The key log of one connection.
pub(crate) struct ConnectionLog {
    log: KeyLog,
    client_random: [u8; 32],
}

impl ConnectionLog {
    pub(crate) fn new(log: Option<&KeyLog>, client_random: [u8; 32]) -> Option<Self> {
        log.cloned().map(|log| Self { log, client_random })
    }

    pub(crate) fn secret(&self, label: &str, secret: &[u8]) {
        let mut line = Zeroizing::new(String::with_capacity(256));
        line.push_str(label);
        for part in [&self.client_random[..], secret] {
            line.push(' ');
            for byte in part {
                // Writing to a String does not fail.
                write!(line, "{byte:02x}").unwrap_or_default();
            }
        }
        (self.log.0)(&line);
    }
}
