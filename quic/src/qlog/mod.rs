//! qlog: what an observer sees as JSON text sequences (RFC 7464), for tools that draw it.
//!
//! [`Qlog`] is an [`Observer`] that writes a record for each event to whatever the caller gives it; it has neither a file nor a clock, and takes times from
//! the events. Two schemas are spoken: the current draft's, and the older one that qvis reads. Events hold no secrets, and so do records;
//! they say, though, to whom a connection went and when, and how much it carried.
//!
//! ```
//! use pith_quic::qlog::{Qlog, Schema};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let tls = pith_tls::ClientConfig::new(pith_tls::Trust::pinned_keys([[7; 32]])?).alpn(&[b"hq-interop"]).build()?;
//! let config = pith_quic::ClientConfig::new(tls)
//!     .observers(|subject| Some(Box::new(Qlog::new(Schema::V03, subject, String::new()))))
//!     .build()?;
//! # Ok(())
//! # }
//! ```

mod data;
mod date;
mod frames;
mod json;
mod record;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

use pith_tls::{Now, Role};

use self::record::Records;
use crate::observe::{Observer, Seen, Subject};
use crate::wire::ConnectionId;

/// What names and fields are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schema {
    /// qlog 0.3, as the drafts had it in 2022: what qvis reads.
    V03,
    /// draft-ietf-quic-qlog-quic-events-13.
    Draft13,
}

/// Writes one trace: a connection's, or an endpoint's. Each event is one `write_str` of whole records, with their separators before them and line ends
/// behind them. Once a write fails nothing more is written.
#[derive(Debug)]
pub struct Qlog<W> {
    to: W,
    failed: bool,
    records: Records,
}

impl<W: fmt::Write> Qlog<W> {
    /// The trace of a connection. Its head is written now.
    pub fn new(schema: Schema, subject: &Subject, to: W) -> Self {
        let role = Some(subject.role);
        Self::begin(schema, role, subject.began, Some(&subject.original), to)
    }

    /// The trace of an endpoint, whose decisions are informational messages.
    pub fn endpoint(schema: Schema, now: Now, to: W) -> Self {
        Self::begin(schema, None, now, None, to)
    }

    /// Whether all records were written.
    pub fn is_whole(&self) -> bool {
        !self.failed
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    fn begin(
        schema: Schema,
        role: Option<Role>,
        began: Now,
        original: Option<&ConnectionId>,
        to: W,
    ) -> Self {
        let mut log = Self {
            to,
            failed: false,
            records: Records::new(schema, role, began, original),
        };
        log.write();
        log
    }

    fn write(&mut self) {
        if !self.failed {
            self.failed = self.to.write_str(self.records.text()).is_err();
        }
    }
}

impl<W: fmt::Write + Send> Observer for Qlog<W> {
    fn seen(&mut self, at: Duration, seen: &Seen<'_>) {
        self.records.clear();
        self.records.event(at, seen);
        self.write();
    }
}
