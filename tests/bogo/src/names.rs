//! The names by which BoringSSL calls what goes wrong.
//!
//! A test that expects a failure expects a name, `:LIKE_THIS:`, on stderr. Each fault of Pith has the name of the fault of
//! BoringSSL that is nearest; where one fault of Pith covers several there, `ErrorMap` in config.json lists the names that a
//! test may get instead of the one it asks for. The alert, which the runner checks too, has no such freedom.

use pith_tls::{AlertDescription, Error, ExtensionType, Fault, MessageKind, Reason, Which};

/// BoringSSL's name for an error.
pub(crate) fn name(error: &Error) -> &'static str {
    match error {
        Error::Fault(fault) => fault_name(fault),
        Error::Certificate(error) => match error.reason() {
            Reason::Malformed(_) if error.which() == Which::RawKey => "DECODE_ERROR",
            Reason::Malformed(_) => "CANNOT_PARSE_LEAF_CERT",
            Reason::Status(_) => "OCSP_CB_ERROR",
            Reason::NotForSigning => "KEY_USAGE_BIT_INCORRECT",
            _ => "CERTIFICATE_VERIFY_FAILED",
        },
        Error::Alert(alert) => alert_name(*alert),
        Error::Truncated => "UNEXPECTED_EOF",
        // Of all misuse, tests ask for these two.
        Error::Misuse(what) if what.contains("application protocol") => "NO_APPLICATION_PROTOCOL",
        Error::Misuse(_) => "HANDSHAKE_NOT_COMPLETE",
        Error::Local(_) => "INTERNAL_ERROR",
        _ => "UNNAMED_ERROR",
    }
}

