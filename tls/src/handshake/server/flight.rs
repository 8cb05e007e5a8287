//! A server's flight, and the client's Finished: RECVD_CH to CONNECTED.

use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::{Secret, SharedSecret, random};

use super::State;
use super::client_auth::WaitCertificate;
use super::negotiate::Choice;
use crate::auth::{PeerProof, Signature};
use crate::config::{ClientAuth, ServerConfig};
use crate::error::{Error, Fault, Local};
use crate::handshake::Context;
use crate::handshake::client::{application_keys, handshake_keys};
use crate::handshake::connected::Connected;
use crate::handshake::joiner::Message;
use crate::handshake::output::{Direction, Level, Output, Summary, Topic};
use crate::handshake::verify_input::server_content;
use crate::keylog::ConnectionLog;
use crate::record::shape::RecordShape;
use crate::schedule::TrafficSecret;
use crate::schedule::secrets::{FinishedKey, HandshakeSecret};
use crate::schedule::transcript::Transcript;
use crate::wire::MessageKind;
use crate::wire::certificate::{encode_certificate, encode_request, encode_verify};
use crate::wire::encrypted_extensions;
use crate::wire::registry::CertificateType;
use crate::wire::server_hello::encode_server_hello;
use crate::wire::writer::Writer;

/// A hello that is accepted, with the key exchange done.
pub(super) struct Accepted {
    pub(super) config: Arc<ServerConfig>,
    pub(super) choice: Choice,
    pub(super) session_id: Vec<u8>,
    pub(super) server_name: Option<Box<str>>,
    pub(super) wants_ocsp: bool,
    pub(super) record_size_limit: Option<u16>,
    pub(super) log: Option<ConnectionLog>,
    pub(super) reply: Vec<u8>,
    pub(super) shared: SharedSecret,
    pub(super) transcript: Transcript,
    pub(super) retried: bool,
}

/// A server that waits for its transport parameters.
pub(crate) struct AskingParameters(pub(super) Accepted);

/// A server that waits for its signature.
pub(crate) struct AskingSignature(Unsigned);

/// Everything up to CertificateVerify.
struct Unsigned {
    config: Arc<ServerConfig>,
    log: Option<ConnectionLog>,
    secret: HandshakeSecret,
    client_finished: FinishedKey,
    server_finished: FinishedKey,
    transcript: Transcript,
    summary: Summary,
    request: Option<CertificateType>,
}

/// What waits for the client's Finished.
pub(super) struct Pending {
    pub(super) transcript: Transcript,
    pub(super) summary: Summary,
    client_finished: FinishedKey,
    client_traffic: TrafficSecret,
    exporter: Secret,
}

/// WAIT_FINISHED.
pub(crate) struct WaitFinished {
    pub(super) pending: Pending,
    pub(super) proof: PeerProof,
}

impl AskingParameters {
    pub(super) fn on_parameters(
        self: Box<Self>,
        own: Bytes,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.0.respond(Some(own), cx)
    }
}

