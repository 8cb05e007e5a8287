//! The server's states, and the one table of their legal messages (RFC 9846 appendix A.2).

mod client_auth;
mod early;
mod flight;
mod hello;
mod negotiate;
mod psk;

pub(super) use hello::offered;

use std::sync::Arc;

use self::client_auth::{AskingVerdict, WaitCertificate, WaitCertificateVerify};
use self::flight::{
    AskingParameters, AskingReplay, AskingSignature, WaitEndOfEarlyData, WaitFinished,
};
use self::hello::{AskingConfig, AskingKeys, WaitClientHello, WaitSecondClientHello};
use super::Context;
use super::connected::Connected;
use super::joiner::Message;
use super::output::Reply;
use crate::config::ServerConfig;
use crate::error::{Error, Fault, Local};
use crate::wire::MessageKind as K;

/// Where a server stands.
pub(crate) enum State {
    /// START
    WaitClientHello(WaitClientHello),
    /// START, the choice of a configuration pending.
    AskingConfig(Box<AskingConfig>),
    /// START, the lookup of sessions or keys pending.
    AskingKeys(Box<AskingKeys>),
    /// START again, after a HelloRetryRequest.
    WaitSecondClientHello(Box<WaitSecondClientHello>),
    /// RECVD_CH, the transport parameters pending.
    AskingParameters(Box<AskingParameters>),
    /// NEGOTIATED, the answer on early data pending.
    AskingReplay(Box<AskingReplay>),
    /// NEGOTIATED, the signature pending.
    AskingSignature(Box<AskingSignature>),
    /// WAIT_CERT
    WaitCertificate(Box<WaitCertificate>),
    /// The verifier takes its time.
    AskingVerdict(Box<AskingVerdict>),
    /// WAIT_CV
    WaitCertificateVerify(Box<WaitCertificateVerify>),
    /// WAIT_EOED
    WaitEndOfEarlyData(Box<WaitEndOfEarlyData>),
    /// WAIT_FINISHED
    WaitFinished(Box<WaitFinished>),
    /// CONNECTED
    Connected(Connected),
}

impl State {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self::WaitClientHello(WaitClientHello::new(config))
    }

    /// Every legal pair of state and message. All others are `unexpected_message` (rfc9846#4-2): a late ClientHello
    /// (rfc9846#4.2.2-3), an early KeyUpdate (rfc9846#4.7.3-1).
    pub(super) fn step(self, message: Message<'_>, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, message.kind) {
            (Self::WaitClientHello(state), K::ClientHello) => state.on_hello(message, cx),
            (Self::WaitSecondClientHello(state), K::ClientHello) => state.on_hello(message, cx),
            (Self::WaitCertificate(state), K::Certificate) => state.on_certificate(message, cx),
            (Self::WaitCertificate(state), K::CompressedCertificate)
                if state.takes_compressed() =>
            {
                state.on_compressed(message, cx)
            }
            (Self::WaitCertificateVerify(state), K::CertificateVerify) => {
                state.on_verify(message, cx)
            }
            (Self::WaitEndOfEarlyData(state), K::EndOfEarlyData) => state.on_end(message, cx),
            (Self::WaitFinished(state), K::Finished) => state.on_finished(message, cx),
            (Self::Connected(state), K::KeyUpdate) if cx.rules.has_key_update() => {
                Ok(Self::Connected(state.on_key_update(message.body, cx)?))
            }
            (state, kind) => Err(Fault::UnexpectedMessage {
                state: state.name(),
                message: kind,
            }
            .into()),
        }
    }

    /// Whether this state waits for such an answer.
    pub(super) fn awaits(&self, reply: &Reply) -> bool {
        matches!(
            (self, reply),
            (Self::AskingConfig(_), Reply::Config(_))
                | (Self::AskingParameters(_), Reply::TransportParameters(_))
                | (Self::AskingReplay(_), Reply::EarlyData(_))
                | (Self::AskingSignature(_), Reply::Signature(_))
                | (Self::AskingVerdict(_), Reply::Verdict(_))
                | (Self::AskingKeys(_), Reply::Session(_) | Reply::Psks(_))
        ) || matches!(
            (self, reply),
            (Self::Connected(state), Reply::Kept(_)) if state.is_asking()
        )
    }

    /// Goes on with an answer that [`State::awaits`].
    pub(super) fn resume(self, reply: Reply, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, reply) {
            (Self::AskingConfig(state), Reply::Config(config)) => state.on_config(config, cx),
            (Self::AskingParameters(state), Reply::TransportParameters(own)) => {
                state.on_parameters(own, cx)
            }
            (Self::AskingReplay(state), Reply::EarlyData(first)) => state.on_answer(first, cx),
            (Self::AskingSignature(state), Reply::Signature(signature)) => {
                state.on_signature(signature, cx)
            }
            (Self::AskingVerdict(state), Reply::Verdict(verdict)) => state.on_verdict(verdict),
            (Self::AskingKeys(state), Reply::Session(found)) => state.on_session(found, cx),
            (Self::AskingKeys(state), Reply::Psks(psks)) => state.on_psks(psks, cx),
            (Self::Connected(mut state), Reply::Kept(identity)) => {
                state.on_kept(identity, cx)?;
                Ok(Self::Connected(state))
            }
            _ => Err(Local::Internal("an answer without its question").into()),
        }
    }

    /// Whether the peer's certificates may come in this state, so that a long message is taken.
    pub(super) fn expects_certificate(&self) -> bool {
        matches!(self, Self::WaitCertificate(_))
    }

    /// Whether the server may send application data although its client is not done: its early data was accepted, so it is answered
    /// at once (RFC 9846 section 2.3), but never where a certificate has to show that the client is there.
    pub(super) fn sends_early(&self) -> bool {
        match self {
            Self::WaitEndOfEarlyData(state) => state.base.sends_early(),
            Self::WaitFinished(state) => state.sends_early(),
            _ => false,
        }
    }

    /// The state's name in the RFC.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::WaitClientHello(_) => "START",
            Self::AskingConfig(_) => "START, the configuration pending",
            Self::AskingKeys(_) => "START, the lookup of keys pending",
            Self::WaitSecondClientHello(_) => "START after a retry",
            Self::AskingParameters(_) => "RECVD_CH, the transport parameters pending",
            Self::AskingReplay(_) => "NEGOTIATED, the answer on early data pending",
            Self::AskingSignature(_) => "NEGOTIATED, the signature pending",
            Self::WaitCertificate(_) => "WAIT_CERT",
            Self::AskingVerdict(_) => "WAIT_CV, the verdict pending",
            Self::WaitCertificateVerify(_) => "WAIT_CV",
            Self::WaitEndOfEarlyData(_) => "WAIT_EOED",
            Self::WaitFinished(_) => "WAIT_FINISHED",
            Self::Connected(_) => "CONNECTED",
        }
    }
}
