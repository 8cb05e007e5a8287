//! What was negotiated.

use core::ptr;

use ::pith_tls::{EarlyData, Psk, Summary};

use super::{
    PITH_EARLY_ACCEPTED, PITH_EARLY_NOT_OFFERED, PITH_EARLY_OFFERED, PITH_EARLY_REJECTED, pith_tls,
};
use crate::arguments::{Struct, fill, pith_bytes};
use crate::error::{Failure, PITH_OK};
use crate::handle::enter;

/// What was negotiated. Bytes are lent by the connection until it is freed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_info {
    /// sizeof(pith_info). Set it before the call.
    pub size: usize,
    /// The cipher suite, PITH_SUITE_.
    pub suite: u16,
    /// The group of the key exchange, PITH_GROUP_.
    pub group: u16,
    /// The code of the scheme of the server's signature; 0 where a pre-shared key stood for it.
    pub signature_scheme: u16,
    /// The code of the scheme of the client's signature; 0 where it showed nothing.
    pub client_signature_scheme: u16,
    /// What became of early data: PITH_EARLY_.
    pub early_data: i32,
    /// 1 if what is recorded stays secret from a quantum computer.
    pub is_post_quantum: u8,
    /// 1 if it took a HelloRetryRequest.
    pub retried: u8,
    /// 1 if the connection resumes an earlier one.
    pub resumed: u8,
    /// 1 if `peer_key` is there.
    pub has_peer_key: u8,
    /// The pin of the peer's key: SHA-256 of its SubjectPublicKeyInfo. A resumed connection has it from the first of its line.
    pub peer_key: [u8; 32],
    /// The application protocol (ALPN); empty if none was negotiated.
    pub alpn: pith_bytes,
    /// The DNS name that the client asked for; empty if it did not.
    pub server_name: pith_bytes,
    /// The OCSP response that was stapled; nobody has looked into it.
    pub ocsp_response: pith_bytes,
    /// The identity of the pre-shared key in use, if it is not a ticket's.
    pub psk_identity: pith_bytes,
    /// What an answer to PITH_QUESTION_VERIFY said that the peer is known as.
    pub peer_identity: pith_bytes,
    /// The raw public key that the peer showed, if the configuration keeps what peers show.
    pub peer_raw_key: pith_bytes,
    /// The peer's certificates in DER, the leaf first, if the configuration keeps what peers show.
    pub peer_chain: *const pith_bytes,
    /// How many certificates.
    pub peer_chain_count: usize,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_info {}

/// Says what was negotiated.
///
/// Errors: PITH_MISUSE before the handshake is complete, PITH_ARGUMENT if `info->size` is not set.
///
/// # Safety
/// `info` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_info(tls: Option<&mut pith_tls>, info: *mut pith_info) -> i32 {
    enter(tls, |tls| {
        let summary = tls.connection.summary().ok_or_else(too_early)?;
        // SAFETY: the caller's duty.
        unsafe { fill(info, |size| told(size, summary, &mut tls.chain)) }?;
        Ok(PITH_OK)
    })
}

/// What the caller is told. `chain` keeps the list of certificates that is lent.
pub(crate) fn told(size: usize, summary: &Summary, chain: &mut Vec<pith_bytes>) -> pith_info {
    let shown = summary.peer_chain.as_deref().unwrap_or_default();
    if chain.len() != shown.len() {
        *chain = shown.iter().map(|one| pith_bytes::of(one)).collect();
    }
    let lent = |bytes: Option<&[u8]>| pith_bytes::of(bytes.unwrap_or_default());
    let psk_identity = match &summary.psk {
        Some(Psk::External { identity }) => Some(identity.as_ref()),
        _ => None,
    };
    pith_info {
        size,
        suite: summary.suite.code(),
        group: summary.group.code(),
        signature_scheme: summary.signature_scheme.map_or(0, |scheme| scheme.0),
        client_signature_scheme: summary.client_signature_scheme.map_or(0, |scheme| scheme.0),
        early_data: early_data(summary.early_data),
        is_post_quantum: summary.group.is_post_quantum().into(),
        retried: summary.retried.into(),
        resumed: summary.resumed().into(),
        has_peer_key: summary.peer_key.is_some().into(),
        peer_key: summary.peer_key.unwrap_or_default(),
        alpn: lent(summary.protocol.as_deref()),
        server_name: lent(summary.server_name.as_deref().map(str::as_bytes)),
        ocsp_response: lent(summary.ocsp_response.as_deref()),
        psk_identity: lent(psk_identity),
        peer_identity: lent(summary.peer_identity.as_deref()),
        peer_raw_key: lent(summary.peer_raw_key.as_ref().map(AsRef::as_ref)),
        peer_chain: match chain.is_empty() {
            true => ptr::null(),
            false => chain.as_ptr(),
        },
        peer_chain_count: chain.len(),
    }
}

pub(crate) fn early_data(what: EarlyData) -> i32 {
    match what {
        EarlyData::NotOffered => PITH_EARLY_NOT_OFFERED,
        EarlyData::Offered => PITH_EARLY_OFFERED,
        EarlyData::Accepted => PITH_EARLY_ACCEPTED,
        EarlyData::Rejected => PITH_EARLY_REJECTED,
    }
}

pub(crate) fn too_early() -> Failure {
    Failure::misuse("nothing is negotiated before the handshake is complete")
}
