//! The one file that names rustls-webpki: paths, names, signatures, and what its errors mean.
//!
//! webpki decides all that is X.509: paths, dates, names, constraints, and it bounds its own work. It does not say which
//! certificate failed, so [`locate`] asks it again about each one alone, which costs no signature but one, and only after a
//! failure. Every one of its errors has a reason of ours.

use std::cell::Cell;
use std::iter;
use std::time::Duration;

use ::webpki::{
    EndEntityCert, Error, KeyUsage, VerifiedPath, anchor_from_trusted_cert, spki_for_anchor,
};
use pith_crypto::{Hash, SignatureScheme};
use pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};

use super::der;
use super::error::{CertificateError, NAMES, PeerText, Reason, Which};
use super::verify::Peer;
use crate::limits::CHAIN_SAME_SUBJECT;
use crate::policy::{ChainAlgorithm, Policy};
use crate::wire::reader::Codes;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// The schemes of CertificateVerify, each with the one key type and curve that it is for (rfc9846#4.3.3-1, rfc9846#4.3.3-5,
/// rfc9846#9.1-2).
///
/// webpki compares a key's whole algorithm identifier, curve included, with the one of the algorithm. No PKCS#1 v1.5 and no
/// SHA-1 here (rfc9846#4.5.2-7).
pub(super) static SIGNATURES: &[(SignatureScheme, Algorithm)] = &[
    (SignatureScheme::MLDSA44, ::webpki::aws_lc_rs::ML_DSA_44),
    (SignatureScheme::MLDSA65, ::webpki::aws_lc_rs::ML_DSA_65),
    (SignatureScheme::MLDSA87, ::webpki::aws_lc_rs::ML_DSA_87),
    (
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        ::webpki::aws_lc_rs::ECDSA_P256_SHA256,
    ),
    (
        SignatureScheme::ECDSA_SECP384R1_SHA384,
        ::webpki::aws_lc_rs::ECDSA_P384_SHA384,
    ),
    (
        SignatureScheme::ECDSA_SECP521R1_SHA512,
        ::webpki::aws_lc_rs::ECDSA_P521_SHA512,
    ),
    (SignatureScheme::ED25519, ::webpki::aws_lc_rs::ED25519),
    (
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        ::webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    ),
    (
        SignatureScheme::RSA_PSS_RSAE_SHA384,
        ::webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    ),
    (
        SignatureScheme::RSA_PSS_RSAE_SHA512,
        ::webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    ),
];

/// The names of the signatures that webpki verifies in chains. RSA PKCS#1 comes with and without parameters in the identifier.
#[rustfmt::skip]
pub(super) static CHAIN_SIGNATURES: &[(ChainAlgorithm, Algorithm)] = {
    use {::webpki::aws_lc_rs as lc, ChainAlgorithm as C};
    &[
        (C::MlDsa44, lc::ML_DSA_44),
        (C::MlDsa65, lc::ML_DSA_65),
        (C::MlDsa87, lc::ML_DSA_87),
        (C::EcdsaP256Sha256, lc::ECDSA_P256_SHA256),
        (C::EcdsaP256Sha384, lc::ECDSA_P256_SHA384),
        (C::EcdsaP256Sha512, lc::ECDSA_P256_SHA512),
        (C::EcdsaP384Sha256, lc::ECDSA_P384_SHA256),
        (C::EcdsaP384Sha384, lc::ECDSA_P384_SHA384),
        (C::EcdsaP384Sha512, lc::ECDSA_P384_SHA512),
        (C::EcdsaP521Sha256, lc::ECDSA_P521_SHA256),
        (C::EcdsaP521Sha384, lc::ECDSA_P521_SHA384),
        (C::EcdsaP521Sha512, lc::ECDSA_P521_SHA512),
        (C::Ed25519, lc::ED25519),
        (C::RsaPssSha256, lc::RSA_PSS_2048_8192_SHA256_LEGACY_KEY),
        (C::RsaPssSha384, lc::RSA_PSS_2048_8192_SHA384_LEGACY_KEY),
        (C::RsaPssSha512, lc::RSA_PSS_2048_8192_SHA512_LEGACY_KEY),
        (C::RsaPkcs1Sha256, lc::RSA_PKCS1_2048_8192_SHA256),
        (C::RsaPkcs1Sha384, lc::RSA_PKCS1_2048_8192_SHA384),
        (C::RsaPkcs1Sha512, lc::RSA_PKCS1_2048_8192_SHA512),
        (C::RsaPkcs1Sha256, lc::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS),
        (C::RsaPkcs1Sha384, lc::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS),
        (C::RsaPkcs1Sha512, lc::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS),
    ]
};

/// Why a CertificateVerify did not verify.
pub(super) enum SignatureError {
    /// Not a scheme for CertificateVerify.
    Scheme,
    /// The leaf does not parse.
    Leaf,
    /// The scheme is for another kind of key.
    Key,
    /// The signature is not one of this key over this message.
    Signature,
}

