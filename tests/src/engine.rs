//! A carrier without records: two handshake engines, joined by the test.
//!
//! It drives [`Handshake`] by levels alone, as QUIC will, and shows every message of every flight on its way, so that a test
//! can drop, repeat, swap, cut or change it. A run ends when both are complete, one failed, or neither has anything to say;
//! when both are complete, it checks that they hold the same secrets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{
    Answer, Carrier, ClientConfig, Direction, Error, Handshake, Level, Output, Question,
    ServerConfig, Summary, Topic,
};

use crate::message::messages;
use crate::pair::{NOW, name};
pub use crate::scripted::Role;

/// One write of handshake bytes at a level: a message, unless a test made something else of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The level whose keys protect it.
    pub level: Level,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What an engine ordered, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// A message of this type.
    Send(Level, u8),
    Keys(Level, Direction),
    UpdateKeys(Direction),
    ChangeCipherSpec,
    SkipEarlyData,
    /// A client may send so many bytes of early data.
    OfferEarlyData(u32),
    /// The decision on early data.
    EarlyData(Option<u32>),
    PeerTransportParameters,
    Ask,
    Complete,
}

/// An engine and what came out of it.
pub struct Engine {
    /// The engine.
    pub tls: Handshake,
    /// Everything it ordered so far.
    pub events: Vec<Event>,
    /// Messages that are not delivered yet.
    pub outbox: Vec<Piece>,
    /// The secrets it handed out.
    pub secrets: Vec<(Level, Direction, Vec<u8>)>,
    /// What was negotiated.
    pub summary: Option<Arc<Summary>>,
    /// The open question.
    pub question: Option<Question>,
    /// The peer's transport parameters.
    pub parameters: Option<Bytes>,
    /// The error that ended it.
    pub error: Option<Error>,
    /// What a client's session remembers of its carrier.
    pub remembered: Option<Bytes>,
    /// Whether a QUIC server takes early data under what is remembered.
    pub takes_early: bool,
    /// What a QUIC server answers when it is asked for its parameters; `None` leaves the question open.
    pub own_parameters: Option<Bytes>,
}

impl Engine {
    /// An engine that has done nothing but begin.
    pub fn new(tls: Handshake) -> Self {
        let mut engine = Self {
            tls,
            events: Vec::new(),
            outbox: Vec::new(),
            secrets: Vec::new(),
            summary: None,
            question: None,
            parameters: None,
            error: None,
            remembered: None,
            takes_early: false,
            own_parameters: Some(Bytes::from_static(b"server's")),
        };
        engine.drain();
        engine
    }

    /// A client over `carrier`.
    pub fn client(config: &Arc<ClientConfig>, carrier: Carrier) -> Self {
        Self::new(Handshake::client(config.clone(), name(), carrier, NOW).unwrap())
    }

    /// A server over `carrier`.
    pub fn server(config: &Arc<ServerConfig>, carrier: Carrier) -> Self {
        Self::new(Handshake::server(config.clone(), carrier))
    }

