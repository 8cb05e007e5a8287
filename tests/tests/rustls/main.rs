//! Pith against rustls, in memory and in both roles. `tests/interop` has the same against OpenSSL over sockets.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod raw_keys;
mod resume;
mod session;

use std::io::{ErrorKind, Read, Write};

use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::{Kind, Pki, ca_as_leaf, expired};
use pith_tls::{
    AlertDescription, CipherSuite, ClientAuth, ClientConfig, Error, Fault, Flow, Group,
    ServerConfig, SignatureScheme,
};
use rcgen::DnType;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use rustls::{AlertDescription as Alert, HandshakeKind, RootCertStore};
use session::{
    Peer, Session, Setup, default_sessions, rustls_client, rustls_client_config, rustls_server,
};

/// The groups that both libraries have.
const GROUPS: [Group; 7] = [
    Group::X25519MlKem768,
    Group::SecP256r1MlKem768,
    Group::X25519,
    Group::Secp256r1,
    Group::Secp384r1,
    Group::MlKem768,
    Group::MlKem1024,
];

/// Every scheme that a CertificateVerify may have here, with the kind of key that it takes.
const SIGNATURES: [(Kind, SignatureScheme); 7] = [
    (Kind::P256, SignatureScheme::ECDSA_SECP256R1_SHA256),
    (Kind::P384, SignatureScheme::ECDSA_SECP384R1_SHA384),
    (Kind::P521, SignatureScheme::ECDSA_SECP521R1_SHA512),
    (Kind::Ed25519, SignatureScheme::ED25519),
    (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA256),
    (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA384),
    (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA512),
];

#[test]
fn rustls_agrees_on_every_suite_and_group() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for suite in CipherSuite::ALL {
        for group in GROUPS {
            let what = format!("{suite} {group}");
            let mine = ClientConfig::new(trust(&pki))
                .suites(&[*suite])
                .groups(&[group]);
            let theirs = rustls_server(&Setup::only(*suite, group), &identity);
            let mut with_server = Session::client(mine, theirs);
            let mine = ServerConfig::new(credential(&identity))
                .suites(&[*suite])
                .groups(&[group]);
            let theirs = rustls_client(&Setup::only(*suite, group), &pki);
            let mut with_client = Session::server(mine, theirs);
            for session in [&mut with_server, &mut with_client] {
                session.connect();
                let summary = session.pith.tls.summary().unwrap();
                assert_eq!((summary.suite, summary.group), (*suite, group), "{what}");
                let peer = &session.peer.tls;
                let theirs = peer.negotiated_key_exchange_group().unwrap().name();
                assert_eq!(u16::from(theirs), group.code(), "{what}");
                let theirs = peer.negotiated_cipher_suite().unwrap().suite();
                assert_eq!(u16::from(theirs), suite.code(), "{what}");
                session.same_exports();
                session.data_flows();
            }
        }
    }
}

#[test]
fn rustls_agrees_on_every_signature_scheme() {
    for (kind, scheme) in SIGNATURES {
        // With intermediates, so that chains are made and read too.
        let pki = Pki::with(kind, 2);
        let identity = pki.leaf_with(kind, &[NAME], |_| ());
        let setup = Setup {
            scheme: Some(scheme),
            ..Setup::default()
        };
        let mut with_server = Session::client(
            ClientConfig::new(trust(&pki)),
            rustls_server(&setup, &identity),
        );
        with_server.connect();
        let mut with_client = Session::server(
            ServerConfig::new(credential(&identity)),
            rustls_client(&setup, &pki),
        );
        with_client.connect();
        let chain = with_client.peer.tls.peer_certificates().unwrap();
        assert_eq!(chain, identity.chain, "{scheme}");
        for session in [with_server, with_client] {
            assert_eq!(
                session.pith.tls.summary().unwrap().signature_scheme,
                Some(scheme)
            );
        }
    }
}

