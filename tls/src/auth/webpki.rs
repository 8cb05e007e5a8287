//! Paths, names and signatures, by rustls-webpki, which only this file, `crl` and `failure` name.
//!
//! webpki decides all that is X.509: paths, dates, names, constraints, and it bounds its own work. What its errors mean is
//! said in `failure`.

use std::cell::Cell;
use std::iter;
use std::time::Duration;

use ::webpki::{
    EndEntityCert, Error, KeyUsage, RawPublicKeyEntity, RevocationOptions, VerifiedPath,
    anchor_from_trusted_cert, spki_for_anchor,
};
use pith_crypto::SignatureScheme;
use pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
    TrustAnchor, UnixTime,
};

use super::crl::Crls;
use super::der;
use super::error::{CertificateError, Reason, Which};
use super::failure::{self, reason, signature_algorithm, which};
use super::verify::Peer;
use crate::error::Fault;
use crate::limits::CHAIN_SAME_SUBJECT;
use crate::policy::{ChainAlgorithm, Policy};
use crate::wire::reader::Codes;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// The schemes of CertificateVerify, each with the one key type and curve that it is for (rfc9846#4.3.3-1, rfc9846#4.3.3-5,
/// rfc9846#9.1-2).
///
/// webpki compares a key's whole algorithm identifier, curve included, with the one of the algorithm. No PKCS#1 v1.5 and no
/// SHA-1 here (rfc9846#4.5.2-7).
#[rustfmt::skip]
pub(super) static SIGNATURES: &[(SignatureScheme, Algorithm)] = {
    use {::webpki::aws_lc_rs as lc, SignatureScheme as S};
    &[
        (S::MLDSA44, lc::ML_DSA_44),
        (S::MLDSA65, lc::ML_DSA_65),
        (S::MLDSA87, lc::ML_DSA_87),
        (S::ECDSA_SECP256R1_SHA256, lc::ECDSA_P256_SHA256),
        (S::ECDSA_SECP384R1_SHA384, lc::ECDSA_P384_SHA384),
        (S::ECDSA_SECP521R1_SHA512, lc::ECDSA_P521_SHA512),
        (S::ED25519, lc::ED25519),
        (S::RSA_PSS_RSAE_SHA256, lc::RSA_PSS_2048_8192_SHA256_LEGACY_KEY),
        (S::RSA_PSS_RSAE_SHA384, lc::RSA_PSS_2048_8192_SHA384_LEGACY_KEY),
        (S::RSA_PSS_RSAE_SHA512, lc::RSA_PSS_2048_8192_SHA512_LEGACY_KEY),
    ]
};

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

/// The schemes that fit a key, given its algorithm identifier.
pub(super) fn schemes_for(key_algorithm: &[u8]) -> impl Iterator<Item = SignatureScheme> {
    let fits = move |algorithm: Algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm;
    SIGNATURES
        .iter()
        .filter(move |(_, algorithm)| fits(*algorithm))
        .map(|(scheme, _)| *scheme)
}

/// Checks a CertificateVerify over `message` with the leaf's key, a SubjectPublicKeyInfo, which it returns.
pub(super) fn verify_signature(
    leaf: &CertificateDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<SubjectPublicKeyInfoDer<'static>, Fault> {
    let algorithm = algorithm(scheme)?;
    let leaf = parse(leaf).map_err(|_| Fault::CertificateUnparsable)?;
    leaf.verify_signature(algorithm, message, signature)
        .map_err(refused_signature)?;
    Ok(leaf.subject_public_key_info())
}

/// Checks a CertificateVerify over `message` with a raw public key.
pub(super) fn verify_raw_signature(
    key: &SubjectPublicKeyInfoDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Fault> {
    let algorithm = algorithm(scheme)?;
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| Fault::CertificateUnparsable)?;
    key.verify_signature(algorithm, message, signature)
        .map_err(refused_signature)
}

fn algorithm(scheme: SignatureScheme) -> Result<Algorithm, Fault> {
    let row = SIGNATURES.iter().find(|(known, _)| *known == scheme);
    row.map(|(_, algorithm)| *algorithm)
        .ok_or(Fault::CertificateVerifyScheme)
}

fn refused_signature(error: Error) -> Fault {
    match error {
        // rfc9846#4.5.2-6
        Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Fault::CertificateKeyMismatch,
        _ => Fault::CertificateVerifySignature, // rfc9846#4.5.2-9
    }
}

