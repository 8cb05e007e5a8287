//! No branch and no index of Pith depends on a secret, in handshakes with all that compares one: Finished, the binders of tickets and of external keys,
//! tickets, sessions, padding. QUIC's tokens are in `quic_network`. Runs under `--cfg pith_test`, as optimized as what is shipped.
#![cfg(pith_test)]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

use std::sync::Arc;
use std::time::Duration;

use pith_crypto::Secret;
use pith_tests::memcheck::{SECRET_TEXT, depends_on_a_secret, depends_on_no_secret, known};
use pith_tests::pair::{NAME, NOW, Pair, Side, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    CipherSuite, ClientAuth, ClientConfig, ClientConfigBuilder, EarlyData, ExternalPsk, Group,
    Hash, Now, Role, ServerConfig, Session, SessionKey, SessionStore, StrikeRegister, Tickets,
    Trust,
};

/// What goes over the wire is known to all.
fn wire(mut bytes: Vec<u8>) -> Vec<u8> {
    known(&mut bytes);
    bytes
}

/// Moves bytes until there are none, and text in both directions, with and without padding and new keys.
fn converse(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, early: bool) -> Pair {
    let mut pair = Pair::new(client, server);
    if early {
        assert_eq!(pair.client.tls.early_data(), EarlyData::Offered);
        let (sealed, _) = pair.client.seal_early(&SECRET_TEXT).unwrap();
        pair.server.input(&wire(sealed)).unwrap();
    }
    settle(&mut pair);
    for _ in 0..2 {
        let sealed = pair.client.seal(&SECRET_TEXT).unwrap();
        pair.server.input(&wire(sealed)).unwrap();
        let sealed = pair.server.seal(&SECRET_TEXT).unwrap();
        pair.client.input(&wire(sealed)).unwrap();
        pair.client.tls.update_keys(true).unwrap();
        settle(&mut pair);
    }
    for (side, times) in [(&mut pair.client, 2), (&mut pair.server, 2)] {
        known(&mut side.data);
        assert_eq!(side.data, SECRET_TEXT.repeat(times));
        side.tls.export(b"label", b"", &mut [0; 32]).unwrap();
        side.tls.close();
    }
    settle(&mut pair);
    assert!(pair.client.closed && pair.server.closed);
    pair
}

fn settle(pair: &mut Pair) {
    loop {
        let there = wire(pair.client.output());
        pair.server.input(&there).unwrap();
        let back = wire(pair.server.output());
        pair.client.input(&back).unwrap();
        if there.is_empty() && back.is_empty() {
            return;
        }
    }
}

fn resumed(pair: &Pair) -> bool {
    let resumed = |side: &Side| side.tls.summary().unwrap().resumed();
    assert_eq!(resumed(&pair.client), resumed(&pair.server));
    resumed(&pair.client)
}

fn client(pki: &Pki) -> ClientConfigBuilder {
    ClientConfig::new(trust(pki)).alpn(&[b"test"])
}

/// With each suite, a client's certificate, padding, and a second hello.
#[test]
fn handshakes() {
    depends_on_no_secret("handshakes", || {
        let pki = Pki::new();
        let suites = [
            CipherSuite::Aes128GcmSha256,
            CipherSuite::Aes256GcmSha384,
            CipherSuite::ChaCha20Poly1305Sha256,
        ];
        for suite in suites {
            let client = client(&pki)
                .suites(&[suite])
                .credential(credential(&pki.leaf(NAME)))
                .record_padding(256)
                .build()
                .unwrap();
            let server = ServerConfig::new(credential(&pki.leaf(NAME)))
                .client_auth(ClientAuth::Required(trust(&pki)))
                .groups(&[Group::SecP256r1MlKem768])
                .suites(&[suite])
                .alpn(&[b"test"])
                .build()
                .unwrap();
            let pair = converse(&client, &server, false);
            assert!(pair.client.tls.summary().unwrap().retried);
        }
    });
}

/// Tickets of both kinds, with early data; sessions that were sealed.
#[test]
fn tickets() {
    depends_on_no_secret("tickets", || {
        let pki = Pki::new();
        for tickets in [
            Tickets::rotating(),
            Tickets::fleet(b"32 bytes, and not one of them yet").unwrap(),
        ] {
            let store = SessionStore::new();
            let before = Now {
                unix: NOW.unix - Duration::from_secs(100),
                ..NOW
            };
            let client = client(&pki).sessions(store.clone()).early_data(true);
            let client = client.build().unwrap();
            let server = ServerConfig::new(credential(&pki.leaf(NAME)))
                .tickets(tickets)
                .early_data(1000, StrikeRegister::new(before))
                .alpn(&[b"test"])
                .build()
                .unwrap();
            assert!(!resumed(&converse(&client, &server, false)));
            let key = SessionKey::new(&[9; 32]);
            for session in store.drain() {
                let sealed = session.seal(&key).unwrap();
                store.insert(Session::open(&key, &sealed).unwrap());
            }
            let pair = converse(&client, &server, true);
            assert!(resumed(&pair));
            assert_eq!(pair.server.tls.early_data(), EarlyData::Accepted);
        }
    });
}

/// Keys that both sides were given.
#[test]
fn external_keys() {
    depends_on_no_secret("external_keys", || {
        for hash in [Hash::Sha256, Hash::Sha384] {
            let key = |role| ExternalPsk::new(role, b"device", b"test", &[7; 32], hash).unwrap();
            let client = ClientConfig::new(Trust::PreSharedKeys).alpn(&[b"test"]);
            let server = ServerConfig::without_certificate().alpn(&[b"test"]);
            let client = client.psk(key(Role::Client)).build().unwrap();
            let server = server.psk(key(Role::Server)).build().unwrap();
            converse(&client, &server, false);
        }
    });
}

/// What would be found: a comparison that stops at the first difference, and an index.
#[test]
fn an_early_exit() {
    depends_on_a_secret("an_early_exit", || {
        let secret = Secret::new(&[7; 32]).unwrap();
        let other = std::hint::black_box([7; 32]);
        let differs = |(one, other): (&u8, &u8)| std::hint::black_box(one) != other;
        let found = secret.expose().iter().zip(&other).any(differs);
        assert!(!std::hint::black_box(found));
    });
}

#[test]
fn an_index() {
    depends_on_a_secret("an_index", || {
        let secret = Secret::new(&[7; 32]).unwrap();
        let table = std::hint::black_box([1_u8; 256]);
        let mut at = [table[usize::from(secret.expose()[0])]];
        known(&mut at);
        assert_eq!(at, [1]);
    });
}
