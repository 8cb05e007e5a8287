//! A server's flight, and the client's Finished: RECVD_CH to CONNECTED.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::{Secret, SharedSecret, SignatureScheme, random};

use super::State;
use super::client_auth::WaitCertificate;
use super::early::{EarlyOffer, NOT_TAKEN, Verdict, skipped};
use super::negotiate::{Auth, Choice, Shown};
use super::psk::AcceptedPsk;
use crate::auth::compress::Algorithm;
use crate::auth::{PeerProof, Signature};
use crate::config::{ClientAuth, ServerConfig};
use crate::error::{Error, Fault, Local};
use crate::event::Event;
use crate::handshake::Context;
use crate::handshake::client::{ApplicationKeys, application_keys, handshake_keys};
use crate::handshake::connected::Connected;
use crate::handshake::joiner::Message;
use crate::handshake::output::{
    Direction, EarlyData, Level, Output, OwnParameters, Summary, Topic,
};
use crate::handshake::tickets::{Issuer, Tickets};
use crate::handshake::verify_input::server_content;
use crate::keylog::ConnectionLog;
use crate::limits;
use crate::record::shape::RecordShape;
use crate::resume::state::line_end;
use crate::schedule::TrafficSecret;
use crate::schedule::secrets::{FinishedKey, HandshakeSecret, MainSecret, Traffic};
use crate::schedule::transcript::Transcript;
use crate::wire::MessageKind;
use crate::wire::certificate::{encode_request, encode_verify};
use crate::wire::encrypted_extensions::{self, ServerAnswers};
use crate::wire::reader::Reader;
use crate::wire::registry::CertificateType;
use crate::wire::server_hello::encode_server_hello;
use crate::wire::writer::{FLIGHT, Writer};

/// A hello that is accepted, with the key exchange done.
pub(super) struct Accepted {
    pub(super) config: Arc<ServerConfig>,
    pub(super) choice: Choice,
    /// The pre-shared key that was chosen.
    pub(super) psk: Option<AcceptedPsk>,
    pub(super) session_id: Vec<u8>,
    pub(super) server_name: Option<Box<str>>,
    pub(super) wants_ocsp: bool,
    pub(super) compression: Option<Algorithm>,
    pub(super) record_size_limit: Option<u16>,
    pub(super) log: Option<ConnectionLog>,
    pub(super) reply: Vec<u8>,
    pub(super) shared: SharedSecret,
    pub(super) transcript: Transcript,
    pub(super) retried: bool,
    pub(super) tickets: TicketsDue,
    /// In the first hello.
    pub(super) offers_early_data: bool,
    /// Early data that could be accepted.
    pub(super) early: Option<EarlyOffer>,
}

/// How many tickets the client gets after the handshake.
#[derive(Clone, Copy)]
pub(super) struct TicketsDue {
    pub(super) count: u8,
    /// Whether it can use any, now or later.
    pub(super) allowed: bool,
    /// The client said how many it wants, and is told how many it gets (RFC 9149).
    pub(super) announced: bool,
}

/// A server that waits for its transport parameters.
pub(crate) struct AskingParameters(pub(super) Accepted);

/// A server that waits for an answer whether this hello came before.
pub(crate) struct AskingReplay {
    base: Accepted,
    own: Option<OwnParameters>,
}

/// A server that waits for its signature.
pub(crate) struct AskingSignature {
    base: Unfinished,
    scheme: SignatureScheme,
}

/// Everything up to Finished.
struct Unfinished {
    config: Arc<ServerConfig>,
    log: Option<ConnectionLog>,
    secret: HandshakeSecret,
    client_finished: FinishedKey,
    server_finished: FinishedKey,
    transcript: Transcript,
    summary: Summary,
    /// What the client is asked for.
    request: Option<CertificateType>,
    tickets: TicketsDue,
    /// When the line of sessions ends, where one is resumed.
    until: Option<Duration>,
    /// The client has proved itself by its pre-shared key.
    proof: Option<PeerProof>,
    /// What its carrier remembers in tickets.
    remember: Bytes,
    /// What the client's Handshake keys come from, where they wait for the end of its early data.
    held: Option<TrafficSecret>,
}

/// What waits for the client's Finished.
pub(super) struct Pending {
    pub(super) config: Arc<ServerConfig>,
    pub(super) transcript: Transcript,
    pub(super) summary: Summary,
    client_finished: FinishedKey,
    client_traffic: TrafficSecret,
    main: MainSecret,
    exporter: Secret,
    pub(super) tickets: TicketsDue,
    /// When the line of sessions ends, once the client proved who it is.
    pub(super) until: Option<Duration>,
    remember: Bytes,
}

/// WAIT_EOED.
pub(crate) struct WaitEndOfEarlyData {
    pub(super) base: WaitFinished,
    held: TrafficSecret,
}

