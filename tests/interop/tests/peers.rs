//! Pith against BoringSSL, s2n-tls and Node, in both roles.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_interop::{Conversation, Library, Listener, Peer, connect, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki, self_signed};
use pith_tls::{ClientAuth, ClientConfig, Error, Fault, Group, ServerConfig};

#[test]
fn boringssl_and_pith_talk() {
    talk(Library::BoringSsl);
}

#[test]
fn s2n_and_pith_talk() {
    talk(Library::S2n);
}

#[test]
fn node_and_pith_talk() {
    talk(Library::Node);
}

#[test]
fn boringssl_agrees_on_its_groups() {
    use Group::*;
    let groups = [
        X25519MlKem768,
        X25519,
        Secp256r1,
        Secp384r1,
        Secp521r1,
        MlKem1024,
    ];
    agree(Library::BoringSsl, &groups, &[]);
}

#[test]
fn s2n_agrees_on_its_groups() {
    use Group::*;
    let hybrids = [X25519MlKem768, SecP256r1MlKem768, SecP384r1MlKem1024];
    let classical = [X25519, Secp256r1, Secp384r1, Secp521r1];
    let groups = [&hybrids[..], &classical].concat();
    agree(Library::S2n, &groups, &["--groups", "default_pq"]);
    agree(Library::S2n, &[MlKem1024], &["--groups", "20260720"]);
}

#[test]
fn node_agrees_on_every_group() {
    let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
    agree(Library::Node, Group::ALL, &["--groups", &names.join(":")]);
}

#[test]
fn boringssl_retries_and_makes_pith_retry() {
    retry(Library::BoringSsl, "P-384", Group::Secp384r1);
}

#[test]
fn s2n_retries_and_makes_pith_retry() {
    retry(Library::S2n, "cnsa_1", Group::Secp384r1);
}

#[test]
fn node_retries_and_makes_pith_retry() {
    retry(
        Library::Node,
        "SecP384r1MLKEM1024",
        Group::SecP384r1MlKem1024,
    );
}

#[test]
fn boringssl_and_pith_know_each_other_by_certificate() {
    authenticate(
        Library::BoringSsl,
        &[Kind::P256, Kind::P384, Kind::Rsa2048],
        &[],
    );
}

#[test]
fn s2n_and_pith_know_each_other_by_certificate() {
    let kinds = [
        Kind::P256,
        Kind::P384,
        Kind::P521,
        Kind::Rsa2048,
        Kind::MlDsa65,
        Kind::MlDsa87,
    ];
    authenticate(Library::S2n, &kinds, &["--groups", "test_all_tls13"]);
}

#[test]
fn node_and_pith_know_each_other_by_certificate() {
    authenticate(Library::Node, &Kind::ALL, &[]);
}

#[test]
fn boringssl_staples_and_reads_staples() {
    staple(Library::BoringSsl);
}

#[test]
fn s2n_staples() {
    let Some(peer) = Peer::find(Library::S2n) else {
        return;
    };
    // It checks the staples that it is sent, which is OpenSSL's test here: these bytes are none.
    staple_for_pith(&peer);
}

#[test]
fn node_staples_and_reads_staples() {
    staple(Library::Node);
}

#[test]
fn s2n_changes_keys_and_has_them_changed() {
    let Some(peer) = Peer::find(Library::S2n) else {
        return;
    };
    for mut session in sessions(&peer, &[]) {
        for _ in 0..3 {
            session.echo("update");
            session.echo("after theirs");
            session.pith.update_keys(true).unwrap();
            session.echo("after ours");
        }
        session.close();
    }
}

/// In both roles: the hybrid group, an ALPN name, long and short lines, keys changed by Pith, and both orders of closing.
fn talk(library: Library) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    let long = "0123456789".repeat(50_000);
    for pith_closes in [true, false] {
        for mut session in sessions(&peer, &["--alpn", "pith"]) {
            let summary = session.pith.summary().unwrap();
            assert_eq!(summary.group, Group::X25519MlKem768);
            assert!(!summary.retried);
            assert_eq!(summary.protocol.as_deref(), Some(&b"pith"[..]));
            assert_eq!(session.fact("alpn"), Some("pith"));
            session.echo("hello");
            session.pith.update_keys(false).unwrap();
            session.echo(&long);
            // Answered by a change of theirs.
            session.pith.update_keys(true).unwrap();
            session.echo(&long);
            session.echo("last");
            if pith_closes {
                session.close();
            } else {
                session.be_closed();
            }
        }
    }
}

fn agree(library: Library, groups: &[Group], args: &[&str]) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    // As the CNSA's policies want it.
    let pki = Pki::with(Kind::P384, 0);
    let identity = pki.leaf_with(Kind::P384, &[NAME], |_| ());
    for group in groups {
        let client = ClientConfig::new(trust(&pki)).groups(&[*group]);
        let server = ServerConfig::new(credential(&identity)).groups(&[*group]);
        for mut session in [
            peer.serve(client, &identity, args),
            peer.visit(server, None, &pki.root_pem(), args),
        ] {
            assert_eq!(session.pith.summary().unwrap().group, *group);
            session.echo("hello");
            session.close();
        }
    }
}

