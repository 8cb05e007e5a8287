//! The authentication of the peer by certificate or raw public key, the same in both roles: what it presents, a verdict, a
//! CertificateVerify.

use std::sync::Arc;

use pith_crypto::SignatureScheme;
use pki_types::ServerName;

use super::Context;
use super::output::Topic;
use crate::auth::{
    CertificateError, ChainCache, ChainVerifier, Known, Peer, PeerChain, PeerProof, Pin, Presented,
    Trust, Verdict, verify_presented, verify_raw_signature, verify_signature,
};
use crate::error::{Error, Fault, Local};
use crate::limits;
use crate::policy::Policy;
use crate::wire::certificate::CertificateVerify;

/// By what a configuration judges its peers.
pub(super) struct Judge<'a> {
    pub(super) trust: &'a Trust,
    pub(super) policy: &'static Policy,
    pub(super) chains: Option<&'a ChainCache>,
    pub(super) verifier: Option<&'a Arc<dyn ChainVerifier>>,
}

/// A chain or raw key that is accepted, or whose verdict is asked for.
pub(super) struct Judged {
    pub(super) peer: Presented<'static>,
    pub(super) known: Known,
    pub(super) pending: bool,
}

/// What a verdict says, if it accepts.
pub(super) fn accepted(verdict: Result<Known, CertificateError>) -> Result<Known, Error> {
    let known = verdict?;
    match known
        .as_ref()
        .is_some_and(|known| known.len() > limits::IDENTITY)
    {
        true => Err(Local::TooLong.into()),
        false => Ok(known),
    }
}

/// Checks what the peer presents against trust and policy, and then by the application's own verifier.
pub(super) fn judge(
    by: &Judge<'_>,
    presented: Presented<'_>,
    ocsp_response: Option<&[u8]>,
    name: Option<&ServerName<'static>>,
    cx: &mut Context<'_>,
) -> Result<Judged, Error> {
    let peer = name.map_or(Peer::Client, Peer::Server);
    verify_presented(by.trust, by.policy, by.chains, &presented, peer, cx.now)?;
    let verdict = by.verifier.map_or(Verdict::Now(Ok(())), |verifier| {
        verifier.verify(&PeerChain {
            certificates: presented.chain(),
            raw_key: presented.raw_key(),
            name,
            ocsp_response,
            now: cx.now,
        })
    });
    let peer = presented.into_owned();
    let (known, pending) = match verdict {
        Verdict::Now(verdict) => (accepted(verdict.map(|()| None))?, false),
        Verdict::Known(identity) => (accepted(Ok(Some(identity)))?, false),
        Verdict::Later => {
            let name = name.cloned();
            cx.outputs.ask(Topic::VerifyChain {
                chain: peer.chain().to_vec(),
                raw_key: peer.raw_key().cloned(),
                name,
                ocsp_response: ocsp_response.map(<[u8]>::to_vec),
            })?;
            (None, true)
        }
    };
    Ok(Judged {
        peer,
        known,
        pending,
    })
}

/// A CertificateVerify that verified.
pub(super) struct Verified {
    pub(super) scheme: SignatureScheme,
    pub(super) proof: PeerProof,
    /// The pin of the key that made it.
    pub(super) key: Option<Pin>,
}

/// Checks a CertificateVerify over `content` with the key of what was accepted.
pub(super) fn check_verify(
    policy: &Policy,
    peer: &Presented<'_>,
    body: &[u8],
    content: &[u8],
) -> Result<Verified, Error> {
    let verify = CertificateVerify::decode(body)?;
    // rfc9846#4.5.2-4, rfc9846#4.5.2-5, rfc9846#4.5.2-7: schemes for chains alone are offered, but not for this.
    if !policy.signature_schemes.contains(&verify.scheme) {
        return Err(Fault::CertificateVerifyScheme.into());
    }
    let CertificateVerify { scheme, signature } = verify;
    let (proof, key) = match peer {
        Presented::Chain(chain) => {
            let leaf = chain.first().ok_or(Fault::EmptyCertificate)?;
            verify_signature(leaf, scheme, content, signature)?
        }
        Presented::RawKey(key) => verify_raw_signature(key, scheme, content, signature)?,
    };
    Ok(Verified { scheme, proof, key })
}