/// WAIT_FINISHED.
pub(crate) struct WaitFinished {
    pub(super) pending: Pending,
    pub(super) proof: PeerProof,
}

impl AskingParameters {
    pub(super) fn on_parameters(
        self: Box<Self>,
        own: OwnParameters,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.0.judge(Some(own), cx)
    }
}

impl AskingReplay {
    pub(super) fn on_answer(
        self: Box<Self>,
        is_first: bool,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { base, own } = *self;
        let verdict = match &base.early {
            Some(early) => early.judge_answer(&base.choice, is_first, cx.now),
            None => Verdict::Reject(base.not_found()),
        };
        base.decide(own, verdict, cx)
    }
}

impl Accepted {
    /// What the client's ticket remembers of this server's transport parameters, where early data may follow from it.
    pub(super) fn remembered(&self) -> Option<Bytes> {
        let state = self.early.as_ref().and(self.choice.auth.state());
        state.map(|state| Bytes::copy_from_slice(&state.early.carrier))
    }

    /// Decides on early data, or asks, and goes on.
    pub(super) fn judge(
        self,
        own: Option<OwnParameters>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let fits = own.as_ref().is_none_or(|own| own.early_data);
        let verdict = match &self.early {
            Some(early) => early.judge(&self.config, &self.choice, (cx.rules, fits), cx.now),
            // After a retry it is gone, and was told of.
            None if self.retried && self.offers_early_data => {
                return self.respond(own, EarlyData::Rejected, cx);
            }
            None if self.offers_early_data => Verdict::Reject(self.not_found()),
            None => return self.respond(own, EarlyData::NotOffered, cx),
        };
        self.decide(own, verdict, cx)
    }

    fn decide(
        self,
        own: Option<OwnParameters>,
        verdict: Verdict,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let early = match verdict {
            Verdict::Accept => EarlyData::Accepted,
            Verdict::Reject(why) => {
                cx.tell(&Event::EarlyDataRejected(why));
                EarlyData::Rejected
            }
            Verdict::Ask(hello) => {
                // A copy can be fresh for twice the skew, and the fleet's clocks may differ by as much again.
                let window = limits::EARLY_DATA_SKEW.saturating_mul(4);
                cx.outputs.ask(Topic::EarlyDataReplay { hello, window })?;
                let base = self;
                return Ok(State::AskingReplay(Box::new(AskingReplay { base, own })));
            }
        };
        self.respond(own, early, cx)
    }