#[test]
fn rustls_retries_and_is_made_to_retry() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let server_of = |groups: &[Group]| rustls_server(&Setup::groups(groups), &identity);
    let client_of = |groups: &[Group]| rustls_client(&Setup::groups(groups), &pki);
    for (mut session, group) in [
        // No share of what the server has.
        (
            Session::client(
                ClientConfig::new(trust(&pki)),
                server_of(&[Group::Secp384r1]),
            ),
            Group::Secp384r1,
        ),
        // Post-quantum is worth a round trip to a server of ours.
        (
            Session::server(
                ServerConfig::new(credential(&identity)),
                client_of(&[Group::X25519, Group::SecP256r1MlKem768]),
            ),
            Group::SecP256r1MlKem768,
        ),
    ] {
        session.connect();
        let summary = session.pith.tls.summary().unwrap();
        assert!(summary.retried);
        assert_eq!(summary.group, group);
        assert_eq!(
            session.peer.tls.handshake_kind(),
            Some(HandshakeKind::FullWithHelloRetryRequest)
        );
        session.data_flows();
    }
    // And it is not taken where the first flight has it: here a part of the hybrid share stands by itself too.
    let mut session = Session::server(
        ServerConfig::new(credential(&identity)),
        client_of(&[Group::X25519MlKem768, Group::X25519]),
    );
    session.connect();
    assert_eq!(session.peer.tls.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn rustls_and_pith_agree_on_a_protocol_or_refuse() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let sessions = |mine: &[&[u8]], theirs: &[&[u8]]| {
        let setup = Setup {
            alpn: theirs.iter().map(|name| name.to_vec()).collect(),
            ..Setup::default()
        };
        [
            Session::client(
                ClientConfig::new(trust(&pki)).alpn(mine),
                rustls_server(&setup, &identity),
            ),
            Session::server(
                ServerConfig::new(credential(&identity)).alpn(mine),
                rustls_client(&setup, &pki),
            ),
        ]
    };
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (mine, theirs, want) in [
        (
            both,
            &[b"http/1.1".as_slice()][..],
            Some(b"http/1.1".as_slice()),
        ),
        (both, both, Some(b"h2")),
        (both, &[], None),
        (&[], both, None),
    ] {
        for mut session in sessions(mine, theirs) {
            session.connect();
            let summary = session.pith.tls.summary().unwrap();
            assert_eq!(summary.protocol.as_deref(), want);
            assert_eq!(session.peer.tls.alpn_protocol(), want);
        }
    }
    let [mut with_server, mut with_client] = sessions(&[b"h2"], &[b"http/1.1"]);
    let (mine, theirs) = with_server.run();
    assert_eq!(
        mine,
        Err(Error::Alert(AlertDescription::NO_APPLICATION_PROTOCOL))
    );
    assert_eq!(theirs, Err(rustls::Error::NoApplicationProtocol));
    let (mine, theirs) = with_client.run();
    assert_eq!(mine, Err(Error::Fault(Fault::NoCommonProtocol)));
    assert_eq!(
        theirs,
        Err(rustls::Error::AlertReceived(Alert::NoApplicationProtocol))
    );
}

#[test]
fn rustls_and_pith_name_the_server() {
    let [mut with_server, mut with_client] = default_sessions();
    with_server.connect();
    with_client.connect();
    let rustls::Connection::Server(server) = &with_server.peer.tls else {
        panic!("not a server");
    };
    assert_eq!(server.server_name(), Some(NAME));
    let summary = with_client.pith.tls.summary().unwrap();
    assert_eq!(summary.server_name.as_deref(), Some(NAME));
}

#[test]
fn rustls_follows_key_updates_and_makes_them() {
    for mut session in default_sessions() {
        session.connect();
        for _ in 0..3 {
            session.pith.tls.update_keys(false).unwrap();
            session.data_flows();
            session.pith.tls.update_keys(true).unwrap();
            session.data_flows();
            session.peer.tls.refresh_traffic_keys().unwrap();
            session.data_flows();
            // Both at once, each unaware of the other's.
            session.pith.tls.update_keys(true).unwrap();
            session.peer.tls.refresh_traffic_keys().unwrap();
            session.data_flows();
        }
    }
}

#[test]
fn rustls_and_pith_move_megabytes() {
    let payload: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
    for mut session in default_sessions() {
        session.connect();
        for part in payload.chunks(100_003) {
            let records = session.pith.seal(part).unwrap();
            session.peer.input(&records).unwrap();
            session.peer.send(part);
            let records = session.peer.output();
            session.pith.input(&records).unwrap();
        }
        assert!(session.pith.data == payload, "from rustls");
        assert!(session.peer.data == payload, "to rustls");
    }
}

