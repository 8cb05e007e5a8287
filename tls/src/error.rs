//! Alerts, and every way in which a connection can fail.
//!
//! A [`Fault`] is something that the peer did wrong: one variant for each rule, with the alert that the RFC names for it.
//! One table
//! holds them all, so a fault without an alert cannot be written. An [`Error`] is what a caller sees: a fault, a refused certificate, an alert that came from the peer, a failure on our
//! side, or a misuse of the API. Misuse never depends on bytes of the peer. Nothing here holds bytes of the peer, apart
//! from the bounded names in a [`CertificateError`], so an error can be logged by whoever chooses to.

use core::fmt;

use pith_pq::Group;

use crate::auth::CertificateError;
use crate::wire::{ExtensionType, MessageKind};

/// Why a connection failed. Once one is returned, the connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol.
    Fault(Fault),
    /// The peer's certificate was refused.
    Certificate(Box<CertificateError>),
    /// The peer ended the connection with this alert.
    Alert(AlertDescription),
    /// The transport ended without `close_notify`: what was received may be cut short (rfc9846#6.1-5).
    Truncated,
    /// Something failed on this side, whatever the peer did.
    Local(Local),
    /// The API was used wrongly; says what to do instead.
    Misuse(&'static str),
}

/// A failure on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Local {
    /// A primitive failed: the random generator, or a key or signature of ours.
    Crypto(pith_crypto::Error),
    /// A value of ours does not fit its field in a message, such as a chain of over 16 MiB.
    TooLong,
    /// Key material is used up and no update was possible (rfc9846#5.5-1).
    Exhausted,
    /// The signer, verifier or chooser of the application refused.
    Refused,
    /// A fact that the code relies on did not hold. A bug: please report it.
    Internal(&'static str),
}

impl Error {
    /// The alert to send for this error; `None` where the connection is over without one.
    #[must_use]
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Fault(fault) => Some(fault.alert()),
            Self::Certificate(error) => Some(error.alert()),
            Self::Local(Local::Refused) => Some(AlertDescription::ACCESS_DENIED),
            Self::Local(_) => Some(AlertDescription::INTERNAL_ERROR),
            Self::Alert(_) | Self::Truncated | Self::Misuse(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault} (alert sent: {})", fault.alert()),
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Alert(alert) => {
                write!(f, "the peer ended the connection with the alert {alert}")?;
                match alert.hint() {
                    Some(hint) => write!(f, ": {hint}"),
                    None => Ok(()),
                }
            }
            Self::Truncated => f.write_str(
                "the transport ended without close_notify: what was received may be cut short by somebody on the way",
            ),
            Self::Local(local) => write!(f, "{local}"),
            Self::Misuse(what) => write!(f, "the API was used wrongly: {what}"),
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crypto(error) => write!(f, "a primitive failed on this side: {error}"),
            Self::TooLong => {
                f.write_str("a value of this side is too long for its field in a message")
            }
            Self::Exhausted => f.write_str("the sending key is used up and could not be replaced"),
            Self::Refused => f.write_str("the application refused the connection"),
            Self::Internal(what) => write!(f, "internal error, please report it: {what}"),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Local> for Error {
    fn from(local: Local) -> Self {
        Self::Local(local)
    }
}

impl From<pith_crypto::Error> for Error {
    fn from(error: pith_crypto::Error) -> Self {
        Self::Local(match error {
            pith_crypto::Error::Exhausted => Local::Exhausted,
            error => Local::Crypto(error),
        })
    }
}

impl From<CertificateError> for Error {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(Box::new(error))
    }
}

