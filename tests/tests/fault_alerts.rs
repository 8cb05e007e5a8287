//! The alert of every fault, by its number, from a reading of RFC 9846 that is independent of the library's own table: all other
//! tests ask the fault for its alert, and would follow a wrong one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pith_tls::{ExtensionType, Fault, Fault as F, Group, MessageKind};

const MESSAGE: MessageKind = MessageKind::ClientHello;
const EXTENSION: ExtensionType = ExtensionType(0);
const GROUP: Group = Group::X25519;

/// Section 6.2 and, where it leaves a choice, the sections that demand one.
const ALERTS: [(u8, &[Fault]); 16] = [
    // unexpected_message: an order or a type (4, 5, 5.1, 5.4), and the floods, to which no section gives an alert.
    (
        10,
        &[
            F::UnexpectedRecord { content_type: 0 },
            F::PlainHttp,
            F::NoContentType,
            F::EmptyRecord,
            F::TooManyEmptyRecords,
            F::TooManyUserCanceled,
            F::ChangeCipherSpecBody,
            F::ChangeCipherSpecMisplaced,
            F::TooManyChangeCipherSpecs,
            F::InterleavedRecord,
            F::MessageAcrossKeyChange,
            F::UnexpectedMessage {
                state: "",
                message: MESSAGE,
            },
            F::UnexpectedLevel,
            F::TooMuchEarlyData,
            F::TooManyQuietMessages,
        ],
    ),
    // bad_record_mac (5.2)
    (20, &[F::BadRecordMac]),
    // record_overflow (5.1, 5.2)
    (22, &[F::RecordOverflow { length: 0 }]),
    // handshake_failure (4.2.1)
    (
        40,
        &[
            F::NoCommonSuite,
            F::NoCommonGroup,
            F::NoCommonSignatureScheme,
            F::PskNotSelected,
        ],
    ),
    // bad_certificate: corrupt ones (6.2)
    (
        42,
        &[
            F::ChainTooLong,
            F::CompressedCertificate,
            F::CertificateUnparsable,
        ],
    ),
    // unsupported_certificate (RFC 7250 section 4.2)
    (43, &[F::NoCommonCertificateType]),
    // illegal_parameter: well formed, and wrong (6)
    (
        47,
        &[
            F::MessageTooLong {
                limit: 0,
                announced: 0,
            },
            F::RepeatedExtension {
                extension: EXTENSION,
            },
            F::TooManyExtensions,
            F::MisplacedExtension {
                extension: EXTENSION,
                message: MESSAGE,
            },
            F::PreSharedKeyNotLast,
            F::PskCounts,
            F::SelectedPsk,
            F::SelectedPskHash,
            F::PskWithoutShare,
            F::ServerName,
            F::Downgrade,
            F::SelectedVersion,
            F::Compression,
            F::KeyShareList,
            F::KeyShareLength {
                group: GROUP,
                expected: 0,
                got: 0,
            },
            F::KeyShareInvalid { group: GROUP },
            F::SecondHelloChanged,
            F::SecondHelloShare,
            F::CompatibilityModeInQuic,
            F::RecordSizeLimit,
            F::SessionIdEcho,
            F::SuiteNotOffered,
            F::SuiteChanged,
            F::GroupNotOffered,
            F::GroupChanged,
            F::RetryOfferedGroup,
            F::RetryWithoutChange,
            F::ProtocolNotOffered,
            F::CertificateContext,
            F::CertificateTypeNotOffered,
            F::RawKeyList,
            F::CompressionNotOffered,
            F::EarlyDataKey,
            F::EarlyDataProtocol,
            F::EarlyDataInQuic,
            F::CertificateVerifyScheme,
            F::CertificateKeyMismatch,
            F::KeyUpdateValue,
        ],
    ),
    // decode_error: not well formed (6), and an empty list of a server's certificates (4.5.1.3)
    (
        50,
        &[
            F::MalformedAlert,
            F::Malformed { message: MESSAGE },
            F::EmptyCertificate,
        ],
    ),
    // decrypt_error (4.5.2, 4.5.3; 4.3.11 leaves the alert open, and 6.2 names binders here)
    (51, &[F::CertificateVerifySignature, F::Finished, F::Binder]),
    // protocol_version (4.2.2, 4.2.3, E.1, E.2)
    (70, &[F::NoTls13 { newest: 0 }, F::LegacyVersion]),
    // insufficient_security (4.2.1, 6.2: one side wants more than the other gives)
    (71, &[F::WeakGroups, F::ResumedClassically]),
    // missing_extension (9.2)
    (
        109,
        &[F::MissingExtension {
            extension: EXTENSION,
            message: MESSAGE,
        }],
    ),
    // unsupported_extension (4.3)
    (
        110,
        &[F::UnsolicitedExtension {
            extension: EXTENSION,
            message: MESSAGE,
        }],
    ),
    // unknown_psk_identity (6.2)
    (115, &[F::UnknownPsk]),
    // certificate_required (4.5.1.3)
    (116, &[F::NoClientCertificate]),
    // no_application_protocol (RFC 7301 section 3.2)
    (120, &[F::NoCommonProtocol]),
];

#[test]
fn every_fault_has_the_alert_that_its_section_names() {
    let rows = ALERTS
        .iter()
        .flat_map(|(code, faults)| faults.iter().map(move |fault| (*code, fault)));
    let mut seen = BTreeSet::new();
    for (code, fault) in rows {
        assert_eq!(fault.alert().0, code, "{fault:?}");
        let name = format!("{fault:?}");
        let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        assert!(seen.insert(name.to_owned()), "{name} stands twice");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/src/error.rs");
    let source = fs::read_to_string(source).unwrap();
    let table = source.split("\nfaults! {\n").nth(1).unwrap();
    let table = table.split("\n}\n").next().unwrap();
    // A row begins with four spaces and the name; what is longer than a line goes on with eight.
    let all: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|row| row.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|row| row.split(|c: char| !c.is_alphanumeric()).next().unwrap())
        .map(str::to_owned)
        .collect();
    assert_eq!(seen, all, "the faults of the library's table");
}