    /// Why there is nothing to judge.
    fn not_found(&self) -> &'static str {
        match self.config.early_data {
            Some(_) => "no ticket that this server takes comes first",
            None => NOT_TAKEN,
        }
    }

    /// The secret of early data that is accepted; what is rejected with this hello will be skipped.
    fn early_secret(&mut self, early: EarlyData, cx: &mut Context<'_>) -> Option<TrafficSecret> {
        match early {
            EarlyData::Accepted => self.early.take().map(EarlyOffer::into_secret),
            // rfc9846#4.3.10-4
            EarlyData::Rejected if !self.retried => {
                let most = skipped(&self.config);
                cx.outputs.push(Output::SkipEarlyData { most });
                None
            }
            EarlyData::Rejected | EarlyData::Offered | EarlyData::NotOffered => None,
        }
    }

    /// The transport parameters, and what tickets remember of them: what does not fit one is not remembered, and so brings no early data.
    fn own_parameters(&self, own: Option<OwnParameters>) -> (Option<Bytes>, Bytes) {
        let room = limits::SESSION_DATA.saturating_sub(self.config.early_settings().len());
        match own {
            Some(own) if own.remember.len() > room => (Some(own.encoded), Bytes::new()),
            Some(own) => (Some(own.encoded), own.remember),
            None => (None, Bytes::new()),
        }
    }

    /// ServerHello to EncryptedExtensions, and on to what shows who this server is (rfc9846#4-1, rfc9846#4.5.1-1).
    fn respond(
        mut self,
        own: Option<OwnParameters>,
        early: EarlyData,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let early_secret = self.early_secret(early, cx);
        let (parameters, remember) = self.own_parameters(own);
        let Choice {
            suite,
            group,
            auth,
            protocol,
            types,
            refused: _,
        } = self.choice;
        // rfc9846#4.2.3-3, rfc9846#4.2.3-4
        let mut own_random = [0; 32];
        random::fill(&mut own_random)?;
        let hello = encode_server_hello(
            &own_random,
            &self.session_id,
            suite.code(),
            group,
            &self.reply,
            self.psk.as_ref().map(|psk| psk.place),
        )?;
        self.transcript.add(&hello);
        cx.outputs.send(Level::Initial, hello);
        // rfc9846#E.4-1: once, behind the first message.
        if !self.session_id.is_empty() && !self.retried {
            cx.outputs.push(Output::ChangeCipherSpec);
        }
        let mut summary = Summary::new(suite, group, self.retried);
        summary.early_data = early;
        summary.protocol = protocol;
        summary.server_name = self.server_name;
        summary.psk = auth.summary();
        let (secret, proof) = match self.psk {
            Some(psk) => {
                let (secret, _) = psk.secret.handshake(suite, &self.shared)?;
                (secret, Some(PeerProof::of_binder(psk.binder)))
            }
            None => (HandshakeSecret::without_psk(suite, &self.shared)?, None),
        };
        let traffic = handshake_keys(&secret, &mut self.transcript, self.log.as_ref())?;
        let (client_finished, server_finished) =
            (traffic.client.finished()?, traffic.server.finished()?);
        let most = self.config.most_early_data();
        let held = open_handshake(early_secret.map(|secret| (secret, most)), traffic, cx);

        let own_limit = shape_records(&self.config, self.record_size_limit, cx);
        // rfc9846#4.4.1-1
        let mut flight = Writer::with_room(FLIGHT);
        let answers = ServerAnswers {
            // RFC 6066 section 3: not by a server that resumes.
            acknowledge_name: summary.server_name.is_some() && !summary.resumed(),
            protocol: summary.protocol.as_deref(),
            transport_parameters: parameters.as_ref(),
            record_size_limit: own_limit,
            types,
            expected_tickets: self.tickets.announced.then_some(self.tickets.count),
            early_data: early == EarlyData::Accepted,
        };
        encrypted_extensions::encode(&mut flight, &answers);
        let (shown, until) = match auth {
            Auth::Certificate(shown) => (Some(shown), None),
            Auth::Psk(candidate) => {
                candidate.key.note_peer(&mut summary);
                (None, candidate.key.until())
            }
        };
        let base = Unfinished {
            request: shown.as_ref().and_then(|shown| shown.request),
            until,
            config: self.config,
            log: self.log,
            secret,
            client_finished,
            server_finished,
            transcript: self.transcript,
            summary,
            tickets: self.tickets,
            proof,
            remember,
            held,
        };
        match shown {
            Some(shown) => base.show(flight, &shown, (self.wants_ocsp, self.compression), cx),
            // rfc9846#4.4.2-6, rfc9846#4.4.2-7, rfc9846#F.1-1: the key stands for both certificates.
            None => base.finish(flight, 0, cx),
        }
    }
}

/// Hands out the keys that follow the ServerHello, for early data too where it is accepted; the flight goes on at once
/// (rfc9846#4.3.11.3-1). Over records the client's own keys wait for the end of its early data (RFC 9846 section 4.6), and are returned.
fn open_handshake(
    early: Option<(TrafficSecret, u32)>,
    traffic: Traffic,
    cx: &mut Context<'_>,
) -> Option<TrafficSecret> {
    let waits = early.is_some() && cx.rules.has_end_of_early_data();
    if let Some((secret, most)) = early {
        let accepted = Some(cx.rules.early_data_limit(most));
        cx.outputs.push(Output::EarlyData { accepted });
        cx.outputs.keys(Level::EarlyData, Direction::Read, secret);
    }
    cx.outputs
        .keys(Level::Handshake, Direction::Write, traffic.server);
    if waits {
        return Some(traffic.client);
    }
    cx.outputs
        .keys(Level::Handshake, Direction::Read, traffic.client);
    None
}

/// Shapes records, and returns the limit to tell the client, where it told its own.
fn shape_records(config: &ServerConfig, limit: Option<u16>, cx: &mut Context<'_>) -> Option<u16> {
    let records = config.records;
    let negotiated = limit
        .filter(|_| cx.rules.has_records())
        .map(|limit| RecordShape::negotiated(limit, records.limit, records.block));
    cx.shape_records(negotiated.unwrap_or(RecordShape::new(records.block)));
    negotiated.map(|shape| shape.receive)
}

impl AskingSignature {
    pub(super) fn on_signature(
        self: Box<Self>,
        signature: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let signature = signature.ok_or(Local::Refused)?;
        self.base
            .sign(Writer::default(), self.scheme, &signature, cx)
    }
}

