//! External pre-shared keys, which Pith only imports (RFC 9258): BoringSSL does the same, and has no others. s2n-tls, OpenSSL and with it
//! Node have external keys and do not import: what each makes of an imported one is at the end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::PathBuf;

use pith_crypto::hkdf::{expand_label, extract};
use pith_interop::{Library, Listener, OpenSsl, Peer, Session, connect, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    AlertDescription, CipherSuite, ClientConfig, Error, ExternalPsk, Fault, Group, Hash, Psk, Role,
    ServerConfig, Trust,
};

/// A file for this test alone, with these contents.
fn file(name: &str, contents: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).unwrap();
    path.into_os_string().into_string().unwrap()
}

const KEY: [u8; 32] = [7; 32];
/// An identity is bytes, zeros and all.
const IDENTITY: &[u8] = b"device\x007";
const CONTEXT: &[u8] = b"context\x00of both";

fn psk(role: Role, identity: &[u8], context: &[u8], key: &[u8]) -> ExternalPsk {
    ExternalPsk::new(role, identity, context, key, Hash::Sha256).unwrap()
}

/// The options by which a peer has the key, its identity and its context, in files of one test.
fn options(test: &str) -> [String; 6] {
    let files = [
        ("psk", &KEY[..]),
        ("psk-identity", IDENTITY),
        ("psk-context", CONTEXT),
    ];
    let [key, identity, context] = files.map(|(name, contents)| {
        (
            format!("--{name}"),
            file(&format!("{test}.{name}"), contents),
        )
    });
    [key.0, key.1, identity.0, identity.1, context.0, context.1]
}

#[test]
fn boringssl_and_pith_know_each_other_by_an_imported_key() {
    let Some(peer) = Peer::find(Library::BoringSsl) else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let options = options("known");
    let options = options.each_ref().map(String::as_str);
    // The hash of the suite need not be that of the key. BoringSSL sends no share of P-384, and Pith none.
    for suite in [CipherSuite::Aes128GcmSha256, CipherSuite::Aes256GcmSha384] {
        for (group, name) in [
            (Group::X25519MlKem768, "X25519MLKEM768"),
            (Group::Secp384r1, "X25519:P-384"),
        ] {
            let client = ClientConfig::new(Trust::PreSharedKeys)
                .psk(psk(Role::Client, IDENTITY, CONTEXT, &KEY))
                .suites(&[suite]);
            let server = ServerConfig::without_certificate()
                .psk(psk(Role::Server, IDENTITY, CONTEXT, &KEY))
                .suites(&[suite])
                .groups(&[group]);
            let only = name.split(':').next_back().unwrap();
            let args = [&options[..], &["--groups", only]].concat();
            let visited = [&options[..], &["--groups", name]].concat();
            for mut session in [
                peer.serve(client, &identity, &args),
                peer.visit(server, None, &pki.root_pem(), &visited),
            ] {
                let summary = session.pith.summary().unwrap();
                let external = Psk::External {
                    identity: IDENTITY.into(),
                };
                assert_eq!(summary.psk, Some(external), "{suite} {group}");
                assert_eq!((summary.suite, summary.group), (suite, group));
                assert_eq!(summary.retried, group == Group::Secp384r1);
                assert_eq!(summary.signature_scheme, None);
                assert_eq!(session.fact("peer"), None);
                session.echo("hello");
                session.close();
            }
        }
    }
}

