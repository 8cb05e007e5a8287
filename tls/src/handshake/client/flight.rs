//! A client reads the server's protected flight and answers it: WAIT_EE to CONNECTED.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::{Secret, SignatureScheme};
use pith_pq::Group;
use pki_types::ServerName;

use super::State;
use super::psk::InUse;
use crate::auth::compress::{self, Algorithm};
use crate::auth::{CertificateError, Credential, Known, PeerProof, Presented, Signature, Wanted};
use crate::config::ClientConfig;
use crate::error::{Error, Fault, Local};
use crate::handshake::Context;
use crate::handshake::client::{ApplicationKeys, application_keys};
use crate::handshake::connected::Connected;
use crate::handshake::joiner::Message;
use crate::handshake::output::{Direction, EarlyData, Level, Output, Summary, Topic};
use crate::handshake::peer::{Judge, Verified, accepted, check_verify, judge};
use crate::handshake::tickets::{Taker, Tickets};
use crate::handshake::verify_input::{client_content, server_content};
use crate::keylog::ConnectionLog;
use crate::record::shape::RecordShape;
use crate::resume::state::line_end;
use crate::schedule::TrafficSecret;
use crate::schedule::secrets::{FinishedKey, HandshakeSecret, MainSecret, Traffic};
use crate::schedule::transcript::Transcript;
use crate::suite::CipherSuite;
use crate::wire::certificate::{
    Certificate, CertificateRequest, encode_certificate, encode_verify,
};
use crate::wire::encrypted_extensions::{EncryptedExtensions, NegotiatedTypes};
use crate::wire::registry::CertificateType;
use crate::wire::writer::{FINISHED, FLIGHT, Writer};
use crate::wire::{ExtensionType, MessageKind};

/// WAIT_EE.
pub(crate) struct WaitEncryptedExtensions {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) offered: Vec<ExtensionType>,
    pub(super) suite: CipherSuite,
    pub(super) group: Group,
    pub(super) retried: bool,
    pub(super) transcript: Transcript,
    pub(super) secret: HandshakeSecret,
    pub(super) client_finished: FinishedKey,
    pub(super) server_finished: FinishedKey,
    /// The pre-shared key that the server selected, which stands for its certificate.
    pub(super) psk: Option<InUse>,
    pub(super) log: Option<ConnectionLog>,
    /// The early data that was offered.
    pub(super) early: Option<Early>,
}

/// Early data that this client offered.
pub(super) struct Early {
    pub(super) suite: CipherSuite,
    pub(super) protocol: Option<Box<[u8]>>,
    /// How many bytes its ticket allows.
    pub(super) most: u32,
    /// Whether the server selected its key.
    pub(super) first: bool,
    /// Whether it may still be accepted: no HelloRetryRequest came.
    pub(super) open: bool,
    /// What this client's Handshake keys come from, where they wait for the end of early data.
    pub(super) held: Option<TrafficSecret>,
}

impl Early {
    /// Takes the server's decision, which must fit what it chose besides (rfc9846#4.3.10-12).
    fn decide(
        &mut self,
        accepted: bool,
        suite: CipherSuite,
        protocol: Option<&[u8]>,
        cx: &mut Context<'_>,
    ) -> Result<EarlyData, Error> {
        if accepted {
            // rfc9846#4.3.11-8, rfc9846#4.3.11-9
            if !self.first || self.suite != suite {
                return Err(Fault::EarlyDataKey.into());
            }
            if self.protocol.as_deref() != protocol {
                return Err(Fault::EarlyDataProtocol.into());
            }
            let accepted = Some(self.most);
            cx.outputs.push(Output::EarlyData { accepted });
            return Ok(EarlyData::Accepted);
        }
        // After a HelloRetryRequest that is known already.
        if self.open {
            cx.outputs.push(Output::EarlyData { accepted: None });
        }
        // rfc9846#4.6-2
        if let Some(held) = self.held.take() {
            cx.outputs.keys(Level::Handshake, Direction::Write, held);
        }
        Ok(EarlyData::Rejected)
    }
}

/// WAIT_CERT_CR and WAIT_CERT.
pub(crate) struct WaitCertificate {
    base: WaitEncryptedExtensions,
    protocol: Option<Box<[u8]>>,
    types: NegotiatedTypes,
    early_data: EarlyData,
    own: Own,
}

