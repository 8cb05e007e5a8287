//! Raw public keys (RFC 7250): Pith's before OpenSSL and BoringSSL, and theirs before Pith.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Read;
use std::path::PathBuf;

use pith_interop::{Library, Listener, OpenSsl, Peer, Session, connect, hex, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki, self_signed};
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
fn public(openssl: &OpenSsl, name: &str, identity: &Identity, form: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
    std::fs::write(folder.join(&key), &identity.key_pem).unwrap();
    let args = [
        "pkey", "-in", &key, "-pubout", "-outform", form, "-out", &public,
    ];
    openssl.run(&folder, &args);
    folder.join(public).into_os_string().into_string().unwrap()
}

const BOTH: [&str; 2] = ["-enable_server_rpk", "-enable_client_rpk"];

/// Who shows a raw key. A server shows a certificate otherwise, a client nothing.
#[derive(Debug, Clone, Copy)]
struct Raw {
    server: bool,
    client: bool,
}

const RAW: [Raw; 3] = [
    Raw {
        server: true,
        client: true,
    },
    Raw {
        server: true,
        client: false,
    },
    Raw {
        server: false,
        client: true,
    },
];

impl Raw {
    fn client(self, pki: &Pki, server: &Identity, own: &Identity) -> ClientConfigBuilder {
        let config = match self.server {
            true => ClientConfig::new(pin(server)).raw_keys(RawKeys::Only),
            false => ClientConfig::new(trust(pki)),
        };
        let config = config.keep_peer_chain(true);
        match self.client {
            true => config.credential(raw(own)),
            false => config,
        }
    }

    fn server(self, own: &Identity, client: &Identity) -> ServerConfigBuilder {
        let config = match self.server {
            true => ServerConfig::new(raw(own)),
            false => ServerConfig::new(credential(own)),
        };
        let config = config.keep_peer_chain(true);
        match self.client {
            true => config.client_auth(ClientAuth::Required(pin(client))),
            false => config,
        }
    }
}

#[test]
fn openssl_and_pith_know_each_other_by_raw_keys() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for kind in Kind::ALL {
        let pki = Pki::with(kind, 0);
        let one = pki.leaf_with(kind, &[NAME], |_| ());
        let other = pki.leaf_with(kind, &["device"], |_| ());
        let known = public(&openssl, &format!("one-{kind:?}"), &one, "PEM");
        let other_known = public(&openssl, &format!("other-{kind:?}"), &other, "PEM");
        for who in RAW {
            let types = |raw| -> &[&str] {
                match raw {
                    Raw {
                        server: true,
                        client: true,
                    } => &BOTH,
                    Raw { server: true, .. } => &["-enable_server_rpk"],
                    Raw { .. } => &["-enable_client_rpk"],
                }
            };
            let check = |session: Session, peer_raw: bool| {
                let key = session.pith.summary().unwrap().peer_raw_key.clone();
                assert_eq!(key.is_some(), peer_raw, "{kind:?} {who:?}");
                let printed = session.close();
                for (way, raw) in [
                    ("Server-to-client", who.server),
                    ("Client-to-server", who.client),
                ] {
                    let line = format!("{way} raw public key negotiated");
                    assert_eq!(printed.contains(&line), raw, "{kind:?} {who:?} {printed}");
                }
            };
            let asks: &[&str] = match who.client {
                true => &[
                    "-Verify",
                    "1",
                    "-verify_return_error",
                    "-expected-rpks",
                    &other_known,
                ],
                false => &[],
            };
            let args = [asks, types(who)].concat();
            let config = who.client(&pki, &one, &other);
            let mut session = Session::with_server(&openssl, config, &one, &args);
            session.exchange(0);
            check(session, who.server);

            let expects: &[&str] = match who.server {
                true => &["-expected-rpks", &known],
                false => &[],
            };
            let args = [expects, types(who)].concat();
            let listener = Listener::new();
            let own = who.client.then_some(&other);
            let peer = openssl.client_as(own, listener.port(), &pki.root_pem(), &args);
            let pith = listener.accept(who.server(&one, &other)).unwrap();
            let mut session = Session { pith, peer };
            session.exchange(0);
            check(session, who.client);
        }
    }
}

#[test]
fn boringssl_and_pith_know_each_other_by_raw_keys() {
    let (Some(openssl), Some(peer)) = (OpenSsl::find(), Peer::find(Library::BoringSsl)) else {
        return;
    };
    for kind in [Kind::P256, Kind::P384, Kind::Rsa2048] {
        let pki = Pki::with(kind, 0);
        let one = pki.leaf_with(kind, &[NAME], |_| ());
        let other = pki.leaf_with(kind, &["device"], |_| ());
        let stranger = pki.leaf_with(kind, &["stranger"], |_| ());
        let file = |name: &str, identity| {
            let known = public(
                &openssl,
                &format!("boring-{name}-{kind:?}"),
                identity,
                "DER",
            );
            let key = hex(&std::fs::read(&known).unwrap());
            (known, key)
        };
        let (known, key) = file("one", &one);
        let (other_known, other_key) = file("other", &other);
        for who in RAW {
            let shown: &[&str] = if who.server { &["--raw", "yes"] } else { &[] };
            let taken: &[&str] = match who.client {
                true => &["--raw-peer", &other_known],
                false => &[],
            };
            let config = who.client(&pki, &one, &other);
            let mut session = peer.serve(config, &one, &[shown, taken].concat());
            let summary = session.pith.summary().unwrap();
            assert_eq!(
                summary.peer_raw_key.is_some(),
                who.server,
                "{kind:?} {who:?}"
            );
            let told = who.client.then_some(other_key.as_str());
            assert_eq!(session.fact("peer-key"), told, "{kind:?} {who:?}");
            session.echo("hello");
            session.close();

            let shown: &[&str] = if who.client { &["--raw", "yes"] } else { &[] };
            let taken: &[&str] = match who.server {
                true => &["--raw-peer", &known],
                false => &[],
            };
            let own = who.client.then_some(&other);
            let args = [shown, taken].concat();
            let mut session = peer.visit(who.server(&one, &other), own, &pki.root_pem(), &args);
            let summary = session.pith.summary().unwrap();
            assert_eq!(
                summary.peer_raw_key.is_some(),
                who.client,
                "{kind:?} {who:?}"
            );
            let told = who.server.then_some(key.as_str());
            assert_eq!(session.fact("peer-key"), told, "{kind:?} {who:?}");
            session.echo("hello");
            session.close();
        }
        // A key that is not known.
        let who = Raw {
            server: true,
            client: false,
        };
        let args = ["--raw", "yes"];
        let process = peer.server(&stranger, &args);
        let config = who.client(&pki, &one, &other);
        let error = tls_error(connect(process.port(), config).err().unwrap());
        assert_eq!(error.alert(), Some(AlertDescription::CERTIFICATE_UNKNOWN));
        assert!(process.finish().contains("CERTIFICATE_UNKNOWN"));

        let listener = Listener::new();
        let args = ["--raw-peer", &known];
        let process = peer.client(listener.port(), None, &pki.root_pem(), &args);
        let error = listener.accept(who.server(&stranger, &other));
        let error = tls_error(error.err().unwrap());
        assert_eq!(error, Error::Alert(AlertDescription::CERTIFICATE_UNKNOWN));
        assert!(process.finish().contains("error "));
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
    let other_known = public(&openssl, "other", &other, "PEM");
    let known = public(&openssl, "one", &one, "PEM");

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
