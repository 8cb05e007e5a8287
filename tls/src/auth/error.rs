//! Why a certificate was refused, and why a configuration was.
//!
//! A [`CertificateError`] says which certificate, what is wrong with it, what was expected and what to do. It owns text from
//! the peer: at most 16 names of 255 bytes, escaped by `Display` and `Debug`, never sent and never logged by this library.
//! Its alert is the one that RFC 9846 section 6.2 names for the case. A [`ConfigError`] comes from a constructor, before
//! any connection.

use std::fmt;
use std::time::Duration;

use crate::error::AlertDescription;

/// A certificate, or a chain, that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateError {
    which: Which,
    reason: Reason,
}

/// The certificate at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The peer's own certificate, the first that it sent.
    Leaf,
    /// The certificate at this place of what the peer sent; the leaf is 0.
    Intermediate(usize),
    /// No single one can be named.
    Chain,
    /// The raw public key that the peer sent in place of certificates (RFC 7250).
    RawKey,
}

/// What was wrong. Times are since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No certificate came.
    Absent,
    /// Not a certificate, or one that breaks the rules of its encoding; the text names the part.
    Malformed(&'static str),
    /// Something in it that this library does not take; the text names it.
    Unsupported(&'static str),
    /// Its validity is over.
    Expired {
        /// The last moment at which it was valid.
        not_after: Duration,
        /// The time at which it was checked.
        now: Duration,
    },
    /// Its validity has not begun.
    NotYetValid {
        /// The first moment at which it will be valid.
        not_before: Duration,
        /// The time at which it was checked.
        now: Duration,
    },
    /// It was issued for other names.
    WrongName {
        /// The name that the peer was to prove.
        expected: PeerText,
        /// The first names that the certificate has.
        presented: Vec<PeerText>,
        /// How many more it has.
        more: usize,
    },
    /// No trusted root, and no certificate that the peer sent, issued it.
    UnknownIssuer {
        /// Who issued it, as it says.
        issuer: PeerText,
        /// It names itself as its issuer.
        self_signed: bool,
        /// How many roots are trusted.
        roots: usize,
    },
    /// The peer's key is none of the pinned ones.
    KeyNotPinned {
        /// The pin of the key that came; see [`key_pin`](super::key_pin).
        key: [u8; 32],
        /// How many keys are pinned.
        pins: usize,
    },
    /// Its signature does not verify under the key of its issuer's certificate.
    BadSignature,
    /// Its signature does not verify under the key of the trusted root that has its issuer's name.
    OtherRoot(PeerText),
    /// It is signed with MD5 or SHA-1, by the algorithm's name.
    Forgeable(&'static str),
    /// Its signature algorithm is not supported; the text is the object identifier.
    SignatureAlgorithm(PeerText),
    /// Its signature algorithm is none that the policy allows.
    OutsidePolicy {
        /// The algorithm that it is signed with, or those that it may be, where the issuer's key is not there.
        algorithm: String,
        /// The name of the policy.
        policy: &'static str,
    },
    /// Its signature algorithm does not fit its issuer's key.
    SignatureKey,
    /// A CA certificate stands where a leaf is expected.
    CaAsLeaf,
    /// A certificate that is not a CA's issued another.
    LeafAsCa,
    /// More CAs stand below one of them than it allows.
    PathLength,
    /// A CA above it may not issue for one of its names.
    NameConstraint,
    /// Its Extended Key Usage does not allow this role.
    Purpose,
    /// Its Key Usage does not allow signatures.
    NotForSigning,
    /// Its issuer has revoked it.
    Revoked,
    /// Whether it is revoked could not be found out; the text says why.
    RevocationUnknown(&'static str),
    /// The list that says whether it is revoked is out of date.
    CrlExpired {
        /// When the next list was to come.
        next_update: Duration,
        /// The time at which it was checked.
        now: Duration,
    },
    /// Its key is known to be compromised.
    Distrusted,
    /// Checking it would take too much work; the text names the limit.
    TooComplex(&'static str),
    /// The caller's own verifier refused the OCSP response that was stapled to it, or misses one; for verifiers alone.
    Status(PeerText),
    /// The caller's own verifier refused it.
    Rejected(PeerText),
}

/// Text from a peer: at most 255 bytes are kept; shown in quotes and escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerText(String);

/// A constructor's refusal: what was expected, what came, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The input holds no item of the kind expected.
    Missing {
        /// What the input was to hold.
        expected: &'static str,
        /// What it holds.
        found: &'static str,
    },
    /// A PEM section cannot be decoded.
    Pem {
        /// What the section was to hold.
        expected: &'static str,
    },
    /// A certificate does not parse.
    Certificate {
        /// The list that it stands in.
        list: &'static str,
        /// Its place in the list, from 1.
        number: usize,
        /// Why.
        reason: Reason,
    },
    /// A revocation list does not parse, or is of a kind that is not supported.
    Crl {
        /// Its place among those given, from 1.
        number: usize,
        /// Why.
        reason: Reason,
    },
    /// The private key is encrypted.
    KeyEncrypted,
    /// The private key is damaged, or of a kind that is not supported.
    KeyUnsupported,
    /// A private key or the certificate's key is of the kind id-RSASSA-PSS.
    RsaPssKey,
    /// An RSA key is too small or too large.
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// The private key, or the signer, is not that of the first certificate.
    KeyMismatch {
        /// The certificate that it does belong to, counted from 1.
        belongs_to: Option<usize>,
    },
    /// A list is empty.
    Empty {
        /// What it lists.
        what: &'static str,
    },
    /// More than may be.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        limit: usize,
        /// How many there are.
        got: usize,
    },
    /// Something stands twice.
    Duplicate {
        /// What.
        what: &'static str,
    },
    /// Something that the policy does not allow.
    OutsidePolicy {
        /// The name of the policy.
        policy: &'static str,
        /// What kind of thing it is.
        what: &'static str,
        /// Its name.
        item: &'static str,
    },
    /// Something that this library, or this version of it, does not have.
    Unsupported {
        /// What.
        what: &'static str,
    },
}

impl CertificateError {
    /// Joins the certificate and the reason. A [`ChainVerifier`](super::ChainVerifier) makes its own errors with it.
    pub fn new(which: Which, reason: Reason) -> Self {
        Self { which, reason }
    }

    /// Which certificate is at fault.
    pub fn which(&self) -> Which {
        self.which
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The alert that the peer gets: what RFC 9846 names for the case in sections 4.5.1.2, 4.5.1.3 and 6.2, and where it
    /// names none, what most implementations send.
    pub fn alert(&self) -> AlertDescription {
        match &self.reason {
            Reason::Absent => AlertDescription::DECODE_ERROR, // rfc9846#4.5.1.3-1
            Reason::Expired { .. } | Reason::NotYetValid { .. } => AlertDescription::CERTIFICATE_EXPIRED,
            Reason::Revoked => AlertDescription::CERTIFICATE_REVOKED,
            Reason::UnknownIssuer { .. } | Reason::OtherRoot(_) => AlertDescription::UNKNOWN_CA,
            Reason::Malformed(_)
            | Reason::WrongName { .. }
            | Reason::BadSignature
            | Reason::Forgeable(_) // rfc9846#4.5.1.3-2
            | Reason::LeafAsCa
            | Reason::PathLength
            | Reason::NameConstraint => AlertDescription::BAD_CERTIFICATE,
            Reason::Unsupported(_)
            | Reason::SignatureAlgorithm(_)
            | Reason::OutsidePolicy { .. }
            | Reason::SignatureKey
            | Reason::CaAsLeaf
            | Reason::Purpose
            | Reason::NotForSigning => AlertDescription::UNSUPPORTED_CERTIFICATE, // rfc9846#4.5.1.2-7
            Reason::KeyNotPinned { .. }
            | Reason::RevocationUnknown(_)
            | Reason::CrlExpired { .. }
            | Reason::Distrusted
            | Reason::TooComplex(_)
            | Reason::Rejected(_) => AlertDescription::CERTIFICATE_UNKNOWN,
            Reason::Status(_) => AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE,
        }
    }
}

impl PeerText {
    /// Keeps the first 255 bytes of `text`, whole characters only.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(NAME_BYTES);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        Self(text.get(..end).unwrap_or_default().to_owned())
    }

    /// The text as it came. It is the peer's: escape it before it is shown.
    pub fn unescaped(&self) -> &str {
        &self.0
    }
}

impl std::error::Error for CertificateError {}

impl std::error::Error for ConfigError {}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.which, self.reason)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("the leaf certificate"),
            Self::Intermediate(place) => write!(f, "intermediate certificate {place}"),
            Self::Chain => f.write_str("the certificate chain"),
            Self::RawKey => f.write_str("the raw public key"),
        }
    }
}

