//! External pre-shared keys: imported (RFC 9258), each for one role (RFC 9257), always beside a key exchange, with certificates or
//! without any.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::Arc;

use pith_crypto::Secret;
use pith_crypto::hkdf::{derive_secret, extract};
use pith_crypto::mac::hmac;
use pith_tests::engine::{Duo, Engine, Event, Outcome};
use pith_tests::message::{Hello, kind, offered_psks, vec8, vec16};
use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::Pki;
use pith_tests::script::{ScriptedClient, ScriptedServer};
use pith_tests::scripted::{Bench, HANDSHAKE, Role as Side};
use pith_tls::{
    AlertDescription, Carrier, CipherSuite, ClientConfig, ClientConfigBuilder, ConfigError, Error,
    ExternalPsk, Fault, Group, Hash, Level, Psk, Role, ServerConfig, ServerConfigBuilder,
    SessionStore, Trust, limits, role_context,
};

fn key(role: Role, identity: &[u8], byte: u8) -> ExternalPsk {
    ExternalPsk::new(role, identity, b"test", &[byte; 32], Hash::Sha256).unwrap()
}

fn client() -> ClientConfigBuilder {
    ClientConfig::new(Trust::PreSharedKeys).alpn(&[b"test"])
}

fn server() -> ServerConfigBuilder {
    ServerConfig::without_certificate().alpn(&[b"test"])
}

fn both(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let client = client.psk(key(Role::Client, b"device\x007", 1));
    let server = server.psk(key(Role::Server, b"device\x007", 1));
    (client.build().unwrap(), server.build().unwrap())
}

/// Over both carriers, with each hash, and across a HelloRetryRequest. T07: an identity is bytes, zeros and all.
#[test]
fn two_sides_without_certificates_meet_by_a_key() {
    use CipherSuite as S;
    for quic in [false, true] {
        for suite in [S::Aes128GcmSha256, S::Aes256GcmSha384] {
            for retried in [false, true] {
                let row = format!("{suite}, QUIC: {quic}, retried: {retried}");
                let group = if retried {
                    Group::Secp384r1
                } else {
                    Group::X25519MlKem768
                };
                let (client, server) = both(
                    client().suites(&[S::Aes128GcmSha256, S::Aes256GcmSha384]),
                    server().suites(&[suite]).groups(&[group]),
                );
                let mut duo = match quic {
                    true => Duo::quic(&client, &server),
                    false => Duo::records(&client, &server),
                };
                assert_eq!(duo.run(), Outcome::Complete, "{row}");
                for summary in [duo.client.summary, duo.server.summary] {
                    let summary = summary.unwrap();
                    let identity = Box::from(&b"device\x007"[..]);
                    assert_eq!(summary.psk, Some(Psk::External { identity }), "{row}");
                    assert!(!summary.resumed(), "{row}");
                    assert_eq!((summary.suite, summary.group), (suite, group), "{row}");
                    assert_eq!(summary.retried, retried, "{row}");
                    assert_eq!(summary.signature_scheme, None, "{row}");
                    assert_eq!(summary.peer_key, None, "{row}");
                }
            }
        }
    }
}

/// No ticket follows: the key does all that a ticket could, and a key that is taken away must not live on in tickets.
#[test]
fn no_ticket_follows_an_external_key() {
    let store = SessionStore::new();
    let pki = Pki::new();
    let (client, server) = both(
        ClientConfig::new(trust(&pki)).sessions(store.clone()),
        ServerConfig::new(credential(&pki.leaf(NAME))),
    );
    let mut duo = Duo::records(&client, &server);
    assert_eq!(duo.run(), Outcome::Complete);
    assert!(matches!(
        duo.server.summary.as_ref().unwrap().psk,
        Some(Psk::External { .. })
    ));
    duo.server
        .tls
        .issue_tickets(2, pith_tests::pair::NOW)
        .unwrap();
    duo.server.obey();
    let ticket = Event::Send(Level::Application, kind::NEW_SESSION_TICKET);
    assert!(!duo.server.events.contains(&ticket));
    assert!(store.is_empty());
}

