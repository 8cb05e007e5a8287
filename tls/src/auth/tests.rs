//! What is accepted and refused, with which words and which alert: what these tests share.

use std::time::Duration;

use pith_crypto::{SignatureScheme as Scheme, SigningKey};
use pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose,
};

use super::error::PeerText;
use super::*;
use crate::Now;
use crate::error::{AlertDescription as Alert, Error, Fault};
use crate::policy::V2026_11;
use pki::{Identity, Kind, Pki};

#[allow(unreachable_pub, dead_code)]
#[path = "../../../tests/src/pki.rs"]
mod pki;

mod chain_cache;
mod chains;
mod credentials;
mod crls;
mod errors;
mod marks;
mod policies;
mod signatures;

/// 2026-11-24 06:54:50 UTC
const NOW: Now = Now {
    monotonic: Duration::ZERO,
    unix: Duration::from_secs(1_795_503_290),
};

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

fn verify(pki: &Pki, identity: &Identity, host: &str) -> Result<(), CertificateError> {
    let trust = Trust::roots_from_der(&[pki.root()]).unwrap();
    verify_chain(
        &trust,
        &V2026_11,
        &identity.chain,
        Peer::Server(&name(host)),
        NOW,
    )
}

/// As a server for a.test.
fn verify_by(trust: &Trust, chain: &[CertificateDer<'_>]) -> Result<(), CertificateError> {
    let name = name("a.test");
    verify_chain(trust, &V2026_11, chain, Peer::Server(&name), NOW)
}

fn patched(mut identity: Identity, from: &[u8], to: &[u8]) -> Identity {
    identity.chain[0] = patch(&identity.chain[0], from, to);
    identity
}

/// Replaces the bytes wherever they stand, or the very first one.
fn patch(certificate: &CertificateDer<'_>, from: &[u8], to: &[u8]) -> CertificateDer<'static> {
    let mut bytes = certificate.to_vec();
    let places: Vec<_> = (0..bytes.len())
        .filter(|place| bytes[*place..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    let count = if from.len() == 1 { 1 } else { places.len() };
    for place in &places[..count] {
        bytes[*place..*place + to.len()].copy_from_slice(to);
    }
    bytes.into()
}
