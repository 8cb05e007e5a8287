//! Each message of each flight dropped, repeated, swapped, cut, lengthened, and each byte flipped: never a panic, never a wait
//! that looks like success, and the right alert. What single fields do is in `faults.rs`.
//!
//! The engines have no records here, so that no AEAD hides what the engine makes of a changed message. Whoever waits for bytes
//! that do not come is not complete; the deadline of its owner ends that.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use pith_tests::engine::{Duo, Outcome, Piece, Role};
use pith_tests::message::kind;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki, self_signed};
use pith_tls::{
    AlertDescription as Alert, ClientAuth, ClientConfig, Credential, Error, ExternalPsk, Fault,
    Group, Hash, Level, MessageKind, RawKeys, ServerConfig, Trust,
};

/// The scenario in which both sides show raw public keys.
const RAW_KEYS: &str = "records, raw keys";

/// The scenario in which both sides hold a pre-shared key, and show nothing.
const PSK: &str = "records, pre-shared key";

/// A way to run a handshake, whose messages have the same lengths in every run.
struct Scenario {
    name: &'static str,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    quic: bool,
    /// Sender and type of each message, in the order of a run.
    messages: Vec<(Role, u8)>,
    lengths: Vec<usize>,
}

impl Scenario {
    fn duo(&self) -> Duo {
        if self.quic {
            Duo::quic(&self.client, &self.server)
        } else {
            Duo::records(&self.client, &self.server)
        }
    }

    /// Runs with `change` applied to the message of this number: what it returns arrives in its place.
    fn with(&self, number: usize, change: impl Fn(&Piece) -> Vec<Piece>) -> (Duo, Outcome) {
        let mut duo = self.duo();
        let mut seen = 0;
        let outcome = duo.run_with(|flight| {
            let each = |piece: Piece| {
                seen += 1;
                if seen - 1 == number {
                    change(&piece)
                } else {
                    vec![piece]
                }
            };
            flight.pieces.into_iter().flat_map(each).collect()
        });
        (duo, outcome)
    }

    /// The side that receives a message.
    fn receiver(&self, number: usize) -> Role {
        match self.messages[number].0 {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    fn row(&self, number: usize) -> String {
        let (from, kind) = self.messages[number];
        format!("{}, message {number} ({kind} of the {from:?})", self.name)
    }
}

/// Both carriers, with and without a retry, a client that shows a certificate, two sides that show raw public keys, and two that
/// hold a pre-shared key.
fn scenarios() -> &'static [Scenario] {
    static SCENARIOS: OnceLock<Vec<Scenario>> = OnceLock::new();
    SCENARIOS.get_or_init(|| {
        let pki = Pki::with(Kind::Ed25519, 0);
        let leaf = |name| credential(&pki.leaf_with(Kind::Ed25519, &[name], |_| ()));
        let shown = leaf(NAME);
        let client = ClientConfig::new(trust(&pki)).alpn(&[b"h2"]);
        let client = client.certificate_compression(false);
        let client = client.credential(leaf("client.example")).build().unwrap();
        let server = || {
            let server = ServerConfig::new(shown.clone()).alpn(&[b"h2"]);
            server.certificate_compression(false)
        };
        let retrying = server().groups(&[Group::Secp256r1]).build().unwrap();
        let plain = server().build().unwrap();
        let asking = server().client_auth(ClientAuth::Required(trust(&pki)));
        let asking = asking.build().unwrap();
        let key = |name| {
            let identity = self_signed(Kind::Ed25519, name);
            Credential::raw_key_from_der(&identity.key).unwrap()
        };
        let (one, other) = (key(NAME), key("client.example"));
        let pin = |key: &Credential| Trust::pinned_keys([key.key_pin()]).unwrap();
        let raw_server = ServerConfig::new(one.clone())
            .alpn(&[b"h2"])
            .client_auth(ClientAuth::Required(pin(&other)))
            .build()
            .unwrap();
        let raw_client = ClientConfig::new(pin(&one))
            .alpn(&[b"h2"])
            .raw_keys(RawKeys::Only)
            .credential(other)
            .build()
            .unwrap();
        let psk = |role| ExternalPsk::new(role, b"device", b"", &[7; 32], Hash::Sha256).unwrap();
        let psk_client = ClientConfig::new(Trust::PreSharedKeys).alpn(&[b"h2"]);
        let psk_client = psk_client.psk(psk(pith_tls::Role::Client)).build().unwrap();
        let psk_server = ServerConfig::without_certificate().alpn(&[b"h2"]);
        let psk_server = psk_server.psk(psk(pith_tls::Role::Server)).build().unwrap();
        let rows = [
            ("records", &client, &plain, false),
            ("records, retried", &client, &retrying, false),
            ("records, mutual", &client, &asking, false),
            (RAW_KEYS, &raw_client, &raw_server, false),
            (PSK, &psk_client, &psk_server, false),
            ("QUIC", &client, &plain, true),
            ("QUIC, retried", &client, &retrying, true),
        ];
        type Row<'a> = (
            &'static str,
            &'a Arc<ClientConfig>,
            &'a Arc<ServerConfig>,
            bool,
        );
        let scenario = |(name, client, server, quic): Row<'_>| {
            let mut scenario = Scenario {
                name,
                client: client.clone(),
                server: server.clone(),
                quic,
                messages: Vec::new(),
                lengths: Vec::new(),
            };
            let mut duo = scenario.duo();
            let outcome = duo.run_with(|flight| {
                for piece in &flight.pieces {
                    scenario.messages.push((flight.from, piece.bytes[0]));
                    scenario.lengths.push(piece.bytes.len());
                }
                flight.pieces
            });
            assert_eq!(outcome, Outcome::Complete, "{name}");
            scenario
        };
        rows.into_iter().map(scenario).collect()
    })
}

