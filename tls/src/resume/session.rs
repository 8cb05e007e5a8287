//! What a client keeps of a connection to resume it, and how an application saves that.
//!
//! A [`Session`] holds a pre-shared key, so it can only be moved, and leaves the process only sealed under a key of the
//! application. A sealed one that was altered, or that is of another version or under another key, does not open (T14).

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use pith_crypto::Secret;
use pki_types::ServerName;
use zeroize::Zeroizing;

use super::seal;
use super::state::{
    Peer, ServerState, code_of_carrier, decode_bool, decode_carrier, decode_secret, decode_suite,
    decode_time, encode_time, reader,
};
use crate::Now;
use crate::error::{Error, Local};
use crate::handshake::carrier::Rules;
use crate::limits;
use crate::mark::Mark;
use crate::suite::CipherSuite;
use crate::wire::writer::Writer;

/// What one ticket allows to resume: of a client, or of a server whose application keeps its tickets. It can be moved, and
/// neither copied nor printed.
pub struct Session(pub(crate) Side);

/// Whose session it is.
pub(crate) enum Side {
    Client(Box<ClientState>),
    Server(Box<ServerState>),
}

/// The application's own key, under which it saves sessions. It is wiped when dropped.
pub struct SessionKey(Zeroizing<[u8; 32]>);

/// Why a saved session does not open. There is nothing to do but go on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// It was sealed under another key, or altered since.
    NotAuthentic,
    /// Another version of this library sealed it.
    Version,
}

/// What a client has to know again.
pub(crate) struct ClientState {
    /// The pre-shared key, as long as the suite's hash.
    pub(crate) secret: Secret,
    pub(crate) suite: CipherSuite,
    /// The ticket, as it came.
    pub(crate) ticket: Box<[u8]>,
    pub(crate) age_add: u32,
    /// When the ticket came, since 1970.
    pub(crate) received: Duration,
    /// How long it may be used, as the server says and at most [`limits::TICKET_LIFETIME`].
    pub(crate) lifetime: Duration,
    /// When the line of sessions ends ([`line_end`](super::state::line_end)), since 1970.
    pub(crate) until: Duration,
    pub(crate) server_name: ServerName<'static>,
    /// Under which trust, policy and credentials it was made ([`client_mark`](super::binding::client_mark)).
    pub(crate) owner: Mark,
    pub(crate) carrier: Rules,
    pub(crate) post_quantum: bool,
    /// The server.
    pub(crate) peer: Peer,
    /// The application protocol, which early data will have.
    pub(crate) protocol: Option<Box<[u8]>>,
    pub(crate) max_early_data: u32,
    pub(crate) application: Box<[u8]>,
    pub(crate) carrier_data: Box<[u8]>,
}

impl SessionKey {
    /// A key of 32 random bytes. Wiping the original is the caller's business.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*key))
    }
}

impl Session {
    /// Seals the session, so that it can be saved. It takes the session: one that is saved is not used here as well.
    ///
    /// # Errors
    /// [`Error::Local`] if the system gives no random bytes.
    pub fn seal(self, key: &SessionKey) -> Result<Vec<u8>, Error> {
        self.seal_shared(key)
    }

    fn seal_shared(&self, key: &SessionKey) -> Result<Vec<u8>, Error> {
        let (side, text, secret) = match &self.0 {
            Side::Client(state) => (CLIENT, state.encode()?, &state.secret),
            Side::Server(state) => (SERVER, state.encode()?, &state.secret),
        };
        let key = Secret::new(&*key.0)?;
        Ok(seal::seal(&key, LABEL, &[VERSION, side], &text, secret)?)
    }

    /// Opens what [`seal`](Self::seal) made. Whether it is still of use, its connection finds out.
    ///
    /// # Errors
    /// [`SessionError`] for anything else; nothing of it is used then.
    pub fn open(key: &SessionKey, sealed: &[u8]) -> Result<Self, SessionError> {
        let (front, sealed) = sealed
            .split_first_chunk::<2>()
            .ok_or(SessionError::NotAuthentic)?;
        let [version, side] = *front;
        if version != VERSION {
            return Err(SessionError::Version);
        }
        let text = Secret::new(&*key.0)
            .and_then(|key| seal::open(&key, LABEL, front, sealed))
            .map_err(|_| SessionError::NotAuthentic)?;
        let session = match side {
            CLIENT => ClientState::decode(&text).map(|state| Side::Client(Box::new(state))),
            SERVER => ServerState::decode(&text).map(|state| Side::Server(Box::new(state))),
            _ => None,
        };
        session.map(Self).ok_or(SessionError::Version)
    }

    /// What the application remembers with the session.
    #[must_use]
    pub fn application_data(&self) -> &[u8] {
        match &self.0 {
            Side::Client(state) => &state.application,
            Side::Server(state) => &state.early.application,
        }
    }

    /// Remembers bytes of the application with the session, in the place of earlier ones: for early data, what it has to know
    /// before the server says it again. With those of the carrier, at most [`limits::SESSION_DATA`] bytes.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more.
    pub fn set_application_data(&mut self, data: &[u8]) -> Result<(), Error> {
        let (application, carrier) = match &mut self.0 {
            Side::Client(state) => (&mut state.application, &state.carrier_data),
            Side::Server(state) => (&mut state.early.application, &state.early.carrier),
        };
        if data.len().saturating_add(carrier.len()) > limits::SESSION_DATA {
            return Err(Error::Misuse(
                "a session remembers at most 1,024 bytes of the application and the carrier",
            ));
        }
        *application = data.into();
        Ok(())
    }

