//! What a server has to know again when a client comes back, and its encoding in a ticket.
//!
//! The encoding is versioned and of our own: only this library reads it, after it was authenticated. It holds the digest of the
//! peer's key and what the application knows the peer as, never its certificates, so that a ticket stays under
//! [`limits::TICKET`]. The secret comes last and is written by whoever seals, straight from where it stands.

use core::time::Duration;

use pith_crypto::{Hash, Secret};
use pki_types::CertificateDer;

use super::binding::{Binding, Early, Origin};
use crate::Now;
use crate::auth::{Known, Trust};
use crate::error::{Error, Fault, Local};
use crate::handshake::carrier::Rules;
use crate::limits;
use crate::mark::Mark;
use crate::suite::CipherSuite;
use crate::wire::MessageKind;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// What one ticket stands for.
pub(crate) struct ServerState {
    /// The pre-shared key, as long as the suite's hash.
    pub(crate) secret: Secret,
    pub(crate) binding: Binding,
    pub(crate) early: Early,
    /// Who the client is, if it proved that in the full handshake.
    pub(crate) peer: Option<Peer>,
    /// When the ticket was issued, since 1970.
    pub(crate) issued: Duration,
    /// How long it may be used.
    pub(crate) lifetime: Duration,
    /// When the line of sessions ends that began with a full handshake ([`line_end`]), since 1970.
    pub(crate) until: Duration,
    /// What the client adds to the age that it tells.
    pub(crate) age_add: u32,
}

/// A peer that proved who it is in the full handshake of a line of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The SHA-256 of its SubjectPublicKeyInfo.
    pub(crate) key: [u8; 32],
    /// What the application knows it as, at most [`limits::IDENTITY`] bytes.
    pub(crate) identity: Known,
}

/// When sessions that begin with a full handshake now end, however often they are resumed: after [`limits::TICKET_LIFETIME`],
/// and with the peer's chain, where it showed one.
pub(crate) fn line_end(shown: Option<(&Trust, &[CertificateDer<'_>])>, now: Now) -> Duration {
    let latest = now.unix.saturating_add(limits::TICKET_LIFETIME);
    let expiry = shown.and_then(|(trust, chain)| trust.expiry(chain, now));
    expiry.map_or(latest, |expiry| expiry.min(latest))
}

impl ServerState {
    /// Whether the ticket may still be used. A clock that went back counts as no time at all.
    pub(crate) fn is_current(&self, now: Now) -> bool {
        let age = now.unix.saturating_sub(self.issued);
        age < self.lifetime && now.unix < self.until
    }

    /// All but the secret.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let remembered = [&self.early.application, &self.early.carrier];
        let remembered: usize = remembered.iter().map(|bytes| bytes.len()).sum();
        let identity = self.peer.as_ref().and_then(|peer| peer.identity.as_ref());
        let identity = identity.map_or(0, |identity| identity.len());
        if remembered > limits::SESSION_DATA || identity > limits::IDENTITY {
            return Err(Local::TooLong.into());
        }
        let mut w = Writer::default();
        w.u8(VERSION);
        self.binding.encode(&mut w);
        self.early.encode(&mut w);
        match &self.peer {
            Some(peer) => {
                w.u8(1);
                peer.encode(&mut w);
            }
            None => w.u8(0),
        }
        for time in [self.issued, self.lifetime, self.until] {
            encode_time(&mut w, time);
        }
        w.bytes(&self.age_add.to_be_bytes());
        Ok(w.finish()?)
    }

    /// `None` for another version, or what this library did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = reader(bytes);
        let r = &mut reader;
        if r.u8().ok()? != VERSION {
            return None;
        }
        let binding = Binding::decode(r).ok()?;
        let early = Early::decode(r).ok()?;
        let peer = match r.u8().ok()? {
            0 => None,
            1 => Some(Peer::decode(r)?),
            _ => return None,
        };
        let state = Self {
            binding,
            early,
            peer,
            issued: decode_time(r).ok()?,
            lifetime: decode_time(r).ok()?,
            until: decode_time(r).ok()?,
            age_add: r.u32().ok()?,
            secret: decode_secret(r, binding.hash)?,
        };
        reader.finish().ok()?;
        Some(state)
    }
}

