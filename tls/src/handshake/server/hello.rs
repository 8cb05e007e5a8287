//! A server reads the client's hellos: START, and START after a HelloRetryRequest.

use std::sync::Arc;

use bytes::Bytes;
use pith_pq::answer;

use super::State;
use super::early::{EarlyOffer, RETRIED, skipped};
use super::flight::{Accepted, AskingParameters, TicketsDue};
use super::negotiate::{Auth, Choice, negotiate};
use super::psk::{AcceptedPsk, Found, known, unknown};
use crate::auth::compress::Algorithm;
use crate::config::ServerConfig;
use crate::error::{Error, Fault, Local};
use crate::event::{Event, Role};
use crate::handshake::Context;
use crate::handshake::carrier::Rules;
use crate::handshake::client::peer_share;
use crate::handshake::joiner::Message;
use crate::handshake::output::{Level, Offered, Output, Topic};
use crate::keylog::ConnectionLog;
use crate::resume::{ImportedPsk, KeptSession};
use crate::schedule::transcript::Transcript;
use crate::wire::client_hello::ClientHello;
use crate::wire::server_hello::encode_retry;
use crate::wire::{ExtensionType, MESSAGE_HEADER, MessageKind};

/// A server that has seen nothing yet.
pub(crate) struct WaitClientHello {
    config: Arc<ServerConfig>,
}

/// A server that waits for the configuration to use.
pub(crate) struct AskingConfig {
    hello: Vec<u8>,
}

/// A server that waits for the sessions or keys which its application holds.
pub(crate) struct AskingKeys {
    config: Arc<ServerConfig>,
    hello: Vec<u8>,
}

/// A server that asked for another share.
pub(crate) struct WaitSecondClientHello {
    config: Arc<ServerConfig>,
    choice: Choice,
    /// The first hello, with which the second is compared field by field (S04, S05).
    first: Vec<u8>,
    transcript: Transcript,
}

impl WaitClientHello {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }

    pub(super) fn on_hello(
        self,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let hello = decode(message.body, cx.rules)?;
        if self.config.ask_config {
            cx.outputs
                .ask(Topic::Config(Box::new(offered(&hello, message.whole))))?;
            return Ok(State::AskingConfig(Box::new(AskingConfig {
                hello: message.whole.to_vec(),
            })));
        }
        start(self.config, &hello, message.whole, cx)
    }
}

impl AskingConfig {
    pub(super) fn on_config(
        self: Box<Self>,
        config: Option<Arc<ServerConfig>>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let config = config.ok_or(Local::Refused)?;
        let hello = decode(
            self.hello.get(MESSAGE_HEADER..).unwrap_or_default(),
            cx.rules,
        )?;
        start(config, &hello, &self.hello, cx)
    }
}

impl WaitSecondClientHello {
    pub(super) fn on_hello(
        mut self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let hello = decode(message.body, cx.rules)?;
        let first = decode(
            self.first.get(MESSAGE_HEADER..).unwrap_or_default(),
            cx.rules,
        )?;
        if !hello.is_retry_of(&first) {
            return Err(Fault::SecondHelloChanged.into());
        }
        // rfc9846#4.3.8-9
        let [share] = hello.shares.as_slice() else {
            return Err(Fault::SecondHelloShare.into());
        };
        if share.group != self.choice.group.code() {
            return Err(Fault::SecondHelloShare.into());
        }
        let psk = self
            .choice
            .verify_psk(&hello, message.whole, &mut self.transcript)?;
        let chosen = Chosen {
            config: self.config,
            // rfc9846#4.2.4-8: nothing is chosen anew.
            choice: self.choice,
            psk,
            transcript: self.transcript,
            retried: true,
        };
        let offered = first.offers(ExtensionType::EARLY_DATA);
        chosen.accept(&hello, share.bytes, offered, cx)
    }
}