/// The table of faults: fields, alert, section and what happened in words. A fault without an alert cannot be written
/// (rfc9846#6-5, rfc9846#6-6, rfc9846#6.2-3).
macro_rules! faults {
    ($($name:ident $({ $($field:ident: $type:ty = $what:literal),+ })? =>
        $alert:ident, $section:literal, $text:literal;)+) => {
        /// What a peer did wrong: a variant for each rule, with its alert.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = concat!($text, " (section ", $section, ").")]
            $name $({ $(#[doc = $what] $field: $type),+ })?,)+
        }

        impl Fault {
            fn row(&self) -> (AlertDescription, &'static str, &'static str) {
                match self {
                    $(Self::$name $({ $($field: _),+ })? => (AlertDescription::$alert, $section, $text),)+
                }
            }
        }
    };
}

faults! {
    // Records.
    UnexpectedRecord { content_type: u8 = "The content type that came" } =>
        UNEXPECTED_MESSAGE, "5", "a record of an unexpected type came";
    PlainHttp => UNEXPECTED_MESSAGE, "5", "the peer speaks plain HTTP on this port, not TLS";
    RecordOverflow { length: usize = "The length that came" } =>
        RECORD_OVERFLOW, "5.2", "a record is longer than TLS allows";
    BadRecordMac => BAD_RECORD_MAC, "5.2", "a record does not open: it was altered on the way";
    NoContentType => UNEXPECTED_MESSAGE, "5.4", "a record holds only padding";
    EmptyRecord => UNEXPECTED_MESSAGE, "5.4", "a handshake or alert record is empty";
    TooManyEmptyRecords => UNEXPECTED_MESSAGE, "5.4", "too many empty records came in a row";
    MalformedAlert => DECODE_ERROR, "6", "an alert is not two bytes long";
    TooManyUserCanceled => UNEXPECTED_MESSAGE, "6.1", "too many user_canceled alerts came";
    ChangeCipherSpecBody => UNEXPECTED_MESSAGE, "5", "a change_cipher_spec record has a wrong body";
    ChangeCipherSpecMisplaced => UNEXPECTED_MESSAGE, "5", "a change_cipher_spec record came at a wrong time";
    TooManyChangeCipherSpecs => UNEXPECTED_MESSAGE, "5", "too many change_cipher_spec records came";
    InterleavedRecord => UNEXPECTED_MESSAGE, "5.1", "another record came inside a handshake message";
    MessageAcrossKeyChange => UNEXPECTED_MESSAGE, "5.1", "a handshake message spans a change of keys";

    // Handshake messages in general.
    UnexpectedMessage { state: &'static str = "The state in RFC 9846 appendix A", message: MessageKind = "The message" } =>
        UNEXPECTED_MESSAGE, "4", "a handshake message came out of order";
    UnexpectedLevel => UNEXPECTED_MESSAGE, "RFC 9001 4.1.3", "handshake bytes came under the keys of another level";
    MessageTooLong { limit: usize = "The limit in bytes", announced: usize = "The announced length, header included" } =>
        ILLEGAL_PARAMETER, "4", "a handshake message is longer than the limit";
    TooMuchEarlyData => UNEXPECTED_MESSAGE, "4.3.10", "more early data came than the server takes or skips";
    TooManyQuietMessages => UNEXPECTED_MESSAGE, "4.7", "too many handshake messages came without application data";
    Malformed { message: MessageKind = "The message" } => DECODE_ERROR, "6", "a message does not follow its syntax";

    // Extensions.
    RepeatedExtension { extension: ExtensionType = "The extension" } =>
        ILLEGAL_PARAMETER, "4.3", "an extension stands twice in a message";
    TooManyExtensions => ILLEGAL_PARAMETER, "4.3", "a message has too many extensions";
    MisplacedExtension { extension: ExtensionType = "The extension", message: MessageKind = "The message" } =>
        ILLEGAL_PARAMETER, "4.3", "an extension stands in a message where it is not allowed";
    UnsolicitedExtension { extension: ExtensionType = "The extension", message: MessageKind = "The message" } =>
        UNSUPPORTED_EXTENSION, "4.3", "an extension answers something that was not offered";
    MissingExtension { extension: ExtensionType = "The extension", message: MessageKind = "The message" } =>
        MISSING_EXTENSION, "9.2", "a mandatory extension is missing";
    PreSharedKeyNotLast => ILLEGAL_PARAMETER, "4.3.11", "pre_shared_key is not the last extension";
    PskCounts =>
        ILLEGAL_PARAMETER, "4.3.11", "the client sent another number of binders than of pre-shared keys";
    ServerName => ILLEGAL_PARAMETER, "RFC 6066 3", "the server name is not a DNS name";

    // Hellos and negotiation.
    NoTls13 { newest: u16 = "The version's code, such as 0x0303 for TLS 1.2" } =>
        PROTOCOL_VERSION, "4.3.1", "the peer does not speak TLS 1.3";
    Downgrade => ILLEGAL_PARAMETER, "4.2.3", "the server knows TLS 1.3 but answered with an older version";
    SelectedVersion => ILLEGAL_PARAMETER, "4.3.1", "the server chose a version that was not offered";
    LegacyVersion => PROTOCOL_VERSION, "4.2.2", "legacy_version is not 0x0303";
    Compression => ILLEGAL_PARAMETER, "4.2.2", "a compression method other than null was named";
    NoCommonSuite => HANDSHAKE_FAILURE, "4.2.1", "the peers have no cipher suite in common";
    NoCommonGroup => HANDSHAKE_FAILURE, "4.2.1", "the peers have no key exchange group in common";
    WeakGroups => INSUFFICIENT_SECURITY, "4.2.1", "the client names no key exchange group that this server's policy allows";
    NoCommonSignatureScheme =>
        HANDSHAKE_FAILURE, "4.2.1", "the client accepts no signature scheme, or no issuer, of this server's certificates";
    NoCommonProtocol => NO_APPLICATION_PROTOCOL, "RFC 7301 3.2", "the peers have no application protocol in common";
    NoCommonCertificateType =>
        UNSUPPORTED_CERTIFICATE, "RFC 7250 4.2", "the peers have no certificate type in common";
    CertificateTypeNotOffered =>
        ILLEGAL_PARAMETER, "RFC 7250 4.2", "the server chose a certificate type that was not offered";
    KeyShareList => ILLEGAL_PARAMETER, "4.3.8", "the key shares do not follow supported_groups, or one stands twice";
    KeyShareLength { group: Group = "The group", expected: usize = "Bytes that it has", got: usize = "That came" } =>
        ILLEGAL_PARAMETER, "4.3.8", "a key share has a wrong length";
    KeyShareInvalid { group: Group = "The group" } =>
        ILLEGAL_PARAMETER, "4.3.8", "a key share is not a valid public value";
    SecondHelloChanged =>
        ILLEGAL_PARAMETER, "4.2.2", "the second ClientHello differs from the first in more than it may";
    SecondHelloShare =>
        ILLEGAL_PARAMETER, "4.3.8", "the second ClientHello has not exactly the share that was asked for";
    CompatibilityModeInQuic =>
        ILLEGAL_PARAMETER, "RFC 9001 8.4", "a QUIC client uses the compatibility mode of TLS over TCP";
    EarlyDataKey =>
        ILLEGAL_PARAMETER, "4.3.10", "the server accepted early data, but not the first pre-shared key with its cipher suite";
    EarlyDataProtocol => ILLEGAL_PARAMETER, "4.3.10", "the server accepted early data and chose another application protocol";
    EarlyDataInQuic => ILLEGAL_PARAMETER, "RFC 9001 4.6.1", "a ticket of QUIC has a limit of early data";
    RecordSizeLimit => ILLEGAL_PARAMETER, "RFC 8449 4", "a record size limit is smaller than 64 bytes";
    SessionIdEcho => ILLEGAL_PARAMETER, "4.2.3", "the server did not echo the session id";
    SuiteNotOffered => ILLEGAL_PARAMETER, "4.2.3", "the server chose a cipher suite that was not offered";
    SuiteChanged => ILLEGAL_PARAMETER, "4.2.4", "the server changed the cipher suite after its HelloRetryRequest";
    GroupNotOffered => ILLEGAL_PARAMETER, "4.3.8", "the server chose a group that was not offered";
    GroupChanged => ILLEGAL_PARAMETER, "4.3.8", "the server changed the group after its HelloRetryRequest";
    RetryOfferedGroup => ILLEGAL_PARAMETER, "4.3.8", "a HelloRetryRequest asks for a key share that was already sent";
    RetryWithoutChange => ILLEGAL_PARAMETER, "4.2.4", "a HelloRetryRequest changes nothing";
    ProtocolNotOffered =>
        ILLEGAL_PARAMETER, "RFC 7301 3.1", "the server chose an application protocol that was not offered";

    // Pre-shared keys.
    Binder => DECRYPT_ERROR, "4.3.11", "a binder does not verify: the client does not hold the pre-shared key";
    SelectedPsk => ILLEGAL_PARAMETER, "4.3.11", "the server selected a pre-shared key that was not offered";
    SelectedPskHash =>
        ILLEGAL_PARAMETER, "4.3.11", "the server selected a pre-shared key for another hash than its cipher suite's";
    PskWithoutShare => ILLEGAL_PARAMETER, "4.3.11", "the server selected a pre-shared key without a key exchange";
    ResumedClassically =>
        INSUFFICIENT_SECURITY, "4.3.11", "the server resumed a post-quantum connection with a classical key exchange";
    PskNotSelected =>
        HANDSHAKE_FAILURE, "4.3.11", "the server selected no pre-shared key, and this client trusts nothing else";
    UnknownPsk =>
        UNKNOWN_PSK_IDENTITY, "4.3.11", "the client offers no pre-shared key of this server, which has nothing else";
    // Authentication.
    CertificateContext => ILLEGAL_PARAMETER, "4.4.2", "certificate_request_context is not empty in the handshake";
    EmptyCertificate => DECODE_ERROR, "4.5.1.3", "the server sent no certificate";
    ChainTooLong => BAD_CERTIFICATE, "4.5.1", "the peer's certificate chain is longer than the limit";
    CompressionNotOffered => ILLEGAL_PARAMETER, "RFC 8879 4", "the peer's certificates are compressed by an algorithm that was not offered";
    CompressedCertificate =>
        BAD_CERTIFICATE, "RFC 8879 4", "the peer's compressed certificates do not expand to the announced length";
    RawKeyList => ILLEGAL_PARAMETER, "4.5.1", "more came than the one raw public key that was agreed upon";
    NoClientCertificate =>
        CERTIFICATE_REQUIRED, "4.5.1.3", "the client showed no certificate, which this server requires";
    CertificateUnparsable => BAD_CERTIFICATE, "4.5.1", "the peer's certificate cannot be parsed";
    CertificateVerifyScheme =>
        ILLEGAL_PARAMETER, "4.5.2", "CertificateVerify uses a signature scheme that was not offered for it";
    CertificateKeyMismatch =>
        ILLEGAL_PARAMETER, "4.5.2", "CertificateVerify uses a scheme that does not fit the certificate's key";
    CertificateVerifySignature => DECRYPT_ERROR, "4.5.2", "the signature in CertificateVerify does not verify";
    Finished => DECRYPT_ERROR, "4.5.3", "Finished does not verify: the handshake was altered";

    // After the handshake.
    KeyUpdateValue => ILLEGAL_PARAMETER, "4.7.3", "a KeyUpdate has an unknown value";
}

impl Fault {
    /// The alert that RFC 9846 names for this fault.
    #[must_use]
    pub fn alert(&self) -> AlertDescription {
        self.row().0
    }

    /// The section of the RFC that the peer broke; RFC 9846 where no other is named.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.row().1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)?;
        match self {
            Self::UnexpectedRecord { content_type } => write!(f, ": content type {content_type}"),
            Self::RecordOverflow { length } => write!(f, ": {length} bytes"),
            Self::UnexpectedMessage { state, message } => write!(f, ": {message} in state {state}"),
            Self::MessageTooLong { limit, announced } => {
                write!(f, ": {announced} bytes, at most {limit} are taken")
            }
            Self::Malformed { message } => write!(f, ": {message}"),
            Self::RepeatedExtension { extension } => write!(f, ": {extension}"),
            Self::MisplacedExtension { extension, message }
            | Self::UnsolicitedExtension { extension, message }
            | Self::MissingExtension { extension, message } => {
                write!(f, ": {extension} in {message}")
            }
            Self::NoTls13 { newest: 0x0303 } => f.write_str(": only TLS 1.2 or older"),
            Self::NoTls13 { newest } => write!(f, ": its newest version is {newest:#06x}"),
            Self::KeyShareLength {
                group,
                expected,
                got,
            } => {
                write!(f, ": {group} has {expected} bytes, {got} came")
            }
            Self::KeyShareInvalid { group } => write!(f, ": {group}"),
            _ => Ok(()),
        }
    }
}

/// An alert's description (RFC 9846 section 6). Unknown ones are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

macro_rules! alerts {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal;)+) => {
        impl AlertDescription {
            $($(#[$doc])* pub const $constant: Self = Self($code);)+

            /// The name in the RFC; `None` for an unknown code.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)+
                    _ => None,
                }
            }
        }
    };
}

