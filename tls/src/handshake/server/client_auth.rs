//! A server that asked its client for a certificate: WAIT_CERT and WAIT_CV.

use super::State;
use super::flight::{Pending, WaitFinished};
use crate::auth::compress;
use crate::auth::{CertificateError, Known, PeerProof, Presented};
use crate::config::ClientAuth;
use crate::error::{Error, Fault, Local};
use crate::handshake::Context;
use crate::handshake::joiner::Message;
use crate::handshake::peer::{Judge, Verified, accepted, check_verify, judge};
use crate::handshake::verify_input::client_content;
use crate::resume::state::line_end;
use crate::wire::certificate::Certificate;
use crate::wire::registry::CertificateType;

/// WAIT_CERT.
pub(crate) struct WaitCertificate {
    pub(super) pending: Pending,
    /// What the client was asked for.
    pub(super) kind: CertificateType,
}

/// Between WAIT_CERT and WAIT_CV: a verdict of the application is pending.
pub(crate) struct AskingVerdict(WaitCertificateVerify);

/// WAIT_CV: the chain is accepted, if the client holds its key.
pub(crate) struct WaitCertificateVerify {
    pending: Pending,
    peer: Presented<'static>,
    known: Known,
}

impl WaitCertificate {
    /// Whether this server offered to take compressed certificates.
    pub(super) fn takes_compressed(&self) -> bool {
        !self.pending.config.compression.is_empty()
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
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self { mut pending, kind } = *self;
        let config = &pending.config;
        // rfc9846#4.5.1-7: this server's request holds nothing that an extension could answer.
        let chain = Certificate::decode(message.body, &[])?.chain;
        let presented = Presented::new(kind, chain)?;
        pending.transcript.add(message.whole);
        if presented.is_empty() {
            return match &config.client_auth {
                ClientAuth::Required(_) => Err(Fault::NoClientCertificate.into()),
                ClientAuth::Optional(_) | ClientAuth::None => {
                    let proof = PeerProof::not_required();
                    Ok(State::WaitFinished(Box::new(WaitFinished {
                        pending,
                        proof,
                    })))
                }
            };
        }
        let trust = config
            .client_auth
            .trust()
            .ok_or(Local::Internal("a chain without a request"))?;
        let by = Judge {
            trust,
            policy: config.policy,
            chains: config.known_chains.as_ref(),
            verifier: config.verifier.as_ref(),
        };
        // Clients are not asked for an OCSP response.
        let judged = judge(&by, presented, None, None, cx)?;
        let next = WaitCertificateVerify {
            pending,
            peer: judged.peer,
            known: judged.known,
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
    pub(super) fn on_verify(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self {
            mut pending,
            peer,
            known,
        } = *self;
        let config = &pending.config;
        let content = client_content(pending.transcript.digest().as_ref());
        let Verified { scheme, proof, key } =
            check_verify(config.policy, &peer, message.body, &content)?;
        pending.transcript.add(message.whole);
        pending.summary.client_signature_scheme = Some(scheme);
        pending.summary.peer_key = key;
        if pending.tickets.allowed {
            let trust = config.client_auth.trust();
            pending.until = Some(line_end(trust.map(|trust| (trust, peer.chain())), cx.now));
        }
        pending
            .summary
            .note_peer(peer, known, config.keep_peer_chain);
        Ok(State::WaitFinished(Box::new(WaitFinished {
            pending,
            proof,
        })))
    }
}