/// Decodes a hello and checks what depends on the carrier.
fn decode(body: &[u8], rules: Rules) -> Result<ClientHello<'_>, Fault> {
    let hello = ClientHello::decode(body)?;
    let (extension, message) = (
        ExtensionType::QUIC_TRANSPORT_PARAMETERS,
        MessageKind::ClientHello,
    );
    match (rules.has_transport_parameters(), hello.transport_parameters) {
        (true, None) => return Err(Fault::MissingExtension { extension, message }),
        (false, Some(_)) => return Err(Fault::UnsolicitedExtension { extension, message }),
        (true, Some(_)) | (false, None) => {}
    }
    if !rules.has_compatibility_mode() && !hello.session_id.is_empty() {
        return Err(Fault::CompatibilityModeInQuic);
    }
    Ok(hello)
}

pub(crate) fn offered(hello: &ClientHello<'_>, raw: &[u8]) -> Offered {
    Offered {
        server_name: hello.server_name.as_ref().map(|name| name.as_ref().into()),
        protocols: hello.protocols.iter().map(|name| name.to_vec()).collect(),
        groups: hello.groups.iter().collect(),
        signature_schemes: hello.signature_schemes.iter().collect(),
        suites: hello.suites.iter().collect(),
        raw: raw.to_vec(),
    }
}

impl AskingKeys {
    pub(super) fn on_session(
        self: Box<Self>,
        found: Option<(usize, KeptSession)>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let hello = self.hello.get(MESSAGE_HEADER..).unwrap_or_default();
        let hello = decode(hello, cx.rules)?;
        let identities = unknown(&hello, &self.config);
        let session = found.and_then(|(place, session)| {
            let identity = identities.get(place)?.clone();
            Some((identity, session))
        });
        if self.config.ask_psks && session.is_none() {
            cx.outputs.ask(Topic::Psk { identities })?;
            return Ok(State::AskingKeys(self));
        }
        let psks = Vec::new();
        let found = Found { psks, session };
        choose(self.config, &hello, &self.hello, &found, cx)
    }

    pub(super) fn on_psks(
        self: Box<Self>,
        psks: Vec<ImportedPsk>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let hello = self.hello.get(MESSAGE_HEADER..).unwrap_or_default();
        let hello = decode(hello, cx.rules)?;
        // One for the other role was given by mistake, and would let this server talk to itself (T07).
        let own = psks.into_iter().filter(|psk| psk.role == Role::Server);
        let found = Found {
            psks: own.map(Arc::new).collect(),
            session: None,
        };
        choose(self.config, &hello, &self.hello, &found, cx)
    }
}

/// Asks the application for what it may know of the client's keys, if it keeps any.
fn start(
    config: Arc<ServerConfig>,
    hello: &ClientHello<'_>,
    whole: &[u8],
    cx: &mut Context<'_>,
) -> Result<State, Error> {
    let identities = unknown(hello, &config);
    let topic = match config.tickets.are_asked() {
        _ if identities.is_empty() => None,
        true => Some(Topic::FindSession { identities }),
        false => config.ask_psks.then_some(Topic::Psk { identities }),
    };
    let Some(topic) = topic else {
        return choose(config, hello, whole, &Found::default(), cx);
    };
    cx.outputs.ask(topic)?;
    Ok(State::AskingKeys(Box::new(AskingKeys {
        config,
        hello: whole.to_vec(),
    })))
}