/// Where both have certificates too, an unknown key is passed over (rfc9846#4.3.11-3).
#[test]
fn a_key_that_is_unknown_gives_way_to_a_certificate() {
    let pki = Pki::new();
    let client = |psk| {
        let client = ClientConfig::new(trust(&pki)).psk(psk);
        client.build().unwrap()
    };
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server
        .psk(key(Role::Server, b"a", 1))
        .psk(key(Role::Server, b"b", 2))
        .build()
        .unwrap();
    let rows = [
        ("the first", key(Role::Client, b"a", 1), Some(&b"a"[..])),
        ("the second", key(Role::Client, b"b", 2), Some(b"b")),
        ("unknown", key(Role::Client, b"c", 1), None),
        (
            "for another purpose",
            ExternalPsk::new(Role::Client, b"a", b"other", &[1; 32], Hash::Sha256).unwrap(),
            None,
        ),
    ];
    for (row, psk, want) in rows {
        let pair = Pair::connected(&client(psk), &server);
        let summary = pair.server.tls.summary().unwrap();
        let identity = want.map(|identity| Psk::External {
            identity: identity.into(),
        });
        assert_eq!(summary.psk, identity, "{row}");
        assert_eq!(summary.signature_scheme.is_none(), want.is_some(), "{row}");
    }
}

/// Of several, the client's order counts, and the server takes the first that it knows.
#[test]
fn the_clients_order_counts() {
    let client = client()
        .psk(key(Role::Client, b"unknown", 9))
        .psk(key(Role::Client, b"b", 2))
        .psk(key(Role::Client, b"a", 1));
    let server = server()
        .psk(key(Role::Server, b"a", 1))
        .psk(key(Role::Server, b"b", 2));
    let pair = Pair::connected(&client.build().unwrap(), &server.build().unwrap());
    let identity = Box::from(&b"b"[..]);
    assert_eq!(
        pair.client.tls.summary().unwrap().psk,
        Some(Psk::External { identity })
    );
}

fn refused(client: ClientConfigBuilder, server: ServerConfigBuilder, want: Fault) {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut bench = Bench::with(Side::Server, &client, &server);
    let message = bench.peer.next_message().unwrap();
    let wire = bench.peer.record(HANDSHAKE, &message);
    bench.fails("refused", &wire, want);
}

#[test]
fn a_client_without_the_key_is_refused_with_the_alert_for_it() {
    let pki = Pki::new();
    let own = || server().psk(key(Role::Server, b"a", 1));
    let with_certificates = || ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    refused(with_certificates(), own(), Fault::UnknownPsk);
    let stranger = with_certificates().psk(key(Role::Client, b"b", 1));
    refused(stranger, own(), Fault::UnknownPsk);
    let stranger = client().psk(key(Role::Client, b"b", 1));
    refused(stranger, own(), Fault::UnknownPsk);
    // The right name and another key.
    let impostor = client().psk(key(Role::Client, b"a", 2));
    refused(impostor, own(), Fault::Binder);
}

#[test]
fn a_client_of_keys_alone_takes_no_server_without_one() {
    let (client, _) = both(client(), server());
    let mut side = pith_tests::pair::Side::new(
        pith_tls::Connection::client(client, pith_tests::pair::name(), pith_tests::pair::NOW)
            .unwrap(),
    );
    let hello = side.output().split_off(5);
    let parsed = Hello::parse(&hello);
    assert!(!parsed.extensions.has(13), "no algorithms for certificates");
    assert_eq!(parsed.extensions.codes().last(), Some(&41));
    let mut script = ScriptedServer::new(&hello, 0x1301);
    let answer = script.hello();
    assert_eq!(answer.kind, kind::SERVER_HELLO);
    let wire = pith_tests::scripted::plain(HANDSHAKE, &script.send_hello(&answer));
    let error = side.input(&wire).unwrap_err();
    assert_eq!(error, Error::Fault(Fault::PskNotSelected));
    let alert = [2, AlertDescription::HANDSHAKE_FAILURE.0];
    assert!(side.output().ends_with(&alert));
}

/// RFC 9257: who takes one key in both roles can be made to talk to itself (T07).
#[test]
fn a_key_is_for_one_role() {
    let unsupported = |error: ConfigError| matches!(error, ConfigError::Unsupported { .. });
    let wrong = client().psk(key(Role::Server, b"a", 1)).build();
    assert!(wrong.err().is_some_and(unsupported));
    let wrong = server().psk(key(Role::Client, b"a", 1)).build();
    assert!(wrong.err().is_some_and(unsupported));
}

