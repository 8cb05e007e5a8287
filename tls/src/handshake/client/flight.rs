//! A client reads the server's protected flight and answers it: WAIT_EE to CONNECTED.

use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::SignatureScheme;
use pith_pq::Group;
use pki_types::{CertificateDer, ServerName};

use super::State;
use crate::auth::{
    CertificateError, PeerChain, PeerProof, Verdict, schemes, verify_chain, verify_signature,
};
use crate::config::ClientConfig;
use crate::error::{Error, Fault};
use crate::handshake::Context;
use crate::handshake::connected::Connected;
use crate::handshake::joiner::Message;
use crate::handshake::output::{Direction, Level, Output, Summary, Topic};
use crate::handshake::verify_input::server_content;
use crate::schedule::secrets::{FinishedKey, HandshakeSecret};
use crate::schedule::transcript::Transcript;
use crate::suite::CipherSuite;
use crate::wire::certificate::{
    CertificateVerify, decode_certificate, decode_request, encode_certificate,
};
use crate::wire::encrypted_extensions::EncryptedExtensions;
use crate::wire::writer::Writer;
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
}

/// WAIT_CERT_CR and WAIT_CERT.
pub(crate) struct WaitCertificate {
    base: WaitEncryptedExtensions,
    protocol: Option<Box<[u8]>>,
    /// The server wants a certificate of this client.
    requested: bool,
}

/// Between WAIT_CERT and WAIT_CV: a verdict of the application is pending.
pub(crate) struct AskingVerdict(WaitCertificateVerify);

/// WAIT_CV: the chain is accepted, if the server holds its key.
pub(crate) struct WaitCertificateVerify {
    base: WaitCertificate,
    chain: Vec<CertificateDer<'static>>,
}

/// WAIT_FINISHED: the server is who it has to be, if the handshake was not altered.
pub(crate) struct WaitFinished {
    base: WaitCertificate,
    chain: Vec<CertificateDer<'static>>,
    scheme: SignatureScheme,
    proof: PeerProof,
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
        self.transcript.add(message.whole);
        let protocol = found.protocol.map(Box::from);
        Ok(State::WaitCertificateOrRequest(Box::new(WaitCertificate {
            base: *self,
            protocol,
            requested: false,
        })))
    }
}

impl WaitCertificate {
    pub(super) fn on_request(mut self: Box<Self>, message: Message<'_>) -> Result<State, Error> {
        decode_request(message.body)?;
        self.base.transcript.add(message.whole);
        self.requested = true;
        Ok(State::WaitCertificate(self))
    }

    pub(super) fn on_certificate(
        mut self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let chain = decode_certificate(message.body, &self.base.offered)?;
        // rfc9846#4.5.1.3-1
        if chain.is_empty() {
            return Err(Fault::EmptyCertificate.into());
        }
        self.base.transcript.add(message.whole);
        let (config, name) = (&self.base.config, &self.base.name);
        verify_chain(&config.trust, &chain, name, cx.now)?;
        let peer = PeerChain {
            certificates: &chain,
            name,
            now: cx.now,
        };
        let verdict = match &config.verifier {
            Some(verifier) => verifier.verify(&peer),
            None => Verdict::Now(Ok(())),
        };
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::into_owned).collect();
        match verdict {
            Verdict::Now(verdict) => {
                verdict?;
                Ok(State::WaitCertificateVerify(Box::new(
                    WaitCertificateVerify { base: *self, chain },
                )))
            }
            Verdict::Later => {
                cx.outputs.ask(Topic::VerifyChain {
                    chain: chain.clone(),
                    name: name.clone(),
                })?;
                Ok(State::AskingVerdict(Box::new(AskingVerdict(
                    WaitCertificateVerify { base: *self, chain },
                ))))
            }
        }
    }
}

impl AskingVerdict {
    pub(super) fn on_verdict(
        self: Box<Self>,
        verdict: Result<(), CertificateError>,
    ) -> Result<State, Error> {
        verdict?;
        Ok(State::WaitCertificateVerify(Box::new(self.0)))
    }
}

impl WaitCertificateVerify {
    pub(super) fn on_verify(self: Box<Self>, message: Message<'_>) -> Result<State, Error> {
        let Self { mut base, chain } = *self;
        let verify = CertificateVerify::decode(message.body)?;
        // rfc9846#4.5.2-4, rfc9846#4.5.2-7: schemes for chains alone are offered, but not for this.
        if !schemes().any(|scheme| scheme == verify.scheme) {
            return Err(Fault::CertificateVerifyScheme.into());
        }
        let leaf = chain.first().ok_or(Fault::EmptyCertificate)?;
        let content = server_content(base.base.transcript.digest().as_ref());
        let proof = verify_signature(leaf, verify.scheme, &content, verify.signature)?;
        base.base.transcript.add(message.whole);
        Ok(State::WaitFinished(Box::new(WaitFinished {
            base,
            chain,
            scheme: verify.scheme,
            proof,
        })))
    }
}

impl WaitFinished {
    pub(super) fn on_finished(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self {
            base:
                WaitCertificate {
                    base,
                    protocol,
                    requested,
                },
            chain,
            scheme,
            proof,
        } = *self;
        let WaitEncryptedExtensions {
            mut transcript,
            suite,
            ..
        } = base;
        base.server_finished
            .check(transcript.digest().as_ref(), message.body)?;
        transcript.add(message.whole);
        let digest = transcript.digest();
        let main = base.secret.main()?;
        let traffic = main.traffic(digest.as_ref())?;
        let exporter = main.exporter(digest.as_ref())?;

        let mut flight = Writer::default();
        if requested {
            // rfc9846#4.5.1-3: no suitable certificate.
            let mut certificate = Writer::default();
            encode_certificate(&mut certificate, &[]);
            let certificate = certificate.finish()?;
            transcript.add(&certificate);
            flight.bytes(&certificate);
        }
        let mac = base.client_finished.mac(transcript.digest().as_ref())?;
        flight.message(MessageKind::Finished, |w| w.bytes(mac.expose()));
        cx.outputs.send(Level::Handshake, flight.finish()?);
        cx.outputs
            .keys(Level::Application, Direction::Write, traffic.client);
        cx.outputs
            .keys(Level::Application, Direction::Read, traffic.server);
        cx.outputs.push(Output::Complete(Summary {
            suite,
            group: base.group,
            retried: base.retried,
            protocol,
            server_name: match &base.name {
                ServerName::DnsName(name) => Some(name.as_ref().into()),
                _ => None,
            },
            signature_scheme: scheme,
            peer_chain: base.config.keep_peer_chain.then_some(chain),
        }));
        Ok(State::Connected(Connected::new(proof, suite, exporter)))
    }
}