/// Nobody is complete after a change but a client whose last flight is what was changed.
fn assert_no_false_success(scenario: &Scenario, number: usize, duo: &Duo, row: &str) {
    let behind = &scenario.messages[number..];
    let last_flight = behind.iter().all(|(from, _)| *from == Role::Client);
    let (client, server) = (duo.client.tls.is_complete(), duo.server.tls.is_complete());
    assert!(!server, "{row}: the server is complete");
    assert_eq!(client, last_flight, "{row}: the client");
}

fn assert_unexpected(outcome: Outcome, receiver: Role, row: &str) {
    match outcome {
        Outcome::Failed(role, error) => {
            assert_eq!(role, receiver, "{row}");
            assert_eq!(
                error.alert(),
                Some(Alert::UNEXPECTED_MESSAGE),
                "{row}: {error}"
            );
        }
        other => panic!("{row}: {other:?}"),
    }
}

/// Known attack S01, rfc9846#4-2: without any one of its messages a handshake does not end.
#[test]
fn a_dropped_message_is_missed() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() {
            let row = scenario.row(number);
            let (duo, outcome) = scenario.with(number, |_| Vec::new());
            assert_no_false_success(scenario, number, &duo, &row);
            let (from, _) = scenario.messages[number];
            let more = scenario.messages.get(number + 1);
            if scenario.messages[number].1 == kind::CERTIFICATE_REQUEST {
                // It may be left out; but then the server has signed something else.
                let want = Error::Fault(Fault::CertificateVerifySignature);
                assert_eq!(outcome, Outcome::Failed(Role::Client, want), "{row}");
            } else if more.is_some_and(|(next, _)| *next == from) {
                assert_unexpected(outcome, scenario.receiver(number), &row);
            } else {
                assert_eq!(outcome, Outcome::Waiting, "{row}: the last of its flight");
            }
        }
    }
}