/// The schemes that fit a key, given its algorithm identifier.
pub(super) fn schemes_for(key_algorithm: &[u8]) -> impl Iterator<Item = SignatureScheme> {
    let fits = move |algorithm: Algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm;
    SIGNATURES
        .iter()
        .filter(move |(_, algorithm)| fits(*algorithm))
        .map(|(scheme, _)| *scheme)
}

/// Checks a signature over `message` with the leaf's key.
pub(super) fn verify_signature(
    leaf: &CertificateDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let row = SIGNATURES.iter().find(|(known, _)| *known == scheme);
    let (_, algorithm) = row.ok_or(SignatureError::Scheme)?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| SignatureError::Leaf)?;
    let verified = leaf.verify_signature(*algorithm, message, signature);
    verified.map_err(|error| {
        use Error::UnsupportedSignatureAlgorithmForPublicKeyContext as OtherKey;
        match matches!(error, OtherKey(_)) {
            true => SignatureError::Key, // rfc9846#4.5.2-6
            false => SignatureError::Signature,
        }
    })
}

/// Checks that `chain` leads from the peer's certificate to one of `anchors`, in whatever order it came (rfc9846#4.5.1-9).
pub(super) fn verify_peer(
    anchors: &[TrustAnchor<'_>],
    policy: &'static Policy,
    chain: &[CertificateDer<'_>],
    peer: Peer<'_>,
    now: Duration,
) -> Result<(), CertificateError> {
    let (leaf, intermediates) = chain
        .split_first()
        .ok_or(CertificateError::new(Which::Leaf, Reason::Absent))?;
    if most_of_one_subject(intermediates) > CHAIN_SAME_SUBJECT {
        let reason = Reason::TooComplex("certificates of one subject");
        return Err(CertificateError::new(Which::Chain, reason));
    }
    let usage = match peer {
        Peer::Server(_) => KeyUsage::server_auth(),
        Peer::Client => KeyUsage::client_auth(),
    };
    // A path that only the policy refuses is passed over, as there may be another one; if there is none, it says the most.
    let refused = Cell::new(None);
    let follows_policy = |path: &VerifiedPath<'_>| match outside_policy(path, policy) {
        None => Ok(()),
        Some((certificate, reason)) => {
            let place = chain.iter().position(|one| *one == certificate);
            let which = which(place.unwrap_or_default());
            refused.set(Some(CertificateError::new(which, reason)));
            Err(Error::UnknownIssuer)
        }
    };
    let path = parse(leaf).and_then(|leaf| {
        let check: PathCheck<'_> = &follows_policy;
        verify_path(&leaf, anchors, intermediates, now, usage, Some(check))
    });
    path.map_err(|error| {
        if let Some(refused) = refused.take() {
            return refused;
        }
        if error == Error::UnknownIssuer {
            return unknown_issuer(chain, anchors.len());
        }
        CertificateError::new(locate(&error, chain, now, usage), reason(error))
    })?;
    let Peer::Server(name) = peer else {
        return Ok(());
    };
    let named = parse(leaf).and_then(|leaf| leaf.verify_is_valid_for_subject_name(name));
    named.map_err(|error| CertificateError::new(Which::Leaf, reason(error)))
}

/// Whether a certificate has this name.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    parse(certificate).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(name).is_ok())
}

/// The issuer's distinguished name, without its outer SEQUENCE.
pub(super) fn issuer(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    parse(certificate)
        .ok()
        .map(|certificate| certificate.issuer().to_vec())
}

/// What is wrong with a certificate by itself: its encoding, its dates, a CA's as a leaf.
pub(super) fn inspect(certificate: &CertificateDer<'_>, now: Duration) -> Result<(), Reason> {
    match alone(certificate, now, KeyUsage::server_auth()) {
        // It has passed all that comes before the search for its issuer; its role is not known here.
        Error::UnknownIssuer | Error::RequiredEkuNotFoundContext(_) => Ok(()),
        error => Err(reason(error)),
    }
}

