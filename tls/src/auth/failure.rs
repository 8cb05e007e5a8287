//! What webpki's errors mean: which certificate failed, and for which of our reasons.
//!
//! webpki does not say which certificate failed. This file looks at each one alone, and only after a failure. A signature is
//! checked again only if one was wrong, each by the certificates of its issuer's name: at most three, so 30 in all (see
//! [`CHAIN_SAME_SUBJECT`](crate::limits::CHAIN_SAME_SUBJECT)). Every one of webpki's errors has a reason of ours.

use std::time::Duration;

use ::webpki::{EndEntityCert, Error, KeyUsage};
use pith_crypto::Hash;
use pki_types::{CertificateDer, TrustAnchor, UnixTime};

use super::crl::Crls;
use super::der;
use super::error::{CertificateError, Hex, NAMES, PeerText, Reason, Which};
use super::webpki::{Rules, alone, parse, signed, verify_path};

/// What made the verification of a chain fail.
pub(super) fn explain(
    error: Error,
    chain: &[CertificateDer<'_>],
    rules: &Rules<'_>,
    crls: Option<&Crls>,
) -> CertificateError {
    match error {
        Error::UnknownIssuer => unknown_issuer(chain, rules.anchors.len()),
        Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            signature(error, chain, rules.anchors)
        }
        error => {
            let reason = reason(error.clone());
            let revoked = match (&reason, crls) {
                (
                    Reason::Revoked | Reason::RevocationUnknown(_) | Reason::CrlExpired { .. },
                    Some(crls),
                ) => revoked(&error, chain, rules, crls),
                _ => None,
            };
            let which = revoked.unwrap_or_else(|| locate(&error, chain, rules.now, rules.usage));
            CertificateError::new(which, reason)
        }
    }
}

/// The certificate at a place of what the peer sent.
pub(super) fn which(place: usize) -> Which {
    match place {
        0 => Which::Leaf,
        _ => Which::Intermediate(place),
    }
}

/// The certificate that has an error by itself, if one has.
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
    match chain {
        [_] => Which::Leaf,
        _ => own.map_or(Which::Chain, which),
    }
}

