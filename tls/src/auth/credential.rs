//! A party's own certificate chain, or raw public key, and the key that signs for it.
//!
//! A [`Credential`] cannot be made from a chain that does not parse, a key of another certificate, or a key that TLS 1.3
//! cannot sign with: what would fail in every handshake fails in the constructor, with a text that says what to do. The key
//! may be here, or behind a [`Signer`] that asks a device or a service (RFC 9846 sections 4.5.1.2 and 4.5.2).

use std::sync::Arc;

use pith_crypto::{SignatureScheme, SigningKey};
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer};
use zeroize::Zeroize;

use super::compress::{Algorithm, Compressed};
use super::error::{CertificateError, ConfigError, Reason, Which};
use super::verify::refused_certificate;
use super::{der, raw_key, webpki};
use crate::Now;
use crate::error::Error;
use crate::limits::{CHAIN_BYTES, CHAIN_CERTIFICATES};
use crate::mark::{Mark, mark};
use crate::policy::Policy;
use crate::wire::certificate::{Authorities, encode_certificate};
use crate::wire::reader::Codes;
use crate::wire::registry::CertificateType;
use crate::wire::writer::Writer;

/// Signs for a credential. `message` is all that is to be signed; hash it as the scheme says.
pub trait Signer: Send + Sync {
    /// What it can sign with, most wanted first; all for the one key.
    fn schemes(&self) -> &[SignatureScheme];

    /// Signs `message`, or says that the signature comes later.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Signature;
}

/// A [`Signer`]'s answer.
#[derive(Debug)]
pub enum Signature {
    /// The signature, in the encoding of the scheme, or why there is none.
    Now(Result<Vec<u8>, Error>),
    /// The connection asks its owner and waits.
    Later,
}

/// A certificate chain, the leaf first, or a raw public key, with the signer for the leaf's key or this one. Cloning shares both.
#[derive(Clone)]
pub struct Credential {
    kind: CertificateType,
    /// The entries of a Certificate message: the chain, or the one SubjectPublicKeyInfo that stands there in its place.
    entries: Arc<[CertificateDer<'static>]>,
    pin: [u8; 32],
    signer: Arc<dyn Signer>,
    ocsp: Option<Arc<[u8]>>,
    /// The Certificate message compressed, once somebody took it so.
    compressed: Arc<Compressed>,
    must_match_issuer: bool,
}

/// What a peer wants of a credential.
pub(crate) struct Wanted<'a> {
    /// The types that it takes.
    pub(crate) kinds: &'a [CertificateType],
    /// The name that it asked for.
    pub(crate) name: Option<&'a DnsName<'a>>,
    /// The signature schemes that it takes.
    pub(crate) schemes: Codes<'a>,
    /// The schemes that it takes in chains.
    pub(crate) chain_schemes: Codes<'a>,
    /// Our own policy, which may allow fewer.
    pub(crate) policy: &'static Policy,
    /// The CAs that it trusts, where it says so.
    pub(crate) authorities: Authorities<'a>,
}

impl Credential {
    /// Stands for the chain or raw key that it shows.
    pub(crate) fn mark(&self) -> Mark {
        let entries: Vec<&[u8]> = self.entries.iter().map(AsRef::as_ref).collect();
        mark("credential", &entries)
    }

