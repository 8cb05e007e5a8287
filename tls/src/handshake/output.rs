//! What the handshake engine says to its carrier, and the questions that it may ask.

use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::SignatureScheme;
use pith_pq::Group;
use pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer};

use crate::auth::{CertificateError, Known, Presented};
use crate::config::ServerConfig;
use crate::error::Local;
use crate::record::shape::RecordShape;
use crate::resume::{ImportedPsk, KeptSession};
use crate::schedule::TrafficSecret;
use crate::suite::CipherSuite;

/// A level of protection (RFC 9001 section 2.1). A QUIC carrier has a packet number space for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The hellos: plain records, or QUIC's Initial packets.
    Initial,
    /// A client's early data, and its end over records (RFC 9846 section 2.3).
    EarlyData,
    /// From ServerHello to Finished.
    Handshake,
    /// Application data and all that follows the handshake.
    Application,
}

/// A direction of keys, seen from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What this side receives.
    Read,
    /// What this side sends.
    Write,
}

/// One order to the carrier. They are obeyed one after the other.
#[non_exhaustive]
pub enum Output {
    /// Send these handshake bytes, which hold whole messages, under the keys of this level.
    Send {
        /// The level.
        level: Level,
        /// Messages without framing.
        bytes: Bytes,
    },
    /// Use this secret from now on. A `Read` is obeyed at once, a `Write` in its order among the `Send`s.
    Keys {
        /// The level that it opens.
        level: Level,
        /// The direction.
        direction: Direction,
        /// The secret; the carrier is its one owner.
        secret: TrafficSecret,
    },
    /// Go on to the next generation of the application keys of this direction (RFC 9846 section 7.2).
    UpdateKeys(Direction),
    /// Send a ChangeCipherSpec record (RFC 9846 appendix E.4). Never for QUIC.
    ChangeCipherSpec,
    /// Shape records like this from now on. Never for QUIC.
    Records(RecordShape),
    /// The client offered early data, which this server does not accept: skip what comes of it, at most so many bytes of records.
    SkipEarlyData {
        /// Bytes, all overhead included.
        most: usize,
    },
    /// This client may send early data from now on. Until [`Output::EarlyData`] nobody knows whether it arrives.
    OfferEarlyData {
        /// How many bytes.
        most: u32,
        /// What the application gave to [`Handshake::remember`](crate::Handshake::remember) on the earlier connection.
        application: Bytes,
        /// What the carrier gave to [`Handshake::remember_carrier`](crate::Handshake::remember_carrier) there.
        carrier: Bytes,
    },
    /// The server's decision, in both roles. A client's early data that is rejected was not seen: it is to be sent again, if at all, by
    /// whoever knows that it may be.
    EarlyData {
        /// How many bytes are taken; none where early data is rejected.
        accepted: Option<u32>,
    },
    /// The peer's QUIC transport parameters, not yet authenticated. A server is told them before it sends anything.
    PeerTransportParameters(Bytes),
    /// A question to whoever drives the connection. Nothing goes on before it is answered.
    Ask(Question),
    /// The handshake is complete: the peer is who it has to be and all keys are in use.
    Complete(Arc<Summary>),
}

/// What was negotiated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The group of the key exchange; [`Group::is_post_quantum`] tells whether it resists quantum computers.
    pub group: Group,
    /// Whether it took a HelloRetryRequest.
    pub retried: bool,
    /// What became of early data.
    pub early_data: EarlyData,
    /// The application protocol (ALPN).
    pub protocol: Option<Box<[u8]>>,
    /// The DNS name that the client asked for, if it did.
    pub server_name: Option<Box<str>>,
    /// The scheme of the signature in the server's CertificateVerify; none where a pre-shared key stood for its certificate.
    pub signature_scheme: Option<SignatureScheme>,
    /// The pre-shared key that stood for certificates.
    pub psk: Option<Psk>,
    /// The scheme of the signature in a client's CertificateVerify, where it showed a certificate.
    pub client_signature_scheme: Option<SignatureScheme>,
    /// The OCSP response that the server stapled, if it was asked for one. Nobody has looked into it yet.
    pub ocsp_response: Option<Vec<u8>>,
    /// The peer's certificates, leaf first, where the configuration keeps them; empty where it showed a raw public key.
    pub peer_chain: Option<Vec<CertificateDer<'static>>>,
    /// The raw public key that the peer showed in place of certificates (RFC 7250), where the configuration keeps them.
    pub peer_raw_key: Option<SubjectPublicKeyInfoDer<'static>>,
    /// The pin of the peer's key, whether it came in a certificate or raw: the same number as [`key_pin`](crate::key_pin) and
    /// [`raw_key_pin`](crate::raw_key_pin) give, by which to tell peers that are pinned. A resumed
    /// connection has it of the handshake in which its line of sessions began. `None` of a client that showed nothing.
    pub peer_key: Option<[u8; 32]>,
    /// What the application said that it knows the peer as ([`Verdict::Known`](crate::Verdict::Known), [`Answer::known`]), in this connection or in
    /// that in which the line of sessions began.
    pub peer_identity: Option<Box<[u8]>>,
}

