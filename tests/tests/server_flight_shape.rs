//! What a server's messages look like, field by field, with and without a HelloRetryRequest: what the client asked for and no
//! more, in the order of RFC 9846.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use pith_crypto::SignatureScheme;
use pith_tests::engine::{Engine, Event};
use pith_tests::message::{Extensions, Hello, certificate, is_retry, kind, vec8, vec16};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tests::script::{ScriptedClient, entries};
use pith_tls::{AlertDescription, Carrier, ClientAuth, Direction, Group, Level, ServerConfig};

const ALPN: u16 = 16;
const VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

fn identity() -> Identity {
    Pki::with(Kind::P256, 2).leaf(NAME)
}

fn server(identity: &Identity) -> Arc<ServerConfig> {
    ServerConfig::new(credential(identity))
        .alpn(&[b"h2", b"http/1.1"])
        .build()
        .unwrap()
}

/// A server after this client's hello, and its messages.
fn answered(config: &Arc<ServerConfig>, client: &mut ScriptedClient) -> (Engine, Vec<Vec<u8>>) {
    let mut server = Engine::server(config, Carrier::Records);
    server.read(Level::Initial, &client.send()).unwrap();
    let flight = server.take().into_iter().map(|piece| piece.bytes);
    let flight = flight.collect();
    (server, flight)
}

/// Ends the handshake, which must work.
fn end(mut server: Engine, client: &mut ScriptedClient, flight: &[Vec<u8>]) {
    let finished = client.finish(flight);
    server.read(Level::Handshake, &finished).unwrap();
    assert!(server.tls.is_complete());
}

#[test]
fn a_flight_has_its_messages_in_order() {
    let identity = identity();
    let mut client = ScriptedClient::new(&[Group::X25519MlKem768]);
    let (server, flight) = answered(&server(&identity), &mut client);
    let kinds: Vec<u8> = flight.iter().map(|message| message[0]).collect();
    assert_eq!(
        kinds,
        [
            kind::SERVER_HELLO,
            kind::ENCRYPTED_EXTENSIONS,
            kind::CERTIFICATE,
            kind::CERTIFICATE_VERIFY,
            kind::FINISHED
        ]
    );
    let flight_under_handshake_keys = |event: &&Event| matches!(event, Event::Send(level, sent) if (*level == Level::Initial) != (*sent == kind::SERVER_HELLO));
    assert_eq!(server.events.iter().find(flight_under_handshake_keys), None);
    end(server, &mut client, &flight);
}

#[test]
fn a_server_hello_has_what_the_key_exchange_needs_and_no_more() {
    let config = server(&identity());
    let mut randoms = Vec::new();
    for (suite, session_id) in [
        (0x1301, vec![7; 32]),
        (0x1302, vec![]),
        (0x1303, vec![1; 5]),
    ] {
        let mut client = ScriptedClient::new(&[Group::Secp256r1, Group::X25519]);
        client.hello.suites = vec![suite];
        client.hello.session_id = session_id;
        let (server, flight) = answered(&config, &mut client);
        let hello = Hello::parse(&flight[0]);
        assert_eq!(hello.version, 0x0303);
        assert_eq!(hello.session_id, client.hello.session_id);
        assert_eq!(
            (hello.suites.clone(), hello.compression),
            (vec![suite], vec![0])
        );
        let mut codes = hello.extensions.codes();
        codes.sort_unstable();
        assert_eq!(codes, [VERSIONS, KEY_SHARE]);
        assert_eq!(hello.extensions.body(VERSIONS), [3, 4]);
        let group = Group::X25519.code();
        let offered = client.hello.shares().iter().any(|(code, _)| *code == group);
        assert!(offered);
        let share = [&group.to_be_bytes()[..], &[0, 32]].concat();
        assert_eq!(hello.extensions.body(KEY_SHARE)[..4], share);
        assert_eq!(hello.extensions.body(KEY_SHARE).len(), 36);
        randoms.extend([hello.random, client.hello.random]);
        end(server, &mut client, &flight);
    }
    // Nothing of a server's random value repeats, nor comes from the client's (which is the same in all three).
    for (at, server) in randoms.iter().enumerate().step_by(2) {
        let clear_of =
            |other: &[u8; 32]| server.iter().zip(other).filter(|(a, b)| a == b).count() < 8;
        let others = randoms.iter().enumerate().filter(|(other, _)| *other != at);
        assert!(others.into_iter().all(|(_, other)| clear_of(other)));
        assert_ne!(server[24..31], *b"DOWNGRD");
    }
}