impl Peer {
    pub(super) fn encode(&self, w: &mut Writer) {
        w.bytes(&self.key);
        w.u8(u8::from(self.identity.is_some()));
        w.vec16(|w| w.bytes(self.identity.as_deref().unwrap_or_default()));
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let key = r.array().ok()?;
        let (known, identity) = (decode_bool(r).ok()?, r.vec16(0).ok()?);
        if !known && !identity.is_empty() {
            return None;
        }
        Some(Self {
            key,
            identity: known.then(|| identity.into()),
        })
    }
}

impl Binding {
    fn encode(&self, w: &mut Writer) {
        self.origin.parts().iter().for_each(|mark| w.bytes(*mark));
        w.bytes(&self.server_name);
        w.u8(u8::from(self.hash == Hash::Sha384));
        w.u32(code_of_carrier(self.carrier));
        w.u8(u8::from(self.post_quantum));
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            origin: Origin::of_parts([r.array()?, r.array()?, r.array()?]),
            server_name: r.array::<32>()?,
            hash: match decode_bool(r)? {
                false => Hash::Sha256,
                true => Hash::Sha384,
            },
            carrier: decode_carrier(r)?,
            post_quantum: decode_bool(r)?,
        })
    }
}

impl Early {
    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.protocol);
        w.u16(self.suite.code());
        w.vec16(|w| w.bytes(&self.application));
        w.vec16(|w| w.bytes(&self.carrier));
        w.bytes(&self.max_early_data.to_be_bytes());
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            protocol: r.array::<32>()?,
            suite: decode_suite(r)?,
            application: r.vec16(0)?.into(),
            carrier: r.vec16(0)?.into(),
            max_early_data: r.u32()?,
        })
    }
}

impl Origin {
    fn parts(&self) -> [&Mark; 3] {
        [&self.scope, &self.client_auth, &self.policy]
    }

    fn of_parts([scope, client_auth, policy]: [Mark; 3]) -> Self {
        Self {
            scope,
            client_auth,
            policy,
        }
    }
}

/// Names no message of a peer: a state that does not parse is one that does not exist.
pub(super) fn reader(bytes: &[u8]) -> Reader<'_> {
    Reader::new(bytes, MessageKind::NewSessionTicket)
}

/// Milliseconds, in 8 bytes.
pub(super) fn encode_time(w: &mut Writer, time: Duration) {
    w.bytes(
        &u64::try_from(time.as_millis())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
}

pub(super) fn decode_time(r: &mut Reader<'_>) -> Result<Duration, Fault> {
    r.array().map(u64::from_be_bytes).map(Duration::from_millis)
}

pub(super) fn decode_bool(r: &mut Reader<'_>) -> Result<bool, Fault> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.malformed()),
    }
}

pub(super) fn decode_suite(r: &mut Reader<'_>) -> Result<CipherSuite, Fault> {
    CipherSuite::from_code(r.u16()?).ok_or(r.malformed())
}

pub(super) fn code_of_carrier(carrier: Rules) -> u32 {
    match carrier {
        Rules::Records => 0,
        Rules::Quic { version } => version.get(),
    }
}

pub(super) fn decode_carrier(r: &mut Reader<'_>) -> Result<Rules, Fault> {
    match r.u32()? {
        0 => Ok(Rules::Records),
        version => Ok(Rules::quic(version)),
    }
}

pub(super) fn decode_secret(r: &mut Reader<'_>, hash: Hash) -> Option<Secret> {
    Secret::new(r.take(hash.len()).ok()?).ok()
}

/// Of the encoding. A ticket of another version is worth nothing.
const VERSION: u8 = 2;