    /// Takes bytes of the peer and obeys what follows.
    ///
    /// # Errors
    /// As `Handshake::read`.
    pub fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), Error> {
        let result = self.tls.read(level, bytes, NOW);
        self.settle(result)
    }

    /// Answers the open question by what `make` makes of it.
    ///
    /// # Errors
    /// As `Handshake::answer`.
    pub fn answer(&mut self, make: impl FnOnce(&Question) -> Answer) -> Result<(), Error> {
        let question = self.question.take().unwrap();
        let result = self.tls.answer(make(&question), NOW);
        if matches!(result, Err(Error::Misuse(_))) {
            self.question = Some(question);
            return result;
        }
        self.settle(result)
    }

    /// Obeys what came of a call that the test made on its own.
    pub fn obey(&mut self) {
        self.drain();
    }

    /// The messages to deliver.
    pub fn take(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.outbox)
    }

    /// The secret of a level and direction, the newest.
    pub fn secret(&self, level: Level, direction: Direction) -> Option<&[u8]> {
        let found = |(at, to, _): &&(Level, Direction, Vec<u8>)| (*at, *to) == (level, direction);
        self.secrets
            .iter()
            .rev()
            .find(found)
            .map(|(_, _, secret)| secret.as_slice())
    }

    /// Keying material that both sides of a connection must have alike.
    pub fn exported(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.tls.export(b"EXPORTER-test", b"", &mut out).unwrap();
        out
    }

    fn settle(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        self.drain();
        if let Err(error) = &result {
            self.error = Some(error.clone());
            assert!(!self.tls.is_complete(), "complete after {error}");
        }
        if self.own_parameters.is_some()
            && matches!(
                self.question,
                Some(Question {
                    topic: Topic::TransportParameters { .. },
                    ..
                })
            )
        {
            let own = self.own_parameters.clone().unwrap();
            let takes = self.takes_early;
            let remember = Bytes::from_static(b"server's limits");
            return self.answer(|question| match takes {
                true => Answer::remembered_parameters(question, own, remember, true),
                false => Answer::transport_parameters(question, own),
            });
        }
        result
    }

    fn drain(&mut self) {
        while let Some(output) = self.tls.next() {
            match output {
                Output::Send { level, bytes } => {
                    for bytes in messages(&bytes) {
                        self.events.push(Event::Send(level, bytes[0]));
                        self.outbox.push(Piece { level, bytes });
                    }
                }
                Output::Keys {
                    level,
                    direction,
                    secret,
                } => {
                    self.events.push(Event::Keys(level, direction));
                    let bytes = secret.expose().to_vec();
                    self.secrets.push((level, direction, bytes));
                }
                Output::UpdateKeys(direction) => self.events.push(Event::UpdateKeys(direction)),
                Output::ChangeCipherSpec => self.events.push(Event::ChangeCipherSpec),
                Output::SkipEarlyData { .. } => self.events.push(Event::SkipEarlyData),
                Output::OfferEarlyData { most, carrier, .. } => {
                    self.events.push(Event::OfferEarlyData(most));
                    self.remembered = Some(carrier);
                }
                Output::EarlyData { accepted } => self.events.push(Event::EarlyData(accepted)),
                Output::PeerTransportParameters(parameters) => {
                    self.events.push(Event::PeerTransportParameters);
                    assert!(self.parameters.replace(parameters).is_none(), "only once");
                }
                Output::Ask(question) => {
                    self.events.push(Event::Ask);
                    assert!(self.question.replace(question).is_none(), "one at a time");
                }
                Output::Complete(summary) => {
                    self.events.push(Event::Complete);
                    assert!(self.summary.replace(summary).is_none(), "only once");
                }
                _ => panic!("an output that this carrier does not know"),
            }
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides are complete and hold the same secrets.
    Complete,
    /// Neither side has anything to send, and at least one waits.
    Waiting,
    /// This side failed; the other was not told.
    Failed(Role, Error),
}

impl Outcome {
    /// The error of this side, which must have failed.
    pub fn error(self, role: Role) -> Error {
        match self {
            Self::Failed(who, error) if who == role => error,
            other => panic!("{role:?} did not fail: {other:?}"),
        }
    }
}

/// A flight on its way: all that one side has sent since the other last spoke.
pub struct Flight {
    /// Who sent it.
    pub from: Role,
    /// The how-manieth of that side, from 0.
    pub number: usize,
    /// Its messages.
    pub pieces: Vec<Piece>,
}

/// Two engines.
pub struct Duo {
    /// The client.
    pub client: Engine,
    /// The server.
    pub server: Engine,
}

impl Duo {
    /// Two engines over TLS records that are not there.
    pub fn records(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        Self {
            client: Engine::client(client, Carrier::Records),
            server: Engine::server(server, Carrier::Records),
        }
    }

    /// Two engines over QUIC packets that are not there. Both need application protocols.
    pub fn quic(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        Self {
            client: Engine::client(client, quic(b"client's")),
            server: Engine::server(server, quic_server()),
        }
    }

    /// Runs to the end, nothing changed on the way.
    pub fn run(&mut self) -> Outcome {
        self.run_with(|flight| flight.pieces)
    }

    /// Runs to the end. `change` sees every flight and says what of it arrives.
    pub fn run_with(&mut self, mut change: impl FnMut(Flight) -> Vec<Piece>) -> Outcome {
        let mut numbers = [0; 2];
        loop {
            let mut idle = true;
            for (at, from) in [Role::Client, Role::Server].into_iter().enumerate() {
                let (sender, receiver, role) = match from {
                    Role::Client => (&mut self.client, &mut self.server, Role::Server),
                    Role::Server => (&mut self.server, &mut self.client, Role::Client),
                };
                let pieces = sender.take();
                if pieces.is_empty() {
                    continue;
                }
                idle = false;
                let number = numbers[at];
                numbers[at] += 1;
                assert!(number < 8, "the handshake has no end");
                let arriving = change(Flight {
                    from,
                    number,
                    pieces,
                });
                for piece in arriving {
                    if let Err(error) = receiver.read(piece.level, &piece.bytes) {
                        return Outcome::Failed(role, error);
                    }
                }
            }
            if idle {
                return self.outcome();
            }
        }
    }

    /// Checks that both sides agree on everything, if both are complete.
    fn outcome(&self) -> Outcome {
        if !self.client.tls.is_complete() || !self.server.tls.is_complete() {
            return Outcome::Waiting;
        }
        use Direction::{Read, Write};
        for level in [Level::Handshake, Level::Application] {
            for (own, other) in [(Read, Write), (Write, Read)] {
                let client = self.client.secret(level, own);
                assert!(client.is_some(), "{level:?} {own:?}");
                assert_eq!(
                    client,
                    self.server.secret(level, other),
                    "{level:?} {own:?}"
                );
            }
        }
        assert_eq!(self.client.exported(), self.server.exported());
        let facts = |summary: &Arc<Summary>| {
            (
                summary.suite,
                summary.group,
                summary.retried,
                summary.protocol.clone(),
                summary.server_name.clone(),
                summary.signature_scheme,
            )
        };
        let (client, server) = (self.client.summary.as_ref(), self.server.summary.as_ref());
        assert_eq!(client.map(facts), server.map(facts));
        Outcome::Complete
    }
}

/// A QUIC client's carrier.
pub fn quic(parameters: &'static [u8]) -> Carrier {
    Carrier::Quic {
        version: 1,
        transport_parameters: Some(Bytes::from_static(parameters)),
    }
}

/// A QUIC server's carrier.
pub fn quic_server() -> Carrier {
    Carrier::Quic {
        version: 1,
        transport_parameters: None,
    }
}
