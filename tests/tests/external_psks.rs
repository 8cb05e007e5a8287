//! Pre-shared keys that both sides were given: they take the place of certificates, in their own role alone (RFC 9257, RFC 9258).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use pith_tests::engine::{Duo, Outcome, Role as Side};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    CipherSuite, ClientConfig, ClientConfigBuilder, ConfigError, Error, ExternalPsk, Fault, Group,
    Hash, Psk, Role, ServerConfig, ServerConfigBuilder, SessionStore, Summary, limits,
    role_context,
};

const KEY: [u8; 32] = [7; 32];
const IDENTITY: &[u8] = b"device\0 7";

fn psk(role: Role, identity: &[u8], key: &[u8]) -> ExternalPsk {
    let context = role_context(b"device", b"server").unwrap();
    ExternalPsk::new(role, identity, &context, key, Hash::Sha256).unwrap()
}

fn client(pki: &Pki) -> ClientConfigBuilder {
    ClientConfig::new(trust(pki)).alpn(&[b"test"])
}

fn server(pki: &Pki) -> ServerConfigBuilder {
    ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"])
}

/// What both sides say of the key that they used, after a handshake that both completed.
fn used(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Option<Psk> {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let [ours, theirs] = complete(Duo::records(&client, &server));
    assert_eq!(ours.psk, theirs.psk);
    assert_eq!(ours.psk.is_some(), ours.signature_scheme.is_none());
    ours.psk.clone()
}

fn complete(mut duo: Duo) -> [Arc<Summary>; 2] {
    assert_eq!(duo.run(), Outcome::Complete);
    [duo.client.summary, duo.server.summary].map(Option::unwrap)
}

fn external(identity: &[u8]) -> Option<Psk> {
    let identity = identity.into();
    Some(Psk::External { identity })
}

#[test]
fn a_key_takes_the_place_of_certificates() {
    let pki = Pki::new();
    for quic in [false, true] {
        for suite in CipherSuite::ALL {
            let store = SessionStore::new();
            let client = client(&pki)
                .psk(psk(Role::Client, IDENTITY, &KEY))
                .sessions(store.clone());
            let server = server(&pki)
                .psk(psk(Role::Server, IDENTITY, &KEY))
                .suites(&[*suite]);
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            for _ in 0..2 {
                let duo = match quic {
                    true => Duo::quic(&client, &server),
                    false => Duo::records(&client, &server),
                };
                for summary in complete(duo) {
                    let row = format!("{suite}, QUIC: {quic}");
                    assert_eq!(summary.psk, external(IDENTITY), "{row}");
                    assert_eq!(summary.suite, *suite, "{row}");
                    assert_eq!(summary.group, Group::X25519MlKem768, "{row}");
                    assert_eq!(summary.signature_scheme, None, "{row}");
                    assert_eq!(summary.peer_key, None, "{row}");
                }
                assert!(store.is_empty(), "no session comes of it");
            }
        }
    }
}

#[test]
fn a_key_is_used_after_a_retry_too() {
    let pki = Pki::new();
    let client = client(&pki)
        .psk(psk(Role::Client, IDENTITY, &KEY))
        .shares(&[Group::X25519]);
    let server = server(&pki).psk(psk(Role::Server, IDENTITY, &KEY));
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    for summary in complete(Duo::records(&client, &server)) {
        assert!(summary.retried);
        assert_eq!(summary.psk, external(IDENTITY));
        assert_eq!(summary.group, Group::X25519MlKem768);
    }
}

#[test]
fn of_several_keys_the_first_that_both_have_is_used() {
    let pki = Pki::new();
    // (what the client has, what the server has, what they use)
    let rows: [(&[&[u8]], &[&[u8]], Option<&[u8]>); 6] = [
        (&[b"a", b"b"], &[b"b"], Some(b"b")),
        (&[b"a", b"b"], &[b"b", b"a"], Some(b"a")),
        (&[b"a"], &[b"b", b"c", b"a"], Some(b"a")),
        (&[b"a"], &[b"b"], None),
        (&[], &[b"a"], None),
        (&[b"a"], &[], None),
    ];
    for (own, others, want) in rows {
        let add = |config: ClientConfigBuilder, id: &&[u8]| config.psk(psk(Role::Client, id, &KEY));
        let client = own.iter().fold(client(&pki), add);
        let add = |config: ServerConfigBuilder, id: &&[u8]| config.psk(psk(Role::Server, id, &KEY));
        let server = others.iter().fold(server(&pki), add);
        let want = want.and_then(external);
        assert_eq!(used(client, server), want, "{own:?}, {others:?}");
    }
}

#[test]
fn a_client_without_the_key_is_refused() {
    let pki = Pki::new();
    let client = client(&pki).psk(psk(Role::Client, IDENTITY, &[8; 32]));
    let server = server(&pki).psk(psk(Role::Server, IDENTITY, &KEY));
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let error = Duo::records(&client, &server).run().error(Side::Server);
    assert_eq!(error, Error::Fault(Fault::Binder));
}

/// T07: a key whose context or identity is another's is another key, and a certificate is shown.
#[test]
fn a_node_that_meets_itself_uses_no_key() {
    let pki = Pki::new();
    let node = |role, client: &[u8], server: &[u8]| {
        let context = role_context(client, server).unwrap();
        ExternalPsk::new(role, b"group", &context, &KEY, Hash::Sha256).unwrap()
    };
    for (name, peer, want) in [
        ("the other node", node(Role::Server, b"one", b"two"), true),
        ("itself", node(Role::Server, b"two", b"one"), false),
        ("a third", node(Role::Server, b"three", b"two"), false),
    ] {
        let client = client(&pki).psk(node(Role::Client, b"one", b"two"));
        let got = used(client, server(&pki).psk(peer));
        assert_eq!(got, want.then(|| external(b"group")).flatten(), "{name}");
    }
}

/// T07
#[test]
fn a_key_for_the_other_role_is_refused_where_it_is_given() {
    let pki = Pki::new();
    let refused = [
        client(&pki)
            .psk(psk(Role::Server, IDENTITY, &KEY))
            .build()
            .err(),
        server(&pki)
            .psk(psk(Role::Client, IDENTITY, &KEY))
            .build()
            .err(),
    ];
    for refused in refused {
        let unsupported = matches!(refused, Some(ConfigError::Unsupported { .. }));
        assert!(unsupported, "{refused:?}");
    }
}

#[test]
fn a_configuration_holds_so_many_keys_and_no_more() {
    const MOST: usize = limits::PSK_IDENTITIES / 2;
    let pki = Pki::new();
    let client = |count: usize| {
        (0..count)
            .map(|number| psk(Role::Client, &number.to_be_bytes(), &KEY))
            .fold(client(&pki), ClientConfigBuilder::psk)
    };
    let last = psk(Role::Server, &(MOST - 1).to_be_bytes(), &KEY);
    let got = used(client(MOST), server(&pki).psk(last));
    assert_eq!(got, external(&(MOST - 1).to_be_bytes()), "the last one");
    let refused = client(MOST + 1).build().err();
    let too_many = matches!(refused, Some(ConfigError::TooMany { limit: MOST, .. }));
    assert!(too_many, "{refused:?}");
}
