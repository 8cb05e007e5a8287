//! Raw public keys (RFC 7250): Pith's before OpenSSL, and OpenSSL's before Pith.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Read;
use std::path::PathBuf;

use pith_interop::{Listener, OpenSsl, Session, connect, tls_error};
use pith_tests::pair::NAME;
use pith_tests::pki::{Identity, Kind, self_signed};
use pith_tls::{
    AlertDescription, ClientAuth, ClientConfig, ClientConfigBuilder, Credential, Error, Fault,
    RawKeys, ServerConfig, ServerConfigBuilder, Trust,
};

fn raw(identity: &Identity) -> Credential {
    Credential::raw_key_from_der(&identity.key).unwrap()
}

fn pin(identity: &Identity) -> Trust {
    Trust::pinned_keys([raw(identity).key_pin()]).unwrap()
}

fn client(server: &Identity, own: &Identity) -> ClientConfigBuilder {
    let config = ClientConfig::new(pin(server)).credential(raw(own));
    config.raw_keys(RawKeys::Only)
}

fn server(own: &Identity, client: &Identity) -> ServerConfigBuilder {
    ServerConfig::new(raw(own))
        .client_auth(ClientAuth::Required(pin(client)))
        .keep_peer_chain(true)
}

/// The file with the public key of an identity, as OpenSSL makes it.
fn public(openssl: &OpenSsl, name: &str, identity: &Identity) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
    std::fs::write(folder.join(&key), &identity.key_pem).unwrap();
    let args = ["pkey", "-in", &key, "-pubout", "-out", &public];
    openssl.run(&folder, &args);
    folder.join(public).into_os_string().into_string().unwrap()
}

const BOTH: [&str; 2] = ["-enable_server_rpk", "-enable_client_rpk"];

#[test]
fn each_knows_the_other_by_its_raw_key() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for kind in Kind::ALL {
        let (one, other) = (self_signed(kind, NAME), self_signed(kind, "device"));
        let known = public(&openssl, &format!("one-{kind:?}"), &one);
        let other_known = public(&openssl, &format!("other-{kind:?}"), &other);

        let args = [
            "-Verify",
            "1",
            "-verify_return_error",
            "-expected-rpks",
            &other_known,
        ];
        let args = [&args[..], &BOTH].concat();
        let config = client(&one, &other).keep_peer_chain(true);
        let mut session = Session::with_server(&openssl, config, &one, &args);
        session.exchange(0);
        let summary = session.pith.summary().unwrap();
        assert!(summary.peer_raw_key.is_some(), "{kind:?}");
        session.close();

        let args = [&["-expected-rpks", &known][..], &BOTH].concat();
        let listener = Listener::new();
        let peer = openssl.client_as(Some(&other), listener.port(), &one.chain_pem, &args);
        let pith = listener.accept(server(&one, &other)).unwrap();
        assert!(pith.summary().unwrap().peer_raw_key.is_some(), "{kind:?}");
        let mut session = Session { pith, peer };
        session.exchange(0);
        session.close();
    }
}

/// Known attack T09: neither goes on with a key that it does not know.
#[test]
fn a_raw_key_that_is_not_known_ends_the_connection_on_both_sides() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let kind = Kind::Ed25519;
    let (one, other) = (self_signed(kind, NAME), self_signed(kind, "device"));
    let stranger = self_signed(kind, "stranger");
    let other_known = public(&openssl, "other", &other);
    let known = public(&openssl, "one", &one);

    let args = [
        "-Verify",
        "1",
        "-verify_return_error",
        "-expected-rpks",
        &other_known,
    ];
    let args = [&args[..], &BOTH].concat();
    let peer = openssl.server(&one, &args);
    let error = tls_error(
        connect(peer.port(), client(&stranger, &other))
            .err()
            .unwrap(),
    );
    assert_eq!(error.alert(), Some(AlertDescription::CERTIFICATE_UNKNOWN));
    assert!(peer.finish().contains("SSL alert number 46"));

    let peer = openssl.server(&one, &args);
    // A client is done before the server has looked at its key.
    let mut pith = connect(peer.port(), client(&one, &stranger)).unwrap();
    let error = tls_error(pith.read(&mut [0; 1]).unwrap_err());
    assert!(matches!(error, Error::Alert(_)), "{error}");

    let args = [&["-expected-rpks", &known][..], &BOTH].concat();
    let listener = Listener::new();
    let peer = openssl.client_as(Some(&stranger), listener.port(), &one.chain_pem, &args);
    let error = tls_error(listener.accept(server(&one, &other)).err().unwrap());
    assert_eq!(error.alert(), Some(AlertDescription::CERTIFICATE_UNKNOWN));
    assert!(peer.finish().contains("SSL alert number 46"));
}

#[test]
fn a_peer_that_knows_no_raw_keys_learns_that_there_is_nothing_else() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let (one, other) = (
        self_signed(Kind::P256, NAME),
        self_signed(Kind::P256, "device"),
    );
    let listener = Listener::new();
    let peer = openssl.client(listener.port(), &one.chain_pem, &[]);
    let error = tls_error(listener.accept(ServerConfig::new(raw(&one))).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::NoCommonCertificateType));
    assert!(peer.finish().contains("SSL alert number 43"));

    let peer = openssl.server(&one, &[]);
    let error = tls_error(connect(peer.port(), client(&one, &other)).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::NoCommonCertificateType));
    assert!(peer.finish().contains("SSL alert number 43"));
}