impl Summary {
    /// What the hellos tell. Who the peer is comes later.
    pub(crate) fn new(suite: CipherSuite, group: Group, retried: bool) -> Self {
        Self {
            suite,
            group,
            retried,
            early_data: EarlyData::NotOffered,
            protocol: None,
            server_name: None,
            signature_scheme: None,
            psk: None,
            client_signature_scheme: None,
            ocsp_response: None,
            peer_chain: None,
            peer_raw_key: None,
            peer_key: None,
            peer_identity: None,
        }
    }

    /// Whether this connection resumes an earlier one, by a ticket.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.psk == Some(Psk::Ticket)
    }

    /// Notes who the peer has proved to be.
    pub(crate) fn note_peer(&mut self, peer: Presented<'static>, known: Known, keep: bool) {
        self.peer_identity = known;
        if keep {
            self.peer_raw_key = peer.raw_key().cloned();
            self.peer_chain = Some(match peer {
                Presented::Chain(chain) => chain,
                Presented::RawKey(_) => Vec::new(),
            });
        }
    }
}

/// The pre-shared key of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Psk {
    /// A ticket of an earlier connection, which this one resumes.
    Ticket,
    /// A key that both sides were given, with its identity.
    External {
        /// The identity of the external key, before it was imported (RFC 9258).
        identity: Box<[u8]>,
    },
}

/// What became of early data (RFC 9846 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EarlyData {
    /// The client did not offer any.
    NotOffered,
    /// The client sends some, and does not know yet whether it arrives.
    Offered,
    /// The server read it. Somebody may have sent a copy of it before or after to another server.
    Accepted,
    /// The server did not see it.
    Rejected,
}

/// A numbered question. Exactly one is open at a time.
#[derive(Debug, Clone)]
pub struct Question {
    pub(crate) number: u32,
    /// What it is about.
    pub topic: Topic,
}

impl Question {
    /// Its number, by which a late answer is told from one to a later question. None repeats in a connection.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

/// What a question is about.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Topic {
    /// A server that chooses its configuration by the client's hello: [`Answer::config`].
    Config(Box<Offered>),
    /// A QUIC server, once the client's transport parameters are known: [`Answer::transport_parameters`].
    TransportParameters {
        /// What the ticket of a client that offers early data remembers of this server's parameters.
        remembered: Option<Bytes>,
    },
    /// A server that asks elsewhere whether early data is a copy ([`ServerConfigBuilder::early_data_asked`](crate::ServerConfigBuilder::early_data_asked)):
    /// [`Answer::early_data`].
    EarlyDataReplay {
        /// Stands for this hello, and no other can have it. It is to be remembered for `window`, by all servers that share tickets.
        hello: [u8; 32],
        /// How long a copy of the hello could pass for fresh, with as much again for clocks that differ. Refuse all hellos for so long after
        /// a memory of them was lost.
        window: core::time::Duration,
    },
    /// A verifier that needs time: [`Answer::verdict`].
    VerifyChain {
        /// The peer's certificates, leaf first. The configured trust has accepted them. Empty where a raw public key came.
        chain: Vec<CertificateDer<'static>>,
        /// The key of a peer that shows one in place of certificates (RFC 7250). It is pinned.
        raw_key: Option<SubjectPublicKeyInfoDer<'static>>,
        /// The name that a server has to prove; none for a client's chain.
        name: Option<ServerName<'static>>,
        /// The OCSP response that was stapled to the leaf, if one was asked for and came. Nobody has looked into it.
        ocsp_response: Option<Vec<u8>>,
    },
    /// A server whose application keeps its tickets ([`Tickets::asked`](crate::Tickets::asked)), after the handshake: keep this
    /// session, until it is out of date or was found once, and say by what identity to find it: [`Answer::kept`].
    KeepSession(KeptSession),
    /// The same server, when a client comes back: [`Answer::session`].
    FindSession {
        /// What the client offers, most wanted first; not all need be tickets.
        identities: Vec<Box<[u8]>>,
    },
    /// A server that looks its external keys up ([`ask_psks`](crate::ServerConfigBuilder::ask_psks)): [`Answer::psks`].
    Psk {
        /// What the client offers and this server does not know, most wanted first;
        /// [`ImportedIdentity::parse`](crate::ImportedIdentity::parse) reads them.
        identities: Vec<Box<[u8]>>,
    },
    /// A signer that needs time: [`Answer::signature`].
    Sign {
        /// How to sign.
        scheme: SignatureScheme,
        /// What to sign, not hashed.
        message: Vec<u8>,
    },
}

