//! TLS over a byte stream: the carrier of a handshake that has records.
//!
//! The caller owns all bytes. [`Connection::receive`] takes one record of the caller's input, opens it in place and hands
//! application data out as a part of that input. [`Connection::send`] seals from the caller's plaintext straight into the
//! caller's output. Only handshake bytes are held here, and those are bounded: by [`limits`](crate::limits) what comes, by the flights of
//! RFC 9846 what goes. Any order of calls is legal.
//!
//! After an error the alert is still to be sent: call [`Connection::transmit`] once more. Every later call repeats the error.

mod receive;
mod send;

use std::sync::Arc;

use pki_types::ServerName;

use crate::Now;
use crate::config::{ClientConfig, ServerConfig};
use crate::error::{AlertDescription, Error, Local};
use crate::event::Event;
use crate::handshake::Handshake;
use crate::handshake::carrier::Carrier;
use crate::handshake::output::{Answer, Direction, EarlyData, Level, Output, Question, Summary};
use crate::record::protect::{OVERHEAD, Opener, Sealer};
use crate::record::shape::RecordShape;
use crate::wire::registry::ContentType;

/// A TLS 1.3 connection, client or server.
pub struct Connection {
    handshake: Handshake,
    sealer: Sealer,
    opener: Opener,
    read_level: Level,
    shape: RecordShape,
    /// Sealed records that wait to be sent.
    pending: Vec<u8>,
    /// Bytes of `pending` that are sent already.
    sent: usize,
    question: Option<Box<Question>>,
    summary: Option<Arc<Summary>>,
    failed: Option<Box<Error>>,
    /// The first ClientHello was sent or received.
    begun: bool,
    /// The peer's `close_notify` came.
    peer_closed: bool,
    /// Our `close_notify` is queued or sent.
    closed: bool,
    /// A client's ChangeCipherSpec is not sent yet.
    owes_change_cipher_spec: bool,
    early: Early,
    early_data: EarlyData,
    /// What the application remembers with the session that is offered.
    remembered: Option<Box<[u8]>>,
    change_cipher_specs: u8,
    empty_records: u8,
    user_canceled: u8,
}

/// What this side does with early data now.
#[derive(Debug, Clone, Copy)]
enum Early {
    No,
    /// A client may send so many bytes more.
    Send(u32),
    /// A server takes so many bytes more.
    Take(u32),
    /// A server skips so many bytes of records more.
    Skip(usize),
}

/// What [`Connection::receive`] did.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received<'a> {
    /// The input holds no whole record; at least so many bytes are missing.
    NeedMore {
        /// Bytes to read before it is worth calling again.
        at_least: usize,
    },
    /// A record of the protocol itself. There may be something to transmit now.
    Handled {
        /// Bytes of the input that are done with.
        consumed: usize,
    },
    /// Application data.
    Data {
        /// Bytes of the input that are done with, once `bytes` is.
        consumed: usize,
        /// The plaintext, inside the input. May be empty.
        bytes: &'a [u8],
    },
    /// A client's early data, which a server's configuration takes ([`ServerConfigBuilder::early_data`](crate::ServerConfigBuilder::early_data)).
    /// Whoever sent it may not be there, and a copy of it may have come before or come again to another server: do nothing by it that must not
    /// happen twice.
    EarlyData {
        /// Bytes of the input that are done with, once `bytes` is.
        consumed: usize,
        /// The plaintext, inside the input. May be empty.
        bytes: &'a [u8],
    },
    /// A question waits for its answer; nothing was taken.
    Blocked,
    /// The peer closed its direction. What follows in the input is ignored (rfc9846#6.1-1).
    Closed {
        /// Bytes of the input that are done with.
        consumed: usize,
    },
}

/// What [`Connection::send`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of the plaintext that are sealed.
    pub consumed: usize,
    /// Bytes of the output that are to go to the peer.
    pub written: usize,
}

/// Where a connection stands, each direction for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What comes from the peer.
    pub receive: Flow,
    /// What goes to the peer.
    pub send: Flow,
}