/// The places of the certificates from the leaf up, each with one that may have issued it by its name and by `issued`, and
/// whether what ends it is a certificate of the right name. Names in a ring end too: no place stands twice.
fn line(
    certificates: &[Option<EndEntityCert<'_>>],
    issued: impl Fn(&EndEntityCert<'_>, &EndEntityCert<'_>) -> bool,
) -> (Vec<usize>, bool) {
    let (mut line, mut place) = (Vec::new(), 0);
    loop {
        line.push(place);
        let Some(Some(own)) = certificates.get(place) else {
            return (line, false);
        };
        let mut namesakes = certificates
            .iter()
            .enumerate()
            .filter_map(|(place, other)| {
                let other = other.as_ref()?;
                let fits = other.subject() == own.issuer() && !line.contains(&place);
                fits.then_some((place, other))
            })
            .peekable();
        let named = namesakes.peek().is_some();
        match namesakes.find(|(_, issuer)| issued(issuer, own)) {
            Some((next, _)) => place = next,
            None => return (line, named),
        }
    }
}

/// The certificate whose signature is wrong, which may be that by a root. A root of the right name that did not sign it says
/// less about the certificate than about the root: strangers who give their CA the same name are far more common than altered
/// certificates, so that is an unknown CA (RFC 9846 section 6.2: one that matches no trust anchor).
fn signature(
    error: Error,
    chain: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
) -> CertificateError {
    let certificates = parse_all(chain);
    let (line, by_other) = line(&certificates, signed);
    let place = line.last().copied().unwrap_or_default();
    let issuer = certificates
        .get(place)
        .and_then(Option::as_ref)
        .map_or(&[][..], |top| top.issuer());
    let by_root = anchors.iter().any(|anchor| *anchor.subject == *issuer);
    let reason = match error {
        Error::InvalidSignatureForPublicKey if by_root && !by_other => {
            Reason::OtherRoot(common_name(issuer))
        }
        error => reason(error),
    };
    CertificateError::new(
        if by_root || by_other {
            which(place)
        } else {
            Which::Chain
        },
        reason,
    )
}

/// The certificate that is revoked or in doubt: with the lists of its issuer alone, the error comes again. Where the status is
/// unknown there are none. Seven certificates make a path at the most, so that is what this costs in paths.
fn revoked(
    error: &Error,
    chain: &[CertificateDer<'_>],
    rules: &Rules<'_>,
    crls: &Crls,
) -> Option<Which> {
    let certificates = parse_all(chain);
    let (mut line, _) = line(&certificates, |_, _| true);
    line.truncate(if crls.is_leaf_only() { 1 } else { PATH });
    let issuers = line
        .iter()
        .skip(1)
        .filter_map(|place| chain.get(*place).cloned());
    let (issuers, known) = (
        issuers.collect::<Vec<_>>(),
        crls.clone().allow_unknown(true),
    );
    let leaf = certificates.first()?.as_ref()?;
    let at_fault = |place: &&usize| {
        let certificate = certificates.get(**place).and_then(Option::as_ref);
        let lists = certificate
            .map(|one| crls.by(Some(one.issuer())))
            .unwrap_or_default();
        let revocation = known.options(&lists);
        match error {
            Error::UnknownRevocationStatus => lists.is_empty(),
            error => {
                verify_path(
                    leaf,
                    &issuers,
                    &Rules {
                        revocation,
                        ..*rules
                    },
                    None,
                )
                .as_ref()
                    == Err(error)
            }
        }
    };
    line.iter().find(at_fault).map(|place| which(*place))
}

/// The last certificate of the path that starts at the leaf, and who issued it.
fn unknown_issuer(chain: &[CertificateDer<'_>], roots: usize) -> CertificateError {
    let certificates = parse_all(chain);
    // By names alone: strangers are to cost no signatures.
    let (line, _) = line(&certificates, |_, _| true);
    let place = line.last().copied().unwrap_or_default();
    let top = certificates.get(place).and_then(Option::as_ref);
    let issuer = top.map_or(&[][..], |top| top.issuer());
    let self_signed = place == 0 && top.is_some_and(|top| top.issuer() == top.subject());
    let issuer = common_name(issuer);
    CertificateError::new(
        which(place),
        Reason::UnknownIssuer {
            issuer,
            self_signed,
            roots,
        },
    )
}

fn parse_all<'a>(chain: &'a [CertificateDer<'a>]) -> Vec<Option<EndEntityCert<'a>>> {
    chain
        .iter()
        .map(|certificate| parse(certificate).ok())
        .collect()
}

/// The common name in a distinguished name, or what identifies it without one.
fn common_name(name: &[u8]) -> PeerText {
    let text = der::common_name(name).unwrap_or_else(|| {
        let digest = Hash::Sha256.digest(name);
        let first = digest
            .as_ref()
            .first_chunk::<8>()
            .map_or(&[][..], |first| first);
        format!(
            "a CA without a common name, SHA-256 of its name {}...",
            Hex(first)
        )
    });
    PeerText::new(&text)
}

/// Our reason for each of webpki's errors. The enum may grow, so a last arm is forced on us: an unknown error is a bad
/// certificate, never an accepted one.
#[allow(deprecated)] // names the variants that webpki keeps but no longer makes
#[rustfmt::skip] // an error a row
pub(super) fn reason(error: Error) -> Reason {
    use {Error as E, Reason as R};
    match error {
        E::BadDer => R::Malformed("not DER"),
        E::BadDerTime => R::Malformed("a date"),
        E::EmptyEkuExtension => R::Malformed("an empty Extended Key Usage"),
        E::ExtensionValueInvalid => R::Malformed("an extension's value"),
        E::InvalidCertValidity => R::Malformed("it ends before it begins"),
        E::InvalidNetworkMaskConstraint => R::Malformed("a network mask in its name constraints"),
        E::InvalidSerialNumber => R::Malformed("the serial number"),
        E::MalformedDnsIdentifier => R::Malformed("a DNS name"),
        E::MalformedExtensions => R::Malformed("its extensions"),
        E::MalformedNameConstraint => R::Malformed("a name constraint"),
        E::SignatureAlgorithmMismatch => R::Malformed("two different signature algorithms"),
        E::TrailingData(_) => R::Malformed("bytes after an item's end"),
        E::UnsupportedCertVersion => R::Unsupported("a version other than 3"), // rfc9846#4.5.1.2-1
        E::UnsupportedCriticalExtension => R::Unsupported("a critical extension that is not known"),
        E::UnsupportedNameType => R::Unsupported("a kind of name other than DNS and IP"),
        E::CaUsedAsEndEntity => R::CaAsLeaf,
        E::EndEntityUsedAsCa => R::LeafAsCa,
        E::CertExpired { time, not_after } => R::Expired { not_after: since_epoch(not_after), now: since_epoch(time) },
        E::CertNotValidYet { time, not_before } => {
            R::NotYetValid { not_before: since_epoch(not_before), now: since_epoch(time) }
        }
        E::CertNotValidForName(context) => R::WrongName {
            expected: PeerText::new(&context.expected.to_str()),
            more: context.presented.len().saturating_sub(NAMES),
            presented: context.presented.iter().take(NAMES).map(|name| bare(name)).collect(),
        },
        E::CertRevoked => R::Revoked,
        E::CertDistrusted => R::Distrusted,
        E::InvalidSignatureForPublicKey => R::BadSignature,
        E::NameConstraintViolation => R::NameConstraint,
        E::PathLenConstraintViolated => R::PathLength,
        E::RequiredEkuNotFound | E::RequiredEkuNotFoundContext(_) => R::Purpose,
        E::UnsupportedSignatureAlgorithmContext(context) => signature_algorithm(&context.signature_algorithm_id),
        E::UnsupportedSignatureAlgorithm => signature_algorithm(&[]),
        E::UnsupportedSignatureAlgorithmForPublicKey
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => R::SignatureKey,
        E::MaximumNameConstraintComparisonsExceeded => R::TooComplex("name constraint comparisons"),
        E::MaximumPathBuildCallsExceeded => R::TooComplex("steps in search of a path"),
        E::MaximumPathDepthExceeded => R::TooComplex("CAs in a path"),
        E::MaximumSignatureChecksExceeded => R::TooComplex("signatures"),
        E::CrlExpired { time, next_update } => {
            R::CrlExpired { next_update: since_epoch(next_update), now: since_epoch(time) }
        }
        E::UnknownRevocationStatus => R::RevocationUnknown("no list that covers it was given"),
        E::InvalidCrlSignatureForPublicKey => R::RevocationUnknown("the list is not signed by its issuer's key"),
        E::IssuerNotCrlSigner => R::RevocationUnknown("its issuer's Key Usage does not allow signing lists"),
        E::UnsupportedCrlSignatureAlgorithm
        | E::UnsupportedCrlSignatureAlgorithmContext(_)
        | E::UnsupportedCrlSignatureAlgorithmForPublicKey
        | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            R::RevocationUnknown("the list is signed with an unsupported algorithm")
        }
        // These are about a list by itself.
        E::InvalidCrlNumber => R::Malformed("its number"),
        E::UnsupportedCrlVersion => R::Unsupported("a version other than 2"),
        E::UnsupportedDeltaCrl => R::Unsupported("changes to another list: a delta"),
        E::UnsupportedIndirectCrl => R::Unsupported("certificates of other issuers"),
        E::UnsupportedCrlIssuingDistributionPoint => R::Unsupported("its distribution point"),
        E::UnsupportedRevocationReason
        | E::UnsupportedRevocationReasonsPartitioning => R::Unsupported("a restriction to some reasons"),
        // The caller names the issuer; here it is only known that none was found.
        E::UnknownIssuer => R::UnknownIssuer { issuer: PeerText::new(""), self_signed: false, roots: 0 },
        _ => R::Malformed("an error that this version cannot name"),
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

/// Certificates in a path below its root at the most: a leaf and as many CAs as webpki follows.
const PATH: usize = 7;
