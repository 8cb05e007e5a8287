//! What an observer is told: the whole sequence of events on both sides, in words.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};

use pith_tests::pair::{NAME, NOW, Pair, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::policy::V2026_11_PQ_ONLY;
use pith_tls::{
    Answer, ClientAuth, ClientConfig, ClientConfigBuilder, Event, Group, Observer, ServerConfig,
    ServerConfigBuilder, SessionStore, Tickets,
};

/// Keeps what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

impl Notes {
    /// The events since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A pair before its first byte, and the notes of the client and of the server.
fn observed(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Pair, Arc<Notes>, Arc<Notes>) {
    let (of_client, of_server) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    let client = client.observer(of_client.clone()).build().unwrap();
    let server = server.observer(of_server.clone()).build().unwrap();
    (Pair::new(&client, &server), of_client, of_server)
}

fn sides(pki: &Pki) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = ClientConfig::new(trust(pki));
    (client, ServerConfig::new(credential(&pki.leaf(NAME))))
}

#[test]
fn a_connection_from_its_start_to_its_end() {
    let (client, server) = sides(&Pki::new());
    let (mut pair, of_client, of_server) = observed(client, server);
    pair.run().unwrap();
    let negotiated = "negotiated TLS_AES_128_GCM_SHA256, X25519MLKEM768, ecdsa_secp256r1_sha256";
    assert_eq!(
        of_client.take(),
        [
            "handshake started as a client under policy V2026_11",
            "ClientHello sent",
            "ServerHello received",
            negotiated,
        ]
    );
    assert_eq!(
        of_server.take(),
        [
            "handshake started as a server under policy V2026_11",
            "ClientHello received",
            "ServerHello sent",
            negotiated,
        ]
    );
    pair.client.tls.update_keys(true).unwrap();
    pair.run().unwrap();
    let wire = pair.server.seal(b"data").unwrap();
    pair.client.input(&wire).unwrap();
    let (sending, receiving) = ("sending keys updated", "receiving keys updated");
    assert_eq!(of_client.take(), [sending, receiving]);
    assert_eq!(of_server.take(), [receiving, sending]);
    pair.client.tls.close();
    pair.client.tls.close();
    pair.run().unwrap();
    pair.server.tls.close();
    pair.run().unwrap();
    assert_eq!(pair.client.tls.eof(), Ok(()));
    let (here, there) = ("closed by this side", "closed by the peer");
    assert_eq!(of_client.take(), [here, there]);
    assert_eq!(of_server.take(), [there, here]);
}

/// Tickets that go and come, a connection that resumes, and why one does not.
#[test]
fn what_becomes_of_tickets() {
    let pki = Pki::new();
    let (tickets, store) = (Tickets::rotating(), SessionStore::bounded(1, 1));
    let connect = |scope: &str| {
        let (client, server) = sides(&pki);
        let server = server.tickets(tickets.clone()).ticket_scope(scope);
        let (mut pair, of_client, of_server) = observed(client.sessions(store.clone()), server);
        pair.run().unwrap();
        (of_client.take(), of_server.take())
    };
    let full = "negotiated TLS_AES_128_GCM_SHA256, X25519MLKEM768, ecdsa_secp256r1_sha256";
    let resumed = "negotiated TLS_AES_128_GCM_SHA256, X25519MLKEM768, resumed";
    let refused = "ticket refused: its scope is another";
    let rows: [(&str, &str, Option<&str>); 3] = [
        ("one", full, None),
        ("one", resumed, None),
        ("other", full, Some(refused)),
    ];
    for (scope, negotiated, refused) in rows {
        let (of_client, of_server) = connect(scope);
        assert_eq!(of_client[3..], [negotiated, "ticket received"], "{scope}");
        let want = refused.into_iter();
        let want = want.chain(["ServerHello sent", negotiated, "ticket sent"]);
        assert_eq!(of_server[2..], want.collect::<Vec<_>>(), "{scope}");
    }
}

#[test]
fn a_retry_and_a_client_that_authenticates() {
    let pki = Pki::new();
    let (client, server) = sides(&pki);
    let identity = pki.leaf_with(Kind::Ed25519, &[], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (mut pair, of_client, of_server) = observed(
        client
            .policy(&V2026_11_PQ_ONLY)
            .credential(credential(&identity)),
        server
            .groups(&[Group::SecP256r1MlKem768])
            .client_auth(ClientAuth::Required(trust(&pki))),
    );
    pair.run().unwrap();
    let negotiated = "negotiated TLS_AES_128_GCM_SHA256, SecP256r1MLKEM768, \
                      ecdsa_secp256r1_sha256, ed25519 of the client, after a retry";
    assert_eq!(
        of_client.take(),
        [
            "handshake started as a client under policy V2026_11_PQ_ONLY",
            "ClientHello sent",
            "HelloRetryRequest received",
            "ClientHello sent",
            "ServerHello received",
            negotiated,
        ]
    );
    assert_eq!(
        of_server.take(),
        [
            "handshake started as a server under policy V2026_11",
            "ClientHello received",
            "HelloRetryRequest sent",
            "ClientHello received",
            "ServerHello sent",
            negotiated,
        ]
    );
}

/// Failures are told once, with their alert, and nothing comes after them.
#[test]
fn failures_come_last_and_once() {
    let pki = Pki::new();
    let expired = pki.leaf_with(Kind::P256, &[NAME], pith_tests::pki::expired);
    let (client, server) = (
        ClientConfig::new(trust(&pki)),
        ServerConfig::new(credential(&expired)),
    );
    let (mut pair, of_client, of_server) = observed(client, server);
    let error = pair.run().unwrap_err();
    assert_eq!(pair.client.tls.eof(), Err(error.clone()));
    pair.client.tls.close();
    assert_eq!(
        of_client.take()[3..],
        [
            format!("certificate refused: {error}"),
            "alert certificate_expired sent".to_owned(),
            format!("failed: {error}"),
        ]
    );
    let failure = pair.server.tls.eof().unwrap_err();
    assert_eq!(
        of_server.take()[3..],
        [
            "alert certificate_expired received".to_owned(),
            format!("failed: {failure}"),
        ]
    );

    let (client, server) = sides(&pki);
    let (mut pair, of_client, _) = observed(client, server);
    pair.run().unwrap();
    of_client.take();
    let error = pair.client.tls.eof().unwrap_err();
    assert_eq!(of_client.take(), [format!("failed: {error}")]);
}

/// Another configuration does not change who is told.
#[test]
fn the_first_configuration_has_the_observer() {
    let pki = Pki::new();
    let (client, server) = sides(&pki);
    let (mut pair, _, of_server) = observed(client, server.ask_config(true));
    pair.run().unwrap();
    let other = Arc::new(Notes::default());
    let config = sides(&pki).1.observer(other.clone()).build().unwrap();
    let answer = Answer::config(pair.server.tls.question().unwrap(), Some(config));
    pair.server.tls.answer(answer, NOW).unwrap();
    pair.run().unwrap();
    assert_eq!(of_server.take().len(), 4);
    assert_eq!(other.take(), [""; 0]);
}