/// Chooses from the first hello: goes on, or asks for another share.
fn choose(
    config: Arc<ServerConfig>,
    hello: &ClientHello<'_>,
    whole: &[u8],
    found: &Found,
    cx: &mut Context<'_>,
) -> Result<State, Error> {
    let known = known(hello, &config, found, cx.now);
    let choice = negotiate(hello, &config, cx.rules, known)?;
    if let Some(mismatch) = choice.refused {
        cx.tell(&Event::TicketRefused(mismatch.text()));
    }
    // Before a HelloRetryRequest too: who does not hold the key gets no other answer.
    let mut transcript = Transcript::new(choice.suite.hash(), &[]);
    let psk = choice.verify_psk(hello, whole, &mut transcript)?;
    // And what says in which version of QUIC it is sent. A second hello says the same.
    if let Some(parameters) = hello.transport_parameters {
        let parameters = Bytes::copy_from_slice(parameters);
        cx.outputs.push(Output::PeerTransportParameters(parameters));
    }
    if let Some(share) = hello.share(choice.group) {
        let chosen = Chosen {
            config,
            choice,
            psk,
            transcript,
            retried: false,
        };
        let offered = hello.offers(ExtensionType::EARLY_DATA);
        return chosen.accept(hello, share, offered, cx);
    }
    // rfc9846#4.3.10-4
    if hello.offers(ExtensionType::EARLY_DATA) {
        cx.tell(&Event::EarlyDataRejected(RETRIED));
        let most = skipped(&config);
        cx.outputs.push(Output::SkipEarlyData { most });
    }
    // rfc9846#4.2.1-3
    let retry = encode_retry(hello.session_id, choice.suite.code(), choice.group)?;
    let transcript = transcript.retried(&retry);
    cx.outputs.send(Level::Initial, retry);
    // rfc9846#E.4-1
    if !hello.session_id.is_empty() {
        cx.outputs.push(Output::ChangeCipherSpec);
    }
    let next = WaitSecondClientHello {
        config,
        choice,
        first: whole.to_vec(),
        transcript,
    };
    Ok(State::WaitSecondClientHello(Box::new(next)))
}

/// What is known of a handshake before the key exchange.
struct Chosen {
    config: Arc<ServerConfig>,
    choice: Choice,
    psk: Option<AcceptedPsk>,
    transcript: Transcript,
    retried: bool,
}

impl Chosen {
    /// Takes the client's share, and asks for transport parameters where the carrier has them.
    fn accept(
        mut self,
        hello: &ClientHello<'_>,
        share: &[u8],
        offers_early_data: bool,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let log = ConnectionLog::new(self.config.key_log.as_ref(), hello.random);
        match &self.psk {
            Some(psk) if psk.place == 0 && !self.retried => {
                let digest = self.transcript.digest();
                cx.keep_early_exporter(&psk.secret, digest.as_ref(), log.as_ref())?;
            }
            Some(_) | None => {}
        }
        // A second hello has none (rfc9846#4.3.10-5).
        let early = EarlyOffer::find(
            hello,
            &self.config,
            &self.choice,
            self.psk.as_ref(),
            &mut self.transcript,
            log.as_ref(),
        )?;
        let group = self.choice.group;
        // rfc9846#2-1, rfc9846#4.3.8-10
        let (reply, shared) = answer(group, share).map_err(|error| peer_share(error, group))?;
        let accepted = Accepted {
            session_id: hello.session_id.to_vec(),
            // rfc9846#4.7.1-4
            server_name: hello.server_name.as_ref().map(|name| name.as_ref().into()),
            wants_ocsp: hello.wants_ocsp(),
            compression: Algorithm::choose(self.config.compression, hello.compression),
            record_size_limit: hello.record_size_limit,
            log,
            tickets: tickets_due(hello, &self.config, &self.choice.auth),
            reply,
            shared,
            config: self.config,
            choice: self.choice,
            psk: self.psk,
            transcript: self.transcript,
            retried: self.retried,
            offers_early_data,
            early,
        };
        if hello.transport_parameters.is_none() {
            return accepted.judge(None, cx);
        }
        let remembered = accepted.remembered();
        cx.outputs.ask(Topic::TransportParameters { remembered })?;
        Ok(State::AskingParameters(Box::new(AskingParameters(
            accepted,
        ))))
    }
}

/// None to a client that could not use them, or that shares an external key, which does all that a ticket could.
fn tickets_due(hello: &ClientHello<'_>, config: &ServerConfig, auth: &Auth) -> TicketsDue {
    let asked = hello.ticket_request.map(|request| match auth {
        Auth::Certificate(_) => request.new_session,
        Auth::Psk(_) => request.resumption,
    });
    let allowed = hello.takes_psks && auth.allows_tickets() && config.tickets.are_issued();
    let count = config.tickets.count_for(asked);
    TicketsDue {
        allowed,
        count: if allowed { count } else { 0 },
        announced: allowed && asked.is_some(),
    }
}