alerts! {
    /// The sender will send no more.
    CLOSE_NOTIFY = 0, "close_notify";
    /// A message or record came at a wrong time.
    UNEXPECTED_MESSAGE = 10, "unexpected_message";
    /// A record does not open.
    BAD_RECORD_MAC = 20, "bad_record_mac";
    /// A record is too long.
    RECORD_OVERFLOW = 22, "record_overflow";
    /// Nothing in common.
    HANDSHAKE_FAILURE = 40, "handshake_failure";
    /// A certificate is corrupt or its signatures do not verify.
    BAD_CERTIFICATE = 42, "bad_certificate";
    /// A certificate of an unsupported kind.
    UNSUPPORTED_CERTIFICATE = 43, "unsupported_certificate";
    /// A certificate was revoked.
    CERTIFICATE_REVOKED = 44, "certificate_revoked";
    /// A certificate is not valid now.
    CERTIFICATE_EXPIRED = 45, "certificate_expired";
    /// A certificate is not acceptable for another reason.
    CERTIFICATE_UNKNOWN = 46, "certificate_unknown";
    /// A field is well formed but wrong.
    ILLEGAL_PARAMETER = 47, "illegal_parameter";
    /// The issuer is not trusted.
    UNKNOWN_CA = 48, "unknown_ca";
    /// The peer is known but not allowed.
    ACCESS_DENIED = 49, "access_denied";
    /// A message does not follow its syntax.
    DECODE_ERROR = 50, "decode_error";
    /// A signature, Finished or binder does not verify.
    DECRYPT_ERROR = 51, "decrypt_error";
    /// The version is not supported.
    PROTOCOL_VERSION = 70, "protocol_version";
    /// The server wants stronger parameters.
    INSUFFICIENT_SECURITY = 71, "insufficient_security";
    /// The sender failed for reasons of its own.
    INTERNAL_ERROR = 80, "internal_error";
    /// A retry with a lower version than needed.
    INAPPROPRIATE_FALLBACK = 86, "inappropriate_fallback";
    /// The user gave up; `close_notify` follows.
    USER_CANCELED = 90, "user_canceled";
    /// A mandatory extension is missing.
    MISSING_EXTENSION = 109, "missing_extension";
    /// An extension that was not offered.
    UNSUPPORTED_EXTENSION = 110, "unsupported_extension";
    /// The server does not serve that name.
    UNRECOGNIZED_NAME = 112, "unrecognized_name";
    /// A stapled OCSP response is not acceptable.
    BAD_CERTIFICATE_STATUS_RESPONSE = 113, "bad_certificate_status_response";
    /// No pre-shared key is known.
    UNKNOWN_PSK_IDENTITY = 115, "unknown_psk_identity";
    /// A client certificate is wanted.
    CERTIFICATE_REQUIRED = 116, "certificate_required";
    /// Some error.
    GENERAL_ERROR = 117, "general_error";
    /// No application protocol in common.
    NO_APPLICATION_PROTOCOL = 120, "no_application_protocol";
}

impl AlertDescription {
    /// What a person can do about an alert that came from the peer.
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::HANDSHAKE_FAILURE | Self::INSUFFICIENT_SECURITY => {
                Some("compare the groups, cipher suites and signature schemes of both sides")
            }
            Self::PROTOCOL_VERSION => Some("it does not speak TLS 1.3"),
            Self::UNKNOWN_CA
            | Self::BAD_CERTIFICATE
            | Self::CERTIFICATE_UNKNOWN
            | Self::UNSUPPORTED_CERTIFICATE => Some(
                "it does not trust this side's certificate; compare its trust anchors with this side's chain",
            ),
            Self::CERTIFICATE_EXPIRED => {
                Some("this side's certificate is not valid now, or its clock is wrong")
            }
            Self::CERTIFICATE_REQUIRED => Some("it wants a client certificate"),
            Self::UNRECOGNIZED_NAME => Some("it does not serve the name that was asked for"),
            Self::NO_APPLICATION_PROTOCOL => Some("compare the ALPN lists of both sides"),
            _ => None,
        }
    }
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown alert {}", self.0),
        }
    }
}

impl fmt::Debug for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}({})", self.0)
    }
}
