//! A connection with the two buffers that spare a C program its own: the record that is coming in, and sealed bytes on their way out.
//!
//! At most one record is held of what came, and it is asked for no more than its own bytes, so nothing of the caller's lies here behind it. What is
//! sealed and not taken is bounded by [`WAITING`] before more is sealed.

use core::ops::Range;

use ::pith_tls::{Connection, Error, Flow, Local, Now, Received};

use zeroize::Zeroize;

use crate::arguments::pith_bytes;
use crate::error::{
    Failure, PITH_END, PITH_OK, PITH_WANT_ANSWER, PITH_WANT_INPUT, PITH_WANT_OUTPUT,
    PITH_WANT_READ, PITH_WANT_READ_EARLY,
};
use crate::question::Lent;
use crate::time::Clock;

pub(crate) struct Tls {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    /// A record, or its beginning; after it was opened, its plaintext somewhere inside.
    record: Vec<u8>,
    plaintext: Range<usize>,
    is_early: bool,
    sealed: Vec<u8>,
    sent: usize,
    /// What was read from a socket and not taken yet.
    #[cfg(unix)]
    held: Vec<u8>,
    /// What an open question lends to the caller.
    pub(crate) lent: Lent,
    /// What pith_info lends.
    pub(crate) chain: Vec<pith_bytes>,
}

impl Tls {
    pub(crate) fn new(connection: Connection, clock: Clock) -> Self {
        Self {
            connection,
            clock,
            record: Vec::new(),
            plaintext: 0..0,
            is_early: false,
            sealed: Vec::new(),
            sent: 0,
            #[cfg(unix)]
            held: Vec::new(),
            lent: Lent::default(),
            chain: Vec::new(),
        }
    }

