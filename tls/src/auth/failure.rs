//! What webpki's errors mean: which certificate failed, and for which of our reasons.
//!
//! webpki does not say which certificate failed. This file looks at each one alone, and only after a failure: it costs one
//! signature at most. Every one of webpki's errors has a reason of ours.

use std::time::Duration;

use ::webpki::{Error, KeyUsage, anchor_from_trusted_cert};
use pith_crypto::Hash;
use pki_types::{CertificateDer, TrustAnchor, UnixTime};

use super::der;
use super::error::{CertificateError, NAMES, PeerText, Reason, Which};
use super::webpki::{alone, parse, verify_path};

/// What made the verification of a chain fail.
pub(super) fn explain(
    error: Error,
    chain: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    now: Duration,
    usage: KeyUsage,
) -> CertificateError {
    if error == Error::UnknownIssuer {
        return unknown_issuer(chain, anchors.len());
    }
    CertificateError::new(locate(&error, chain, now, usage), reason(error))
}

/// The certificate at a place of what the peer sent.
pub(super) fn which(place: usize) -> Which {
    match place {
        0 => Which::Leaf,
        _ => Which::Intermediate(place),
    }
}

/// The certificate that made verification fail with `error`, as far as that can be told.
fn locate(error: &Error, chain: &[CertificateDer<'_>], now: Duration, usage: KeyUsage) -> Which {
    // A CA is at fault for being none; any other certificate for the very error that it has by itself.
    let not_a_ca = *error == Error::EndEntityUsedAsCa;
    let own = chain.iter().enumerate().position(|(place, certificate)| {
        let own = alone(certificate, now, usage);
        if not_a_ca {
            place > 0 && own != Error::CaUsedAsEndEntity
        } else {
            own == *error
        }
    });
    if let Some(own) = own {
        return which(own);
    }
    let Some((leaf, intermediates)) = chain.split_first().filter(|(_, rest)| !rest.is_empty())
    else {
        return Which::Leaf;
    };
    let is_signature = matches!(
        error,
        Error::InvalidSignatureForPublicKey
            | Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
    );
    if !is_signature {
        return Which::Chain;
    }
    // With the certificates that came as its roots, only the leaf's own signature is looked at.
    let issuers: Vec<_> = intermediates
        .iter()
        .filter_map(|issuer| anchor_from_trusted_cert(issuer).ok())
        .collect();
    match parse(leaf).and_then(|leaf| verify_path(&leaf, &issuers, &[], now, usage, None)) {
        Err(again) if again == *error => Which::Leaf,
        Ok(()) if intermediates.len() == 1 => which(1),
        _ => Which::Chain,
    }
}

/// The last certificate of the path that starts at the leaf, and who issued it.
fn unknown_issuer(chain: &[CertificateDer<'_>], roots: usize) -> CertificateError {
    let parsed: Vec<_> = chain
        .iter()
        .map(|certificate| parse(certificate).ok())
        .collect();
    let name = |place: usize| parsed.get(place).and_then(Option::as_ref);
    let mut place = 0;
    // Each certificate extends the path at most once, so that names in a ring end too.
    for _ in chain {
        let issuer = name(place).map(|certificate| certificate.issuer());
        let next = parsed
            .iter()
            .position(|other| other.as_ref().map(|other| other.subject()) == issuer);
        match next {
            Some(next) if next != place => place = next,
            _ => break,
        }
    }
    let top = name(place);
    let issuer = top.map_or(&[][..], |top| top.issuer());
    let self_signed = place == 0 && top.is_some_and(|top| top.issuer() == top.subject());
    let issuer = der::common_name(issuer).unwrap_or_else(|| {
        let digest = Hash::Sha256.digest(issuer);
        let first = digest.as_ref().iter().take(8);
        let hex: String = first.map(|byte| format!("{byte:02x}")).collect();
        format!("a CA without a common name, SHA-256 of its name {hex}...")
    });
    let issuer = PeerText::new(&issuer);
    CertificateError::new(
        which(place),
        Reason::UnknownIssuer {
            issuer,
            self_signed,
            roots,
        },
    )
}

/// Our reason for each of webpki's errors. The enum may grow, so a last arm is forced on us: an unknown error is a bad
/// certificate, never an accepted one.
#[allow(deprecated)] // names the variants that webpki keeps but no longer makes
pub(super) fn reason(error: Error) -> Reason {
    match error {
        Error::BadDer => Reason::Malformed("not DER"),
        Error::BadDerTime => Reason::Malformed("a date"),
        Error::EmptyEkuExtension => Reason::Malformed("an empty Extended Key Usage"),
        Error::ExtensionValueInvalid => Reason::Malformed("an extension's value"),
        Error::InvalidCertValidity => Reason::Malformed("it ends before it begins"),
        Error::InvalidNetworkMaskConstraint => {
            Reason::Malformed("a network mask in its name constraints")
        }
        Error::InvalidSerialNumber => Reason::Malformed("the serial number"),
        Error::MalformedDnsIdentifier => Reason::Malformed("a DNS name"),
        Error::MalformedExtensions => Reason::Malformed("its extensions"),
        Error::MalformedNameConstraint => Reason::Malformed("a name constraint"),
        Error::SignatureAlgorithmMismatch => {
            Reason::Malformed("two different signature algorithms")
        }
        Error::TrailingData(_) => Reason::Malformed("bytes after an item's end"),
        Error::UnsupportedCertVersion => Reason::Unsupported("a version other than 3"), // rfc9846#4.5.1.2-1
        Error::UnsupportedCriticalExtension => {
            Reason::Unsupported("a critical extension that is not known")
        }
        Error::UnsupportedNameType => Reason::Unsupported("a kind of name other than DNS and IP"),
        Error::CaUsedAsEndEntity => Reason::CaAsLeaf,
        Error::EndEntityUsedAsCa => Reason::LeafAsCa,
        Error::CertExpired { time, not_after } => Reason::Expired {
            not_after: since_epoch(not_after),
            now: since_epoch(time),
        },
        Error::CertNotValidYet { time, not_before } => Reason::NotYetValid {
            not_before: since_epoch(not_before),
            now: since_epoch(time),
        },
        Error::CertNotValidForName(context) => Reason::WrongName {
            expected: PeerText::new(&context.expected.to_str()),
            more: context.presented.len().saturating_sub(NAMES),
            presented: context
                .presented
                .iter()
                .take(NAMES)
                .map(|name| bare(name))
                .collect(),
        },
        Error::CertRevoked => Reason::Revoked,
        Error::CertDistrusted => Reason::Distrusted,
        Error::InvalidSignatureForPublicKey => Reason::BadSignature,
        Error::NameConstraintViolation => Reason::NameConstraint,
        Error::PathLenConstraintViolated => Reason::PathLength,
        Error::RequiredEkuNotFound | Error::RequiredEkuNotFoundContext(_) => Reason::Purpose,
        Error::UnsupportedSignatureAlgorithmContext(context) => {
            signature_algorithm(&context.signature_algorithm_id)
        }
        Error::UnsupportedSignatureAlgorithm => signature_algorithm(&[]),
        Error::UnsupportedSignatureAlgorithmForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Reason::SignatureKey,
        Error::MaximumNameConstraintComparisonsExceeded => {
            Reason::TooComplex("name constraint comparisons")
        }
        Error::MaximumPathBuildCallsExceeded => Reason::TooComplex("steps in search of a path"),
        Error::MaximumPathDepthExceeded => Reason::TooComplex("CAs in a path"),
        Error::MaximumSignatureChecksExceeded => Reason::TooComplex("signatures"),
        Error::CrlExpired { .. }
        | Error::InvalidCrlNumber
        | Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnknownRevocationStatus
        | Error::UnsupportedCrlIssuingDistributionPoint
        | Error::UnsupportedCrlSignatureAlgorithm
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_)
        | Error::UnsupportedCrlVersion
        | Error::UnsupportedDeltaCrl
        | Error::UnsupportedIndirectCrl
        | Error::UnsupportedRevocationReason
        | Error::UnsupportedRevocationReasonsPartitioning => Reason::RevocationUnknown,
        // The caller names the issuer; here it is only known that none was found.
        Error::UnknownIssuer => Reason::UnknownIssuer {
            issuer: PeerText::new(""),
            self_signed: false,
            roots: 0,
        },
        _ => Reason::Malformed("an error that this version cannot name"),
    }
}

fn since_epoch(time: UnixTime) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// A name from webpki's list, without the kind around it: `DnsName("a.test")`, `IpAddress(192.0.2.1)`.
fn bare(name: &str) -> PeerText {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    PeerText::new(inner.unwrap_or(name).trim_matches('"'))
}

pub(super) fn signature_algorithm(identifier: &[u8]) -> Reason {
    let oid = der::split(identifier).map_or_else(String::new, |(_, oid, _)| der::dotted(oid));
    match FORGEABLE.iter().find(|(known, _)| *known == oid) {
        Some((_, name)) => Reason::Forgeable(name),
        None => Reason::SignatureAlgorithm(PeerText::new(&oid)),
    }
}

/// Signatures with MD2, MD5 and SHA-1, none of which webpki verifies (rfc9846#4.3.3-14): these get a bad_certificate alert
/// (rfc9846#4.5.1.3-2).
const FORGEABLE: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10040.4.3", "dsa-with-sha1"),
];
