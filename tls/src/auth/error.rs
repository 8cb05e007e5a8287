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
    /// Its signature does not verify under its issuer's key.
    BadSignature,
    /// Its signature algorithm is not supported.
    SignatureAlgorithm {
        /// The algorithm's name, or its object identifier.
        algorithm: PeerText,
        /// It uses MD5 or SHA-1, which can be forged.
        forgeable: bool,
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
    /// Whether it is revoked could not be found out.
    RevocationUnknown,
    /// Its key is known to be compromised.
    Distrusted,
    /// Checking it would take too much work; the text names the limit.
    TooComplex(&'static str),
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
        /// What it was to serve as.
        role: &'static str,
        /// Its place in the input, from 1.
        number: usize,
        /// Why.
        error: CertificateError,
    },
    /// The private key is encrypted.
    KeyEncrypted,
    /// The private key is damaged, or of a kind that is not supported.
    KeyUnsupported,
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
    /// The first certificate's Key Usage forbids signatures.
    KeyUsage,
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

    /// The alert that the peer gets. RFC 9846 sections 4.5.1.2, 4.5.1.3 and 6.2; what they do not name has the alert that
    /// most implementations send.
    pub fn alert(&self) -> AlertDescription {
        match &self.reason {
            Reason::Absent => AlertDescription::DECODE_ERROR, // rfc9846#4.5.1.3-1
            Reason::Expired { .. } | Reason::NotYetValid { .. } => {
                AlertDescription::CERTIFICATE_EXPIRED
            }
            Reason::Revoked => AlertDescription::CERTIFICATE_REVOKED,
            Reason::UnknownIssuer { .. } => AlertDescription::UNKNOWN_CA,
            Reason::Malformed(_)
            | Reason::WrongName { .. }
            | Reason::BadSignature
            | Reason::LeafAsCa
            | Reason::PathLength
            | Reason::NameConstraint
            | Reason::SignatureAlgorithm {
                forgeable: true, ..
            } => AlertDescription::BAD_CERTIFICATE, // rfc9846#4.5.1.3-2
            Reason::Unsupported(_)
            | Reason::SignatureAlgorithm {
                forgeable: false, ..
            }
            | Reason::SignatureKey
            | Reason::CaAsLeaf
            | Reason::Purpose
            | Reason::NotForSigning => AlertDescription::UNSUPPORTED_CERTIFICATE, // rfc9846#4.5.1.2-7
            Reason::KeyNotPinned { .. }
            | Reason::RevocationUnknown
            | Reason::Distrusted
            | Reason::TooComplex(_)
            | Reason::Rejected(_) => AlertDescription::CERTIFICATE_UNKNOWN,
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

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificate { error, .. } => Some(error),
            Self::Missing { .. }
            | Self::Pem { .. }
            | Self::KeyEncrypted
            | Self::KeyUnsupported
            | Self::RsaSize { .. }
            | Self::KeyMismatch { .. }
            | Self::KeyUsage
            | Self::Empty { .. }
            | Self::TooMany { .. }
            | Self::Duplicate { .. }
            | Self::Unsupported { .. } => None,
        }
    }
}

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
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is missing: the peer must send a certificate"),
            Self::Malformed(what) => write!(f, "is malformed ({what}): have it issued anew"),
            Self::Unsupported(what) => write!(f, "has {what}, which is not supported: have it issued without"),
            Self::Expired { not_after, now } => write!(
                f,
                "expired on {} (it is now {}): renew it, or set the clock of this machine if that is wrong",
                Date(*not_after),
                Date(*now)
            ),
            Self::NotYetValid { not_before, now } => write!(
                f,
                "is not valid before {} (it is now {}): wait, or set the clock of this machine if that is wrong",
                Date(*not_before),
                Date(*now)
            ),
            Self::WrongName { expected, presented, more } => wrong_name(f, expected, presented, *more),
            Self::UnknownIssuer { issuer, self_signed: true, roots } => write!(
                f,
                "is self-signed as {issuer}, and is {}: to accept this very peer, pin its key",
                Among(*roots, "none of the", "trusted root")
            ),
            Self::UnknownIssuer { issuer, self_signed: false, roots } => write!(
                f,
                "was issued by {issuer}, and no path leads from there to {}: trust that CA, or have the peer send the certificates in between",
                Among(*roots, "one of the", "trusted root")
            ),
            Self::KeyNotPinned { key, pins } => write!(
                f,
                "has the key {}, which is {}: if this is the right peer, pin that key",
                Hex(key),
                Among(*pins, "none of the", "pinned key")
            ),
            Self::BadSignature => f.write_str(
                "has a signature that does not verify under its issuer's key: it was altered, or another CA of that name issued it",
            ),
            Self::SignatureAlgorithm { algorithm, forgeable: true } => {
                write!(f, "is signed with {algorithm}, which can be forged: have it issued with SHA-256 or better")
            }
            Self::SignatureAlgorithm { algorithm, forgeable: false } => write!(
                f,
                "is signed with {algorithm}, which is not supported: have it issued with ECDSA, RSA or Ed25519"
            ),
            Self::SignatureKey => f.write_str(
                "has a signature algorithm that does not fit its issuer's key: use an RSA key of 2048 to 8192 bits, P-256, P-384 or Ed25519",
            ),
            Self::CaAsLeaf => f.write_str(
                "is a CA's: the peer must show a certificate issued to it (Basic Constraints without CA), and keep the CA's to issue it",
            ),
            Self::LeafAsCa => {
                f.write_str("issued another certificate but is not a CA's: have the other one issued by a CA")
            }
            Self::PathLength => f.write_str(
                "has more CAs in it than one of them allows (path length): have the leaf issued by a CA nearer to the root",
            ),
            Self::NameConstraint => f.write_str(
                "holds a name that a CA above may not issue for (name constraints): use another CA, or another name",
            ),
            Self::Purpose => f.write_str(
                "is not issued for this role (its Extended Key Usage lacks it): have it issued for TLS server authentication",
            ),
            Self::NotForSigning => f.write_str(
                "may not be used to sign (its Key Usage lacks digitalSignature), which TLS 1.3 needs: have it issued with digitalSignature",
            ),
            Self::Revoked => f.write_str("was revoked by its issuer: have a new one issued"),
            Self::RevocationUnknown => {
                f.write_str("may be revoked or not, no usable revocation list says: give a current one of its issuer")
            }
            Self::Distrusted => f.write_str("has a key that is known to be compromised: have it issued for a new key"),
            Self::TooComplex(limit) => {
                write!(f, "takes too much work to check ({limit}): have the peer send the certificates of one path only")
            }
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

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Pem { expected } => {
                write!(f, "the PEM of {expected} is damaged: each section needs its BEGIN and END lines and base64 between")
            }
            Self::Certificate { role, number, error } => write!(f, "{role}, number {number} of the input: {error}"),
            Self::KeyEncrypted => f.write_str(
                "the private key is encrypted: decrypt it first, for example with `openssl pkey -in KEY -out PLAIN`",
            ),
            Self::KeyUnsupported => f.write_str(
                "the private key is damaged or of a kind that is not supported: use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits",
            ),
            Self::RsaSize { bits } => {
                write!(f, "the RSA key has {bits} bits: make one of 2048 to 8192 bits, or an ECDSA P-256 key")
            }
            Self::KeyMismatch { belongs_to: None } => f.write_str(
                "the private key is not that of the first certificate: give the key that this certificate was issued for",
            ),
            Self::KeyMismatch { belongs_to: Some(number) } => {
                write!(f, "the private key is that of certificate {number} of the chain, not of the first: put that one first")
            }
            Self::KeyUsage => f.write_str(
                "the first certificate may not be used to sign (its Key Usage lacks digitalSignature): have it issued with digitalSignature",
            ),
            Self::Empty { what } => write!(f, "no {what} given: at least one is needed"),
            Self::TooMany { what, limit, got } => write!(f, "{got} {what}: at most {limit} may be"),
            Self::Duplicate { what } => write!(f, "{what} given twice: once is enough"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
        }
    }
}

fn wrong_name(
    f: &mut fmt::Formatter<'_>,
    expected: &PeerText,
    presented: &[PeerText],
    more: usize,
) -> fmt::Result {
    write!(f, "is not for {expected}: it ")?;
    match presented.split_first() {
        None => f.write_str("has no subject alternative name (a common name does not count)")?,
        Some((first, others)) => {
            write!(f, "names {first}")?;
            others.iter().try_for_each(|name| write!(f, ", {name}"))?;
        }
    }
    if more > 0 {
        write!(f, " and {more} more")?;
    }
    f.write_str("; connect by a name that it has, or have it issued for this one")
}

/// "none of the 3 trusted roots", and so for one.
struct Among(usize, &'static str, &'static str);

impl fmt::Display for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, among, what) = self;
        match count {
            1 => write!(f, "{among} 1 {what}"),
            _ => write!(f, "{among} {count} {what}s"),
        }
    }
}

struct Hex<'a>(&'a [u8]);

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
        for length in [
            31,
            if leap { 29 } else { 28 },
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
        ] {
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