/// Known attack S01: a client believes no server that leaves out more than one message.
#[test]
fn no_proof_of_identity_can_be_left_out() {
    use kind::{CERTIFICATE, CERTIFICATE_VERIFY, ENCRYPTED_EXTENSIONS, FINISHED};
    let rows: [(&[u8], &str, MessageKind); 5] = [
        (
            &[CERTIFICATE],
            "WAIT_CERT_CR",
            MessageKind::CertificateVerify,
        ),
        (&[CERTIFICATE_VERIFY], "WAIT_CV", MessageKind::Finished),
        (
            &[CERTIFICATE, CERTIFICATE_VERIFY],
            "WAIT_CERT_CR",
            MessageKind::Finished,
        ),
        (
            &[ENCRYPTED_EXTENSIONS, CERTIFICATE, CERTIFICATE_VERIFY],
            "WAIT_EE",
            MessageKind::Finished,
        ),
        (
            &[ENCRYPTED_EXTENSIONS, CERTIFICATE_VERIFY, FINISHED],
            "WAIT_EE",
            MessageKind::Certificate,
        ),
    ];
    let asks = |scenario: &&Scenario| ["records, mutual", RAW_KEYS].contains(&scenario.name);
    let without = |scenario: &Scenario, from, without: &[u8]| {
        scenario.duo().run_with(|mut flight| {
            if flight.from == from {
                flight
                    .pieces
                    .retain(|piece| !without.contains(&piece.bytes[0]));
            }
            flight.pieces
        })
    };
    let shows = |scenario: &&Scenario| scenario.name != PSK;
    for scenario in scenarios().iter().filter(shows) {
        for (left_out, state, message) in rows {
            let asked = asks(&scenario) && state == "WAIT_CERT_CR";
            let state = if asked { "WAIT_CERT" } else { state };
            let message = match (asks(&scenario), state) {
                (true, "WAIT_EE") => MessageKind::CertificateRequest,
                _ => message,
            };
            let want = Error::Fault(Fault::UnexpectedMessage { state, message });
            let outcome = without(scenario, Role::Server, left_out);
            let row = format!("{} {left_out:?}", scenario.name);
            assert_eq!(outcome, Outcome::Failed(Role::Client, want), "{row}");
        }
    }
    // No more does a server believe a client that it has asked.
    let rows: [(&[u8], &str, MessageKind); 3] = [
        (&[CERTIFICATE], "WAIT_CERT", MessageKind::CertificateVerify),
        (&[CERTIFICATE_VERIFY], "WAIT_CV", MessageKind::Finished),
        (
            &[CERTIFICATE, CERTIFICATE_VERIFY],
            "WAIT_CERT",
            MessageKind::Finished,
        ),
    ];
    for scenario in scenarios().iter().filter(asks) {
        for (left_out, state, message) in rows {
            let want = Error::Fault(Fault::UnexpectedMessage { state, message });
            let outcome = without(scenario, Role::Client, left_out);
            let row = format!("{} {left_out:?}", scenario.name);
            assert_eq!(outcome, Outcome::Failed(Role::Server, want), "{row}");
        }
    }
}

/// A server that would do without a certificate still wants to be told that there is none.
#[test]
fn an_empty_certificate_cannot_be_left_out() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server.client_auth(ClientAuth::Optional(trust(&pki)));
    let server = server.build().unwrap();
    assert_eq!(Duo::records(&client, &server).run(), Outcome::Complete);
    type Change = fn(&mut Vec<Piece>);
    let rows: [(&str, Change, &str, MessageKind); 2] = [
        (
            "left out",
            |flight| drop(flight.remove(0)),
            "WAIT_CERT",
            MessageKind::Finished,
        ),
        (
            "signed",
            |flight| {
                let mut verify = flight[0].clone();
                verify.bytes = pith_tests::message::certificate_verify(0x0403, &[7; 70]);
                flight.insert(1, verify);
            },
            "WAIT_FINISHED",
            MessageKind::CertificateVerify,
        ),
    ];
    for (row, change, state, message) in rows {
        let outcome = Duo::records(&client, &server).run_with(|mut flight| {
            if flight.from == Role::Client && flight.number == 1 {
                assert_eq!(flight.pieces.len(), 2);
                change(&mut flight.pieces);
            }
            flight.pieces
        });
        let want = Error::Fault(Fault::UnexpectedMessage { state, message });
        assert_eq!(outcome, Outcome::Failed(Role::Server, want), "{row}");
    }
}

