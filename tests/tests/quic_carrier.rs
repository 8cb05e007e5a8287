//! The engine over a carrier that has no records, as QUIC will drive it (RFC 9001).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use pith_tests::engine::{Duo, Engine, Event, Outcome, Piece, Role, quic, quic_server};
use pith_tests::message::{Hello, kind, message, messages};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    AlertDescription as Alert, Answer, Carrier, ClientConfig, ClientConfigBuilder, Direction,
    Error, ExtensionType, Fault, Group, Handshake, Level, MessageKind, ServerConfig,
    ServerConfigBuilder,
};

fn builders() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).alpn(&[b"hq"]);
    let server = ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"hq"]);
    (client, server)
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let (client, server) = builders();
    (client.build().unwrap(), server.build().unwrap())
}

/// RFC 9001 sections 4.1.4 and 5.1: which keys become known in which order, and what each side sends under them.
#[test]
fn levels_and_keys_come_in_the_order_of_rfc_9001() {
    use Direction::{Read, Write};
    use Event::{Ask, Complete, Keys, PeerTransportParameters, Send};
    use Level::{Application, Handshake as Protected, Initial};
    let (client, server) = configs();
    let mut duo = Duo::quic(&client, &server);
    assert_eq!(duo.run(), Outcome::Complete);
    let client = [
        Send(Initial, kind::CLIENT_HELLO),
        Keys(Protected, Write),
        Keys(Protected, Read),
        PeerTransportParameters,
        Send(Protected, kind::FINISHED),
        Keys(Application, Write),
        Keys(Application, Read),
        Complete,
    ];
    let server = [
        PeerTransportParameters,
        Ask,
        Send(Initial, kind::SERVER_HELLO),
        Keys(Protected, Write),
        Keys(Protected, Read),
        Send(Protected, kind::ENCRYPTED_EXTENSIONS),
        Send(Protected, kind::COMPRESSED_CERTIFICATE),
        Send(Protected, kind::CERTIFICATE_VERIFY),
        Send(Protected, kind::FINISHED),
        // Before the client's Finished: half-RTT data is possible (RFC 9001 section 5.7).
        Keys(Application, Write),
        Keys(Application, Read),
        Complete,
    ];
    assert_eq!(duo.client.events, client);
    assert_eq!(duo.server.events, server);
    for summary in [&duo.client.summary, &duo.server.summary] {
        let summary = summary.as_ref().unwrap();
        assert_eq!(summary.protocol.as_deref(), Some(&b"hq"[..]));
        assert_eq!(summary.group, Group::X25519MlKem768);
    }
}

#[test]
fn transport_parameters_reach_the_other_side() {
    let (client, server) = configs();
    let mut duo = Duo::quic(&client, &server);
    duo.server.own_parameters = None;
    assert_eq!(duo.run(), Outcome::Waiting, "the server was not answered");
    assert_eq!(duo.server.parameters.as_deref(), Some(&b"client's"[..]));
    assert!(duo.server.outbox.is_empty(), "not even a ServerHello yet");
    let own = Bytes::from_static(b"chosen by what the client sent");
    duo.server
        .answer(|question| Answer::transport_parameters(question, own.clone()))
        .unwrap();
    assert_eq!(duo.run(), Outcome::Complete);
    assert_eq!(duo.client.parameters, Some(own));
    // Any bytes will do, none included: what they mean is the transport's business.
    let mut duo = Duo::quic(&client, &server);
    duo.server.own_parameters = Some(Bytes::new());
    assert_eq!(duo.run(), Outcome::Complete);
    assert_eq!(duo.client.parameters, Some(Bytes::new()));
}