/// A group that shares one key, and tells its nodes apart by the context (RFC 9258 appendix A).
#[test]
fn a_node_that_meets_itself_uses_no_key() {
    let pki = Pki::new();
    let node = |role, client: &[u8], server: &[u8]| {
        let context = role_context(client, server).unwrap();
        ExternalPsk::new(role, b"group", &context, &[1; 32], Hash::Sha256).unwrap()
    };
    for (name, peer, want) in [
        ("the other node", node(Role::Server, b"one", b"two"), true),
        ("itself", node(Role::Server, b"two", b"one"), false),
        ("a third", node(Role::Server, b"three", b"two"), false),
    ] {
        let client = ClientConfig::new(trust(&pki)).psk(node(Role::Client, b"one", b"two"));
        let server = ServerConfig::new(credential(&pki.leaf(NAME))).psk(peer);
        let pair = Pair::connected(&client.build().unwrap(), &server.build().unwrap());
        let psk = &pair.server.tls.summary().unwrap().psk;
        assert_eq!(psk.is_some(), want, "{name}");
    }
}

#[test]
fn a_side_without_certificates_and_keys_is_refused() {
    let empty = ConfigError::Empty {
        what: "pre-shared key",
    };
    assert_eq!(client().build().err(), Some(empty.clone()));
    assert_eq!(server().build().err(), Some(empty));
    let auth = pith_tls::ClientAuth::Required(Trust::PreSharedKeys);
    let server = server().psk(key(Role::Server, b"a", 1)).client_auth(auth);
    assert!(matches!(
        server.build().err(),
        Some(ConfigError::Unsupported { .. })
    ));
}

/// Each key stands in a hello once for each hash.
#[test]
fn as_many_keys_as_a_server_looks_at() {
    let most = limits::PSK_IDENTITIES / 2;
    for (count, good) in [(most, true), (most + 1, false)] {
        let keys = |role| (0..count).map(move |at| key(role, &at.to_be_bytes(), 1));
        let server = keys(Role::Server).fold(server(), ServerConfigBuilder::psk);
        let client = keys(Role::Client).fold(client(), ClientConfigBuilder::psk);
        assert_eq!(server.build().is_ok(), good, "{count}");
        assert_eq!(client.build().is_ok(), good, "{count}");
    }
}

/// The binder of an imported key for SHA-256 (RFC 9258 sections 5.1 and 5.2), by another road than the library's.
fn bind(hello: &[u8], identity: &[u8]) -> Vec<u8> {
    let hash = Hash::Sha256;
    let expand = |secret: &Secret, label: &str, context: &[u8]| {
        derive_secret(hash, secret, label, context).unwrap()
    };
    let external = extract(hash, &[], &[1; 32]).unwrap();
    let imported = expand(&external, "derived psk", hash.digest(identity).as_ref());
    let early = extract(hash, &[0; 32], imported.expose()).unwrap();
    let binder_key = expand(&early, "imp binder", hash.digest(&[]).as_ref());
    let finished = expand(&binder_key, "finished", &[]);
    let covered = &hello[..hello.len() - 35];
    let binder = hmac(hash, finished.expose(), hash.digest(covered).as_ref()).unwrap();
    [covered, &hello[hello.len() - 35..][..3], binder.expose()].concat()
}

/// rfc9846#4.3.11-1. And it is the mode that counts, not the offer: without a key exchange no key is looked at (S03).
#[test]
fn an_age_means_nothing_and_a_mode_does() {
    let server = server().psk(key(Role::Server, b"a", 1)).build().unwrap();
    let identity = [&vec16(b"a")[..], &vec16(b"test"), &[3, 4, 0, 1]].concat();
    let rows: [(&str, u8, [u8; 4], Option<Fault>); 4] = [
        ("no age", 1, [0; 4], None),
        ("an age", 1, [1, 2, 3, 4], None),
        ("the greatest age", 1, [0xff; 4], None),
        ("no key exchange", 0, [0; 4], Some(Fault::UnknownPsk)),
    ];
    for (row, mode, age, want) in rows {
        let mut script = ScriptedClient::new(&[Group::X25519]);
        script.hello.suites = vec![0x1301];
        script.hello.extensions.push(45, vec8(&[mode]));
        let mut offer = offered_psks(&[&identity], &[[0; 32]]);
        let at = 4 + identity.len();
        offer[at..at + 4].copy_from_slice(&age);
        script.hello.extensions.push(41, offer);
        let hello = bind(&script.send(), &identity);
        let mut engine = Engine::server(&server, Carrier::Records);
        let got = engine.read(Level::Initial, &hello).err();
        assert_eq!(got, want.map(Error::from), "{row}");
        if want.is_none() {
            let answer = Hello::parse(&engine.take()[0].bytes);
            assert_eq!(answer.extensions.body(41), [0, 0], "{row}");
            assert!(answer.extensions.has(51), "{row}: no key exchange");
        }
    }
}