#[test]
fn a_repeated_message_is_refused() {
    for scenario in scenarios() {
        let last = scenario.messages.len() - 1;
        for number in 0..=last {
            let row = scenario.row(number);
            let (duo, outcome) = scenario.with(number, |piece| vec![piece.clone(), piece.clone()]);
            if number == 0 && scenario.name.ends_with("retried") {
                // The one message that is legal twice: a second ClientHello, but without the share that was asked for.
                let want = Error::Fault(Fault::SecondHelloShare);
                assert_eq!(outcome, Outcome::Failed(Role::Server, want), "{row}");
            } else {
                assert_unexpected(outcome, scenario.receiver(number), &row);
            }
            // Whoever was complete at the first copy is not any more after the second.
            if scenario.receiver(number) == Role::Client {
                assert!(!duo.client.tls.is_complete(), "{row}");
            }
            assert!(!duo.server.tls.is_complete(), "{row}");
        }
    }
}

#[test]
fn two_messages_of_a_flight_in_the_wrong_order_are_refused() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() - 1 {
            if scenario.messages[number].0 != scenario.messages[number + 1].0 {
                continue;
            }
            let row = scenario.row(number);
            let mut duo = scenario.duo();
            let mut seen = 0;
            let outcome = duo.run_with(|mut flight| {
                let first = seen;
                seen += flight.pieces.len();
                if (first..seen).contains(&number) {
                    flight.pieces.swap(number - first, number - first + 1);
                }
                flight.pieces
            });
            assert_no_false_success(scenario, number, &duo, &row);
            assert_unexpected(outcome, scenario.receiver(number), &row);
        }
    }
}

/// Every message in the place of every other of the other side's too: nothing is taken for what it is not.
#[test]
fn a_message_in_the_place_of_another_is_refused() {
    for scenario in scenarios() {
        let originals = originals(scenario);
        for number in 0..scenario.messages.len() {
            for (other, bytes) in originals.iter().enumerate() {
                let row = format!("{}, replaced by {other}", scenario.row(number));
                let same = Cell::new(false);
                let (duo, outcome) = scenario.with(number, |piece| {
                    same.set(piece.bytes == *bytes);
                    vec![Piece {
                        level: piece.level,
                        bytes: bytes.clone(),
                    }]
                });
                if same.get() {
                    // EncryptedExtensions and Certificate are the same in every run.
                    continue;
                }
                assert_no_false_success(scenario, number, &duo, &row);
                let places = (scenario.messages[number].1, bytes[0]);
                // A Certificate may stand where a request for one may.
                let legal = places == (kind::CERTIFICATE_REQUEST, kind::CERTIFICATE);
                if places.0 != places.1 && !legal {
                    assert_unexpected(outcome, scenario.receiver(number), &row);
                } else {
                    assert_ne!(
                        outcome,
                        Outcome::Complete,
                        "{row}: a message of another run"
                    );
                }
            }
        }
    }
}