    /// Takes of the peer's bytes as many as it can, and says how many.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Now) -> (usize, Result<i32, Failure>) {
        let mut rest = bytes;
        let result = loop {
            if let Some(wants) = self.unread() {
                // Where something was taken, that is progress enough to say.
                break Ok(if rest.len() < bytes.len() {
                    PITH_OK
                } else {
                    wants
                });
            }
            match self.step(now) {
                Ok(Step::Again) => {}
                Ok(Step::Blocked) => break Ok(PITH_WANT_ANSWER),
                Ok(Step::Closed) => {
                    rest = &[];
                    break Ok(PITH_END);
                }
                Ok(Step::NeedMore { .. }) if rest.is_empty() => break Ok(PITH_OK),
                Ok(Step::NeedMore { at_least }) => {
                    let (some, behind) = rest
                        .split_at_checked(at_least.max(1))
                        .unwrap_or((rest, &[]));
                    self.record.extend_from_slice(some);
                    rest = behind;
                }
                Err(error) => {
                    self.fail(&error);
                    break Err(error.into());
                }
            }
        };
        (bytes.len().saturating_sub(rest.len()), result)
    }

    /// Copies plaintext out: early data or other.
    pub(crate) fn read(&mut self, out: &mut [u8], early: bool) -> (usize, Result<i32, Failure>) {
        if let Some(error) = self.connection.error() {
            return (0, Err(error.clone().into()));
        }
        match self.unread() {
            Some(_) if self.is_early == early => {
                let plaintext = self.record.get(self.plaintext.clone()).unwrap_or_default();
                let length = plaintext.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..length), plaintext.get(..length)) {
                    to.copy_from_slice(from);
                }
                self.plaintext.start = self.plaintext.start.saturating_add(length);
                if self.plaintext.is_empty() {
                    self.forget_record();
                }
                (length, Ok(PITH_OK))
            }
            Some(wants) => (0, Ok(wants)),
            None => (0, Ok(self.why_nothing())),
        }
    }

    fn why_nothing(&self) -> i32 {
        match self.connection.status().receive {
            Flow::PeerClosed | Flow::Closed => PITH_END,
            Flow::Asking => PITH_WANT_ANSWER,
            _ => PITH_WANT_INPUT,
        }
    }

    /// Seals plaintext, to be transmitted, and says how much.
    pub(crate) fn write(&mut self, bytes: &[u8], early: bool) -> (usize, Result<i32, Failure>) {
        let status = self.connection.status();
        match status.send {
            Flow::Asking if !early => return (0, Ok(PITH_WANT_ANSWER)),
            Flow::Handshaking if !early => return (0, Ok(PITH_WANT_INPUT)),
            _ => {}
        }
        let waiting = self.sealed.len().saturating_sub(self.sent);
        let bound = WAITING.saturating_sub(waiting).min(bytes.len());
        if bound == 0 && !bytes.is_empty() && self.connection.error().is_none() {
            return (0, Ok(PITH_WANT_OUTPUT));
        }
        let some = bytes.get(..bound).unwrap_or_default();
        // What is sent already makes room, before it is more than what waits.
        if self.sent >= waiting {
            self.sealed.drain(..self.sent);
            self.sent = 0;
        }
        let start = self.sealed.len();
        let room = self.connection.sealed_len(some.len());
        self.sealed.resize(start.saturating_add(room), 0);
        let out = self.sealed.get_mut(start..).unwrap_or_default();
        let sent = match early {
            true => self.connection.send_early(some, out),
            false => self.connection.send(some, out),
        };
        let (consumed, written) = sent
            .as_ref()
            .map_or((0, 0), |sent| (sent.consumed, sent.written));
        self.sealed.truncate(start.saturating_add(written));
        match sent {
            Ok(_) => (consumed, Ok(PITH_OK)),
            Err(error) => {
                self.fail(&error);
                (0, Err(error.into()))
            }
        }
    }

    /// Moves what waits to the caller's buffer.
    pub(crate) fn transmit(&mut self, out: &mut [u8]) -> usize {
        let waiting = self.sealed.get(self.sent..).unwrap_or_default();
        let length = waiting.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..length), waiting.get(..length)) {
            to.copy_from_slice(from);
        }
        self.sent = self.sent.saturating_add(length);
        if self.sent < self.sealed.len() {
            return length;
        }
        self.sealed = Vec::new(); // an idle connection holds no buffer
        self.sent = 0;
        let room = out.get_mut(length..).unwrap_or_default();
        length.saturating_add(self.connection.transmit(room))
    }

    /// Opens one record in the caller's own buffer.
    pub(crate) fn open<'a>(
        &mut self,
        bytes: &'a mut [u8],
        now: Now,
    ) -> Result<Received<'a>, Failure> {
        if !self.record.is_empty() {
            return Err(Failure::misuse(
                "pith_tls_open and pith_tls_receive do not go together: bytes of pith_tls_receive are held still",
            ));
        }
        match self.connection.receive(now, bytes) {
            Ok(received) => Ok(received),
            Err(error) => {
                self.fail(&error);
                Err(error.into())
            }
        }
    }

    /// Seals from one buffer of the caller into another, behind what waits: bytes taken and bytes written.
    pub(crate) fn seal(
        &mut self,
        bytes: &[u8],
        out: &mut [u8],
    ) -> (usize, usize, Result<i32, Failure>) {
        let written = match self.connection.error() {
            None => self.transmit(out),
            Some(_) => 0,
        };
        let room = out.get_mut(written..).unwrap_or_default();
        match self.connection.send(bytes, room) {
            Ok(sent) => (
                sent.consumed,
                written.saturating_add(sent.written),
                Ok(PITH_OK),
            ),
            Err(error) => {
                self.fail(&error);
                (0, written, Err(error.into()))
            }
        }
    }

    /// Room for [`Tls::seal`].
    pub(crate) fn sealed_len(&self, plaintext: usize) -> usize {
        let waiting = self.sealed.len().saturating_sub(self.sent);
        self.connection
            .sealed_len(plaintext)
            .saturating_add(waiting)
    }

    /// What has to be read before more can come.
    pub(crate) fn unread(&self) -> Option<i32> {
        match (self.plaintext.is_empty(), self.is_early) {
            (true, _) => None,
            (false, true) => Some(PITH_WANT_READ_EARLY),
            (false, false) => Some(PITH_WANT_READ),
        }
    }

    fn step(&mut self, now: Now) -> Result<Step, Error> {
        let base = self.record.as_ptr().addr();
        let received = self.connection.receive(now, &mut self.record)?;
        let (early, bytes) = match received {
            Received::NeedMore { at_least } => return Ok(Step::NeedMore { at_least }),
            Received::Blocked => return Ok(Step::Blocked),
            Received::Handled { .. } => (false, &[][..]),
            Received::Closed { .. } => {
                self.forget_record();
                return Ok(Step::Closed);
            }
            Received::Data { bytes, .. } => (false, bytes),
            Received::EarlyData { bytes, .. } => (true, bytes),
            _ => return Err(Local::Internal("a record of an unknown kind").into()),
        };
        let start = bytes.as_ptr().addr().saturating_sub(base);
        match bytes.len() {
            0 => self.forget_record(),
            length => self.plaintext = start..start.saturating_add(length),
        }
        self.is_early = early;
        Ok(Step::Again)
    }

    /// What was read is not left lying around, and an idle connection holds no buffer.
    fn forget_record(&mut self) {
        self.record.zeroize();
        self.record = Vec::new();
        self.plaintext = 0..0;
    }

    /// After the peer's alert nothing more is to be sent (rfc9846#6-1).
    fn fail(&mut self, error: &Error) {
        if matches!(error, Error::Alert(_)) {
            self.sealed = Vec::new();
            self.sent = 0;
        }
    }
}