    /// Whether it can be used at this time.
    #[must_use]
    pub fn is_current(&self, now: Now) -> bool {
        match &self.0 {
            Side::Client(state) => state.is_current(now),
            Side::Server(state) => state.is_current(now),
        }
    }
}

/// A session that the application of a server keeps for it ([`Tickets::asked`](crate::Tickets::asked)): in memory, or sealed
/// elsewhere. Clones are the same session, which is still to be used once.
#[derive(Clone)]
pub struct KeptSession(Arc<Session>);

impl KeptSession {
    /// Seals the session, so that it can be saved; [`Session::open`] opens it.
    ///
    /// # Errors
    /// As [`Session::seal`].
    pub fn seal(&self, key: &SessionKey) -> Result<Vec<u8>, Error> {
        self.0.seal_shared(key)
    }

    pub(crate) fn new(state: ServerState) -> Self {
        Session(Side::Server(Box::new(state))).into()
    }

    /// What it holds, if it is a server's.
    pub(crate) fn state(&self) -> Option<&ServerState> {
        match &self.0.0 {
            Side::Server(state) => Some(state),
            Side::Client(_) => None,
        }
    }
}

impl From<Session> for KeptSession {
    fn from(session: Session) -> Self {
        Self(Arc::new(session))
    }
}

impl fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSession")
    }
}

impl ClientState {
    /// Whether the ticket may still be used (rfc9846#4.3.11.1-1, rfc9846#4.7.1-6). With a clock that went back behind its
    /// receipt, its age is not known, so it may not.
    pub(crate) fn is_current(&self, now: Now) -> bool {
        let lifetime = self.lifetime.min(limits::TICKET_LIFETIME);
        let age = now.unix.checked_sub(self.received);
        age.is_some_and(|age| age < lifetime) && now.unix < self.until
    }

    /// The age of the ticket as a ClientHello tells it.
    pub(crate) fn obfuscated_age(&self, now: Now) -> u32 {
        let age = now.unix.saturating_sub(self.received).as_millis();
        // At most 7 days, which fit.
        u32::try_from(age)
            .unwrap_or(u32::MAX)
            .wrapping_add(self.age_add)
    }

    /// A second one, without early data: the one place where a pre-shared key is doubled.
    pub(super) fn again(&self) -> Result<Self, Error> {
        Ok(Self {
            secret: Secret::new(self.secret.expose())?,
            max_early_data: 0,
            ticket: self.ticket.clone(),
            peer: self.peer.clone(),
            server_name: self.server_name.clone(),
            protocol: self.protocol.clone(),
            application: self.application.clone(),
            carrier_data: self.carrier_data.clone(),
            ..*self
        })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        if self
            .application
            .len()
            .saturating_add(self.carrier_data.len())
            > limits::SESSION_DATA
        {
            return Err(Local::TooLong.into());
        }
        let mut w = Writer::default();
        w.u16(self.suite.code());
        w.vec16(|w| w.bytes(&self.ticket));
        w.bytes(&self.age_add.to_be_bytes());
        for time in [self.received, self.lifetime, self.until] {
            encode_time(&mut w, time);
        }
        w.vec8(|w| w.bytes(self.server_name.to_str().as_bytes()));
        w.bytes(&self.owner);
        w.u32(code_of_carrier(self.carrier));
        w.u8(u8::from(self.post_quantum));
        self.peer.encode(&mut w);
        // No protocol has an empty name.
        w.vec8(|w| w.bytes(self.protocol.as_deref().unwrap_or_default()));
        w.bytes(&self.max_early_data.to_be_bytes());
        w.vec16(|w| w.bytes(&self.application));
        w.vec16(|w| w.bytes(&self.carrier_data));
        Ok(w.finish()?)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = reader(bytes);
        let r = &mut reader;
        let suite = decode_suite(r).ok()?;
        let state = Self {
            suite,
            ticket: r.vec16(1).ok()?.into(),
            age_add: r.u32().ok()?,
            received: decode_time(r).ok()?,
            lifetime: decode_time(r).ok()?,
            until: decode_time(r).ok()?,
            server_name: decode_name(r.vec8(1).ok()?)?,
            owner: r.array().ok()?,
            carrier: decode_carrier(r).ok()?,
            post_quantum: decode_bool(r).ok()?,
            peer: Peer::decode(r)?,
            protocol: Some(r.vec8(0).ok()?)
                .filter(|name| !name.is_empty())
                .map(Box::from),
            max_early_data: r.u32().ok()?,
            application: r.vec16(0).ok()?.into(),
            carrier_data: r.vec16(0).ok()?.into(),
            secret: decode_secret(r, suite.hash())?,
        };
        reader.finish().ok()?;
        Some(state)
    }
}

fn decode_name(bytes: &[u8]) -> Option<ServerName<'static>> {
    let name = core::str::from_utf8(bytes).ok()?;
    ServerName::try_from(name).ok().map(|name| name.to_owned())
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAuthentic => {
                "the saved session was sealed under another key, or altered since: go on without it"
            }
            Self::Version => {
                "the saved session is of another version of this library: go on without it"
            }
        })
    }
}

impl core::error::Error for SessionError {}

/// Of the encoding.
const VERSION: u8 = 2;

const CLIENT: u8 = 0;
const SERVER: u8 = 1;

/// Separates saved sessions from tickets.
const LABEL: &str = "pith session";

pith_crypto::assert_neither_debug_nor_clone!(Session, SessionKey);