/// The messages of another run.
fn originals(scenario: &Scenario) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let outcome = scenario.duo().run_with(|flight| {
        all.extend(flight.pieces.iter().map(|piece| piece.bytes.clone()));
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    all
}

/// A message whose length and header say that it is shorter, at each length: decode_error, but where what is left is the
/// hello of an older version.
#[test]
fn a_truncated_message_is_a_decode_error() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() {
            for length in 0..scenario.lengths[number] - 4 {
                let row = format!("{}, {length} bytes", scenario.row(number));
                let (duo, outcome) = scenario.with(number, |piece| {
                    let body = &piece.bytes[4..4 + length];
                    vec![with_body(piece, body)]
                });
                assert_no_false_success(scenario, number, &duo, &row);
                let Outcome::Failed(role, error) = outcome else {
                    panic!("{row}: {outcome:?}");
                };
                assert_eq!(role, scenario.receiver(number), "{row}");
                let old = match error {
                    Error::Fault(Fault::NoTls13 { newest: 0x0303 }) => {
                        Some(Alert::PROTOCOL_VERSION)
                    }
                    // After a HelloRetryRequest of TLS 1.3 an older version is a change of mind.
                    Error::Fault(Fault::SelectedVersion) => Some(Alert::ILLEGAL_PARAMETER),
                    _ => None,
                };
                let want = old.unwrap_or(Alert::DECODE_ERROR);
                assert_eq!(error.alert(), Some(want), "{row}: {error}");
                let hello = [kind::CLIENT_HELLO, kind::SERVER_HELLO];
                assert!(
                    old.is_none() || hello.contains(&scenario.messages[number].1),
                    "{row}"
                );
            }
        }
    }
}

/// A message that simply ends early, its header as it was: what follows is taken for its rest, or is waited for.
#[test]
fn a_message_that_ends_early_never_succeeds() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() {
            for length in 0..scenario.lengths[number] {
                let row = format!("{}, {length} bytes", scenario.row(number));
                let (duo, outcome) = scenario.with(number, |piece| {
                    vec![Piece {
                        level: piece.level,
                        bytes: piece.bytes[..length].to_vec(),
                    }]
                });
                assert_no_false_success(scenario, number, &duo, &row);
                match outcome {
                    Outcome::Waiting => {}
                    Outcome::Failed(role, error) => {
                        assert_eq!(role, scenario.receiver(number), "{row}");
                        let peers = matches!(error, Error::Fault(_) | Error::Certificate(_));
                        assert!(peers, "{row}: {error}");
                    }
                    Outcome::Complete => panic!("{row}: complete"),
                }
            }
        }
    }
}

#[test]
fn a_message_with_bytes_left_over_is_a_decode_error() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() {
            for more in [&[0][..], &[0; 2], &[1; 4], &[0xff; 100]] {
                let row = format!("{}, {} bytes more", scenario.row(number), more.len());
                let (duo, outcome) = scenario.with(number, |piece| {
                    vec![with_body(piece, &[&piece.bytes[4..], more].concat())]
                });
                assert_no_false_success(scenario, number, &duo, &row);
                let error = outcome.error(scenario.receiver(number));
                assert!(
                    matches!(error, Error::Fault(Fault::Malformed { .. })),
                    "{row}: {error}"
                );
                assert_eq!(error.alert(), Some(Alert::DECODE_ERROR), "{row}");
            }
        }
    }
}

/// The piece with another body.
fn with_body(piece: &Piece, body: &[u8]) -> Piece {
    Piece {
        level: piece.level,
        bytes: pith_tests::message::message(piece.bytes[0], body),
    }
}

/// Each byte of each message, one bit at a time. (All eight bits of all bytes change nothing but the time: the codes that
/// matter have rows of their own.)
#[test]
fn a_flipped_bit_never_succeeds() {
    for scenario in scenarios() {
        for number in 0..scenario.messages.len() {
            for at in 0..scenario.lengths[number] {
                // The headers, the hellos' fields and all short messages in full.
                let masks: &[u8] = match at {
                    0..128 if !scenario.quic => &[1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80],
                    _ => &[1 << (at % 8)],
                };
                for mask in masks {
                    let row = format!("{}, byte {at}, mask {mask:#04x}", scenario.row(number));
                    let (duo, outcome) = scenario.with(number, |piece| {
                        let mut piece = piece.clone();
                        piece.bytes[at] ^= mask;
                        vec![piece]
                    });
                    assert_no_false_success(scenario, number, &duo, &row);
                    assert_ne!(outcome, Outcome::Complete, "{row}");
                    if let Outcome::Failed(_, error) = &outcome {
                        assert!(
                            matches!(error, Error::Fault(_) | Error::Certificate(_)),
                            "{row}: {error}"
                        );
                    }
                }
            }
        }
    }
}