/// What the server wants of this client, and gets.
enum Own {
    NotRequested,
    /// rfc9846#4.5.1-3: no suitable certificate.
    Nothing,
    Credential(Credential, SignatureScheme, Option<Algorithm>),
}

/// Between WAIT_CERT and WAIT_CV: a verdict of the application is pending.
pub(crate) struct AskingVerdict(WaitCertificateVerify);

/// WAIT_CV: the chain is accepted, if the server holds its key.
pub(crate) struct WaitCertificateVerify {
    base: WaitCertificate,
    peer: Presented<'static>,
    known: Known,
    ocsp: Option<Vec<u8>>,
}

/// WAIT_FINISHED: the server is who it has to be, if the handshake was not altered.
pub(crate) struct WaitFinished {
    base: WaitCertificate,
    shown: Shown,
}

/// By what the server shows who it is.
enum Shown {
    Certificate {
        peer: Presented<'static>,
        known: Known,
        ocsp: Option<Vec<u8>>,
        verified: Verified,
    },
    /// rfc9846#4.5.1-1: no certificate. The Finished will prove it.
    Psk(InUse),
}

/// The server is done, and this client's signature is pending.
pub(crate) struct AskingSignature(Closing);

/// All that the client's Finished needs.
struct Closing {
    transcript: Transcript,
    client_finished: FinishedKey,
    traffic: Traffic,
    main: MainSecret,
    exporter: Secret,
    summary: Summary,
    proof: PeerProof,
    /// For the tickets to come.
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// When the line of sessions ends.
    until: Duration,
    /// What this client's Handshake keys come from, where early data was accepted and is to end now.
    held: Option<TrafficSecret>,
}

impl WaitEncryptedExtensions {
    pub(super) fn on_extensions(
        mut self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let found = EncryptedExtensions::decode(message.body, &self.offered)?;
        if found
            .protocol
            .is_some_and(|name| !self.config.protocols.iter().any(|own| own == name))
        {
            return Err(Fault::ProtocolNotOffered.into());
        }
        if cx.rules.needs_protocol() && found.protocol.is_none() {
            return Err(Fault::NoCommonProtocol.into());
        }
        if cx.rules.has_transport_parameters() {
            let missing = Fault::MissingExtension {
                extension: ExtensionType::QUIC_TRANSPORT_PARAMETERS,
                message: MessageKind::EncryptedExtensions,
            };
            let parameters = found.transport_parameters.ok_or(missing)?;
            cx.outputs
                .push(Output::PeerTransportParameters(Bytes::copy_from_slice(
                    parameters,
                )));
        }
        self.config.check_types(found.types)?;
        if let Some(limit) = found.record_size_limit {
            let records = self.config.records;
            cx.shape_records(RecordShape::negotiated(limit, records.limit, records.block));
        }
        let early_data = match &mut self.early {
            Some(early) => early.decide(found.early_data, self.suite, found.protocol, cx)?,
            None => EarlyData::NotOffered,
        };
        self.transcript.add(message.whole);
        let protocol = found.protocol.map(Box::from);
        let psk = self.psk.take();
        let base = WaitCertificate {
            base: *self,
            protocol,
            types: found.types,
            early_data,
            own: Own::NotRequested,
        };
        Ok(match psk {
            // rfc9846#F.1-1: neither a certificate nor a request for one follows.
            Some(psk) => State::WaitFinished(Box::new(WaitFinished {
                base,
                shown: Shown::Psk(psk),
            })),
            None => State::WaitCertificateOrRequest(Box::new(base)),
        })
    }
}

impl WaitCertificate {
    pub(super) fn on_request(mut self: Box<Self>, message: Message<'_>) -> Result<State, Error> {
        let request = CertificateRequest::decode(message.body)?;
        let wanted = Wanted {
            kinds: &[self.types.client.unwrap_or(CertificateType::X509)],
            name: None,
            schemes: request.schemes,
            chain_schemes: request.chain_schemes,
            policy: self.base.config.policy,
            authorities: request.authorities,
        };
        self.own = match Credential::choose(&self.base.config.credentials, &wanted) {
            Some((credential, scheme)) => {
                let own = self.base.config.compression;
                let algorithm = Algorithm::choose(own, request.compression);
                Own::Credential(credential.clone(), scheme, algorithm)
            }
            None => Own::Nothing,
        };
        self.base.transcript.add(message.whole);
        Ok(State::WaitCertificate(self))
    }