/// RFC 9001 section 8.4.
#[test]
fn there_is_no_compatibility_mode() {
    let (client, server) = configs();
    let mut duo = Duo::quic(&client, &server);
    let mut ids = Vec::new();
    let outcome = duo.run_with(|flight| {
        if flight.pieces[0].level == Level::Initial {
            ids.push(Hello::parse(&flight.pieces[0].bytes).session_id);
        }
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(ids, [[]; 2], "session ids of both hellos");
    for engine in [&duo.client, &duo.server] {
        assert!(!engine.events.contains(&Event::ChangeCipherSpec));
    }
}

#[test]
fn a_retry_needs_no_records_either() {
    let (client, server) = builders();
    let client = client.build().unwrap();
    let server = server.groups(&[Group::SecP256r1MlKem768]).build().unwrap();
    let mut duo = Duo::quic(&client, &server);
    assert_eq!(duo.run(), Outcome::Complete);
    let summary = duo.client.summary.unwrap();
    assert_eq!(
        (summary.retried, summary.group),
        (true, Group::SecP256r1MlKem768)
    );
    let sent: Vec<_> = duo.server.events.iter().take(2).collect();
    let retry = Event::Send(Level::Initial, kind::SERVER_HELLO);
    assert_eq!(
        sent,
        [&Event::PeerTransportParameters, &retry],
        "the server knows the client's parameters before it sends anything"
    );
}

#[test]
fn crypto_bytes_may_come_one_by_one() {
    let (client, server) = configs();
    let mut duo = Duo::quic(&client, &server);
    let outcome = duo.run_with(|flight| {
        let each = |piece: &Piece| -> Vec<Piece> {
            let level = piece.level;
            piece
                .bytes
                .iter()
                .map(|byte| Piece {
                    level,
                    bytes: vec![*byte],
                })
                .collect()
        };
        flight.pieces.iter().flat_map(each).collect()
    });
    assert_eq!(outcome, Outcome::Complete);
}

/// RFC 9001 section 8.1: both sides need a protocol in common.
#[test]
fn an_application_protocol_is_mandatory() {
    let (client, server) = builders();
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let pki = Pki::new();
    let nameless = ServerConfig::new(credential(&pki.leaf(NAME)))
        .build()
        .unwrap();
    let other = ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"h3"]);
    for (row, server) in [("none", nameless), ("another", other.build().unwrap())] {
        let mut duo = Duo::quic(&client, &server);
        let error = duo.run().error(Role::Server);
        assert_eq!(error, Error::Fault(Fault::NoCommonProtocol), "{row}");
        assert_eq!(error.alert(), Some(Alert::NO_APPLICATION_PROTOCOL), "{row}");
    }
    // A client without protocols is not even begun.
    let nameless = ClientConfig::new(trust(&pki)).build().unwrap();
    let begun = Handshake::client(nameless, name(), quic(b"client's"), NOW);
    assert!(matches!(begun.err(), Some(Error::Misuse(_))));
    // A client that offers none to our server, and a server that chooses none for our client.
    let without = |flight: pith_tests::engine::Flight, from: Role| {
        let mut pieces = flight.pieces;
        if flight.from == from {
            pieces = pieces
                .into_iter()
                .map(|piece| Piece {
                    bytes: without_extension(&piece.bytes, ExtensionType::ALPN),
                    ..piece
                })
                .collect();
        }
        pieces
    };
    for (from, receiver) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let mut duo = Duo::quic(&client, &server);
        let outcome = duo.run_with(|flight| without(flight, from));
        assert_eq!(
            outcome.error(receiver),
            Error::Fault(Fault::NoCommonProtocol)
        );
    }
}

/// The message without this extension, if it is a ClientHello or EncryptedExtensions.
fn without_extension(bytes: &[u8], extension: ExtensionType) -> Vec<u8> {
    use pith_tests::message::{Extensions, encrypted_extensions};
    match bytes[0] {
        kind::CLIENT_HELLO => {
            let mut hello = Hello::parse(bytes);
            hello.extensions.remove(extension.0);
            hello.encode()
        }
        kind::ENCRYPTED_EXTENSIONS => {
            let mut extensions = Extensions::parse(&bytes[4..]);
            extensions.remove(extension.0);
            encrypted_extensions(&extensions)
        }
        _ => bytes.to_vec(),
    }
}

/// RFC 9001 section 8.2.
#[test]
fn transport_parameters_are_mandatory_and_for_quic_alone() {
    let (client, server) = configs();
    let begun = Handshake::client(client.clone(), name(), quic_server(), NOW);
    assert!(matches!(begun.err(), Some(Error::Misuse(_))));
    let extension = ExtensionType::QUIC_TRANSPORT_PARAMETERS;
    let missing = |message| Fault::MissingExtension { extension, message };
    let unsolicited = |message| Fault::UnsolicitedExtension { extension, message };
    for (from, receiver, message) in [
        (Role::Client, Role::Server, MessageKind::ClientHello),
        (Role::Server, Role::Client, MessageKind::EncryptedExtensions),
    ] {
        let mut duo = Duo::quic(&client, &server);
        let error = duo
            .run_with(|flight| {
                let mut pieces = flight.pieces;
                if flight.from == from {
                    for piece in &mut pieces {
                        piece.bytes = without_extension(&piece.bytes, extension);
                    }
                }
                pieces
            })
            .error(receiver);
        assert_eq!(error, Error::Fault(missing(message)));
        assert_eq!(error.alert(), Some(Alert::MISSING_EXTENSION));
    }
    // Over records they have no place, whoever sends them.
    let mut hello = Hello::parse(&Engine::client(&client, Carrier::Records).outbox[0].bytes);
    hello.extensions.push(extension.0, *b"p");
    let error = Engine::server(&server, Carrier::Records)
        .read(Level::Initial, &hello.encode())
        .unwrap_err();
    assert_eq!(error, Error::Fault(unsolicited(MessageKind::ClientHello)));
    assert_eq!(error.alert(), Some(Alert::UNSUPPORTED_EXTENSION));
    let mut duo = Duo::records(&client, &server);
    let error = duo
        .run_with(|mut flight| {
            for piece in &mut flight.pieces {
                if piece.bytes[0] == kind::ENCRYPTED_EXTENSIONS {
                    let mut extensions = pith_tests::message::Extensions::parse(&piece.bytes[4..]);
                    extensions.push(extension.0, *b"p");
                    piece.bytes = pith_tests::message::encrypted_extensions(&extensions);
                }
            }
            flight.pieces
        })
        .error(Role::Client);
    assert_eq!(
        error,
        Error::Fault(unsolicited(MessageKind::EncryptedExtensions))
    );
}