/// After the handshake: every message of it again, and what belongs to other states.
#[test]
fn no_message_of_a_handshake_is_taken_after_it() {
    for scenario in scenarios() {
        for bytes in originals(scenario) {
            for role in [Role::Client, Role::Server] {
                let mut duo = scenario.duo();
                assert_eq!(duo.run(), Outcome::Complete);
                let engine = match role {
                    Role::Client => &mut duo.client,
                    Role::Server => &mut duo.server,
                };
                let error = engine.read(Level::Application, &bytes).unwrap_err();
                assert_eq!(
                    error.alert(),
                    Some(Alert::UNEXPECTED_MESSAGE),
                    "{role:?} {}",
                    bytes[0]
                );
                assert!(!engine.tls.is_complete());
                let again = engine.read(Level::Application, &bytes);
                assert_eq!(again, Err(error), "an error is final");
            }
        }
    }
}

/// Several changes at once, of every kind, by seed: both sides are complete only where every message arrived as it was sent.
#[test]
fn any_mixture_of_changes_never_succeeds() {
    let mut ended = [0; 3];
    for (at, scenario) in scenarios().iter().enumerate() {
        let strangers = originals(scenario);
        for seed in 1..=1000_u64 {
            let mut random = Random(seed * 5 + u64::try_from(at).unwrap());
            let mut changed = false;
            let mut duo = scenario.duo();
            let outcome = duo.run_with(|flight| {
                let mut pieces = flight.pieces.clone();
                for _ in 0..[0, 0, 1, 2][random.below(4)] {
                    mix(&mut pieces, &strangers, &mut random);
                }
                changed |= stream(&pieces) != stream(&flight.pieces);
                pieces
            });
            let row = format!("{}, seed {seed}", scenario.name);
            match &outcome {
                Outcome::Complete => assert!(!changed, "{row}"),
                Outcome::Waiting => assert!(changed, "{row}"),
                Outcome::Failed(_, error) => {
                    assert!(changed, "{row}: {error}");
                    let peers = matches!(error, Error::Fault(_) | Error::Certificate(_));
                    assert!(peers, "{row}: {error}");
                }
            }
            ended[match outcome {
                Outcome::Complete => 0,
                Outcome::Waiting => 1,
                Outcome::Failed(..) => 2,
            }] += 1;
        }
    }
    assert!(ended.iter().all(|count| *count > 50), "{ended:?}");
}

/// The bytes of a flight with their levels, however they are cut.
fn stream(pieces: &[Piece]) -> Vec<(Level, u8)> {
    let each = |piece: &Piece| {
        let level = piece.level;
        let bytes = piece.bytes.clone().into_iter();
        bytes.map(move |byte| (level, byte))
    };
    pieces.iter().flat_map(each).collect()
}

/// One change of a flight.
fn mix(pieces: &mut Vec<Piece>, strangers: &[Vec<u8>], random: &mut Random) {
    if pieces.is_empty() {
        return;
    }
    let at = random.below(pieces.len());
    let other = random.below(pieces.len());
    match random.below(8) {
        0 => drop(pieces.remove(at)),
        1 => pieces.insert(other, pieces[at].clone()),
        2 => pieces.swap(at, other),
        3 => {
            let length = random.below(pieces[at].bytes.len());
            pieces[at].bytes.truncate(length);
        }
        4 => pieces[at].bytes = strangers[random.below(strangers.len())].clone(),
        5 => {
            let level = pieces[at].level;
            let bytes = strangers[random.below(strangers.len())].clone();
            pieces.insert(other, Piece { level, bytes });
        }
        6 => pieces[at].level = pieces[other].level,
        _ => {
            let bytes = &mut pieces[at].bytes;
            if !bytes.is_empty() {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        }
    }
}

/// Numbers that follow from a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % end.max(1)
    }
}