/// What a client offers, for the choice of a configuration. Codes are as in the registries, unknown ones included.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Offered {
    /// The DNS name that the client asks for.
    pub server_name: Option<Box<str>>,
    /// Application protocols, most wanted first.
    pub protocols: Vec<Vec<u8>>,
    /// Groups, most wanted first.
    pub groups: Vec<u16>,
    /// Signature schemes, most wanted first.
    pub signature_schemes: Vec<u16>,
    /// Cipher suites, most wanted first.
    pub suites: Vec<u16>,
    /// The whole ClientHello, with its header.
    pub raw: Vec<u8>,
}

impl Offered {
    /// Reads a whole ClientHello, with its header, before there is a handshake to give it to.
    ///
    /// # Errors
    /// The [`Fault`](crate::Fault) for which a handshake would refuse it, as far as its syntax tells.
    pub fn read(raw: &[u8]) -> Result<Self, crate::Fault> {
        let body = raw.get(crate::wire::MESSAGE_HEADER..).unwrap_or_default();
        let hello = crate::wire::client_hello::ClientHello::decode(body)?;
        Ok(super::server::offered(&hello, raw))
    }
}

/// An answer to one question. It names the question, so that a late answer cannot be taken for another's.
pub struct Answer {
    pub(crate) number: u32,
    pub(crate) reply: Reply,
}

/// The contents of an answer.
pub(crate) enum Reply {
    Config(Option<Arc<ServerConfig>>),
    TransportParameters(OwnParameters),
    EarlyData(bool),
    Verdict(Result<Known, CertificateError>),
    Kept(Option<Vec<u8>>),
    Session(Option<(usize, KeptSession)>),
    Psks(Vec<ImportedPsk>),
    Signature(Option<Vec<u8>>),
}

/// What a QUIC server says of itself.
#[derive(Default)]
pub(crate) struct OwnParameters {
    /// For EncryptedExtensions.
    pub(crate) encoded: Bytes,
    /// For its tickets.
    pub(crate) remember: Bytes,
    /// Whether early data may come under what the client's ticket remembers.
    pub(crate) early_data: bool,
}

