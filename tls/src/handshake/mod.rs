//! The handshake of TLS 1.3, which knows neither records nor packets.
//!
//! Bytes of the peer enter by [`Handshake::read`] with the level whose keys protected them. What is to be done leaves as one
//! ordered queue of [`Output`]s. Two carriers drive it: [`Connection`](crate::Connection) over a byte stream, and QUIC.
//! Each role is a machine of states that own their secrets ([`client::State`], [`server::State`]); one function for each
//! role lists every legal pair of state and message, and everything else is `unexpected_message` (rfc9846#4-2).
//!
//! An error is final. After one, [`Handshake::next`] still yields what was queued before; then the carrier sends
//! [`Error::alert`] and ends.

pub(crate) mod carrier;
pub(crate) mod client;
pub(crate) mod connected;
pub(crate) mod joiner;
pub(crate) mod output;
mod peer;
pub(crate) mod server;
mod tickets;
mod verify_input;

use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::{Hash, Secret};
use pki_types::ServerName;

use self::carrier::{Carrier, Rules};
use self::joiner::{Message, first_message};
use self::output::{Answer, Level, Output, Outputs, Reply};
use crate::Now;
use crate::config::{ClientConfig, ServerConfig};
use crate::error::{Error, Fault, Local};
use crate::event::{self, Event, Observer};
use crate::keylog::ConnectionLog;
use crate::limits;
use crate::record::shape::RecordShape;
use crate::schedule::early::PskSecret;
use crate::wire::MessageKind;

/// One handshake and what follows it: tickets and KeyUpdates.
pub struct Handshake {
    role: Role,
    step: Step,
    rules: Rules,
    outputs: Outputs,
    observer: Option<Arc<dyn Observer>>,
    /// The beginning of an unfinished message, or messages behind an open question.
    held: Vec<u8>,
    /// Messages since the last application data, after the handshake.
    quiet: u8,
    early: Option<Box<EarlyExporter>>,
}

enum Role {
    Client(client::State),
    Server(server::State),
    /// It is over, with this error; nothing stands here while a step is taken.
    Failed(Option<Box<Error>>),
}

/// What a role does with a message or an answer. Only the function that begins a role names it: a program that begins no server has none in it.
type Step = fn(Role, Input<'_>, &mut Context<'_>) -> Result<Role, Error>;

/// What a state's handler works with.
pub(crate) struct Context<'a> {
    outputs: &'a mut Outputs,
    rules: Rules,
    now: Now,
    observer: Option<&'a Arc<dyn Observer>>,
    early: &'a mut Option<Box<EarlyExporter>>,
}

/// The secret of the early exporter: of the first pre-shared key that the client offers, until another fact is known.
struct EarlyExporter {
    hash: Hash,
    secret: Secret,
}

impl Context<'_> {
    /// Keeps the early exporter's secret of this key, whose hello has this digest.
    fn keep_early_exporter(
        &mut self,
        psk: &PskSecret,
        hello: &[u8],
        log: Option<&ConnectionLog>,
    ) -> Result<(), Error> {
        let (hash, secret) = (psk.hash(), psk.exporter(hello)?);
        if let Some(log) = log {
            log.secret("EARLY_EXPORTER_SECRET", secret.expose());
        }
        *self.early = Some(Box::new(EarlyExporter { hash, secret }));
        Ok(())
    }

    /// Tells the observer of an event, if there is one.
    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = self.observer {
            observer.event(event);
        }
    }

    /// Tells a carrier with records how to shape them, where they are not as they begin.
    fn shape_records(&mut self, shape: RecordShape) {
        if self.rules.has_records() && shape != RecordShape::new(1) {
            self.outputs.push(Output::Records(shape));
        }
    }
}