#[test]
fn boringssl_and_pith_refuse_each_other_by_another_key() {
    let Some(peer) = Peer::find(Library::BoringSsl) else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let options = options("refused");
    let options = options.each_ref().map(String::as_str);
    let by_key = (
        Error::Alert(AlertDescription::DECRYPT_ERROR),
        Fault::Binder,
        "DECRYPT_ERROR",
    );
    // BoringSSL looks for a certificate then, and the client takes none.
    let by_name = (
        Error::Alert(AlertDescription::HANDSHAKE_FAILURE),
        Fault::UnknownPsk,
        "UNKNOWN_PSK_IDENTITY",
    );
    let rows: [(&[u8], &[u8], &[u8], _); 3] = [
        (IDENTITY, CONTEXT, &[8; 32], &by_key),
        (b"device", CONTEXT, &KEY, &by_name),
        (IDENTITY, b"context", &KEY, &by_name),
    ];
    for (name, context, key, (theirs, ours, told)) in rows {
        let client = ClientConfig::new(Trust::PreSharedKeys);
        let client = client.psk(psk(Role::Client, name, context, key));
        let process = peer.server(&identity, &options);
        let error = tls_error(connect(process.port(), client).err().unwrap());
        assert_eq!(error, *theirs);
        assert!(process.finish().contains("error "));

        let server = ServerConfig::without_certificate();
        let server = server.psk(psk(Role::Server, name, context, key));
        let listener = Listener::new();
        let process = peer.client(listener.port(), None, &pki.root_pem(), &options);
        let error = tls_error(listener.accept(server).err().unwrap());
        assert_eq!(error, Error::Fault(*ours));
        let printed = process.finish();
        assert!(printed.contains(told), "{printed}");
    }
}

/// s2n-tls is given what comes of importing the key, and binds it as one that was not imported.
#[test]
fn s2n_does_not_import_keys() {
    let Some(peer) = Peer::find(Library::S2n) else {
        return;
    };
    let pki = Pki::new();
    let imported = psk(Role::Client, IDENTITY, CONTEXT, &KEY);
    let imported = imported.import(Hash::Sha256).unwrap();
    let extracted = extract(Hash::Sha256, &[], &KEY).unwrap();
    let digest = Hash::Sha256.digest(imported.identity());
    let mut key = [0; 32];
    let label = "derived psk";
    expand_label(Hash::Sha256, &extracted, label, digest.as_ref(), &mut key).unwrap();
    let (key, name) = (
        file("s2n.psk", &key),
        file("s2n.identity", imported.identity()),
    );
    let args = ["--psk", &key, "--psk-identity", &name];

    let server = ServerConfig::without_certificate();
    let server = server.psk(psk(Role::Server, IDENTITY, CONTEXT, &KEY));
    let listener = Listener::new();
    let process = peer.client(listener.port(), None, &pki.root_pem(), &args);
    let error = tls_error(listener.accept(server).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::Binder));
    let printed = process.finish();
    assert!(printed.contains("alert received"), "{printed}");

    let client = ClientConfig::new(Trust::PreSharedKeys);
    let client = client.psk(psk(Role::Client, IDENTITY, CONTEXT, &KEY));
    let process = peer.server(&pki.leaf(NAME), &args);
    let error = tls_error(connect(process.port(), client).err().unwrap());
    // All that it says.
    assert_eq!(error, Error::Alert(AlertDescription::CLOSE_NOTIFY));
    let printed = process.finish();
    assert!(printed.contains("PSK binder did not match"), "{printed}");
}

/// OpenSSL has a key of the same bytes and name, and neither side takes it for the other's: a certificate decides.
#[test]
fn openssl_does_not_import_keys() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let key = "07".repeat(32);
    let args = ["-psk", &key, "-psk_identity", "device"];
    let client = ClientConfig::new(trust(&pki)).psk(psk(Role::Client, b"device", b"", &KEY));
    let server = ServerConfig::new(credential(&identity));
    let server = server.psk(psk(Role::Server, b"device", b"", &KEY));
    for mut session in [
        Session::with_server(&openssl, client, &identity, &args),
        Session::with_client(&openssl, server, &pki.root_pem(), &args),
    ] {
        let summary = session.pith.summary().unwrap();
        assert_eq!(summary.psk, None);
        assert!(summary.signature_scheme.is_some());
        session.exchange(0);
        session.close();
    }
}