/// The SubjectPublicKeyInfo of a certificate, with its outer SEQUENCE.
pub(super) fn public_key_info(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Reason> {
    Ok(parse(certificate)
        .map_err(reason)?
        .subject_public_key_info()
        .to_vec())
}

/// A root from its certificate. Only name, key and name constraints count; its dates do not.
pub(super) fn anchor(certificate: &CertificateDer<'_>) -> Result<TrustAnchor<'static>, Reason> {
    Ok(anchor_from_trusted_cert(certificate)
        .map_err(reason)?
        .to_owned())
}

fn parse<'a>(certificate: &'a CertificateDer<'a>) -> Result<EndEntityCert<'a>, Error> {
    EndEntityCert::try_from(certificate)
}

/// What a certificate may be signed with: by `issuer`, a SubjectPublicKeyInfo, or by a key that is not known.
fn possible(
    certificate: &CertificateDer<'_>,
    issuer: Option<&[u8]>,
) -> impl Iterator<Item = ChainAlgorithm> + Clone {
    let signature = der::signature_algorithm(certificate).unwrap_or_default();
    let key = issuer.and_then(|issuer| Some(der::public_key(issuer)?.0));
    let fits = move |algorithm: Algorithm| {
        algorithm.signature_alg_id().as_ref() == signature
            && key.is_none_or(|key| algorithm.public_key_alg_id().as_ref() == key)
    };
    let rows = CHAIN_SIGNATURES.iter();
    rows.filter(move |(_, algorithm)| fits(*algorithm))
        .map(|(name, _)| *name)
}

/// Whether the policy allows the signature of a certificate.
fn check_signature(
    certificate: &CertificateDer<'_>,
    issuer: Option<&[u8]>,
    policy: &'static Policy,
) -> Result<(), Reason> {
    let possible = possible(certificate, issuer);
    if possible
        .clone()
        .any(|name| policy.chain_algorithms.contains(&name))
    {
        return Ok(());
    }
    let names: Vec<_> = possible.map(ChainAlgorithm::name).collect();
    match names.is_empty() {
        true => {
            let signature = der::signature_algorithm(certificate).unwrap_or_default();
            Err(signature_algorithm(signature))
        }
        false => Err(Reason::OutsidePolicy {
            algorithm: names.join(" or "),
            policy: policy.name,
        }),
    }
}

/// The same for our own chain (rfc9846#4.3.3-11, rfc9846#4.5.1.2-6), where `next` may be the issuer. Nobody looks at a
/// signature that a certificate made for itself.
pub(super) fn check_in_chain(
    certificate: &CertificateDer<'_>,
    next: Option<&CertificateDer<'_>>,
    policy: &'static Policy,
) -> Result<(), Reason> {
    match in_chain(certificate, next).map_err(reason)? {
        Some(key) => check_signature(certificate, key.as_deref(), policy),
        None => Ok(()),
    }
}

/// Whether a peer that names these schemes takes the signature of a certificate of ours, where `next` may be the issuer.
pub(super) fn is_signed_with(
    certificate: &CertificateDer<'_>,
    next: Option<&CertificateDer<'_>>,
    schemes: Codes<'_>,
) -> bool {
    in_chain(certificate, next).is_ok_and(|signed| {
        signed.is_none_or(|key| {
            possible(certificate, key.as_deref())
                .filter_map(ChainAlgorithm::scheme)
                .any(|scheme| schemes.contains(scheme.0))
        })
    })
}

/// The issuer's SubjectPublicKeyInfo, where `next` is the issuer; nothing at all where the certificate signed itself.
fn in_chain(
    certificate: &CertificateDer<'_>,
    next: Option<&CertificateDer<'_>>,
) -> Result<Option<Option<Vec<u8>>>, Error> {
    let own = parse(certificate)?;
    if own.issuer() == own.subject() {
        return Ok(None);
    }
    let next = next.and_then(|next| parse(next).ok());
    let issuer = next.filter(|next| next.subject() == own.issuer());
    let key = issuer.map(|issuer| issuer.subject_public_key_info().to_vec());
    Ok(Some(key))
}

/// The first certificate of a path whose signature the policy does not allow.
fn outside_policy(
    path: &VerifiedPath<'_>,
    policy: &'static Policy,
) -> Option<(CertificateDer<'static>, Reason)> {
    let issuers = path.intermediate_certificates();
    let keys = issuers.map(|issuer| issuer.subject_public_key_info());
    let signed = iter::once(&**path.end_entity()).chain(path.intermediate_certificates());
    signed
        .zip(keys.chain([spki_for_anchor(path.anchor())]))
        .find_map(|(certificate, key)| {
            let certificate = certificate.der();
            let reason = check_signature(&certificate, Some(&key), policy).err()?;
            Some((certificate.into_owned(), reason))
        })
}

/// A check of a whole path, after all of webpki's own.
type PathCheck<'a> = &'a dyn Fn(&VerifiedPath<'_>) -> Result<(), Error>;

fn verify_path(
    leaf: &EndEntityCert<'_>,
    anchors: &[TrustAnchor<'_>],
    intermediates: &[CertificateDer<'_>],
    now: Duration,
    usage: KeyUsage,
    check: Option<PathCheck<'_>>,
) -> Result<(), Error> {
    let all = ::webpki::ALL_VERIFICATION_ALGS;
    let now = UnixTime::since_unix_epoch(now);
    leaf.verify_for_usage(all, anchors, intermediates, now, usage, None, check)?;
    Ok(())
}

/// How many of these certificates have the most common subject.
fn most_of_one_subject(certificates: &[CertificateDer<'_>]) -> usize {
    let parsed: Vec<_> = certificates
        .iter()
        .filter_map(|certificate| parse(certificate).ok())
        .collect();
    let alike = |one: &EndEntityCert<'_>| {
        parsed
            .iter()
            .filter(|other| other.subject() == one.subject())
            .count()
    };
    parsed.iter().map(alike).max().unwrap_or(0)
}

/// The error of a certificate on its own. Without roots there is always one: UnknownIssuer when nothing else is wrong.
fn alone(certificate: &CertificateDer<'_>, now: Duration, usage: KeyUsage) -> Error {
    let verified = parse(certificate)
        .and_then(|certificate| verify_path(&certificate, &[], &[], now, usage, None));
    verified.err().unwrap_or(Error::UnknownIssuer)
}

fn which(place: usize) -> Which {
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

fn signature_algorithm(identifier: &[u8]) -> Reason {
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