impl Answer {
    /// Goes on with this configuration; `None` refuses the client with `access_denied`.
    #[must_use]
    pub fn config(question: &Question, config: Option<Arc<ServerConfig>>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Config(config),
        }
    }

    /// The server's transport parameters. Early data is not taken, and tickets remember nothing.
    #[must_use]
    pub fn transport_parameters(question: &Question, parameters: Bytes) -> Self {
        Self::remembered_parameters(question, parameters, Bytes::new(), false)
    }

    /// The server's transport parameters, what its tickets remember of them (with the application's bytes at most
    /// [`limits::SESSION_DATA`](crate::limits::SESSION_DATA)), and whether early data may come under what the question says is remembered.
    #[must_use]
    pub fn remembered_parameters(
        question: &Question,
        parameters: Bytes,
        remember: Bytes,
        early_data: bool,
    ) -> Self {
        Self {
            number: question.number,
            reply: Reply::TransportParameters(OwnParameters {
                encoded: parameters,
                remember,
                early_data,
            }),
        }
    }

    /// Whether this hello is the first of its kind: `false` rejects early data, and goes on with the handshake.
    #[must_use]
    pub fn early_data(question: &Question, is_first: bool) -> Self {
        Self {
            number: question.number,
            reply: Reply::EarlyData(is_first),
        }
    }

    /// Accepts or refuses the chain.
    #[must_use]
    pub fn verdict(question: &Question, verdict: Result<(), CertificateError>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Verdict(verdict.map(|()| None)),
        }
    }

    /// Accepts the chain of a peer that the application knows as this ([`Verdict::Known`](crate::Verdict::Known)).
    #[must_use]
    pub fn known(question: &Question, identity: Box<[u8]>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Verdict(Ok(Some(identity))),
        }
    }

    /// The session is kept, and will be found by this identity: any of 1 to [`limits::TICKET`](crate::limits::TICKET) bytes that nobody can guess. `None`
    /// where it is not kept, and the client gets no ticket for it.
    #[must_use]
    pub fn kept(question: &Question, identity: Option<Vec<u8>>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Kept(identity),
        }
    }

    /// The session of the identity at this place in the question, which is not to be found again; `None` leads to a full
    /// handshake. So does a session that does not fit this connection.
    #[must_use]
    pub fn session(question: &Question, found: Option<(usize, KeptSession)>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Session(found),
        }
    }

    /// Those of the keys that are known: the first in the client's order that fits is taken.
    #[must_use]
    pub fn psks(question: &Question, psks: Vec<ImportedPsk>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Psks(psks),
        }
    }

    /// The signature in the encoding of the scheme; `None` when there will be none.
    #[must_use]
    pub fn signature(question: &Question, signature: Option<Vec<u8>>) -> Self {
        Self {
            number: question.number,
            reply: Reply::Signature(signature),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer to question {}", self.number)
    }
}

/// As many outputs as the longest common flight has, so that its queue does not have to grow.
const FLIGHT_OUTPUTS: usize = 8;

/// The queue of outputs, and what follows from them for the engine.
pub(crate) struct Outputs {
    #[expect(
        clippy::box_collection,
        reason = "an idle connection has none, and holds little"
    )]
    queue: Option<Box<VecDeque<Output>>>,
    read_level: Level,
    asked: u32,
    open: Option<u32>,
}

impl Outputs {
    pub(crate) fn new() -> Self {
        Self {
            queue: None,
            read_level: Level::Initial,
            asked: 0,
            open: None,
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        if let Output::Keys {
            level,
            direction: Direction::Read,
            ..
        } = &output
        {
            self.read_level = *level;
        }
        let queue = self
            .queue
            .get_or_insert_with(|| Box::new(VecDeque::with_capacity(FLIGHT_OUTPUTS)));
        queue.push_back(output);
    }

    pub(crate) fn send(&mut self, level: Level, bytes: impl Into<Bytes>) {
        self.push(Output::Send {
            level,
            bytes: bytes.into(),
        });
    }

    pub(crate) fn keys(&mut self, level: Level, direction: Direction, secret: TrafficSecret) {
        self.push(Output::Keys {
            level,
            direction,
            secret,
        });
    }

    pub(crate) fn ask(&mut self, topic: Topic) -> Result<(), Local> {
        self.asked = self
            .asked
            .checked_add(1)
            .ok_or(Local::Internal("too many questions"))?;
        self.open = Some(self.asked);
        self.push(Output::Ask(Question {
            number: self.asked,
            topic,
        }));
        Ok(())
    }

    /// The next output. The memory of an empty queue is given back, but while flights follow each other.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        let queue = self.queue.as_mut()?;
        let output = queue.pop_front();
        if queue.is_empty() && self.read_level == Level::Application {
            self.queue = None;
        }
        output
    }

    /// The level at which the peer's bytes are expected.
    pub(crate) fn read_level(&self) -> Level {
        self.read_level
    }

    /// The number of the open question.
    pub(crate) fn open_question(&self) -> Option<u32> {
        self.open
    }

    pub(crate) fn answered(&mut self) {
        self.open = None;
    }
}