#[test]
fn a_session_id_is_refused() {
    let (client, server) = configs();
    for (length, want) in [(0, None), (1, Some(())), (32, Some(()))] {
        let mut hello = Hello::parse(&Engine::client(&client, quic(b"p")).outbox[0].bytes);
        hello.session_id = vec![7; length];
        let got = Engine::server(&server, quic_server()).read(Level::Initial, &hello.encode());
        let want = want.map(|()| Error::Fault(Fault::CompatibilityModeInQuic));
        assert_eq!(got.err(), want, "{length} bytes");
    }
    assert_eq!(
        Fault::CompatibilityModeInQuic.alert(),
        Alert::ILLEGAL_PARAMETER
    );
}

/// RFC 9001 section 6: a KeyUpdate is an unexpected_message, and there is none to send.
#[test]
fn keys_are_not_updated_by_messages() {
    let (client, server) = configs();
    for role in [Role::Client, Role::Server] {
        let mut duo = Duo::quic(&client, &server);
        assert_eq!(duo.run(), Outcome::Complete);
        let engine = match role {
            Role::Client => &mut duo.client,
            Role::Server => &mut duo.server,
        };
        for request in [false, true] {
            assert!(matches!(
                engine.tls.update_keys(request),
                Err(Error::Misuse(_))
            ));
        }
        assert_eq!(engine.tls.answer_key_update(), Ok(()));
        assert!(engine.outbox.is_empty());
        let error = engine
            .read(Level::Application, &message(kind::KEY_UPDATE, &[0]))
            .unwrap_err();
        let want = Fault::UnexpectedMessage {
            state: "CONNECTED",
            message: MessageKind::KeyUpdate,
        };
        assert_eq!(error, Error::Fault(want), "{role:?}");
        assert_eq!(error.alert(), Some(Alert::UNEXPECTED_MESSAGE));
    }
}

/// Every message of a handshake at every level but its own.
#[test]
fn a_message_at_a_wrong_level_is_unexpected() {
    let (client, server) = configs();
    let levels = [Level::Initial, Level::Handshake, Level::Application];
    for (from, receiver) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        for at in 0..5 {
            for level in levels {
                let mut duo = Duo::quic(&client, &server);
                let (mut seen, mut moved) = (0, false);
                let outcome = duo.run_with(|mut flight| {
                    if flight.from == from {
                        for piece in &mut flight.pieces {
                            if seen == at && piece.level != level {
                                (piece.level, moved) = (level, true);
                            }
                            seen += 1;
                        }
                    }
                    flight.pieces
                });
                if moved {
                    let error = outcome.error(receiver);
                    assert_eq!(error, Error::Fault(Fault::UnexpectedLevel), "{from:?} {at}");
                    assert_eq!(error.alert(), Some(Alert::UNEXPECTED_MESSAGE));
                } else {
                    assert_eq!(outcome, Outcome::Complete, "{from:?} {at} {level:?}");
                }
            }
        }
    }
}

#[test]
fn a_ticket_is_taken_after_the_handshake_and_no_other_message() {
    let (client, server) = configs();
    let mut duo = Duo::quic(&client, &server);
    let mut flights = Vec::new();
    let outcome = duo.run_with(|flight| {
        flights.extend(flight.pieces.clone());
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    let ticket = pith_tests::message::ticket(&pith_tests::message::Extensions::default());
    duo.client.read(Level::Application, &ticket).unwrap();
    assert!(duo.client.tls.is_complete());
    assert!(messages(&ticket).len() == 1 && duo.client.outbox.is_empty());
    let error = duo
        .client
        .read(Level::Application, &flights[2].bytes)
        .unwrap_err();
    assert_eq!(error.alert(), Some(Alert::UNEXPECTED_MESSAGE));
}