/// Where one direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// The handshake is not complete.
    Handshaking,
    /// A question waits for its answer.
    Asking,
    /// Application data may flow.
    Open,
    /// The peer sent `close_notify`.
    PeerClosed,
    /// This side sent `close_notify`.
    Closed,
    /// The connection failed.
    Failed,
}

impl Connection {
    /// A client's connection with the server of this name; its ClientHello waits to be transmitted.
    ///
    /// # Errors
    /// [`Error::Local`] when the random generator or a key generation fails.
    pub fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        now: Now,
    ) -> Result<Self, Error> {
        let handshake = Handshake::client(config, name, Carrier::Records, now)?;
        let mut connection = Self::new(handshake, Sealer::Plain { first: true });
        connection.owes_change_cipher_spec = true;
        connection.drain()?;
        Ok(connection)
    }

    /// A server's connection, which waits for a ClientHello.
    #[must_use]
    pub fn server(config: Arc<ServerConfig>) -> Self {
        Self::new(
            Handshake::server(config, Carrier::Records),
            Sealer::Plain { first: false },
        )
    }

    fn new(handshake: Handshake, sealer: Sealer) -> Self {
        Self {
            handshake,
            sealer,
            opener: Opener::Plain,
            read_level: Level::Initial,
            shape: RecordShape::new(1),
            pending: Vec::new(),
            sent: 0,
            question: None,
            summary: None,
            failed: None,
            begun: false,
            peer_closed: false,
            closed: false,
            owes_change_cipher_spec: false,
            early: Early::No,
            early_data: EarlyData::NotOffered,
            remembered: None,
            change_cipher_specs: 0,
            empty_records: 0,
            user_canceled: 0,
        }
    }

    /// Handles the first record of `input` in place, if it is all there.
    ///
    /// Call it again with what is left until it wants more bytes, and transmit what is queued before you wait for them.
    ///
    /// # Errors
    /// [`Error::Fault`], [`Error::Certificate`] and [`Error::Alert`] for what the peer did, [`Error::Local`] for a failure
    /// here. Each is final; the alert for it waits to be transmitted.
    pub fn receive<'a>(&mut self, now: Now, input: &'a mut [u8]) -> Result<Received<'a>, Error> {
        self.check()?;
        if self.peer_closed {
            return Ok(Received::Closed {
                consumed: input.len(),
            });
        }
        if self.handshake.is_asking() {
            return Ok(Received::Blocked);
        }
        match self.receive_record(now, input) {
            Ok(received) => Ok(received),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Writes all that is queued to the beginning of `output`, and behind it as much of `plaintext` as has room there.
    ///
    /// Size `output` by [`Connection::sealed_len`]. Where it is smaller, less is consumed; call again with the rest.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete or after [`Connection::close`], and then nothing is written;
    /// the error of the connection after it failed.
    pub fn send(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        self.check()?;
        if self.closed {
            return Err(Error::Misuse("nothing is sent after close()"));
        }
        // rfc9846#2-2
        if !self.handshake.is_complete() && !self.handshake.sends_early() {
            return Err(Error::Misuse(
                "application data is sent after the handshake: wait until status() is Open",
            ));
        }
        self.seal_all(plaintext, output)
            .map_err(|error| self.fail(error))
    }

    /// Sends a client's early data (0-RTT): as [`Connection::send`], with the ClientHello before it. What of `plaintext` is over the limit of the
    /// server's ticket is not consumed.
    ///
    /// It has none of the protection that other data has: somebody who records it can have it arrive more than once, and who learns the ticket's
    /// key later can read it (RFC 9846 sections 2.3 and 8). Whether it arrived at all, [`Connection::early_data`] tells once the server has said it; what
    /// was rejected is never sent again by itself.
    ///
    /// # Errors
    /// [`Error::Misuse`] where this connection offers no early data (any more), and then nothing is written; the error of the connection
    /// after it failed.
    pub fn send_early(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        self.check()?;
        let Early::Send(left) = self.early else {
            return Err(Error::Misuse(
                "this connection does not offer early data: ask early_data() first",
            ));
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let some = plaintext.get(..most).unwrap_or(plaintext);
        let sent = self
            .seal_all(some, output)
            .map_err(|error| self.fail(error))?;
        let consumed = u32::try_from(sent.consumed).unwrap_or(u32::MAX);
        self.early = Early::Send(left.saturating_sub(consumed));
        Ok(sent)
    }

    /// What became of early data, or becomes of it.
    #[must_use]
    pub fn early_data(&self) -> EarlyData {
        self.early_data
    }

    /// How many bytes of early data a client may still send.
    #[must_use]
    pub fn early_data_left(&self) -> usize {
        match self.early {
            Early::Send(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Early::No | Early::Take(_) | Early::Skip(_) => 0,
        }
    }

    /// What the application told [`Connection::remember`] on the connection that this one would resume: for early data, what was
    /// settled there.
    #[must_use]
    pub fn remembered(&self) -> Option<&[u8]> {
        self.remembered.as_deref()
    }

    /// Remembers these bytes with the sessions that come from now on, for early data under them.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete, or for more than [`limits::SESSION_DATA`](crate::limits::SESSION_DATA) bytes.
    pub fn remember(&mut self, application: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.handshake
            .remember(bytes::Bytes::copy_from_slice(application))
    }

    /// Writes what is queued (handshake messages, alerts) to the beginning of `output` and returns how many bytes that
    /// are; 0 when nothing is queued.
    ///
    /// It works after an error too, since the alert is to be sent.
    pub fn transmit(&mut self, output: &mut [u8]) -> usize {
        let mut written = self.flush(output);
        if self.pending.is_empty() && self.failed.is_none() && !self.closed {
            // Kept for the next call, and its alert queued.
            if let Err(error) = self.prepare(false) {
                self.fail(error);
            }
            written =
                written.saturating_add(self.flush(output.get_mut(written..).unwrap_or_default()));
        }
        written
    }

    /// The most bytes that [`Connection::send`] writes for so much plaintext, with all that is queued now.
    #[must_use]
    pub fn sealed_len(&self, plaintext: usize) -> usize {
        // Two records more, for a KeyUpdate and for what is left of the room of a smaller one.
        let records = plaintext
            .div_ceil(self.shape.most_content())
            .saturating_add(2);
        let overhead = OVERHEAD.saturating_add(self.shape.most_padding());
        let queued = self.pending.len().saturating_sub(self.sent);
        records
            .saturating_mul(overhead)
            .saturating_add(plaintext)
            .saturating_add(queued)
    }

    /// Queues `close_notify`: this side sends nothing more. What the peer sends can still be received (RFC 9846
    /// section 6.1).
    pub fn close(&mut self) {
        if self.closed || self.failed.is_some() {
            return;
        }
        // rfc9846#6.1-4
        match self.queue(
            ContentType::Alert,
            &[WARNING, AlertDescription::CLOSE_NOTIFY.0],
        ) {
            Ok(()) => {
                self.closed = true;
                self.handshake.tell(&Event::Closed(Direction::Write));
            }
            Err(error) => drop(self.fail(error)),
        }
    }

    /// Tells that the transport has ended.
    ///
    /// # Errors
    /// [`Error::Truncated`] without the peer's `close_notify` before it (rfc9846#6.1-5).
    pub fn eof(&mut self) -> Result<(), Error> {
        self.check()?;
        if self.peer_closed {
            Ok(())
        } else {
            Err(self.fail(Error::Truncated))
        }
    }

    /// Updates the sending keys and, with `request_peer`, asks the peer to update its own. This happens by itself before
    /// a key is used up.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete or after [`Connection::close`].
    pub fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        self.check()?;
        if self.closed {
            return Err(Error::Misuse("nothing is sent after close()"));
        }
        self.handshake.update_keys(request_peer)?;
        self.drain().map_err(|error| self.fail(error))
    }

    /// Sends the client so many more tickets, at most [`limits::TICKETS`](crate::limits::TICKETS), where it can use any: such as after it has proved by
    /// application data who it is, or for connections that it will make at once.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete, after [`Connection::close`], or as a client.
    pub fn issue_tickets(&mut self, count: u8, now: Now) -> Result<(), Error> {
        self.check()?;
        if self.closed {
            return Err(Error::Misuse("nothing is sent after close()"));
        }
        match self.handshake.issue_tickets(count, now) {
            Err(Error::Misuse(what)) => Err(Error::Misuse(what)),
            result => self.drain().and(result).map_err(|error| self.fail(error)),
        }
    }

    /// Fills `out` with keying material for this label and context (RFC 9846 section 7.5).
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete; [`Error::Local`] when `label` is longer than 249 bytes or `out`
    /// longer than 255 hashes.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.check()?;
        self.handshake.export(label, context, out)
    }

    /// Fills `out` with keying material of the early exporter: see [`Handshake::early_export`].
    ///
    /// # Errors
    /// As [`Handshake::early_export`].
    pub fn early_export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.check()?;
        self.handshake.early_export(label, context, out)
    }

    /// The channel binding `tls-exporter` (RFC 9266): the same on both sides of this connection, and on no other.
    ///
    /// # Errors
    /// As [`Connection::export`].
    pub fn channel_binding(&self) -> Result<[u8; 32], Error> {
        let mut binding = [0; 32];
        self.export(b"EXPORTER-Channel-Binding", b"", &mut binding)?;
        Ok(binding)
    }

    /// Where both directions stand (rfc9846#F.5-4).
    #[must_use]
    pub fn status(&self) -> Status {
        let both = |flow| Status {
            receive: flow,
            send: flow,
        };
        if self.failed.is_some() {
            return both(Flow::Failed);
        }
        let open = if self.handshake.is_asking() {
            Flow::Asking
        } else if self.handshake.is_complete() {
            Flow::Open
        } else {
            Flow::Handshaking
        };
        Status {
            receive: if self.peer_closed {
                Flow::PeerClosed
            } else {
                open
            },
            send: match self.closed {
                true => Flow::Closed,
                false if self.handshake.sends_early() => Flow::Open,
                false => open,
            },
        }
    }

    /// Why the connection failed, if it did. [`Connection::transmit`] has no result of its own: this is where its failure
    /// shows.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.failed.as_deref()
    }

    /// What was negotiated, once the handshake is complete.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_deref()
    }

    /// The question that waits for an answer.
    #[must_use]
    pub fn question(&self) -> Option<&Question> {
        self.question.as_deref()
    }

    /// Answers the open question. There may be something to transmit then.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an answer to another question or of another kind, which changes nothing; otherwise as
    /// [`Connection::receive`].
    pub fn answer(&mut self, answer: Answer, now: Now) -> Result<(), Error> {
        self.check()?;
        let result = self.handshake.answer(answer, now);
        if let Err(Error::Misuse(_)) = result {
            return result;
        }
        self.question = None;
        self.drain().and(result).map_err(|error| self.fail(error))
    }

    /// Lets the current sending key seal so many more records only, so that a test can reach the AEAD limit.
    #[cfg(pith_test)]
    pub fn limit_sending_key(&mut self, records: u64) {
        self.sealer.limit(records);
    }

    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(error) => Err((**error).clone()),
            None => Ok(()),
        }
    }

    /// Ends the connection: the alert is queued, the keys are dropped, and the error stays (rfc9846#6.2-1, rfc9846#6.2-2).
    fn fail(&mut self, error: Error) -> Error {
        match error.alert() {
            Some(alert) if !self.closed => {
                // If even the alert cannot be sealed, the first error is still the one to know.
                if self.queue(ContentType::Alert, &[FATAL, alert.0]).is_ok() {
                    self.tell_alert(Direction::Write, alert);
                }
            }
            Some(_) | None => {}
        }
        if let Error::Alert(alert) = &error {
            self.tell_alert(Direction::Read, *alert);
        }
        self.handshake.tell(&Event::Failed(&error));
        // rfc9846#6-1: a fatal alert of the peer ends what waits to be sent too.
        if matches!(error, Error::Alert(_)) {
            self.pending = Vec::new();
            self.sent = 0;
        }
        // rfc9846#6-2: no secret outlives the failure, the exporter's in the engine included.
        (self.sealer, self.opener) = (Sealer::Closed, Opener::Closed);
        self.handshake.abandon(&error);
        self.question = None;
        self.failed = Some(Box::new(error.clone()));
        error
    }

    fn tell_alert(&self, direction: Direction, description: AlertDescription) {
        self.handshake.tell(&Event::Alert {
            direction,
            description,
        });
    }

    /// Obeys every output of the handshake.
    fn drain(&mut self) -> Result<(), Error> {
        while let Some(output) = self.handshake.next() {
            self.begun = true;
            match output {
                // close_notify was the last word (RFC 9846 section 6.1).
                Output::Send { .. } | Output::ChangeCipherSpec if self.closed => {}
                // rfc9846#5.1-6: a flight that ends in a key change ends with its record.
                Output::Send { bytes, .. } => self.queue(ContentType::Handshake, &bytes)?,
                Output::Keys {
                    level,
                    direction: Direction::Write,
                    secret,
                } => {
                    self.sealer.rekey(secret)?; // rfc9846#4.5.3-2
                    if level != Level::EarlyData && matches!(self.early, Early::Send(_)) {
                        self.early = Early::No;
                    }
                }
                Output::Keys {
                    level,
                    direction: Direction::Read,
                    secret,
                } => {
                    self.opener.rekey(secret)?;
                    self.read_level = level;
                    if level != Level::EarlyData && matches!(self.early, Early::Take(_)) {
                        self.early = Early::No;
                    }
                }
                Output::UpdateKeys(Direction::Write) => self.sealer.update()?,
                Output::UpdateKeys(Direction::Read) => self.opener.update()?,
                Output::ChangeCipherSpec => self.queue_change_cipher_spec(),
                Output::Records(shape) => self.shape = shape,
                Output::SkipEarlyData { most } => {
                    self.early = Early::Skip(most);
                    self.early_data = EarlyData::Rejected;
                }
                Output::OfferEarlyData {
                    most, application, ..
                } => {
                    self.early = Early::Send(most);
                    self.early_data = EarlyData::Offered;
                    self.remembered = Some(application.as_ref().into());
                }
                Output::EarlyData { accepted } => self.decided(accepted),
                Output::Ask(question) => self.question = Some(Box::new(question)),
                Output::Complete(summary) => self.summary = Some(summary),
                Output::PeerTransportParameters(_) => {
                    return Err(Local::Internal("transport parameters without QUIC").into());
                }
            }
        }
        Ok(())
    }

    /// Takes the decision on early data, in either role.
    fn decided(&mut self, accepted: Option<u32>) {
        match (accepted, self.early) {
            // A client goes on until the server's Finished.
            (Some(_), Early::Send(_)) => self.early_data = EarlyData::Accepted,
            (Some(most), _) => {
                self.early = Early::Take(most);
                self.early_data = EarlyData::Accepted;
            }
            (None, _) => {
                self.early = Early::No;
                self.early_data = EarlyData::Rejected;
                // Whatever follows goes out under other keys, and a second hello under none.
                self.sealer = Sealer::Plain { first: false };
            }
        }
    }
}

/// Levels of an alert. They mean nothing in TLS 1.3, but are to be sent (rfc9846#6-3, rfc9846#6.1-2).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Trust;
    use crate::error::Fault;

    const NOW: Now = Now {
        monotonic: core::time::Duration::ZERO,
        unix: core::time::Duration::ZERO,
    };

    /// rfc9846#6-2. The engine knows nothing of a fault in a record, so the connection has to tell it.
    #[test]
    fn a_failed_connection_holds_no_keys() {
        let trust = Trust::pinned_keys([[7; 32]]).expect("a pin");
        let config = ClientConfig::new(trust).build().expect("defaults");
        let name = ServerName::try_from("server.example").expect("a name");
        let mut connection = Connection::client(config, name, NOW).expect("a hello");
        let error = Error::Fault(Fault::UnexpectedRecord { content_type: 23 });
        let got = connection.receive(NOW, &mut [23, 3, 3, 0, 1, 0]).err();
        assert_eq!(got.as_ref(), Some(&error));
        assert!(matches!(connection.sealer, Sealer::Closed));
        assert!(matches!(connection.opener, Opener::Closed));
        assert_eq!(connection.handshake.update_keys(false), Err(error));
    }
}