fn fault_name(fault: &Fault) -> &'static str {
    match fault {
        Fault::UnexpectedRecord { .. } | Fault::EmptyRecord | Fault::ChangeCipherSpecMisplaced => {
            "UNEXPECTED_RECORD"
        }
        Fault::InterleavedRecord => "UNEXPECTED_RECORD",
        Fault::PlainHttp => "HTTP_REQUEST",
        Fault::RecordOverflow { .. } => "DATA_LENGTH_TOO_LONG",
        Fault::BadRecordMac | Fault::NoContentType => "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        Fault::TooManyEmptyRecords | Fault::TooManyChangeCipherSpecs => "TOO_MANY_EMPTY_FRAGMENTS",
        Fault::MalformedAlert => "BAD_ALERT",
        Fault::TooManyUserCanceled => "TOO_MANY_WARNING_ALERTS",
        Fault::ChangeCipherSpecBody => "BAD_CHANGE_CIPHER_SPEC",
        Fault::MessageAcrossKeyChange => "EXCESS_HANDSHAKE_DATA",

        Fault::UnexpectedMessage { .. } => "UNEXPECTED_MESSAGE",
        Fault::UnexpectedLevel => "WRONG_ENCRYPTION_LEVEL_RECEIVED",
        Fault::MessageTooLong { .. } | Fault::ChainTooLong => "EXCESSIVE_MESSAGE_SIZE",
        Fault::TooMuchEarlyData => "TOO_MUCH_SKIPPED_EARLY_DATA",
        Fault::TooManyQuietMessages => "TOO_MANY_KEY_UPDATES",
        Fault::Malformed { .. } | Fault::KeyUpdateValue | Fault::CertificateContext => {
            "DECODE_ERROR"
        }

        Fault::RepeatedExtension { .. } => "DUPLICATE_EXTENSION",
        Fault::TooManyExtensions | Fault::ServerName => "ERROR_PARSING_EXTENSION",
        Fault::MisplacedExtension { .. } | Fault::UnsolicitedExtension { .. } => {
            "UNEXPECTED_EXTENSION"
        }
        Fault::MissingExtension {
            extension: ExtensionType::KEY_SHARE,
            ..
        } => "MISSING_KEY_SHARE",
        Fault::MissingExtension {
            message: MessageKind::CertificateRequest,
            ..
        } => "DECODE_ERROR",
        Fault::MissingExtension { .. } => "MISSING_EXTENSION",
        Fault::NoCommonCertificateType | Fault::CertificateTypeNotOffered => {
            "UNSUPPORTED_CERTIFICATE"
        }
        Fault::EarlyDataKey => "CIPHER_MISMATCH_ON_EARLY_DATA",
        Fault::EarlyDataProtocol => "ALPN_MISMATCH_ON_EARLY_DATA",
        Fault::CompressedCertificate => "CERT_DECOMPRESSION_FAILED",
        Fault::CompressionNotOffered => "UNKNOWN_CERT_COMPRESSION_ALG",
        Fault::RawKeyList => "INVALID_RAW_PUBLIC_KEY",
        Fault::PskCounts => "PSK_IDENTITY_BINDER_COUNT_MISMATCH",
        Fault::Binder => "DIGEST_CHECK_FAILED",
        Fault::SelectedPsk | Fault::UnknownPsk => "PSK_IDENTITY_NOT_FOUND",
        Fault::PskNotSelected => "MISSING_EXTENSION",
        Fault::SelectedPskHash => "OLD_SESSION_PRF_HASH_MISMATCH",
        Fault::PskWithoutShare => "MISSING_KEY_SHARE",
        Fault::PreSharedKeyNotLast => "PRE_SHARED_KEY_MUST_BE_LAST",

        Fault::NoTls13 { .. } | Fault::SelectedVersion | Fault::LegacyVersion => {
            "UNSUPPORTED_PROTOCOL"
        }
        Fault::Downgrade => "TLS13_DOWNGRADE",
        Fault::Compression => "INVALID_COMPRESSION_LIST",
        Fault::NoCommonSuite => "NO_SHARED_CIPHER",
        Fault::NoCommonGroup | Fault::WeakGroups => "NO_SHARED_GROUP",
        Fault::NoCommonSignatureScheme => "NO_COMMON_SIGNATURE_ALGORITHMS",
        Fault::NoCommonProtocol => "NO_APPLICATION_PROTOCOL",
        Fault::KeyShareList => "DUPLICATE_KEY_SHARE",
        Fault::KeyShareLength { .. } | Fault::KeyShareInvalid { .. } => "BAD_ECPOINT",
        Fault::SecondHelloChanged => "DECODE_ERROR",
        Fault::SecondHelloShare
        | Fault::GroupNotOffered
        | Fault::GroupChanged
        | Fault::RetryOfferedGroup => "WRONG_CURVE",
        Fault::CompatibilityModeInQuic => "UNEXPECTED_COMPATIBILITY_MODE",
        Fault::SessionIdEcho => "SERVER_ECHOED_INVALID_SESSION_ID",
        Fault::SuiteNotOffered | Fault::SuiteChanged => "WRONG_CIPHER_RETURNED",
        Fault::RetryWithoutChange => "EMPTY_HELLO_RETRY_REQUEST",
        Fault::ProtocolNotOffered => "INVALID_ALPN_PROTOCOL",

        Fault::EmptyCertificate | Fault::NoClientCertificate => "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        Fault::CertificateUnparsable => "CANNOT_PARSE_LEAF_CERT",
        Fault::CertificateVerifyScheme | Fault::CertificateKeyMismatch => "WRONG_SIGNATURE_TYPE",
        Fault::CertificateVerifySignature => "BAD_SIGNATURE",
        Fault::Finished => "DIGEST_CHECK_FAILED",
        // The enum may grow; a fault without a name fails the test that meets it.
        _ => "UNNAMED_FAULT",
    }
}

/// The names of received alerts that tests ask for.
fn alert_name(alert: AlertDescription) -> &'static str {
    match alert.0 {
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        _ => "ALERT_RECEIVED",
    }
}