/// What is wrong, in parentheses what was found, and after the colon what to do.
#[rustfmt::skip] // a reason a row
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "is missing: have the peer send one"),
            Self::Malformed(part) => write!(f, "is malformed ({part}): have it issued anew"),
            Self::Unsupported(part) => write!(f, "has an unsupported part ({part}): have it issued without"),
            Self::Expired { not_after, now } => write!(f, "has expired (on {}; it is now {}): \
                renew it, or correct this machine's clock", Date(*not_after), Date(*now)),
            Self::NotYetValid { not_before, now } => write!(f, "is not valid before {} (it is now {}): \
                wait, or correct this machine's clock", Date(*not_before), Date(*now)),
            Self::WrongName { expected, presented, more } => write!(f, "is for other names (wanted {expected}, has {}): \
                connect by one of them, or have it issued for this one", Names(presented, *more)),
            Self::UnknownIssuer { issuer, self_signed: true, roots } => write!(f, "is self-signed and not trusted \
                (issuer {issuer}, trusted roots: {roots}): to accept this very peer, pin its key"),
            Self::UnknownIssuer { issuer, self_signed: false, roots } => write!(f, "leads to no trusted root \
                (issuer {issuer}, trusted roots: {roots}): \
                trust its issuer, or have the peer send the certificates in between"),
            Self::KeyNotPinned { key, pins } => write!(f, "has a key that is not pinned (SHA-256 {}, pinned keys: {pins}): \
                if this is the right peer, pin it", Hex(key)),
            Self::BadSignature => write!(f, "is not signed by its issuer's key: \
                it was altered, or the peer sent another CA's certificate of that name"),
            Self::OtherRoot(issuer) => write!(f, "is not signed by the trusted root of its issuer's name (issuer {issuer}): \
                trust the other CA of that name that issued it; if there is none, it was altered"),
            Self::Forgeable(name) => write!(f, "is signed with an algorithm that can be forged ({name}): \
                have it issued with SHA-256 or better"),
            Self::SignatureAlgorithm(oid) => write!(f, "is signed with an unsupported algorithm ({oid}): \
                have it issued with ECDSA, RSA, Ed25519 or ML-DSA"),
            Self::OutsidePolicy { algorithm, policy } => write!(f, "is signed with an algorithm that policy {policy} \
                does not allow ({algorithm}): have it issued with one that the policy names, or take another policy"),
            Self::SignatureKey => write!(f, "is signed by an unsupported kind of key: \
                use ECDSA, Ed25519, ML-DSA, or RSA (rsaEncryption) of 2048 to 8192 bits"),
            Self::CaAsLeaf => write!(f, "is a CA's own: \
                have the peer show one that is issued to it (Basic Constraints without CA)"),
            Self::LeafAsCa => write!(f, "issued another one but is not a CA's: have that one issued by a CA"),
            Self::PathLength => write!(f, "has more CAs than one of them allows: have the leaf issued nearer to the root"),
            Self::NameConstraint => write!(f, "has a name that one of its CAs may not issue for: use another name or CA"),
            Self::Purpose => write!(f, "is not for this role: \
                have it issued with serverAuth (clientAuth for a client) in its Extended Key Usage"),
            Self::NotForSigning => write!(f, "may not sign, as TLS 1.3 needs: \
                have it issued with digitalSignature in its Key Usage"),
            Self::Revoked => write!(f, "was revoked by its issuer: have it issued anew, for a new key"),
            Self::RevocationUnknown(why) => write!(f, "may be revoked ({why}): \
                give this program a current revocation list of its issuer"),
            Self::CrlExpired { next_update, now } => write!(f, "may be revoked (its issuer's list was good until {}; \
                it is now {}): give this program a current one, or correct this machine's clock",
                Date(*next_update), Date(*now)),
            Self::Distrusted => write!(f, "has a key that is known to be compromised: have it issued for a new key"),
            Self::TooComplex(limit) => write!(f, "takes too much work to check ({limit}): \
                have the peer send the certificates of one path only"),
            Self::Status(why) => write!(f, "came with an OCSP response that this program's own verifier refused, or with none: {why}"),
            Self::Rejected(why) => write!(f, "was refused by this program's own verifier: {why}"),
        }
    }
}