    /// Whether this client offered to take compressed certificates.
    pub(super) fn takes_compressed(&self) -> bool {
        !self.base.config.compression.is_empty()
    }

    pub(super) fn on_compressed(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let expanded = compress::expand(message.body)?;
        let body = &expanded;
        self.on_certificate(Message { body, ..message }, cx)
    }

    pub(super) fn on_certificate(
        mut self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Certificate { chain, ocsp } = Certificate::decode(message.body, &self.base.offered)?;
        // rfc9846#4.5.1.2-1
        let kind = self.types.server.unwrap_or(CertificateType::X509);
        if !self.base.config.takes_of_server(kind) {
            return Err(Fault::NoCommonCertificateType.into());
        }
        let presented = Presented::new(kind, chain)?;
        // rfc9846#4.5.1.3-1
        if presented.is_empty() {
            return Err(Fault::EmptyCertificate.into());
        }
        self.base.transcript.add(message.whole);
        let (config, name) = (&self.base.config, &self.base.name);
        let by = Judge {
            trust: &config.trust,
            policy: config.policy,
            chains: config.known_chains.as_ref(),
            verifier: config.verifier.as_ref(),
        };
        let judged = judge(&by, presented, ocsp, Some(name), cx)?;
        let ocsp = ocsp.map(<[u8]>::to_vec);
        let next = WaitCertificateVerify {
            base: *self,
            peer: judged.peer,
            known: judged.known,
            ocsp,
        };
        Ok(match judged.pending {
            true => State::AskingVerdict(Box::new(AskingVerdict(next))),
            false => State::WaitCertificateVerify(Box::new(next)),
        })
    }
}

impl AskingVerdict {
    pub(super) fn on_verdict(
        self: Box<Self>,
        verdict: Result<Known, CertificateError>,
    ) -> Result<State, Error> {
        let mut next = self.0;
        next.known = accepted(verdict)?;
        Ok(State::WaitCertificateVerify(Box::new(next)))
    }
}

impl WaitCertificateVerify {
    pub(super) fn on_verify(mut self: Box<Self>, message: Message<'_>) -> Result<State, Error> {
        let WaitEncryptedExtensions {
            config, transcript, ..
        } = &mut self.base.base;
        let content = server_content(transcript.digest().as_ref());
        let verified = check_verify(config.policy, &self.peer, message.body, &content)?;
        transcript.add(message.whole);
        let Self {
            base,
            peer,
            known,
            ocsp,
        } = *self;
        let shown = Shown::Certificate {
            peer,
            known,
            ocsp,
            verified,
        };
        Ok(State::WaitFinished(Box::new(WaitFinished { base, shown })))
    }
}

impl WaitFinished {
    pub(super) fn on_finished(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { base, shown } = *self;
        let WaitCertificate {
            base,
            protocol,
            own,
            types: _,
            early_data,
        } = base;
        let WaitEncryptedExtensions {
            mut transcript,
            suite,
            ..
        } = base;
        let verified = base
            .server_finished
            .check(transcript.digest().as_ref(), message.body)?;
        transcript.add(message.whole);
        let ApplicationKeys {
            traffic,
            main,
            exporter,
        } = application_keys(base.secret, &mut transcript, base.log.as_ref())?;
        let mut summary = Summary::new(suite, base.group, base.retried);
        summary.early_data = early_data;
        summary.protocol = protocol;
        if let ServerName::DnsName(name) = &base.name {
            summary.server_name = Some(name.as_ref().into());
        }
        let (proof, until) = match shown {
            Shown::Certificate {
                peer,
                known,
                ocsp,
                verified: Verified { scheme, proof, key },
            } => {
                summary.signature_scheme = Some(scheme);
                summary.peer_key = key;
                summary.ocsp_response = ocsp;
                // Of a client that keeps no sessions, nobody asks.
                let until = match base.config.sessions {
                    Some(_) => line_end(Some((&base.config.trust, peer.chain())), cx.now),
                    None => cx.now.unix,
                };
                summary.note_peer(peer, known, base.config.keep_peer_chain);
                (proof, until)
            }
            Shown::Psk(InUse { key, proof }) => {
                summary.psk = Some(key.summary());
                key.note_peer(&mut summary);
                (PeerProof::of_finished(proof, verified), key.until())
            }
        };
        let client_finished = base.client_finished;
        let closing = Closing {
            transcript,
            client_finished,
            traffic,
            main,
            exporter,
            summary,
            proof,
            config: base.config,
            name: base.name,
            until,
            held: base.early.and_then(|early| early.held),
        };
        closing.authenticate(own, cx)
    }
}

