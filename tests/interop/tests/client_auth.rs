//! Clients with certificates: Pith's before OpenSSL, and OpenSSL's before Pith.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Read;

use pith_interop::{Listener, OpenSsl, Session, connect, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki, self_signed};
use pith_tls::{AlertDescription, ClientAuth, ClientConfig, Error, Fault, ServerConfig};

#[test]
fn each_knows_the_other_by_its_certificate() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for kind in Kind::ALL {
        let pki = Pki::with(kind, 1);
        let server = pki.leaf_with(kind, &[NAME], |_| ());
        let client = pki.leaf_with(kind, &["client.example"], |_| ());
        let root = format!("{}/{kind:?}.pem", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&root, pki.root_pem()).unwrap();

        let args = ["-Verify", "1", "-verify_return_error", "-CAfile", &root];
        let config = ClientConfig::new(trust(&pki)).credential(credential(&client));
        let mut session = Session::with_server(&openssl, config, &server, &args);
        session.exchange(0);
        let scheme = session.pith.summary().unwrap().client_signature_scheme;
        let printed = session.close();
        let signed = format!("Peer signature type: {}", scheme.unwrap());
        assert!(printed.contains(&signed), "{printed}");

        let config = ServerConfig::new(credential(&server)).keep_peer_chain(true);
        let config = config.client_auth(ClientAuth::Required(trust(&pki)));
        let listener = Listener::new();
        let peer = openssl.client_as(Some(&client), listener.port(), &pki.root_pem(), &[]);
        let pith = listener.accept(config).unwrap();
        let chain = &pith.summary().unwrap().peer_chain;
        assert_eq!(chain.as_ref(), Some(&client.chain), "{kind:?}");
        let mut session = Session { pith, peer };
        session.exchange(0);
        session.close();
    }
}

#[test]
fn a_client_without_a_certificate_is_served_or_learns_why_not() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let server = || ServerConfig::new(credential(&pki.leaf(NAME)));
    let optional = server().client_auth(ClientAuth::Optional(trust(&pki)));
    let mut session = Session::with_client(&openssl, optional, &pki.root_pem(), &[]);
    session.exchange(0);
    session.close();

    let required = server().client_auth(ClientAuth::Required(trust(&pki)));
    let listener = Listener::new();
    let peer = openssl.client(listener.port(), &pki.root_pem(), &[]);
    let error = tls_error(listener.accept(required).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::NoClientCertificate));
    let printed = peer.finish();
    assert!(printed.contains("SSL alert number 116"), "{printed}");
}

#[test]
fn a_client_of_an_unknown_ca_learns_why_it_is_refused() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let stranger = self_signed(Kind::P256, "stranger.example");
    let config = ClientConfig::new(trust(&pki)).credential(credential(&stranger));
    let args = ["-Verify", "1", "-verify_return_error"];
    let peer = openssl.server(&pki.leaf(NAME), &args);
    // A client is done before the server has looked at its certificate.
    let mut pith = connect(peer.port(), config).unwrap();
    let error = tls_error(pith.read(&mut [0; 1]).unwrap_err());
    assert_eq!(error, Error::Alert(AlertDescription::UNKNOWN_CA));

    let config = ServerConfig::new(credential(&pki.leaf(NAME)));
    let config = config.client_auth(ClientAuth::Required(trust(&pki)));
    let listener = Listener::new();
    let root = pki.root_pem();
    let peer = openssl.client_as(Some(&stranger), listener.port(), &root, &[]);
    let error = tls_error(listener.accept(config).err().unwrap());
    assert!(matches!(error, Error::Certificate(_)), "{error}");
    let printed = peer.finish();
    assert!(printed.contains("SSL alert number 48"), "{printed}");
}