#[test]
fn a_retry_asks_for_a_group_and_no_more() {
    let config = server(&identity());
    for session_id in [vec![7; 32], vec![]] {
        let mut client = ScriptedClient::new(&[Group::Secp256r1]);
        client.hello.suites = vec![0x1303, 0x1302];
        client.hello.session_id = session_id;
        let groups = [Group::Secp256r1, Group::X25519MlKem768].map(Group::code);
        client
            .hello
            .extensions
            .set(10, vec16(&groups.map(u16::to_be_bytes).concat()));
        let (mut server, flight) = answered(&config, &mut client);
        assert_eq!(flight.len(), 1);
        assert!(is_retry(&flight[0]));
        let retry = Hello::parse(&flight[0]);
        assert_eq!((retry.version, &retry.compression[..]), (0x0303, &[0][..]));
        assert_eq!(retry.session_id, client.hello.session_id);
        assert_eq!(retry.suites, [0x1302], "the server's choice");
        let mut codes = retry.extensions.codes();
        codes.sort_unstable();
        assert_eq!(codes, [VERSIONS, KEY_SHARE]);
        assert_eq!(retry.extensions.body(VERSIONS), [3, 4]);
        assert_eq!(retry.extensions.body(KEY_SHARE), [0x11, 0xec]);
        client.retry(&flight[0]);
        server.read(Level::Initial, &client.send()).unwrap();
        let flight: Vec<_> = server.take().into_iter().map(|piece| piece.bytes).collect();
        let hello = Hello::parse(&flight[0]);
        assert_eq!(hello.suites, retry.suites, "the suite stays");
        assert_eq!(hello.extensions.body(VERSIONS), [3, 4]);
        assert_eq!(hello.extensions.body(KEY_SHARE)[..2], [0x11, 0xec]);
        end(server, &mut client, &flight);
    }
}

#[test]
fn only_what_was_asked_for_is_answered() {
    let identity = identity();
    let config = server(&identity);
    let protocols = vec16(&[vec8(b"spdy/3"), vec8(b"http/1.1")].concat());
    let answer = |name: bool, alpn: bool, tickets: bool| {
        let mut client = ScriptedClient::new(&[Group::X25519]);
        // Asked for, and not there: status_request, SCT, post_handshake_auth, psk_key_exchange_modes, and groups that the server
        // could name its own for; and a number of tickets by one that could not use them.
        client.hello.extensions.push(5, [1, 0, 0, 0, 0]);
        client.hello.extensions.push(18, []);
        client.hello.extensions.push(58, [2, 2]);
        client.hello.extensions.push(49, []);
        let mode = u8::from(tickets);
        client.hello.extensions.push(45, vec8(&[mode]));
        if !name {
            client.hello.extensions.remove(0);
        }
        if alpn {
            client.hello.extensions.push(ALPN, protocols.clone());
        }
        let (server, flight) = answered(&config, &mut client);
        end(server, &mut client, &flight);
        assert_eq!(
            flight[2],
            certificate(&[], &entries(&identity)),
            "no extension of a certificate"
        );
        Extensions::parse(&flight[1][4..]).0
    };
    let protocol = (ALPN, vec16(&vec8(b"http/1.1")));
    let tickets = (58, vec![2]);
    assert_eq!(answer(false, false, false), []);
    assert_eq!(answer(true, false, false), [(0, vec![])]);
    assert_eq!(answer(false, true, false), std::slice::from_ref(&protocol));
    assert_eq!(answer(false, false, true), std::slice::from_ref(&tickets));
    assert_eq!(answer(true, true, true), [(0, vec![]), protocol, tickets]);
}