impl fmt::Display for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0) // in quotes; what is not printable is escaped
    }
}

impl fmt::Debug for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[rustfmt::skip] // an error a row
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Pem { expected } => write!(f, "expected {expected}, but a section is damaged: \
                each needs its BEGIN and END lines and base64 between"),
            Self::Certificate { list, number, reason } => write!(f, "certificate {number} of {list} {reason}"),
            Self::Crl { number, reason } => write!(f, "revocation list {number} {reason}"),
            Self::KeyEncrypted => write!(f, "the private key is encrypted: \
                decrypt it, as `openssl pkey -in KEY -out PLAIN` does"),
            Self::KeyUnsupported => write!(f, "the private key is damaged or of an unsupported kind: \
                use ECDSA P-256, P-384 or P-521, Ed25519, ML-DSA, or RSA of 2048 to 8192 bits"),
            Self::RsaPssKey => write!(f, "a key that may be used with RSASSA-PSS alone (id-RSASSA-PSS) is not supported: \
                use a plain RSA key (rsaEncryption), which TLS 1.3 signs with PSS too"),
            Self::RsaSize { bits } => write!(f, "the RSA key has {bits} bits: make one of 2048 to 8192 bits"),
            Self::KeyMismatch { belongs_to: None } => write!(f, "the private key is not that of the first certificate: \
                give the one it was issued for"),
            Self::KeyMismatch { belongs_to: Some(number) } => write!(f, "the private key is that of certificate {number} \
                of the chain, not of the first: put that one first"),
            Self::Empty { what } => write!(f, "no {what} given: at least one is needed"),
            Self::TooMany { what, limit, got } => write!(f, "{got} {what}: at most {limit} may be"),
            Self::Duplicate { what } => write!(f, "{what} given twice: once is enough"),
            Self::OutsidePolicy { policy, what, item } => write!(f, "policy {policy} does not allow {what} {item}: \
                leave it out, or take another policy"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
        }
    }
}

