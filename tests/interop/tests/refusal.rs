//! Who is refused and learns why: certificates, and peers that do not speak TLS at all.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;

use pith_interop::{LIMIT, Listener, OpenSsl, Session, connect, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki, ca_as_leaf, expired, not_yet_valid, self_signed};
use pith_tls::{AlertDescription, ClientConfig, Error, Fault, ServerConfig, Trust, key_pin};

#[test]
fn openssl_learns_why_its_certificate_is_refused() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::with(Kind::P256, 1);
    let leaf = |bend: fn(&mut _)| pki.leaf_with(Kind::P256, &[NAME], bend);
    let mut no_issuer = pki.leaf(NAME);
    no_issuer.chain_pem = no_issuer.chain_pem.split_inclusive(END).take(1).collect();
    for (what, identity, want) in [
        ("expired", leaf(expired), "certificate_expired"),
        ("not yet valid", leaf(not_yet_valid), "certificate_expired"),
        ("a CA as leaf", leaf(ca_as_leaf), "unsupported_certificate"),
        ("wrong name", pki.leaf("other.example"), "bad_certificate"),
        ("no intermediate", no_issuer, "unknown_ca"),
        ("unknown CA", self_signed(Kind::P256, NAME), "unknown_ca"),
    ] {
        let peer = openssl.server(&identity, &["-msg"]);
        let error = connect(peer.port(), ClientConfig::new(trust(&pki)));
        let error = tls_error(error.err().unwrap());
        assert!(matches!(error, Error::Certificate(_)), "{what}: {error}");
        let printed = peer.finish();
        let want = format!("<<< TLS 1.3, Alert [length 0002], fatal {want}\n");
        assert!(printed.contains(&want), "{what}: {error}\n{printed}");
    }
}

#[test]
fn pith_learns_why_its_certificate_is_refused() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let leaf = |bend: fn(&mut _)| pki.leaf_with(Kind::P256, &[NAME], bend);
    // The alerts are of OpenSSL's choice.
    for (what, identity, want) in [
        (
            "expired",
            leaf(expired),
            AlertDescription::CERTIFICATE_EXPIRED,
        ),
        (
            "wrong name",
            pki.leaf("other.example"),
            AlertDescription::BAD_CERTIFICATE,
        ),
        (
            "unknown CA",
            self_signed(Kind::P256, NAME),
            AlertDescription::UNKNOWN_CA,
        ),
    ] {
        let listener = Listener::new();
        let _peer = openssl.client(listener.port(), &pki.root_pem(), &[]);
        let error = listener.accept(ServerConfig::new(credential(&identity)));
        let error = tls_error(error.err().unwrap());
        assert_eq!(error, Error::Alert(want), "{what}");
    }
}

#[test]
fn a_pinned_key_is_trusted_and_no_other() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let identity = self_signed(Kind::Ed25519, "nobody.example");
    let other = self_signed(Kind::Ed25519, NAME);
    let pinned = |identity: &pith_tests::pki::Identity| {
        let pin = key_pin(identity.chain.first().unwrap()).unwrap();
        ClientConfig::new(Trust::pinned_keys([pin]).unwrap())
    };
    let mut session = Session::with_server(&openssl, pinned(&identity), &identity, &[]);
    session.exchange(0);
    session.close();

    let peer = openssl.server(&other, &[]);
    let error = tls_error(connect(peer.port(), pinned(&identity)).err().unwrap());
    assert!(matches!(error, Error::Certificate(_)), "{error}");
}

#[test]
fn openssl_asks_for_a_certificate_and_gets_none() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let client = || ClientConfig::new(trust(&pki));
    let args = ["-msg", "-verify", "1"];
    let mut session = Session::with_server(&openssl, client(), &identity, &args);
    session.exchange(0);
    let printed = session.close();
    assert!(
        printed.contains("<<< TLS 1.3, Handshake [length 0008], Certificate\n"),
        "{printed}"
    );

    // A client is done before the server has looked at its certificate.
    let mut session = Session::with_server(&openssl, client(), &identity, &["-Verify", "1"]);
    let error = tls_error(session.pith.read(&mut [0; 1]).unwrap_err());
    assert_eq!(error, Error::Alert(AlertDescription::CERTIFICATE_REQUIRED));
}

#[test]
fn plain_http_is_named() {
    let pki = Pki::new();
    let listener = Listener::new();
    let port = listener.port();
    let server = thread::spawn(move || {
        let mut tcp = listener.accept_tcp();
        tcp.read_exact(&mut [0; 5]).unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client has gone.
        tcp.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    let error = tls_error(connect(port, ClientConfig::new(trust(&pki))).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::PlainHttp));
    assert!(error.to_string().contains("plain HTTP"), "{error}");
    server.join().unwrap();

    let listener = Listener::new();
    let mut browser = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    browser.set_read_timeout(Some(LIMIT)).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let error = listener.accept(ServerConfig::new(credential(&pki.leaf(NAME))));
    let error = tls_error(error.err().unwrap());
    assert_eq!(error, Error::Fault(Fault::PlainHttp));
}

const END: &str = "-----END CERTIFICATE-----\n";