/// `only` leaves the peer without a group that Pith sends a share of.
fn retry(library: Library, only: &str, group: Group) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    let pki = Pki::with(Kind::P384, 0);
    let identity = pki.leaf_with(Kind::P384, &[NAME], |_| ());
    let client = ClientConfig::new(trust(&pki));
    // Each of these libraries sends shares of one or two groups, and none of P-521 or a pure ML-KEM.
    let server = ServerConfig::new(credential(&identity)).groups(&[group]);
    let mut retried = vec![peer.serve(client, &identity, &["--groups", only])];
    if library != Library::Node {
        retried.push(peer.visit(server, None, &pki.root_pem(), &[]));
    } else {
        let args = ["--groups", &format!("*X25519:{only}")];
        retried.push(peer.visit(server, None, &pki.root_pem(), &args));
    }
    for mut session in retried {
        let summary = session.pith.summary().unwrap();
        assert_eq!((summary.retried, summary.group), (true, group));
        session.echo("hello");
        session.close();
    }
}

fn authenticate(library: Library, kinds: &[Kind], args: &[&str]) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    for kind in kinds {
        let pki = Pki::with(*kind, 1);
        let server = pki.leaf_with(*kind, &[NAME], |_| ());
        let client = pki.leaf_with(*kind, &["client.example"], |_| ());
        let root = format!("{}/{library:?}-{kind:?}.pem", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&root, pki.root_pem()).unwrap();

        let config = ClientConfig::new(trust(&pki)).credential(credential(&client));
        let asking = [args, &["--ca", &root]].concat();
        let mut session = peer.serve(config, &server, &asking);
        assert_eq!(
            session.fact("peer"),
            Some(leaf_in_hex(&client).as_str()),
            "{kind:?}"
        );
        session.echo("hello");
        session.close();

        let config = ServerConfig::new(credential(&server)).keep_peer_chain(true);
        let config = config.client_auth(ClientAuth::Required(trust(&pki)));
        let mut session = peer.visit(config, Some(&client), &pki.root_pem(), args);
        let chain = &session.pith.summary().unwrap().peer_chain;
        assert_eq!(chain.as_ref(), Some(&client.chain), "{kind:?}");
        assert_eq!(
            session.fact("peer"),
            Some(leaf_in_hex(&server).as_str()),
            "{kind:?}"
        );
        session.echo("hello");
        session.close();
    }
    // A stranger's certificate is refused by each.
    let pki = Pki::new();
    let stranger = self_signed(Kind::P256, NAME);
    let config = ClientConfig::new(trust(&pki));
    let process = peer.server(&stranger, &[]);
    let error = tls_error(connect(process.port(), config).err().unwrap());
    assert!(matches!(error, Error::Certificate(_)), "{error}");
    let printed = process.finish();
    assert!(printed.contains("error "), "{printed}");

    let listener = Listener::new();
    let process = peer.client(listener.port(), None, &pki.root_pem(), &[]);
    let config = ServerConfig::new(credential(&stranger));
    let error = tls_error(listener.accept(config).err().unwrap());
    match library {
        // Node ends the connection, and says nothing.
        Library::Node => assert_eq!(error, Error::Truncated),
        // A close_notify, and in the clear: nobody can say that it is the client's.
        Library::S2n => {
            assert_eq!(
                error,
                Error::Fault(Fault::UnexpectedRecord { content_type: 21 })
            );
        }
        Library::BoringSsl => assert!(matches!(error, Error::Alert(_)), "{error}"),
    }
    let printed = process.finish();
    assert!(printed.contains("error "), "{printed}");
}

/// Bytes that Pith and the peer pass on and do not read.
const STAPLE: &[u8] = b"no OCSP response, and nobody minds";

fn staple(library: Library) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    staple_for_pith(&peer);
    let pki = Pki::new();
    let credential = credential(&pki.leaf(NAME)).with_ocsp(STAPLE);
    let config = ServerConfig::new(credential);
    let mut session = peer.visit(config, None, &pki.root_pem(), &["--status", "yes"]);
    session.echo("hello");
    let staple: String = STAPLE.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(session.fact("staple"), Some(staple.as_str()));
    session.close();
}

fn staple_for_pith(peer: &Peer) {
    let pki = Pki::new();
    let path = format!("{}/{:?}.staple", env!("CARGO_TARGET_TMPDIR"), peer.library);
    std::fs::write(&path, STAPLE).unwrap();
    for asked in [true, false] {
        let config = ClientConfig::new(trust(&pki)).request_ocsp(asked);
        let mut session = peer.serve(config, &pki.leaf(NAME), &["--staple", &path]);
        let staple = session.pith.summary().unwrap().ocsp_response.as_deref();
        assert_eq!(staple, asked.then_some(STAPLE));
        session.echo("hello");
        session.close();
    }
}

fn leaf_in_hex(identity: &Identity) -> String {
    let leaf = identity.chain.first().unwrap();
    leaf.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A session in each role of Pith.
fn sessions(peer: &Peer, args: &[&str]) -> [Conversation; 2] {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let alpn: &[&[u8]] = if args.contains(&"--alpn") {
        &[b"pith"]
    } else {
        &[]
    };
    let client = ClientConfig::new(trust(&pki)).alpn(alpn);
    let server = ServerConfig::new(credential(&identity)).alpn(alpn);
    [
        peer.serve(client, &identity, args),
        peer.visit(server, None, &pki.root_pem(), args),
    ]
}