/// For sockets, which take and give as much as they like.
#[cfg(unix)]
impl Tls {
    /// What waits to be sent, once [`gather`](Self::gather) has looked.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.sealed.get(self.sent..).unwrap_or_default()
    }

    /// Puts what the connection has to say behind what waits.
    pub(crate) fn gather(&mut self) {
        if !self.waiting().is_empty() {
            return;
        }
        (self.sealed, self.sent) = (Vec::new(), 0);
        let mut out = vec![0; self.connection.sealed_len(0)];
        let length = self.connection.transmit(&mut out);
        out.truncate(length);
        self.sealed = out;
    }

    /// The socket took so many bytes.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
    }

    /// Why the connection failed.
    pub(crate) fn failure(&self) -> Failure {
        match self.connection.error() {
            Some(error) => error.clone().into(),
            None => Failure::misuse("the connection is closed"),
        }
    }

    pub(crate) fn held(&self) -> &[u8] {
        &self.held
    }

    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Takes of what is held as much as it can.
    pub(crate) fn receive_held(&mut self, now: Now) -> Result<i32, Failure> {
        let mut held = core::mem::take(&mut self.held);
        let (taken, result) = self.receive(&held, now);
        held.drain(..taken.min(held.len()));
        self.held = held;
        result
    }
}

enum Step {
    Again,
    NeedMore { at_least: usize },
    Blocked,
    Closed,
}

/// Bytes of sealed records that wait before no more is taken.
const WAITING: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use ::pith_tls::{ClientConfig, Credential, ServerConfig, ServerName, Trust};
    use pith_tests::pki::Pki;

    use super::*;

    /// A client and a server after their handshake.
    fn pair() -> (Tls, Tls) {
        let pki = Pki::new();
        let leaf = pki.leaf("server.example");
        let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
        let credential = Credential::from_pem(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes());
        let client = ClientConfig::new(trust).build().unwrap();
        let server = ServerConfig::new(credential.unwrap()).build().unwrap();
        let clock = Clock::new();
        let name = ServerName::try_from("server.example").unwrap();
        let client = Connection::client(client, name, clock.now(None)).unwrap();
        let mut client = Tls::new(client, clock);
        let mut server = Tls::new(Connection::server(server), Clock::new());
        for _ in 0..3 {
            carry(&mut client, &mut server);
            carry(&mut server, &mut client);
        }
        assert_eq!(client.connection.status().send, Flow::Open);
        (client, server)
    }

    fn carry(from: &mut Tls, to: &mut Tls) {
        let mut flight = [0; 16384];
        let length = from.transmit(&mut flight);
        let now = to.clock.now(None);
        let (taken, status) = to.receive(&flight[..length], now);
        assert!(taken == length && status.unwrap() == PITH_OK);
    }

    #[test]
    fn what_waits_does_not_grow_while_a_slow_transport_takes_it() {
        let (mut client, _) = pair();
        let (data, mut out) = (vec![0; 50_000], [0; 997]);
        for round in 0..2000 {
            let (_, status) = client.write(&data, false);
            assert!(matches!(status, Ok(PITH_OK | PITH_WANT_OUTPUT)));
            client.transmit(&mut out);
            assert!(client.sealed.capacity() < 8 * WAITING, "round {round}");
        }
    }

    #[test]
    fn an_idle_connection_holds_no_buffers() {
        let (mut client, mut server) = pair();
        let mut out = [0; 16384];
        assert_eq!(client.write(b"hello", false).0, 5);
        carry(&mut client, &mut server);
        assert_eq!(server.read(&mut out, false).0, 5);
        for tls in [client, server] {
            let held = [&tls.record, &tls.sealed, &tls.held].map(Vec::capacity);
            assert_eq!(held, [0; 3]);
        }
    }
}
