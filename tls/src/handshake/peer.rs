//! The authentication of the peer by certificate, the same in both roles: a chain, a verdict, a CertificateVerify.

use std::sync::Arc;

use pith_crypto::SignatureScheme;
use pki_types::{CertificateDer, ServerName};

use super::Context;
use super::output::Topic;
use crate::auth::{
    ChainVerifier, Peer, PeerChain, PeerProof, Trust, Verdict, verify_chain, verify_signature,
};
use crate::error::{Error, Fault};
use crate::policy::Policy;
use crate::wire::certificate::CertificateVerify;

/// A chain that is accepted, or whose verdict is asked for.
pub(super) struct Judged {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) pending: bool,
}

/// Checks a chain against `trust` and `policy`, and then by the application's own verifier.
pub(super) fn judge(
    trust: &Trust,
    policy: &'static Policy,
    verifier: Option<&Arc<dyn ChainVerifier>>,
    chain: Vec<CertificateDer<'_>>,
    ocsp_response: Option<&[u8]>,
    name: Option<&ServerName<'static>>,
    cx: &mut Context<'_>,
) -> Result<Judged, Error> {
    let peer = name.map_or(Peer::Client, Peer::Server);
    verify_chain(trust, policy, &chain, peer, cx.now)?;
    let verdict = verifier.map_or(Verdict::Now(Ok(())), |verifier| {
        verifier.verify(&PeerChain {
            certificates: &chain,
            name,
            ocsp_response,
            now: cx.now,
        })
    });
    let chain: Vec<_> = chain.into_iter().map(CertificateDer::into_owned).collect();
    let pending = match verdict {
        Verdict::Now(verdict) => {
            verdict?;
            false
        }
        Verdict::Later => {
            let name = name.cloned();
            cx.outputs.ask(Topic::VerifyChain {
                chain: chain.clone(),
                name,
                ocsp_response: ocsp_response.map(<[u8]>::to_vec),
            })?;
            true
        }
    };
    Ok(Judged { chain, pending })
}

/// Checks a CertificateVerify over `content` with the leaf of an accepted chain.
pub(super) fn check_verify(
    policy: &Policy,
    chain: &[CertificateDer<'_>],
    body: &[u8],
    content: &[u8],
) -> Result<(SignatureScheme, PeerProof), Error> {
    let verify = CertificateVerify::decode(body)?;
    // rfc9846#4.5.2-4, rfc9846#4.5.2-5, rfc9846#4.5.2-7: schemes for chains alone are offered, but not for this.
    if !policy.signature_schemes.contains(&verify.scheme) {
        return Err(Fault::CertificateVerifyScheme.into());
    }
    let leaf = chain.first().ok_or(Fault::EmptyCertificate)?;
    let proof = verify_signature(leaf, verify.scheme, content, verify.signature)?;
    Ok((verify.scheme, proof))
}