impl Accepted {
    /// ServerHello to Certificate, and on to the signature (rfc9846#4-1, rfc9846#4.5.1-1).
    pub(super) fn respond(
        mut self,
        parameters: Option<Bytes>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Choice {
            suite,
            group,
            scheme,
            protocol,
            credential,
            request,
            types,
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
        )?;
        self.transcript.add(&hello);
        cx.outputs.send(Level::Initial, hello);
        // rfc9846#E.4-1: once, behind the first message.
        if !self.session_id.is_empty() && !self.retried {
            cx.outputs.push(Output::ChangeCipherSpec);
        }
        let (secret, traffic) =
            handshake_keys(suite, &self.shared, &self.transcript, self.log.as_ref())?;
        let (client_finished, server_finished) =
            (traffic.client.finished()?, traffic.server.finished()?);
        cx.outputs
            .keys(Level::Handshake, Direction::Write, traffic.server);
        cx.outputs
            .keys(Level::Handshake, Direction::Read, traffic.client);

        let records = self.config.records;
        let mut shape = RecordShape::new(records.block);
        let mut own_limit = None;
        if let Some(limit) = self.record_size_limit.filter(|_| cx.rules.has_records()) {
            shape = RecordShape::negotiated(limit, records.limit, records.block);
            own_limit = Some(shape.receive);
        }
        cx.shape_records(shape);
        // rfc9846#4.4.1-1
        let mut flight = Writer::default();
        encrypted_extensions::encode(
            &mut flight,
            self.server_name.is_some(),
            protocol.as_deref(),
            parameters.as_ref(),
            own_limit,
            types,
        );
        // rfc9846#4.4.2-1, rfc7250#4.2-3
        if request.is_some() {
            encode_request(&mut flight, &self.config.schemes, &self.config.authorities);
        }
        // rfc9846#4.5.1-6
        let staple = credential.ocsp().filter(|_| self.wants_ocsp);
        encode_certificate(&mut flight, credential.entries(), staple);
        let flight = flight.finish()?;
        self.transcript.add(&flight);

        let content = server_content(self.transcript.digest().as_ref());
        let unsigned = Unsigned {
            config: self.config,
            log: self.log,
            secret,
            client_finished,
            server_finished,
            transcript: self.transcript,
            summary: Summary {
                suite,
                group,
                retried: self.retried,
                protocol,
                server_name: self.server_name,
                signature_scheme: scheme,
                client_signature_scheme: None,
                ocsp_response: None,
                peer_chain: None,
                peer_raw_key: None,
                peer_key: None,
            },
            request,
        };
        match credential.signer().sign(scheme, &content) {
            Signature::Now(signature) => unsigned.finish(flight, &signature?, cx),
            Signature::Later => {
                cx.outputs.send(Level::Handshake, flight);
                cx.outputs.ask(Topic::Sign {
                    scheme,
                    message: content,
                })?;
                Ok(State::AskingSignature(Box::new(AskingSignature(unsigned))))
            }
        }
    }
}

impl AskingSignature {
    pub(super) fn on_signature(
        self: Box<Self>,
        signature: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let signature = signature.ok_or(Local::Refused)?;
        self.0.finish(Vec::new(), &signature, cx)
    }
}

impl Unsigned {
    /// CertificateVerify and Finished, behind what stands in `flight` already and is in the transcript (rfc9846#4.5.2-1,
    /// rfc9846#4.5.2-3).
    fn finish(
        mut self,
        mut flight: Vec<u8>,
        signature: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let mut verify = Writer::default();
        encode_verify(&mut verify, self.summary.signature_scheme, signature);
        let verify = verify.finish()?;
        self.transcript.add(&verify);
        let mac = self
            .server_finished
            .mac(self.transcript.digest().as_ref())?;
        let mut finished = Writer::default();
        finished.message(MessageKind::Finished, |w| w.bytes(mac.expose()));
        let finished = finished.finish()?;
        self.transcript.add(&finished);
        flight.extend_from_slice(&verify);
        flight.extend_from_slice(&finished);
        cx.outputs.send(Level::Handshake, flight);

        let (traffic, exporter) =
            application_keys(self.secret, &self.transcript, self.log.as_ref())?;
        cx.outputs
            .keys(Level::Application, Direction::Write, traffic.server);
        let pending = Pending {
            transcript: self.transcript,
            summary: self.summary,
            client_finished: self.client_finished,
            client_traffic: traffic.client,
            exporter,
        };
        Ok(match (self.request, &self.config.client_auth) {
            (Some(kind), _) => {
                let config = self.config;
                State::WaitCertificate(Box::new(WaitCertificate {
                    config,
                    pending,
                    kind,
                }))
            }
            (None, ClientAuth::None | ClientAuth::Optional(_)) => {
                let proof = PeerProof::not_required();
                State::WaitFinished(Box::new(WaitFinished { pending, proof }))
            }
            (None, ClientAuth::Required(_)) => return Err(Fault::NoCommonCertificateType.into()),
        })
    }
}

impl WaitFinished {
    pub(super) fn on_finished(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { pending, proof } = *self;
        let digest = pending.transcript.digest();
        pending
            .client_finished
            .check(digest.as_ref(), message.body)?;
        cx.outputs
            .keys(Level::Application, Direction::Read, pending.client_traffic);
        let suite = pending.summary.suite;
        cx.outputs.push(Output::Complete(pending.summary));
        Ok(State::Connected(Connected::new(
            proof,
            suite,
            pending.exporter,
        )))
    }
}