#[test]
fn rustls_cuts_its_messages_small() {
    let pki = Pki::with(Kind::Rsa2048, 2);
    let identity = pki.leaf_with(Kind::Rsa2048, &[NAME], |_| ());
    let setup = Setup {
        fragment: Some(64),
        ..Setup::default()
    };
    for mut session in [
        Session::client(
            ClientConfig::new(trust(&pki)),
            rustls_server(&setup, &identity),
        ),
        Session::server(
            ServerConfig::new(credential(&identity)),
            rustls_client(&setup, &pki),
        ),
    ] {
        session.connect();
        session.data_flows();
    }
}

#[test]
fn rustls_and_pith_close_each_direction() {
    for mut session in default_sessions() {
        session.connect();
        session.pith.tls.close();
        assert_eq!(session.run(), (Ok(()), Ok(())));
        assert!(session.peer.closed);
        // Half-closed: rustls still sends, and then closes.
        session.peer.send(b"last words");
        session.peer.tls.send_close_notify();
        assert_eq!(session.run(), (Ok(()), Ok(())));
        assert_eq!(session.pith.data, b"last words");
        assert_eq!(session.pith.tls.status().receive, Flow::PeerClosed);
        assert_eq!(session.pith.tls.eof(), Ok(()));
    }
}

#[test]
fn rustls_and_pith_report_truncation() {
    for mut session in default_sessions() {
        session.connect();
        session.data_flows();
        assert_eq!(session.pith.tls.eof(), Err(Error::Truncated));
        session.peer.end();
        let cut = session.peer.tls.reader().read(&mut [0; 1]).unwrap_err();
        assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn rustls_and_pith_know_clients_by_their_certificates() {
    for kind in [
        Kind::P256,
        Kind::P384,
        Kind::P521,
        Kind::Ed25519,
        Kind::Rsa2048,
    ] {
        let pki = Pki::with(kind, 1);
        let server = pki.leaf(NAME);
        let client = pki.leaf_with(kind, &["client.example"], |_| ());
        let setup = Setup {
            client_verifier: Some(client_verifier(&pki).build().unwrap()),
            ..Setup::default()
        };
        let mine = ClientConfig::new(trust(&pki)).credential(credential(&client));
        let mut session = Session::client(mine, rustls_server(&setup, &server));
        session.connect();
        let chain = session.peer.tls.peer_certificates();
        assert_eq!(chain, Some(&client.chain[..]), "{kind:?}");

        let chain = client.chain.clone();
        let setup = Setup {
            client: Some(client),
            ..Setup::default()
        };
        let mine = ServerConfig::new(credential(&server)).keep_peer_chain(true);
        let mine = mine.client_auth(ClientAuth::Required(trust(&pki)));
        let mut session = Session::server(mine, rustls_client(&setup, &pki));
        session.connect();
        let summary = session.pith.tls.summary().unwrap();
        assert_eq!(summary.peer_chain, Some(chain), "{kind:?}");
        session.data_flows();
    }
}

#[test]
fn rustls_asks_for_a_certificate_and_gets_none() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let verifier = || client_verifier(&pki);
    let session = |verifier| {
        let setup = Setup {
            client_verifier: Some(verifier),
            ..Setup::default()
        };
        let server = rustls_server(&setup, &identity);
        Session::client(ClientConfig::new(trust(&pki)), server)
    };

    let mut optional = session(verifier().allow_unauthenticated().build().unwrap());
    optional.connect();
    assert_eq!(optional.peer.tls.peer_certificates(), None);
    optional.data_flows();

    let mut required = session(verifier().build().unwrap());
    let (mine, theirs) = required.run();
    assert_eq!(
        mine,
        Err(Error::Alert(AlertDescription::CERTIFICATE_REQUIRED))
    );
    assert_eq!(theirs, Err(rustls::Error::NoCertificatesPresented));
}

#[test]
fn rustls_may_send_early_data_for_another_server() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for (groups, retried) in [
        (vec![], false),
        (vec![Group::X25519, Group::X25519MlKem768], true),
    ] {
        let setup = Setup {
            early_data: true,
            ..Setup::groups(&groups)
        };
        // A server of rustls's gives the client a ticket that allows early data.
        let config = rustls_client_config(&setup, &pki);
        let client = || rustls::ClientConnection::new(config.clone(), name()).unwrap();
        let mut first = Peer::new(client().into());
        let mut other = Peer::new(rustls_server(&setup, &identity));
        for _ in 0..3 {
            other.input(&first.output()).unwrap();
            first.input(&other.output()).unwrap();
        }

        let mut second = client();
        let early = second.early_data().unwrap().write(&[7; 10_000]);
        assert_eq!(early.unwrap(), 10_000);
        let server = ServerConfig::new(credential(&identity));
        // The suite of the ticket.
        let server = server.suites(&[CipherSuite::Aes256GcmSha384]);
        let mut session = Session::server(server, second.into());
        session.connect();
        let summary = session.pith.tls.summary().unwrap();
        assert_eq!(summary.retried, retried);
        let rustls::Connection::Client(client) = &session.peer.tls else {
            panic!("not a client");
        };
        assert!(!client.is_early_data_accepted());
        session.data_flows();
    }
}

