//! Every message in every state of both roles, against the golden file `state_matrix.tsv`: which are legal, and that all others
//! are `unexpected_message`. Where a message is taken, the file names the state that it leads to.
//!
//! Each cell is a connection of its own, brought honestly to the state. What is legal there is what an honest peer sends next,
//! so that it is taken; what is not has a body that would be well formed. Where the file is wrong, the failure prints what it
//! should hold. Nobody here offers compressed certificates, which `certificate_compression.rs` has.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::fmt::Write;

use pith_tests::message::{self, Extensions, is_retry, kind, vec16};
use pith_tests::scripted::{
    Bench, Course, HANDSHAKE, KEY_UPDATE_REQUEST, Role, Stage, Step, configs, message,
};
use pith_tls::{AlertDescription, Error, Fault};

/// The columns: every message of RFC 9846, in the order of its codes, and some that it reserves or does not know.
const MESSAGES: [(&str, u8); 18] = [
    ("hello_request", 0),
    ("ClientHello", kind::CLIENT_HELLO),
    ("ServerHello", kind::SERVER_HELLO),
    ("HelloRetryRequest", kind::SERVER_HELLO),
    ("NewSessionTicket", kind::NEW_SESSION_TICKET),
    ("EndOfEarlyData", kind::END_OF_EARLY_DATA),
    ("EncryptedExtensions", kind::ENCRYPTED_EXTENSIONS),
    ("Certificate", kind::CERTIFICATE),
    ("server_key_exchange", 12),
    ("CertificateRequest", kind::CERTIFICATE_REQUEST),
    ("server_hello_done", 14),
    ("CertificateVerify", kind::CERTIFICATE_VERIFY),
    ("Finished", kind::FINISHED),
    ("certificate_status", 22),
    ("KeyUpdate", kind::KEY_UPDATE),
    ("CompressedCertificate", kind::COMPRESSED_CERTIFICATE),
    ("message_hash", kind::MESSAGE_HASH),
    ("255", 255),
];

/// A message of this kind: from the peer's next steps where it is one of them, otherwise well formed.
fn bytes(bench: &Bench, name: &str, code: u8) -> Vec<u8> {
    let steps = bench.peer.steps.iter().filter_map(|step| match step {
        Step::Message(bytes) => Some(bytes),
        Step::Keys(_) | Step::Update => None,
    });
    let wants_retry = name == "HelloRetryRequest";
    let mut next = steps.take(1);
    if let Some(own) = next.find(|own| own[0] == code && is_retry(own) == wants_retry) {
        return own.clone();
    }
    let schemes = Extensions(vec![(13, vec16(&[4, 3]))]);
    match code {
        kind::SERVER_HELLO if wants_retry => {
            let random = message::RETRY_RANDOM;
            message(
                code,
                &[&[3, 3], &random[..], &[0, 0x13, 1, 0, 0, 0]].concat(),
            )
        }
        kind::SERVER_HELLO => message(
            code,
            &[&[3, 3], &[5; 32][..], &[0, 0x13, 1, 0, 0, 0]].concat(),
        ),
        kind::NEW_SESSION_TICKET => message::ticket(&Extensions::default()),
        kind::ENCRYPTED_EXTENSIONS => message(code, &[0, 0]),
        kind::CERTIFICATE => message(code, &[0; 4]),
        kind::CERTIFICATE_REQUEST => message::certificate_request(&[], &schemes),
        kind::CERTIFICATE_VERIFY => message(code, &[4, 3, 0, 0]),
        kind::FINISHED => message(code, &[0; 32]),
        kind::KEY_UPDATE => KEY_UPDATE_REQUEST.to_vec(),
        _ => message(code, &[]),
    }
}

