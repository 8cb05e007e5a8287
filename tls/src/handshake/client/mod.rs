//! The client's states, and the one table of their legal messages (RFC 9846 appendix A.1).

mod flight;
mod hello;
mod psk;

pub(crate) use hello::normal;
pub(super) use hello::{ApplicationKeys, application_keys, handshake_keys, peer_share, start};

use self::flight::{
    AskingSignature, AskingVerdict, WaitCertificate, WaitCertificateVerify,
    WaitEncryptedExtensions, WaitFinished,
};
use self::hello::{WaitSecondServerHello, WaitServerHello};
use super::Context;
use super::connected::Connected;
use super::joiner::Message;
use super::output::Reply;
use crate::error::{Error, Fault, Local};
use crate::wire::MessageKind as K;

/// Where a client stands.
pub(crate) enum State {
    /// WAIT_SH, no HelloRetryRequest yet.
    WaitServerHello(Box<WaitServerHello>),
    /// WAIT_SH after a HelloRetryRequest.
    WaitSecondServerHello(Box<WaitSecondServerHello>),
    /// WAIT_EE
    WaitEncryptedExtensions(Box<WaitEncryptedExtensions>),
    /// WAIT_CERT_CR
    WaitCertificateOrRequest(Box<WaitCertificate>),
    /// WAIT_CERT
    WaitCertificate(Box<WaitCertificate>),
    /// The verifier takes its time.
    AskingVerdict(Box<AskingVerdict>),
    /// WAIT_CV
    WaitCertificateVerify(Box<WaitCertificateVerify>),
    /// WAIT_FINISHED
    WaitFinished(Box<WaitFinished>),
    /// The server is done, the signature of this client is pending.
    AskingSignature(Box<AskingSignature>),
    /// CONNECTED
    Connected(Connected),
}

impl State {
    /// Every legal pair of state and message. All others are `unexpected_message` (rfc9846#4-2): a second retry
    /// (rfc9846#4.2.4-5), EndOfEarlyData (rfc9846#4.6-3), a late CertificateRequest (rfc9846#4.7.2-5), an early
    /// KeyUpdate (rfc9846#4.7.3-1).
    pub(super) fn step(self, message: Message<'_>, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, message.kind) {
            (Self::WaitServerHello(state), K::HelloRetryRequest) => state.on_retry(message, cx),
            (Self::WaitServerHello(state), K::ServerHello) => state.on_server_hello(message, cx),
            (Self::WaitSecondServerHello(state), K::ServerHello) => {
                state.on_server_hello(message, cx)
            }
            (Self::WaitEncryptedExtensions(state), K::EncryptedExtensions) => {
                state.on_extensions(message, cx)
            }
            (Self::WaitCertificateOrRequest(state), K::CertificateRequest) => {
                state.on_request(message)
            }
            (Self::WaitCertificateOrRequest(state), K::Certificate) => {
                state.on_certificate(message, cx)
            }
            (Self::WaitCertificate(state), K::Certificate) => state.on_certificate(message, cx),
            (
                Self::WaitCertificateOrRequest(state) | Self::WaitCertificate(state),
                K::CompressedCertificate,
            ) if state.takes_compressed() => state.on_compressed(message, cx),
            (Self::WaitCertificateVerify(state), K::CertificateVerify) => state.on_verify(message),
            (Self::WaitFinished(state), K::Finished) => state.on_finished(message, cx),
            (Self::Connected(state), K::NewSessionTicket) => {
                Ok(Self::Connected(state.on_ticket(message.body, cx)?))
            }
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
            (Self::AskingVerdict(_), Reply::Verdict(_))
                | (Self::AskingSignature(_), Reply::Signature(_))
        )
    }

    /// Goes on with an answer that [`State::awaits`].
    pub(super) fn resume(self, reply: Reply, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, reply) {
            (Self::AskingVerdict(state), Reply::Verdict(verdict)) => state.on_verdict(verdict),
            (Self::AskingSignature(state), Reply::Signature(signature)) => {
                state.on_signature(signature, cx)
            }
            _ => Err(Local::Internal("an answer without its question").into()),
        }
    }

    /// Whether the peer's certificates may come in this state, so that a long message is taken.
    pub(super) fn expects_certificate(&self) -> bool {
        matches!(
            self,
            Self::WaitCertificateOrRequest(_) | Self::WaitCertificate(_)
        )
    }

    /// The state's name in the RFC.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::WaitServerHello(_) => "WAIT_SH",
            Self::WaitSecondServerHello(_) => "WAIT_SH after a retry",
            Self::WaitEncryptedExtensions(_) => "WAIT_EE",
            Self::WaitCertificateOrRequest(_) => "WAIT_CERT_CR",
            Self::WaitCertificate(_) => "WAIT_CERT",
            Self::AskingVerdict(_) => "WAIT_CV, the verdict pending",
            Self::WaitCertificateVerify(_) => "WAIT_CV",
            Self::WaitFinished(_) => "WAIT_FINISHED",
            Self::AskingSignature(_) => "WAIT_FINISHED, the signature pending",
            Self::Connected(_) => "CONNECTED",
        }
    }
}