    /// Reads a chain and its private key (PKCS#8, SEC 1 or PKCS#1, not encrypted) from PEM. Both may be in one file: each
    /// is looked for by its label, and the first key counts.
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der), and [`ConfigError::Missing`], `Pem` or `KeyEncrypted` for what cannot be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        let chain = items_from_pem(chain, "a certificate chain in PEM")?;
        let mut key = key_from_pem(key)?;
        let credential = Self::from_der(chain, &key);
        key.zeroize();
        credential
    }

    /// Joins a chain, the leaf first, and its private key.
    ///
    /// # Errors
    /// As [`with_signer`](Self::with_signer), and [`ConfigError::KeyUnsupported`], `RsaPssKey` or `KeyMismatch` for the key.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, ConfigError> {
        check_chain(&chain)?;
        // The leaf may say more, such as the size of an RSA key.
        let key = signing_key(key)
            .map_err(|unsupported| leaf_schemes(&chain).err().unwrap_or(unsupported))?;
        let mut owners = chain.iter().map(|certificate| {
            webpki::public_key_info(certificate).is_ok_and(|info| {
                der::public_key(&info).is_some_and(|(_, public)| public == key.public_key())
            })
        });
        match owners.position(|owner| owner) {
            // rfc9846#4.5.1-8
            Some(0) => Self::with_signer(chain, Arc::new(LocalKey(key))),
            other => Err(ConfigError::KeyMismatch {
                belongs_to: other.map(|place| place.saturating_add(1)),
            }),
        }
    }

    /// Joins a chain, the leaf first, and whoever signs with its key. That the key is the leaf's cannot be checked here, only
    /// that its kind is.
    ///
    /// # Errors
    /// [`ConfigError::Empty`], `TooMany`, `Certificate`, `RsaSize`, `RsaPssKey` or `KeyUnsupported` for the chain; `KeyMismatch`
    /// if the signer has no scheme for the leaf's kind of key.
    pub fn with_signer(
        chain: Vec<CertificateDer<'static>>,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, ConfigError> {
        check_chain(&chain)?;
        let info = leaf_info(&chain)?;
        Self::new(CertificateType::X509, chain, &info, signer)
    }

    /// Reads a private key, in PEM as for [`from_pem`](Self::from_pem), to be shown as a raw public key (RFC 7250): without a
    /// certificate, to peers that have it pinned and agree to raw keys.
    ///
    /// ```
    /// use pith_tls::{ClientAuth, ClientConfig, Credential, RawKeys, ServerConfig, Trust};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server_pem = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEi2BuVIOWNvwUS8FgHaRIswgDGfMKC5dYyAsghuDctw\n-----END PRIVATE KEY-----\n";
    /// # let device_pem = server_pem;
    /// let (server, device) = (Credential::raw_key_from_pem(server_pem)?, Credential::raw_key_from_pem(device_pem)?);
    /// let (server_pin, device_pin) = (server.key_pin(), device.key_pin()); // each side knows the other's, from elsewhere
    ///
    /// let on_the_server = ServerConfig::new(server)
    ///     .client_auth(ClientAuth::Required(Trust::pinned_keys([device_pin])?))
    ///     .build()?;
    /// let on_the_device = ClientConfig::new(Trust::pinned_keys([server_pin])?)
    ///     .raw_keys(RawKeys::Only)
    ///     .credential(device)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::Missing`], `Pem`, `KeyEncrypted`, `KeyUnsupported` or `RsaPssKey` for what cannot be used.
    pub fn raw_key_from_pem(key: &[u8]) -> Result<Self, ConfigError> {
        let mut key = key_from_pem(key)?;
        let credential = Self::raw_key_from_der(&key);
        key.zeroize();
        credential
    }

    /// As [`raw_key_from_pem`](Self::raw_key_from_pem), for a key in DER.
    ///
    /// # Errors
    /// [`ConfigError::KeyUnsupported`] or `RsaPssKey`.
    pub fn raw_key_from_der(key: &PrivateKeyDer<'_>) -> Result<Self, ConfigError> {
        let key = signing_key(key)?;
        let info = raw_key::public_key_info(&key).ok_or(ConfigError::KeyUnsupported)?;
        Self::raw_key_with_signer(info, Arc::new(LocalKey(key)))
    }

    /// Joins a public key, to be shown as it is (RFC 7250), and whoever signs with its private key. That the two belong
    /// together cannot be checked here, only that their kinds do.
    ///
    /// # Errors
    /// [`ConfigError::Certificate`], `RsaSize`, `RsaPssKey` or `KeyUnsupported` for the key; `KeyMismatch` if the signer has no
    /// scheme for its kind.
    pub fn raw_key_with_signer(
        key: SubjectPublicKeyInfoDer<'static>,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, ConfigError> {
        webpki::check_raw_key(&key).map_err(refused_key)?;
        let entries = vec![CertificateDer::from(key.to_vec())];
        Self::new(CertificateType::RawPublicKey, entries, &key, signer)
    }

    fn new(
        kind: CertificateType,
        entries: Vec<CertificateDer<'static>>,
        info: &[u8],
        signer: Arc<dyn Signer>,
    ) -> Result<Self, ConfigError> {
        let usable = key_schemes(info)?;
        let pin = raw_key::pin(info).map_err(refused_key)?;
        let mut schemes = signer.schemes().iter();
        match schemes.any(|scheme| usable.contains(scheme)) {
            true => Ok(Self {
                kind,
                entries: entries.into(),
                pin,
                signer,
                ocsp: None,
                compressed: Arc::default(),
                must_match_issuer: false,
            }),
            false => Err(ConfigError::KeyMismatch { belongs_to: None }),
        }
    }

    /// Staples an OCSP response to the leaf, for peers that ask for one (RFC 6066 section 8). This library never looks into
    /// it; take a new credential into a new configuration before it expires. A raw public key has no use for one.
    #[must_use]
    pub fn with_ocsp(self, response: &[u8]) -> Self {
        let ocsp = (!response.is_empty()).then(|| response.into());
        Self {
            ocsp,
            compressed: Arc::default(),
            ..self
        }
    }

    /// Shows this credential only to peers that name a CA of its chain among those that they trust
    /// (`certificate_authorities`), and to no others. A raw public key has no CA, and so is shown to nobody then.
    #[must_use]
    pub fn must_match_issuer(self) -> Self {
        Self {
            must_match_issuer: true,
            ..self
        }
    }

    /// The credential that suits a peer best, and the scheme to sign with: one that can sign (rfc9846#4.5.1.2-2,
    /// rfc9846#4.5.2-5), if possible for the name asked for, with signatures that the peer takes (rfc9846#4.5.1.2-5), and from a
    /// CA that it trusts; the first of equals.
    pub(crate) fn choose<'c>(
        credentials: &'c [Self],
        wanted: &Wanted<'_>,
    ) -> Option<(&'c Self, SignatureScheme)> {
        let mut usable = credentials.iter().filter_map(|credential| {
            if !wanted.kinds.contains(&credential.kind) {
                return None;
            }
            if credential.must_match_issuer
                && (wanted.authorities.is_empty() || !credential.is_from(wanted.authorities))
            {
                return None;
            }
            let schemes = credential.signer.schemes().iter().copied();
            let allowed = wanted.policy.signature_schemes;
            let scheme = schemes
                .into_iter()
                .find(|scheme| allowed.contains(scheme) && wanted.schemes.contains(scheme.0))?;
            Some((credential, scheme))
        });
        let unsuitable = |credential: &Self| {
            (
                !credential.is_for(wanted.name),
                !credential.is_signed_with(wanted.chain_schemes),
                !credential.is_from(wanted.authorities),
            )
        };
        match credentials {
            [_] => usable.next(),
            _ => usable.min_by_key(|(credential, _)| unsuitable(credential)),
        }
    }

    fn is_for(&self, name: Option<&DnsName<'_>>) -> bool {
        let name = name.map(|name| ServerName::DnsName(name.borrow()));
        name.is_none_or(|name| {
            let leaf = self.chain().first();
            leaf.is_none_or(|leaf| webpki::is_for(leaf, &name))
        })
    }

    fn is_signed_with(&self, schemes: Codes<'_>) -> bool {
        let next = self.chain().iter().skip(1).map(Some).chain([None]);
        let mut places = self.chain().iter().zip(next);
        places.all(|(certificate, next)| webpki::is_signed_with(certificate, next, schemes))
    }

    fn is_from(&self, authorities: Authorities<'_>) -> bool {
        let trusted = |name: &[u8]| {
            let contents = |name| der::split(name).map(|(_, contents, _)| contents);
            authorities
                .iter()
                .any(|trusted| contents(trusted) == Some(name))
        };
        authorities.is_empty()
            || self
                .chain()
                .iter()
                .any(|certificate| webpki::issuer(certificate).is_some_and(|name| trusted(&name)))
    }

    /// The chain, the leaf first; empty for a raw public key.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        match self.kind {
            CertificateType::X509 => &self.entries,
            CertificateType::RawPublicKey => &[],
        }
    }

    /// The raw public key, a SubjectPublicKeyInfo in DER; `None` for a chain.
    pub fn raw_key(&self) -> Option<&[u8]> {
        match self.kind {
            CertificateType::X509 => None,
            CertificateType::RawPublicKey => self.entries.first().map(AsRef::as_ref),
        }
    }

    /// The pin of the key, for the peers of this credential; see [`key_pin`](super::key_pin).
    pub fn key_pin(&self) -> [u8; 32] {
        self.pin
    }

    pub(crate) fn kind(&self) -> CertificateType {
        self.kind
    }

    /// Writes the Certificate message, with the OCSP response if `staple`; by `algorithm`, where one is given and it makes the
    /// message smaller, the CompressedCertificate in its place.
    pub(crate) fn show(&self, writer: &mut Writer, staple: bool, algorithm: Option<Algorithm>) {
        let ocsp = self.ocsp.as_deref().filter(|_| staple);
        let stapled = ocsp.is_some();
        let plain = |writer: &mut Writer| encode_certificate(writer, &self.entries, ocsp);
        match algorithm.and_then(|algorithm| self.compressed.get(algorithm, stapled, plain)) {
            Some(packed) => writer.bytes(packed),
            None => plain(writer),
        }
    }

    /// Whether a peer that verifies chains can accept this one at `now`: dates, and no CA's certificate as the leaf. A
    /// constructor has no clock, so a program asks this when it starts.
    ///
    /// # Errors
    /// What the first certificate at fault has.
    pub fn check(&self, now: Now) -> Result<(), CertificateError> {
        let leaf = self
            .chain()
            .first()
            .map_or(Ok(()), |leaf| webpki::inspect(leaf, now.unix));
        leaf.map_err(|reason| CertificateError::new(Which::Leaf, reason))
    }

    /// Whether a policy allows the key, and the signatures in the chain as far as the keys they were made with are there.
    pub(crate) fn check_policy(&self, policy: &'static Policy) -> Result<(), ConfigError> {
        let schemes = self.signer.schemes();
        if !schemes
            .iter()
            .any(|scheme| policy.signature_schemes.contains(scheme))
        {
            let scheme = schemes.first().and_then(|scheme| scheme.name());
            return Err(policy.refuses("a key that signs with", scheme.unwrap_or("another scheme")));
        }
        let chain = self.chain();
        for (place, certificate) in chain.iter().enumerate() {
            webpki::check_in_chain(certificate, chain.get(place.saturating_add(1)), policy)
                .map_err(|reason| refused_certificate("the chain", place, reason))?;
        }
        Ok(())
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
}