impl Handshake {
    /// A client's handshake with the server of this name. Its ClientHello is the first output.
    ///
    /// `now` is the time of the check of certificates, as far as it falls into this call; later calls bring their own.
    ///
    /// # Errors
    /// [`Error::Local`] when the random generator or a key generation fails, [`Error::Misuse`] for QUIC without transport
    /// parameters or application protocols.
    pub fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        carrier: Carrier,
        now: Now,
    ) -> Result<Self, Error> {
        let rules = carrier.rules();
        if rules.needs_protocol() && config.protocols.is_empty() {
            return Err(Error::Misuse(
                "a QUIC client needs an application protocol: give alpn() to its configuration",
            ));
        }
        let parameters = carrier.transport_parameters();
        if rules.has_transport_parameters() && parameters.is_none() {
            return Err(Error::Misuse(
                "a QUIC client gives its transport parameters at once",
            ));
        }
        let mut outputs = Outputs::new();
        let (observer, policy) = (config.observer.clone(), config.policy.name);
        let mut early = None;
        let mut context = Context {
            outputs: &mut outputs,
            rules,
            now,
            observer: observer.as_ref(),
            early: &mut early,
        };
        let state = client::start(config, name, parameters, &mut context)?;
        let role = Role::Client(state);
        let mut handshake = Self::new(role, Role::step_client, rules, outputs, observer);
        handshake.early = early;
        handshake.tell(&Event::Started {
            role: event::Role::Client,
            policy,
        });
        Ok(handshake)
    }

    /// A server's handshake; it begins when the client's hello is read.
    #[must_use]
    pub fn server(config: Arc<ServerConfig>, carrier: Carrier) -> Self {
        let (observer, policy) = (config.observer.clone(), config.policy.name);
        let handshake = Self::new(
            Role::Server(server::State::new(config)),
            Role::step_server,
            carrier.rules(),
            Outputs::new(),
            observer,
        );
        handshake.tell(&Event::Started {
            role: event::Role::Server,
            policy,
        });
        handshake
    }

    fn new(
        role: Role,
        step: Step,
        rules: Rules,
        outputs: Outputs,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            role,
            step,
            rules,
            outputs,
            observer,
            held: Vec::new(),
            quiet: 0,
            early: None,
        }
    }

    /// Takes handshake bytes that came under the keys of `level`, in pieces of any size.
    ///
    /// # Errors
    /// [`Error::Fault`] and [`Error::Certificate`] for what the peer did wrong, [`Error::Local`] for a failure here. Each is
    /// final: later calls repeat it.
    pub fn read(&mut self, level: Level, bytes: &[u8], now: Now) -> Result<(), Error> {
        self.check()?;
        let result = if level == self.outputs.read_level() {
            self.process(bytes, now)
        } else {
            Err(Fault::UnexpectedLevel.into())
        };
        self.keep(result)
    }

    /// QUIC goes on in the version with this number, which need not be the one that the handshake began in: tickets from now on are of it.
    pub fn negotiated(&mut self, version: u32) {
        if self.rules != Rules::Records {
            self.rules = Rules::quic(version);
        }
    }

    /// The next order to the carrier; `None` when the handshake needs bytes of the peer or an answer.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would borrow the handshake"
    )]
    pub fn next(&mut self) -> Option<Output> {
        let output = self.outputs.pop()?;
        if self.observer.is_some() {
            Event::of_output(&output).inspect(|event| self.tell(event));
        }
        Some(output)
    }

    /// Answers the open question, and goes on with what was read meanwhile.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an answer to another question or of another kind, which changes nothing. Otherwise as
    /// [`Handshake::read`].
    pub fn answer(&mut self, answer: Answer, now: Now) -> Result<(), Error> {
        self.check()?;
        let fits = match &self.role {
            Role::Client(state) => state.awaits(&answer.reply),
            Role::Server(state) => state.awaits(&answer.reply),
            Role::Failed(_) => false,
        };
        if self.outputs.open_question() != Some(answer.number) || !fits {
            return Err(Error::Misuse(
                "this answer is not for the question that is open",
            ));
        }
        self.outputs.answered();
        let result = self
            .advance(Input::Answer(answer.reply), now)
            .and_then(|()| self.process(&[], now));
        self.keep(result)
    }

    /// Whether a handshake message has begun and not ended.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.held.is_empty() && self.outputs.open_question().is_none()
    }

    /// Whether a question waits for its answer.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.outputs.open_question().is_some()
    }

    /// Tells that application data came, so that KeyUpdates and tickets between data are no flood (R08).
    pub fn saw_application_data(&mut self) {
        self.quiet = 0;
    }

    /// Updates the sending keys and, with `request_peer`, asks the peer to update its own (RFC 9846 section 4.7.3).
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete, or over QUIC, which updates its keys by itself.
    /// [`Error::Local`] after 2^48 updates.
    pub fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        self.check()?;
        if !self.rules.has_key_update() {
            return Err(Error::Misuse(
                "QUIC updates its keys without TLS (RFC 9001 section 6)",
            ));
        }
        match self.role.connected_mut() {
            Some(connected) => connected.update(request_peer, &mut self.outputs),
            None => Err(Error::Misuse("keys are updated after the handshake")),
        }
    }

    /// Sends the client so many more tickets, at most [`limits::TICKETS`], each under the newest keys.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete, or as a client.
    pub fn issue_tickets(&mut self, count: u8, now: Now) -> Result<(), Error> {
        self.check()?;
        let mut context = Context {
            outputs: &mut self.outputs,
            rules: self.rules,
            now,
            observer: self.observer.as_ref(),
            early: &mut self.early,
        };
        let Role::Server(server::State::Connected(state)) = &mut self.role else {
            return Err(Error::Misuse(
                "a server issues tickets, after the handshake",
            ));
        };
        state.issue(count.min(limits::TICKETS), &mut context)
    }

    /// Whether the peer asked for a KeyUpdate that is not queued yet.
    #[must_use]
    pub fn owes_key_update(&self) -> bool {
        self.role
            .connected()
            .is_some_and(connected::Connected::owes_update)
    }

    /// Queues the one KeyUpdate that the peer asked for since the last call, if it did (rfc9846#4.7.3-5).
    ///
    /// A carrier calls this before it sends, with nothing queued any more: so a peer that asks and does not read cannot
    /// make anything grow (R08).
    ///
    /// # Errors
    /// As [`Handshake::update_keys`].
    pub fn answer_key_update(&mut self) -> Result<(), Error> {
        match self.role.connected_mut() {
            Some(connected) => connected.answer(&mut self.outputs),
            None => Ok(()),
        }
    }

    /// Fills `out` with keying material for this label and context (RFC 9846 section 7.5).
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete; [`Error::Local`] when `label` is longer than 249 bytes or `out`
    /// longer than 255 hashes.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let early = Error::Misuse("keying material is exported after the handshake");
        self.role
            .connected()
            .ok_or(early)?
            .export(label, context, out)
    }

    /// A client's application remembers these bytes with the tickets that come from now on, for early data under them:
    /// [`Output::OfferEarlyData`] brings them back. Of a connection without sessions nothing is kept.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the handshake is complete, or for more than [`limits::SESSION_DATA`] bytes with those of the carrier.
    pub fn remember(&mut self, application: Bytes) -> Result<(), Error> {
        self.remember_with(|all| all.application = application.as_ref().into())
    }

    /// As [`Handshake::remember`], for the carrier: QUIC's transport parameters.
    ///
    /// # Errors
    /// As [`Handshake::remember`].
    pub fn remember_carrier(&mut self, carrier: Bytes) -> Result<(), Error> {
        self.remember_with(|all| all.carrier = carrier.as_ref().into())
    }

    fn remember_with(&mut self, set: impl FnOnce(&mut tickets::Remembered)) -> Result<(), Error> {
        self.check()?;
        match self.role.connected_mut() {
            Some(connected) => connected.remember(set),
            None => Err(Error::Misuse(
                "what sessions remember is told after the handshake",
            )),
        }
    }

    /// Whether a server may send application data before its client's Finished: early data was accepted, and no certificate is required of
    /// clients.
    #[must_use]
    pub fn sends_early(&self) -> bool {
        matches!(&self.role, Role::Server(state) if state.sends_early())
    }

    /// Fills `out` with keying material of the early exporter (RFC 9846 section 7.5), which is no better protected against replay
    /// than early data: of a client from its hello on, of a server once it has accepted the client's first pre-shared key, and of
    /// both until the handshake is complete.
    ///
    /// # Errors
    /// [`Error::Misuse`] at any other time, as without a pre-shared key; [`Error::Local`] as [`Handshake::export`].
    pub fn early_export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.check()?;
        let none = Error::Misuse(
            "early keying material is exported with the first pre-shared key, before the handshake is complete",
        );
        let EarlyExporter { hash, secret } = self.early.as_deref().ok_or(none)?;
        connected::export(*hash, secret, label, context, out)
    }

    /// Ends a handshake whose carrier failed with `error`: every secret is dropped, and later calls return the error.
    pub fn abandon(&mut self, error: &Error) {
        // rfc9846#6-2
        self.role = Role::Failed(Some(Box::new(error.clone())));
        self.outputs = Outputs::new();
        self.held = Vec::new();
        self.early = None;
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.role.connected().is_some()
    }

    /// Tells the observer of an event, if there is one.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.event(event);
        }
    }

    fn check(&self) -> Result<(), Error> {
        match &self.role {
            Role::Failed(Some(error)) => Err((**error).clone()),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            if let Error::Certificate(error) = error {
                self.tell(&Event::CertificateRefused(error));
            }
            self.role = Role::Failed(Some(Box::new(error.clone())));
            self.held = Vec::new();
            self.early = None;
        }
        result
    }

    /// Handles every whole message in what is held and `bytes`, as far as no question is open.
    fn process(&mut self, bytes: &[u8], now: Now) -> Result<(), Error> {
        let mut held = core::mem::take(&mut self.held);
        if held.is_empty() {
            held = self.consume(bytes, now)?.to_vec();
        } else {
            held.extend_from_slice(bytes);
            let left = self.consume(&held, now)?.len();
            held.drain(..held.len().saturating_sub(left));
        }
        // Behind an open question no message's own limit counts yet (R09).
        let (limit, announced) = (limits::HANDSHAKE_MESSAGE, held.len());
        if announced > limit {
            return Err(Fault::MessageTooLong { limit, announced }.into());
        }
        if announced > 0 {
            self.held = held;
        }
        Ok(())
    }

    fn consume<'a>(&mut self, bytes: &'a [u8], now: Now) -> Result<&'a [u8], Error> {
        let mut rest = bytes;
        while self.outputs.open_question().is_none() {
            let Some(message) = first_message(rest, self.message_limit())? else {
                break;
            };
            rest = rest.get(message.whole.len()..).unwrap_or_default();
            // rfc9846#5.1-4, rfc9846#5.1-5: what follows would belong to other keys.
            if precedes_key_change(message.kind) && !rest.is_empty() {
                return Err(Fault::MessageAcrossKeyChange.into());
            }
            if self.is_complete() {
                self.quiet = self.quiet.saturating_add(1);
                if self.quiet > limits::QUIET_MESSAGES {
                    return Err(Fault::TooManyQuietMessages.into());
                }
            }
            Event::of_message(message.kind).inspect(|event| self.tell(event));
            self.advance(Input::Message(message), now)?;
        }
        Ok(rest)
    }

    fn advance(&mut self, input: Input<'_>, now: Now) -> Result<(), Error> {
        let mut context = Context {
            outputs: &mut self.outputs,
            rules: self.rules,
            now,
            observer: self.observer.as_ref(),
            early: &mut self.early,
        };
        let role = core::mem::replace(&mut self.role, Role::Failed(None));
        self.role = (self.step)(role, input, &mut context)?;
        if self.role.connected().is_some() {
            self.early = None;
        }
        Ok(())
    }

    fn message_limit(&self) -> usize {
        match &self.role {
            Role::Client(state) if state.expects_certificate() => limits::HANDSHAKE_MESSAGE,
            Role::Server(state) if state.expects_certificate() => limits::HANDSHAKE_MESSAGE,
            Role::Client(_) | Role::Server(_) | Role::Failed(_) => {
                limits::HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE
            }
        }
    }
}