/// The chain as it was configured, the leaf first; and a scheme that the client named and the leaf's key has.
#[test]
fn a_server_authenticates_by_its_chain_and_a_scheme_of_the_client() {
    use SignatureScheme as S;
    let rows: [(Kind, &[S], S); 4] = [
        (
            Kind::P256,
            &[S::ED25519, S::ECDSA_SECP256R1_SHA256],
            S::ECDSA_SECP256R1_SHA256,
        ),
        (Kind::Ed25519, &[S::ED25519], S::ED25519),
        (
            Kind::Rsa2048,
            &[S::RSA_PSS_RSAE_SHA512],
            S::RSA_PSS_RSAE_SHA512,
        ),
        (
            Kind::Rsa2048,
            &[S::RSA_PKCS1_SHA256, S::RSA_PSS_RSAE_SHA384],
            S::RSA_PSS_RSAE_SHA384,
        ),
    ];
    for (key, offered, want) in rows {
        let identity = Pki::with(key, 1).leaf_with(key, &[NAME], |_| ());
        let mut client = ScriptedClient::new(&[Group::X25519]);
        let schemes: Vec<u8> = offered
            .iter()
            .flat_map(|scheme| scheme.0.to_be_bytes())
            .collect();
        client.hello.extensions.set(13, vec16(&schemes));
        let (server, flight) = answered(&server(&identity), &mut client);
        assert_eq!(identity.chain.len(), 2);
        assert_eq!(flight[2], certificate(&[], &entries(&identity)), "{key:?}");
        assert_eq!(flight[3][4..6], want.0.to_be_bytes(), "{key:?}");
        end(server, &mut client, &flight);
    }
}

/// RFC 9846 appendix E.4: one, behind the first message, where the client has a session id; none without.
#[test]
fn change_cipher_spec_follows_the_first_message() {
    let config = server(&identity());
    let position = |events: &[Event]| {
        let mut places = events
            .iter()
            .enumerate()
            .filter(|(_, event)| **event == Event::ChangeCipherSpec);
        let first = places.next().map(|(place, _)| place);
        assert_eq!(places.next(), None, "only one");
        first
    };
    for (session_id, want) in [(vec![7; 32], Some(1)), (vec![7], Some(1)), (vec![], None)] {
        let mut client = ScriptedClient::new(&[Group::X25519]);
        client.hello.session_id = session_id.clone();
        let (server, _) = answered(&config, &mut client);
        assert_eq!(
            server.events[0],
            Event::Send(Level::Initial, kind::SERVER_HELLO)
        );
        assert_eq!(position(&server.events), want);

        let mut client = ScriptedClient::new(&[Group::X25519]);
        client.hello.session_id = session_id;
        client.hello.set_shares(&[]);
        let (mut server, flight) = answered(&config, &mut client);
        assert!(is_retry(&flight[0]));
        client.retry(&flight[0]);
        server.read(Level::Initial, &client.send()).unwrap();
        assert_eq!(position(&server.events), want);
        assert!(
            server
                .events
                .contains(&Event::Keys(Level::Application, Direction::Write))
        );
    }
}

/// A server that asks its clients for a certificate, its messages, and the client so far.
fn asking() -> (Engine, ScriptedClient, Vec<Vec<u8>>) {
    let clients = Pki::new();
    let config = ServerConfig::new(credential(&identity()))
        .client_auth(ClientAuth::Optional(trust(&clients)))
        .build()
        .unwrap();
    let mut client = ScriptedClient::new(&[Group::X25519]);
    let (server, flight) = answered(&config, &mut client);
    (server, client, flight)
}

#[test]
fn an_asking_flight_has_its_request_behind_encrypted_extensions() {
    let (_, _, flight) = asking();
    let kinds: Vec<u8> = flight.iter().map(|message| message[0]).collect();
    assert_eq!(
        kinds,
        [
            kind::SERVER_HELLO,
            kind::ENCRYPTED_EXTENSIONS,
            kind::CERTIFICATE_REQUEST,
            kind::CERTIFICATE,
            kind::CERTIFICATE_VERIFY,
            kind::FINISHED
        ]
    );
    assert_eq!(flight[2][4], 0, "no context: it is the one request");
    let request = Extensions::parse(&flight[2][5..]);
    assert_eq!(
        request.codes(),
        [13, 47, 27],
        "schemes, authorities and compression"
    );
}

#[test]
fn an_extension_of_a_clients_certificate_is_refused() {
    for (code, want) in [
        (0x1234, AlertDescription::UNSUPPORTED_EXTENSION),
        (5, AlertDescription::UNSUPPORTED_EXTENSION),
        (51, AlertDescription::ILLEGAL_PARAMETER),
    ] {
        let (mut server, mut client, flight) = asking();
        client.finish(&flight);
        let leaf = identity().chain[0].to_vec();
        let entry = (leaf, Extensions(vec![(code, vec![1, 0, 0, 1, 7])]));
        let message = certificate(&[], &[entry]);
        let error = server.read(Level::Handshake, &message).unwrap_err();
        assert_eq!(error.alert(), Some(want), "{code}: {error}");
    }
}