#[test]
fn rustls_with_only_tls12_is_named() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let setup = Setup {
        tls12: true,
        ..Setup::default()
    };
    let mut session = Session::client(
        ClientConfig::new(trust(&pki)),
        rustls_server(&setup, &identity),
    );
    let error = session.run().0.unwrap_err();
    assert_eq!(error, Error::Alert(AlertDescription::PROTOCOL_VERSION));
    assert!(error.to_string().contains("does not speak TLS 1.3"));

    let mut session = Session::server(
        ServerConfig::new(credential(&identity)),
        rustls_client(&setup, &pki),
    );
    let (mine, theirs) = session.run();
    let error = mine.unwrap_err();
    assert_eq!(error, Error::Fault(Fault::NoTls13 { newest: 0x0303 }));
    assert!(error.to_string().contains("only TLS 1.2"));
    assert_eq!(
        theirs,
        Err(rustls::Error::AlertReceived(Alert::ProtocolVersion))
    );
}

#[test]
fn rustls_learns_why_its_certificate_is_refused() {
    let pki = Pki::new();
    // Of another name: a root of the same name and another key is a bad signature.
    let other = Pki::bent(Kind::P256, 0, |_, params| {
        params.distinguished_name.push(DnType::CommonName, "Other");
    });
    for (what, identity, want) in [
        (
            "expired",
            pki.leaf_with(Kind::P256, &[NAME], expired),
            Alert::CertificateExpired,
        ),
        (
            "wrong name",
            pki.leaf("other.example"),
            Alert::BadCertificate,
        ),
        ("unknown CA", other.leaf(NAME), Alert::UnknownCA),
        (
            "a CA as leaf",
            pki.leaf_with(Kind::P256, &[NAME], ca_as_leaf),
            Alert::UnsupportedCertificate,
        ),
    ] {
        let server = rustls_server(&Setup::default(), &identity);
        let mut session = Session::client(ClientConfig::new(trust(&pki)), server);
        let (mine, theirs) = session.run();
        assert!(matches!(mine, Err(Error::Certificate(_))), "{what}");
        assert_eq!(theirs, Err(rustls::Error::AlertReceived(want)), "{what}");
    }
    // Our certificate in rustls's eyes; the alerts are of its choice.
    for (what, identity, want) in [
        (
            "expired",
            pki.leaf_with(Kind::P256, &[NAME], expired),
            AlertDescription::CERTIFICATE_EXPIRED,
        ),
        ("unknown CA", other.leaf(NAME), AlertDescription::UNKNOWN_CA),
    ] {
        let client = rustls_client(&Setup::default(), &pki);
        let mut session = Session::server(ServerConfig::new(credential(&identity)), client);
        let (mine, theirs) = session.run();
        assert_eq!(mine, Err(Error::Alert(want)), "{what}");
        assert!(
            matches!(theirs, Err(rustls::Error::InvalidCertificate(_))),
            "{what}"
        );
    }
}

fn client_verifier(pki: &Pki) -> ClientCertVerifierBuilder {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into())
}