enum Input<'a> {
    Message(Message<'a>),
    Answer(Reply),
}

impl Role {
    fn step_client(self, input: Input<'_>, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, input) {
            (Self::Client(state), Input::Message(message)) => {
                Ok(Self::Client(state.step(message, cx)?))
            }
            (Self::Client(state), Input::Answer(reply)) => {
                Ok(Self::Client(state.resume(reply, cx)?))
            }
            (Self::Server(_) | Self::Failed(_), _) => Err(over()),
        }
    }

    fn step_server(self, input: Input<'_>, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, input) {
            (Self::Server(state), Input::Message(message)) => {
                Ok(Self::Server(state.step(message, cx)?))
            }
            (Self::Server(state), Input::Answer(reply)) => {
                Ok(Self::Server(state.resume(reply, cx)?))
            }
            (Self::Client(_) | Self::Failed(_), _) => Err(over()),
        }
    }

    fn connected(&self) -> Option<&connected::Connected> {
        match self {
            Self::Client(client::State::Connected(state))
            | Self::Server(server::State::Connected(state)) => Some(state),
            Self::Client(_) | Self::Server(_) | Self::Failed(_) => None,
        }
    }

    fn connected_mut(&mut self) -> Option<&mut connected::Connected> {
        match self {
            Self::Client(client::State::Connected(state))
            | Self::Server(server::State::Connected(state)) => Some(state),
            Self::Client(_) | Self::Server(_) | Self::Failed(_) => None,
        }
    }
}

fn over() -> Error {
    Local::Internal("a handshake goes on after its end").into()
}

/// The messages that must end with their record (rfc9846#5.1-6).
fn precedes_key_change(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::ClientHello
            | MessageKind::ServerHello
            | MessageKind::HelloRetryRequest
            | MessageKind::EndOfEarlyData
            | MessageKind::Finished
            | MessageKind::KeyUpdate
    )
}