/// The certificates, or other items, of a PEM file: at least one.
pub(super) fn items_from_pem<T: PemObject>(
    pem: &[u8],
    expected: &'static str,
) -> Result<Vec<T>, ConfigError> {
    match T::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(items) if items.is_empty() => Err(ConfigError::Missing {
            expected,
            found: found(pem),
        }),
        Ok(items) => Ok(items),
        Err(_) => Err(ConfigError::Pem { expected }),
    }
}

fn key_from_pem(pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let expected = "a private key in PEM";
    match PrivateKeyDer::pem_slice_iter(pem).next() {
        Some(Ok(key)) => Ok(key),
        _ if holds(pem, "ENCRYPTED") => Err(ConfigError::KeyEncrypted),
        Some(Err(_)) => Err(ConfigError::Pem { expected }),
        None => Err(ConfigError::Missing {
            expected,
            found: found(pem),
        }),
    }
}

fn signing_key(key: &PrivateKeyDer<'_>) -> Result<SigningKey, ConfigError> {
    SigningKey::from_der(key).map_err(|_| {
        match der::key_algorithm(key.secret_der()).is_some_and(der::is_rsa_pss) {
            true => ConfigError::RsaPssKey,
            false => ConfigError::KeyUnsupported,
        }
    })
}

/// Refuses a chain that is empty, too long, or has a certificate that does not parse.
fn check_chain(chain: &[CertificateDer<'_>]) -> Result<(), ConfigError> {
    // rfc9846#4.5.1-12
    if chain.is_empty() {
        return Err(ConfigError::Empty {
            what: "certificate",
        });
    }
    let bytes = chain.iter().fold(0_usize, |sum, certificate| {
        sum.saturating_add(certificate.len())
    });
    for (what, limit, got) in [
        ("certificates in a chain", CHAIN_CERTIFICATES, chain.len()),
        ("bytes of certificates in a chain", CHAIN_BYTES, bytes),
    ] {
        if got > limit {
            return Err(ConfigError::TooMany { what, limit, got });
        }
    }
    for (place, certificate) in chain.iter().enumerate() {
        webpki::public_key_info(certificate)
            .map_err(|reason| refused_certificate("the chain", place, reason))?;
    }
    Ok(())
}

/// The schemes that fit the leaf's key; refuses a leaf that cannot sign a CertificateVerify.
fn leaf_schemes(chain: &[CertificateDer<'_>]) -> Result<Vec<SignatureScheme>, ConfigError> {
    key_schemes(&leaf_info(chain)?)
}

/// The leaf's SubjectPublicKeyInfo.
fn leaf_info(chain: &[CertificateDer<'_>]) -> Result<Vec<u8>, ConfigError> {
    let leaf = chain.first().ok_or(ConfigError::Empty {
        what: "certificate",
    })?;
    let refused = |reason| refused_certificate("the chain", 0, reason);
    if der::allows_signing(leaf) != Some(true) {
        return Err(refused(Reason::NotForSigning)); // rfc9846#4.5.1.2-3
    }
    webpki::public_key_info(leaf).map_err(refused)
}

fn refused_key(reason: Reason) -> ConfigError {
    refused_certificate("the raw public keys", 0, reason)
}

/// The schemes that fit a key, given its SubjectPublicKeyInfo.
fn key_schemes(info: &[u8]) -> Result<Vec<SignatureScheme>, ConfigError> {
    let (algorithm, key) = der::public_key(info).ok_or(ConfigError::KeyUnsupported)?;
    if der::is_rsa_pss(algorithm) {
        return Err(ConfigError::RsaPssKey);
    }
    let schemes: Vec<_> = webpki::schemes_for(algorithm).collect();
    if schemes.is_empty() {
        return Err(ConfigError::KeyUnsupported);
    }
    match der::rsa_bits(key) {
        Some(bits)
            if schemes.contains(&SignatureScheme::RSA_PSS_RSAE_SHA256)
                && !(2048..=8192).contains(&bits) =>
        {
            Err(ConfigError::RsaSize { bits })
        }
        _ => Ok(schemes),
    }
}

/// What an input holds that does not hold what was expected.
fn found(input: &[u8]) -> &'static str {
    let kinds = [
        ("ENCRYPTED", "an encrypted private key"),
        ("PRIVATE KEY-----", "a private key: is this the right file?"),
        (
            "BEGIN CERTIFICATE-----",
            "a certificate: is this the right file?",
        ),
        (
            "BEGIN CERTIFICATE REQUEST-----",
            "a certificate request: send it to a CA, which returns the certificate",
        ),
        ("BEGIN PUBLIC KEY-----", "a public key"),
        ("BEGIN X509 CRL-----", "a revocation list"),
        ("-----BEGIN ", "a PEM section of another kind"),
    ];
    match input {
        [] => "nothing: the input is empty",
        [0x30, ..] => "binary DER: convert it to PEM, or give it as DER",
        _ => kinds
            .iter()
            .find(|(mark, _)| holds(input, mark))
            .map_or("no PEM section", |(_, kind)| kind),
    }
}

fn holds(input: &[u8], mark: &str) -> bool {
    input
        .windows(mark.len())
        .any(|window| window == mark.as_bytes())
}

/// A key in this process: it signs at once.
struct LocalKey(SigningKey);

impl Signer for LocalKey {
    fn schemes(&self) -> &[SignatureScheme] {
        self.0.schemes()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Signature {
        Signature::Now(self.0.sign(scheme, message).map_err(Error::from))
    }
}