impl Unfinished {
    /// CertificateRequest and Certificate, behind what stands in `flight` already, and on to the signature.
    fn show(
        mut self,
        mut flight: Writer,
        shown: &Shown,
        (staple, algorithm): (bool, Option<Algorithm>),
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Shown {
            credential, scheme, ..
        } = shown;
        let scheme = *scheme;
        // rfc9846#4.4.2-1, rfc7250#4.2-3
        if self.request.is_some() {
            encode_request(
                &mut flight,
                &self.config.schemes,
                &self.config.authorities,
                self.config.compression,
            );
        }
        // rfc9846#4.5.1-6
        credential.show(&mut flight, staple, algorithm);
        self.transcript.add(flight.since(0));
        let content = server_content(self.transcript.digest().as_ref());
        match credential.signer().sign(scheme, &content) {
            Signature::Now(signature) => self.sign(flight, scheme, &signature?, cx),
            Signature::Later => {
                cx.outputs.send(Level::Handshake, flight.finish()?);
                cx.outputs.ask(Topic::Sign {
                    scheme,
                    message: content,
                })?;
                let base = self;
                Ok(State::AskingSignature(Box::new(AskingSignature {
                    base,
                    scheme,
                })))
            }
        }
    }

    /// CertificateVerify, behind what stands in `flight` and is in the transcript already (rfc9846#4.5.2-1, rfc9846#4.5.2-3).
    fn sign(
        mut self,
        mut flight: Writer,
        scheme: SignatureScheme,
        signature: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.summary.signature_scheme = Some(scheme);
        let last = flight.len();
        encode_verify(&mut flight, scheme, signature);
        self.finish(flight, last, cx)
    }

    /// Finished, behind what stands in `flight`, whose messages from `last` on are not in the transcript yet.
    fn finish(
        mut self,
        mut flight: Writer,
        last: usize,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.transcript.add(flight.since(last));
        let mac = self
            .server_finished
            .mac(self.transcript.digest().as_ref())?;
        let finished = flight.len();
        flight.message(MessageKind::Finished, |w| w.bytes(mac.expose()));
        self.transcript.add(flight.since(finished));
        cx.outputs.send(Level::Handshake, flight.finish()?);

        let ApplicationKeys {
            traffic,
            main,
            exporter,
        } = application_keys(self.secret, &mut self.transcript, self.log.as_ref())?;
        cx.outputs
            .keys(Level::Application, Direction::Write, traffic.server);
        let pending = Pending {
            config: self.config,
            transcript: self.transcript,
            summary: self.summary,
            client_finished: self.client_finished,
            client_traffic: traffic.client,
            main,
            exporter,
            tickets: self.tickets,
            until: self.until,
            remember: self.remember,
        };
        let proof = match (self.proof, self.request, &pending.config.client_auth) {
            (Some(proof), _, _) => proof,
            (None, Some(kind), _) => {
                return Ok(State::WaitCertificate(Box::new(WaitCertificate {
                    pending,
                    kind,
                })));
            }
            (None, None, ClientAuth::None | ClientAuth::Optional(_)) => PeerProof::not_required(),
            (None, None, ClientAuth::Required(_)) => {
                return Err(Fault::NoCommonCertificateType.into());
            }
        };
        let base = WaitFinished { pending, proof };
        Ok(match self.held {
            Some(held) => State::WaitEndOfEarlyData(Box::new(WaitEndOfEarlyData { base, held })),
            None => State::WaitFinished(Box::new(base)),
        })
    }
}

impl WaitEndOfEarlyData {
    pub(super) fn on_end(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { mut base, held } = *self;
        Reader::new(message.body, MessageKind::EndOfEarlyData).finish()?;
        base.pending.transcript.add(message.whole);
        cx.outputs.keys(Level::Handshake, Direction::Read, held);
        Ok(State::WaitFinished(Box::new(base)))
    }
}

impl WaitFinished {
    /// See [`State::sends_early`].
    pub(super) fn sends_early(&self) -> bool {
        let certified = matches!(self.pending.config.client_auth, ClientAuth::Required(_));
        self.pending.summary.early_data == EarlyData::Accepted && !certified
    }

    pub(super) fn on_finished(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { pending, proof } = *self;
        let mut transcript = pending.transcript;
        pending
            .client_finished
            .check(transcript.digest().as_ref(), message.body)?;
        cx.outputs
            .keys(Level::Application, Direction::Read, pending.client_traffic);
        let summary = Arc::new(pending.summary);
        let TicketsDue { count, allowed, .. } = pending.tickets;
        let tickets = match allowed {
            true => Tickets::Issue(Box::new(Issuer {
                config: pending.config,
                summary: summary.clone(),
                secret: {
                    transcript.add(message.whole);
                    pending.main.resumption(transcript.digest().as_ref())?
                },
                until: pending
                    .until
                    .unwrap_or_else(|| line_end(None, cx.now))
                    .as_secs(),
                issued: 0,
                carrier: pending.remember.as_ref().into(),
            })),
            false => Tickets::None,
        };
        let suite = summary.suite;
        cx.outputs.push(Output::Complete(summary));
        let mut connected = Connected::new(proof, suite, pending.exporter, tickets);
        connected.issue(count, cx)?;
        Ok(State::Connected(connected))
    }
}
