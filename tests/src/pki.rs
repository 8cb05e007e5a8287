//! A PKI made on the spot, for tests: a root, any number of intermediates, and leaves of every kind that a test asks for.
//!
//! Keys are fresh in each run. Certificates are valid from 2020 to 2100 unless a test says otherwise, so they suit both a
//! virtual clock and the system's. Any certificate can be bent before it is signed, by a closure over rcgen's parameters.
#![allow(clippy::unwrap_used, clippy::panic)]

use pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationList,
    CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    RevokedCertParams, RsaKeySize, SerialNumber, date_time_ymd,
};

/// A key that a certificate can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA over P-256.
    P256,
    /// ECDSA over P-384.
    P384,
    /// ECDSA over P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 8192 bits, always the same key.
    Rsa8192,
    /// Ed25519, always the same key for a number, for runs that replay to the byte.
    Fixed(u8),
}

impl Kind {
    /// Every kind of key that can sign a CertificateVerify.
    pub const ALL: [Self; 9] = [
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::Rsa2048,
        Self::Rsa8192,
    ];
}

/// A root and its intermediates. The last of them issues the leaves.
pub struct Pki {
    /// The root, then each intermediate, from the top down.
    authorities: Vec<CertifiedIssuer<'static, KeyPair>>,
}

/// A chain, the leaf first and the root left out, and the leaf's private key.
pub struct Identity {
    /// The certificates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key in PKCS#8.
    pub key: PrivateKeyDer<'static>,
    /// The certificates in PEM.
    pub chain_pem: String,
    /// The key in PEM.
    pub key_pem: String,
}

impl Pki {
    /// A P-256 root that issues leaves itself.
    pub fn new() -> Self {
        Self::with(Kind::P256, 0)
    }

    /// A root and `intermediates` CAs below it, all with keys of one kind.
    pub fn with(kind: Kind, intermediates: usize) -> Self {
        Self::bent(kind, intermediates, |_, _| ())
    }

    /// As [`with`](Self::with), but `bend` may change each CA: the root is 0, the first intermediate 1.
    pub fn bent(
        kind: Kind,
        intermediates: usize,
        bend: impl Fn(usize, &mut CertificateParams),
    ) -> Self {
        let mut authorities: Vec<CertifiedIssuer<'static, KeyPair>> = Vec::new();
        for place in 0..=intermediates {
            let name = match place {
                0 => "Pith Test Root".to_owned(),
                place => format!("Pith Test Intermediate {place}"),
            };
            let mut params = params(&name, &[]);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            bend(place, &mut params);
            let key = key(kind);
            let authority = match authorities.last() {
                None => CertifiedIssuer::self_signed(params, key),
                Some(above) => CertifiedIssuer::signed_by(params, key, above),
            };
            authorities.push(authority.unwrap());
        }
        Self { authorities }
    }

    /// The root's certificate.
    pub fn root(&self) -> CertificateDer<'static> {
        self.authorities.first().unwrap().der().clone()
    }

    /// The root's certificate in PEM.
    pub fn root_pem(&self) -> String {
        self.authorities.first().unwrap().pem()
    }

    /// What the CA at `place` (the root is 0) has revoked: certificates by their serial numbers. `bend` may change the list,
    /// which is valid as long as certificates are.
    pub fn crl(
        &self,
        place: usize,
        revoked: &[u64],
        bend: impl Fn(&mut CertificateRevocationListParams),
    ) -> CertificateRevocationList {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        bend(&mut params);
        params
            .signed_by(self.authorities.get(place).unwrap())
            .unwrap()
    }

    /// A P-256 leaf for `name`, a DNS name or an IP address.
    pub fn leaf(&self, name: &str) -> Identity {
        self.leaf_with(Kind::P256, &[name], |_| ())
    }

    /// A leaf for `names`, which `bend` may change: [`expired`], [`ca_as_leaf`] and so on, or a closure.
    pub fn leaf_with(
        &self,
        kind: Kind,
        names: &[&str],
        bend: impl Fn(&mut CertificateParams),
    ) -> Identity {
        let key = key(kind);
        let mut params = leaf_params(names);
        bend(&mut params);
        let leaf = params
            .signed_by(&key, self.authorities.last().unwrap())
            .unwrap();
        let issuers = self.authorities.iter().skip(1).rev().map(AsRef::as_ref);
        identity(&key, std::iter::once(&leaf).chain(issuers))
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate that signs itself and is no CA's, to be pinned.
pub fn self_signed(kind: Kind, name: &str) -> Identity {
    let key = key(kind);
    let leaf = leaf_params(&[name]).self_signed(&key).unwrap();
    identity(&key, std::iter::once(&leaf))
}

/// Ends the validity on 2024-02-29.
pub fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2024, 2, 29);
}

/// Begins the validity in 2090.
pub fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 1, 1);
}

/// Makes a CA's certificate of a leaf.
pub fn ca_as_leaf(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn key(kind: Kind) -> KeyPair {
    match kind {
        Kind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        Kind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        Kind::P521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
        Kind::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        Kind::MlDsa44 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44),
        Kind::MlDsa65 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_65),
        Kind::MlDsa87 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_87),
        Kind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        // To make one takes a minute.
        Kind::Rsa8192 => KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(RSA_8192),
            &rcgen::PKCS_RSA_SHA256,
        ),
        Kind::Fixed(number) => KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from([&ED25519_FRAME[..], &[number; 32]].concat()),
            &rcgen::PKCS_ED25519,
        ),
    }
    .unwrap()
}

fn identity<'a>(key: &KeyPair, chain: impl Iterator<Item = &'a Certificate> + Clone) -> Identity {
    Identity {
        chain: chain
            .clone()
            .map(|certificate| certificate.der().clone())
            .collect(),
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        chain_pem: chain.map(Certificate::pem).collect(),
        key_pem: key.serialize_pem(),
    }
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let mut params = params("Pith Test Leaf", names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1));
    params.use_authority_key_identifier_extension = true;
    params
}

/// PKCS#8 in front of the 32 bytes of an Ed25519 key (RFC 8410 section 7).
const ED25519_FRAME: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

const RSA_8192: &[u8] = include_bytes!("../../crypto/tests/data/rsa8192.pkcs8.der");