/// Whether this is a SubjectPublicKeyInfo, and all of it (rfc7250#3-1).
pub(super) fn check_raw_key(key: &SubjectPublicKeyInfoDer<'_>) -> Result<(), Reason> {
    RawPublicKeyEntity::try_from(key)
        .map(|_| ())
        .map_err(|_| Reason::Malformed("no SubjectPublicKeyInfo in DER"))
}

/// The algorithm identifier of the keys of a scheme, without its outer SEQUENCE.
pub(super) fn key_algorithm(scheme: SignatureScheme) -> Option<Vec<u8>> {
    let row = SIGNATURES.iter().find(|(known, _)| *known == scheme)?;
    Some(row.1.public_key_alg_id().to_vec())
}

/// Checks that `chain` leads from the peer's certificate to one of `anchors`, in whatever order it came (rfc9846#4.5.1-9).
pub(super) fn verify_peer(
    anchors: &[TrustAnchor<'_>],
    crls: Option<&Crls>,
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
    let lists = crls.map(|crls| crls.by(None)).unwrap_or_default();
    let rules = Rules {
        anchors,
        revocation: crls.and_then(|crls| crls.options(&lists)),
        now,
        usage: match peer {
            Peer::Server(_) => KeyUsage::server_auth(),
            Peer::Client => KeyUsage::client_auth(),
        },
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
        verify_path(&leaf, intermediates, &rules, Some(check))?;
        Ok(leaf)
    });
    let leaf = path.map_err(|error| {
        if let Some(refused) = refused.take() {
            return refused;
        }
        failure::explain(error, chain, &rules, crls)
    })?;
    let Peer::Server(name) = peer else {
        return Ok(());
    };
    leaf.verify_is_valid_for_subject_name(name)
        .map_err(|error| CertificateError::new(Which::Leaf, reason(error)))
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

/// The last moment at which a certificate is valid: what webpki says of it after the last that a certificate can name.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<Duration> {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    match reason(alone(certificate, YEAR_10000, KeyUsage::server_auth())) {
        Reason::Expired { not_after, .. } => Some(not_after),
        _ => None,
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

pub(super) fn parse<'a>(certificate: &'a CertificateDer<'a>) -> Result<EndEntityCert<'a>, Error> {
    EndEntityCert::try_from(certificate)
}

/// Whether a certificate is signed with the key of `issuer`.
pub(super) fn signed(issuer: &EndEntityCert<'_>, certificate: &EndEntityCert<'_>) -> bool {
    let der = certificate.der();
    der::signed_parts(&der).is_some_and(|(message, identifier, signature)| {
        let fits = |algorithm: &Algorithm| algorithm.signature_alg_id().as_ref() == identifier;
        let mut algorithms = ::webpki::ALL_VERIFICATION_ALGS.iter().copied().filter(fits);
        algorithms.any(|one| issuer.verify_signature(one, message, signature).is_ok())
    })
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

/// What a path is held against.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) anchors: &'a [TrustAnchor<'a>],
    pub(super) revocation: Option<RevocationOptions<'a>>,
    pub(super) now: Duration,
    pub(super) usage: KeyUsage,
}

/// A check of a whole path, after all of webpki's own.
pub(super) type PathCheck<'a> = &'a dyn Fn(&VerifiedPath<'_>) -> Result<(), Error>;

pub(super) fn verify_path(
    leaf: &EndEntityCert<'_>,
    intermediates: &[CertificateDer<'_>],
    rules: &Rules<'_>,
    check: Option<PathCheck<'_>>,
) -> Result<(), Error> {
    let (all, now) = (
        ::webpki::ALL_VERIFICATION_ALGS,
        UnixTime::since_unix_epoch(rules.now),
    );
    leaf.verify_for_usage(
        all,
        rules.anchors,
        intermediates,
        now,
        rules.usage,
        rules.revocation,
        check,
    )?;
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
pub(super) fn alone(certificate: &CertificateDer<'_>, now: Duration, usage: KeyUsage) -> Error {
    let rules = Rules {
        anchors: &[],
        revocation: None,
        now,
        usage,
    };
    let verified =
        parse(certificate).and_then(|certificate| verify_path(&certificate, &[], &rules, None));
    verified.err().unwrap_or(Error::UnknownIssuer)
}
