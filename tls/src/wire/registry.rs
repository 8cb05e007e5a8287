//! Code points: content types, handshake messages and extensions, with their names.

use core::fmt;

/// The content type of a record (RFC 9846 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
}

impl ContentType {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            _ => return None,
        })
    }
}

/// A handshake message (RFC 9846 section 4).
///
/// A HelloRetryRequest has the code of a ServerHello and is told apart by its random value (rfc9846#4.2.3-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// `client_hello`
    ClientHello,
    /// `server_hello`
    ServerHello,
    /// `server_hello` with the random value of a HelloRetryRequest.
    HelloRetryRequest,
    /// `new_session_ticket`
    NewSessionTicket,
    /// `end_of_early_data`
    EndOfEarlyData,
    /// `encrypted_extensions`
    EncryptedExtensions,
    /// `certificate`
    Certificate,
    /// `certificate_request`
    CertificateRequest,
    /// `certificate_verify`
    CertificateVerify,
    /// `finished`
    Finished,
    /// `key_update`
    KeyUpdate,
    /// `compressed_certificate` (RFC 8879)
    CompressedCertificate,
    /// A type that this library does not know, or reserves (rfc9846#B-1).
    Unknown(u8),
}

impl MessageKind {
    /// Every kind that has a meaning in TLS 1.3.
    pub(crate) const ALL: [Self; 12] = [
        Self::ClientHello,
        Self::ServerHello,
        Self::HelloRetryRequest,
        Self::NewSessionTicket,
        Self::EndOfEarlyData,
        Self::EncryptedExtensions,
        Self::Certificate,
        Self::CertificateRequest,
        Self::CertificateVerify,
        Self::Finished,
        Self::KeyUpdate,
        Self::CompressedCertificate,
    ];

    /// The code of the handshake type.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::ClientHello => 1,
            Self::ServerHello | Self::HelloRetryRequest => 2,
            Self::NewSessionTicket => 4,
            Self::EndOfEarlyData => 5,
            Self::EncryptedExtensions => 8,
            Self::Certificate => 11,
            Self::CertificateRequest => 13,
            Self::CertificateVerify => 15,
            Self::Finished => 20,
            Self::KeyUpdate => 24,
            Self::CompressedCertificate => 25,
            Self::Unknown(code) => code,
        }
    }

    /// The kind of a message with this type and body.
    pub(crate) fn of(code: u8, body: &[u8]) -> Self {
        // rfc9846#4.2.3-11: the random value stands behind the two bytes of legacy_version.
        let retry = code == 2 && body.get(2..34) == Some(&super::server_hello::RETRY_RANDOM[..]);
        if retry {
            return Self::HelloRetryRequest;
        }
        Self::ALL
            .into_iter()
            .find(|kind| kind.code() == code)
            .unwrap_or(Self::Unknown(code))
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "unknown message {code}"),
            known => write!(f, "{known:?}"),
        }
    }
}

/// What the entries of a Certificate message are (RFC 9846 section 4.5.1). OpenPGP's, 1, is not for TLS 1.3 (rfc9846#4.5.1-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateType {
    X509,
    RawPublicKey,
}

impl CertificateType {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::X509 => 0,
            Self::RawPublicKey => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::X509, Self::RawPublicKey]
            .into_iter()
            .find(|known| known.code() == code)
    }
}

/// The type of an extension (RFC 9846 section 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtensionType(pub u16);

macro_rules! extensions {
    ($($constant:ident = $code:literal, $name:literal;)+) => {
        impl ExtensionType {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self = Self($code);)+

            /// The name in the registry; `None` for one that this library does not know.
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

extensions! {
    SERVER_NAME = 0, "server_name";
    STATUS_REQUEST = 5, "status_request";
    SUPPORTED_GROUPS = 10, "supported_groups";
    SIGNATURE_ALGORITHMS = 13, "signature_algorithms";
    USE_SRTP = 14, "use_srtp";
    HEARTBEAT = 15, "heartbeat";
    ALPN = 16, "application_layer_protocol_negotiation";
    CLIENT_CERTIFICATE_TYPE = 19, "client_certificate_type";
    SERVER_CERTIFICATE_TYPE = 20, "server_certificate_type";
    PADDING = 21, "padding";
    COMPRESS_CERTIFICATE = 27, "compress_certificate";
    RECORD_SIZE_LIMIT = 28, "record_size_limit";
    DELEGATED_CREDENTIAL = 34, "delegated_credential";
    PRE_SHARED_KEY = 41, "pre_shared_key";
    EARLY_DATA = 42, "early_data";
    SUPPORTED_VERSIONS = 43, "supported_versions";
    COOKIE = 44, "cookie";
    PSK_KEY_EXCHANGE_MODES = 45, "psk_key_exchange_modes";
    CERTIFICATE_AUTHORITIES = 47, "certificate_authorities";
    OID_FILTERS = 48, "oid_filters";
    POST_HANDSHAKE_AUTH = 49, "post_handshake_auth";
    SIGNATURE_ALGORITHMS_CERT = 50, "signature_algorithms_cert";
    KEY_SHARE = 51, "key_share";
    QUIC_TRANSPORT_PARAMETERS = 57, "quic_transport_parameters";
    TICKET_REQUEST = 58, "ticket_request";
    ENCRYPTED_CLIENT_HELLO = 0xfe0d, "encrypted_client_hello";
}

impl fmt::Display for ExtensionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "extension {:#06x}", self.0),
        }
    }
}

impl fmt::Debug for ExtensionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