impl AskingSignature {
    pub(super) fn on_signature(
        self: Box<Self>,
        signature: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.0
            .sign(Writer::default(), &signature.ok_or(Local::Refused)?, cx)
    }
}

impl Closing {
    /// Shows what the server asked for: nothing, no certificate, or one and a signature, in the one order (rfc9846#4-1).
    fn authenticate(mut self, own: Own, cx: &mut Context<'_>) -> Result<State, Error> {
        // rfc9846#4.6-1
        if let Some(held) = self.held.take() {
            let mut end = Writer::default();
            end.message(MessageKind::EndOfEarlyData, |_| {});
            let end = end.finish()?;
            self.transcript.add(&end);
            cx.outputs.send(Level::EarlyData, end);
            cx.outputs.keys(Level::Handshake, Direction::Write, held);
        }
        // rfc9846#E.4-1: before the second flight, and so in one write with it; with early data it went out long ago.
        let sent = self.summary.retried || self.summary.early_data != EarlyData::NotOffered;
        if cx.rules.has_compatibility_mode() && !sent {
            cx.outputs.push(Output::ChangeCipherSpec);
        }
        let mut flight = match &own {
            // rfc9846#4.5.1-2
            Own::NotRequested => return self.finish(Writer::with_room(FINISHED), cx),
            Own::Nothing | Own::Credential(..) => Writer::with_room(FLIGHT),
        };
        match &own {
            Own::Credential(credential, _, algorithm) => {
                credential.show(&mut flight, false, *algorithm);
            }
            Own::Nothing | Own::NotRequested => encode_certificate(&mut flight, &[], None),
        }
        self.transcript.add(flight.since(0));
        let Own::Credential(credential, scheme, _) = own else {
            return self.finish(flight, cx);
        };
        self.summary.client_signature_scheme = Some(scheme);
        let content = client_content(self.transcript.digest().as_ref());
        match credential.signer().sign(scheme, &content) {
            Signature::Now(signature) => self.sign(flight, &signature?, cx),
            Signature::Later => {
                cx.outputs.send(Level::Handshake, flight.finish()?);
                cx.outputs.ask(Topic::Sign {
                    scheme,
                    message: content,
                })?;
                Ok(State::AskingSignature(Box::new(AskingSignature(self))))
            }
        }
    }

    /// CertificateVerify and Finished, behind what stands in `flight` already (rfc9846#4.5.2-2).
    fn sign(
        mut self,
        mut flight: Writer,
        signature: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let missing = Local::Internal("a signature without its scheme");
        let scheme = self.summary.client_signature_scheme.ok_or(missing)?;
        let verify = flight.len();
        encode_verify(&mut flight, scheme, signature);
        self.transcript.add(flight.since(verify));
        self.finish(flight, cx)
    }

    /// Finished, whether certificates went before it or not (rfc9846#4.5.1-4); what ends early data went before them.
    fn finish(mut self, mut flight: Writer, cx: &mut Context<'_>) -> Result<State, Error> {
        let mac = self
            .client_finished
            .mac(self.transcript.digest().as_ref())?;
        let finished = flight.len();
        flight.message(MessageKind::Finished, |w| w.bytes(mac.expose()));
        self.transcript.add(flight.since(finished));
        cx.outputs.send(Level::Handshake, flight.finish()?);
        cx.outputs
            .keys(Level::Application, Direction::Write, self.traffic.client);
        cx.outputs
            .keys(Level::Application, Direction::Read, self.traffic.server);
        let summary = Arc::new(self.summary);
        let suite = summary.suite;
        let tickets = match self.config.sessions {
            Some(_) => Tickets::Take(Box::new(Taker {
                secret: self.main.resumption(self.transcript.digest().as_ref())?,
                config: self.config,
                address: match &self.name {
                    ServerName::DnsName(_) => None,
                    _ => Some(Box::new(self.name)),
                },
                summary: summary.clone(),
                until: self.until.as_secs(),
                remembered: None,
            })),
            None => Tickets::None,
        };
        cx.outputs.push(Output::Complete(summary));
        Ok(State::Connected(Connected::new(
            self.proof,
            suite,
            self.exporter,
            tickets,
        )))
    }
}