/// What becomes of one message: the next state, `-` for unexpected_message in this state, or another error.
fn cell(mut bench: Bench, state: &str, name: &str, code: u8) -> String {
    let bytes = bytes(&bench, name, code);
    let wire: Vec<u8> = match bench.peer.steps.front() {
        Some(Step::Message(own)) if *own == bytes => bench.peer.honest(1),
        _ if code == kind::KEY_UPDATE && state == "CONNECTED" => bench.peer.key_update(&bytes),
        _ => bytes
            .chunks(1 << 14)
            .flat_map(|part| bench.peer.record(HANDSHAKE, part))
            .collect(),
    };
    let Err(error) = bench.feed(&wire) else {
        return next_state(&mut bench);
    };
    let unexpected = matches!(error, Error::Fault(Fault::UnexpectedMessage { state: found, .. }) if found == state);
    let alerts = bench.peer.contents(21);
    let alert = error.alert().unwrap();
    assert_eq!(alerts, [[2, alert.0]], "{state} {name}: {error}");
    let of_order = alert == AlertDescription::UNEXPECTED_MESSAGE;
    assert_eq!(unexpected, of_order, "{state} {name}: {error:?}");
    if unexpected {
        "-".to_owned()
    } else {
        error.to_string()
    }
}

/// The state that a connection is in: it says so when it gets a message that no state takes.
fn next_state(bench: &mut Bench) -> String {
    bench.peer.settle();
    let wire = bench.peer.record(HANDSHAKE, &message(255, &[]));
    match bench.feed(&wire) {
        Err(Error::Fault(Fault::UnexpectedMessage { state, .. })) => state.to_owned(),
        other => panic!("{other:?}"),
    }
}

fn matrix() -> String {
    let mut out = String::from("state");
    for (name, _) in MESSAGES {
        write!(out, "\t{name}").unwrap();
    }
    out.push('\n');
    let mut rows: Vec<(&str, Stage)> = Stage::ALL.map(|stage| (stage.state, stage)).into();
    // The two other ways out of a server's START.
    let start = rows
        .iter()
        .position(|(state, _)| *state == "START")
        .unwrap();
    for (row, course) in [
        ("START, to ask for a certificate", Course::ClientAuth),
        ("START, no share in common", Course::Retry),
    ] {
        let stage = Stage::SERVER_START;
        rows.insert(start + 1, (row, Stage { course, ..stage }));
    }
    // And the states of a handshake without certificates.
    let resumed = [
        ("WAIT_EE, resuming", Role::Client, 1, "WAIT_EE"),
        ("WAIT_FINISHED, resuming", Role::Client, 2, "WAIT_FINISHED"),
        ("START, with a ticket", Role::Server, 0, "START"),
        ("WAIT_FINISHED, resuming", Role::Server, 1, "WAIT_FINISHED"),
    ];
    let early = [
        ("WAIT_SH, early data", Role::Client, 0, "WAIT_SH"),
        ("WAIT_EE, early data", Role::Client, 1, "WAIT_EE"),
        (
            "WAIT_FINISHED, early data",
            Role::Client,
            2,
            "WAIT_FINISHED",
        ),
        ("START, early data", Role::Server, 0, "START"),
        ("WAIT_EOED", Role::Server, 1, "WAIT_EOED"),
        (
            "WAIT_FINISHED, early data",
            Role::Server,
            2,
            "WAIT_FINISHED",
        ),
    ];
    let resumed = resumed.map(|row| (Course::Resumed, row));
    let early = early.map(|row| (Course::Early, row));
    for (course, (row, role, messages, state)) in resumed.into_iter().chain(early) {
        let stage = Stage {
            role,
            course,
            messages,
            state,
        };
        rows.push((row, stage));
    }
    for (row, stage) in rows {
        let (role, state) = (stage.role, stage.state);
        // The honest server of a retry says HelloRetryRequest, all others ServerHello.
        let make = |name: &str| match (state, name) {
            ("WAIT_SH", "HelloRetryRequest") => {
                let (client, server) = configs(Course::Retry);
                Bench::with(role, client, server)
            }
            _ => Bench::at(stage),
        };
        write!(out, "{role:?} {row}").unwrap();
        for (name, code) in MESSAGES {
            write!(out, "\t{}", cell(make(name), state, name, code)).unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_state_matrix_is_the_golden_one() {
    let got = matrix();
    let golden = include_str!("state_matrix.tsv");
    let golden: String = golden
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(got == golden, "the matrix is now:\n{got}");
}
