//! Handshakes between two connections of this library: every suite, group and kind of key, data both ways, close.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::pair::{NAME, Pair, configs, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{CipherSuite, ClientConfig, Error, Fault, Flow, Group, ServerConfig};

#[test]
fn default_handshake_is_post_quantum_and_moves_data_both_ways() {
    let (client, server) = configs();
    let mut pair = Pair::connected(&client, &server);
    for summary in [
        pair.client.tls.summary().unwrap(),
        pair.server.tls.summary().unwrap(),
    ] {
        assert_eq!(summary.group, Group::X25519MlKem768);
        assert_eq!(summary.suite, CipherSuite::Aes128GcmSha256);
        assert!(!summary.retried);
        assert_eq!(summary.server_name.as_deref(), Some(NAME));
    }
    let long = vec![7; 100_000];
    let records = pair.client.seal(&long).unwrap();
    pair.server.input(&records).unwrap();
    assert_eq!(pair.server.data, long);
    let records = pair.server.seal(b"answer").unwrap();
    pair.client.input(&records).unwrap();
    assert_eq!(pair.client.data, b"answer");

    pair.client.tls.close();
    let bytes = pair.client.output();
    pair.server.input(&bytes).unwrap();
    assert!(pair.server.closed);
    assert_eq!(pair.server.tls.status().receive, Flow::PeerClosed);
    assert_eq!(pair.server.tls.status().send, Flow::Open, "half-close");
    let records = pair.server.seal(b"last words").unwrap();
    pair.client.input(&records).unwrap();
    assert_eq!(pair.client.data, b"answerlast words");
    assert_eq!(pair.server.tls.eof(), Ok(()));
    assert_eq!(
        pair.client.tls.eof(),
        Err(Error::Truncated),
        "the server did not close"
    );
}

#[test]
fn every_suite_group_and_kind_of_key() {
    for kind in Kind::ALL {
        let pki = Pki::with(kind, 1);
        let server = ServerConfig::new(credential(&pki.leaf(NAME)));
        let server = server.groups(Group::ALL).build().unwrap();
        for suite in CipherSuite::ALL {
            for group in Group::ALL {
                let client = ClientConfig::new(trust(&pki))
                    .suites(&[*suite])
                    .groups(&[*group]);
                let pair = Pair::connected(&client.build().unwrap(), &server);
                let summary = pair.client.tls.summary().unwrap();
                assert_eq!((summary.suite, summary.group), (*suite, *group), "{kind:?}");
                let mut keys = [[0; 40]; 2];
                pair.client
                    .tls
                    .export(b"EXPERIMENTAL test", b"context", &mut keys[0])
                    .unwrap();
                pair.server
                    .tls
                    .export(b"EXPERIMENTAL test", b"context", &mut keys[1])
                    .unwrap();
                assert_eq!(keys[0], keys[1]);
            }
        }
    }
}

#[test]
fn a_group_without_a_share_takes_a_retry() {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server
        .groups(&[Group::SecP384r1MlKem1024, Group::Secp384r1])
        .build()
        .unwrap();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let pair = Pair::connected(&client, &server);
    for side in [&pair.client, &pair.server] {
        let summary = side.tls.summary().unwrap();
        assert!(summary.retried);
        assert_eq!(summary.group, Group::SecP384r1MlKem1024);
    }
}

#[test]
fn nothing_in_common_is_named() {
    let pki = Pki::new();
    let client = || ClientConfig::new(trust(&pki));
    let server = || ServerConfig::new(credential(&pki.leaf(NAME)));
    let rows = [
        (
            client().groups(&[Group::X25519]),
            server().groups(&[Group::Secp256r1]),
            Fault::NoCommonGroup,
        ),
        (
            client().suites(&[CipherSuite::Aes128GcmSha256]),
            server().suites(&[CipherSuite::Aes256GcmSha384]),
            Fault::NoCommonSuite,
        ),
        (
            client().alpn(&[b"h2"]),
            server().alpn(&[b"http/1.1"]),
            Fault::NoCommonProtocol,
        ),
    ];
    for (client, server, want) in rows {
        let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
        assert_eq!(pair.run(), Err(Error::Fault(want)));
        let alert = pair.client.tls.eof().unwrap_err();
        assert_eq!(alert, Error::Alert(want.alert()), "the client learns why");
    }
}

#[test]
fn a_server_keeps_its_version_after_a_retry() {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME))).groups(&[Group::Secp384r1]);
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let mut pair = Pair::new(&client, &server.build().unwrap());
    let hello = pair.client.output();
    pair.server.input(&hello).unwrap();
    let retry = pair.server.output();
    pair.client.input(&retry).unwrap();
    let hello = pair.client.output();
    pair.server.input(&hello).unwrap();
    let mut flight = pair.server.output();
    // supported_versions becomes an extension that nobody knows: what is left is a ServerHello of TLS 1.2.
    let versions = [0, 43, 0, 2, 3, 4];
    let at = flight.windows(6).position(|window| window == versions);
    flight[at.unwrap() + 1] = 99;
    assert_eq!(
        pair.client.input(&flight),
        Err(Error::Fault(Fault::SelectedVersion))
    );
}