/// The names of a certificate, and how many more it has.
struct Names<'a>(&'a [PeerText], usize);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("no subject alternative name");
        };
        write!(f, "{first}")?;
        others.iter().try_for_each(|name| write!(f, ", {name}"))?;
        match self.1 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Bytes in hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A moment as `2026-11-24 06:54:50 UTC`.
struct Date(Duration);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (mut days, time) = (seconds / 86_400, seconds % 86_400);
        let mut year = 1970_u64;
        // 9999 is the last year that a certificate can name; it also bounds the loop for a clock that is far off.
        let leap = loop {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            match days.checked_sub(if leap { 366 } else { 365 }) {
                Some(rest) if year < 9999 => (days, year) = (rest, year.saturating_add(1)),
                _ => break leap,
            }
        };
        let mut month = 1_u64;
        let february = if leap { 29 } else { 28 };
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            match days.checked_sub(length) {
                Some(rest) => (days, month) = (rest, month.saturating_add(1)),
                None => break,
            }
        }
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        write!(
            f,
            "{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC",
            days.saturating_add(1)
        )
    }
}

/// Names that one error keeps; with [`NAME_BYTES`] it bounds what a peer can make us hold.
pub(super) const NAMES: usize = 16;
const NAME_BYTES: usize = 255; // the longest DNS name, RFC 1035 section 2.3.4
