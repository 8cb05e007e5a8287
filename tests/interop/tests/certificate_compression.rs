//! Compressed certificates (RFC 8879) between Pith and the peers that have them: OpenSSL and Node, with the zlib, brotli and zstd of C, and
//! BoringSSL, which lends itself Rust's and compresses those of servers alone. The other side says that one was sent or came. s2n-tls
//! has none.
//!
//! Of what a build of Pith has, it sends brotli rather than zlib, and so does OpenSSL: the features `brotli` and `zstd` make this
//! another test.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_interop::{Conversation, Library, Listener, OpenSsl, Peer, Session, hex};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tls::{ClientAuth, ClientConfig, Role, ServerConfig};

/// Identities of a server and a client that are worth a compression.
fn identities() -> (Pki, Identity, Identity) {
    let pki = Pki::with(Kind::P256, 2);
    let (server, client) = (pki.leaf(NAME), pki.leaf("client.example"));
    (pki, server, client)
}

/// How often a run of OpenSSL with -msg says that a message of this name was sent (`>>>`) or came (`<<<`).
fn count(printed: &str, way: &str, name: &str) -> usize {
    let lines = printed.lines();
    let messages = lines.filter(|line| line.starts_with(way) && line.contains(", Handshake "));
    messages
        .filter(|line| line.ends_with(&format!(", {name}")))
        .count()
}

#[test]
fn openssl_and_pith_compress_certificates_for_each_other() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let (pki, server, client) = identities();
    let root = format!("{}/compression.pem", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&root, pki.root_pem()).unwrap();
    // What Pith allows, what OpenSSL is told, and whether certificates are compressed that Pith sends and that OpenSSL sends.
    let rows: [(bool, &[&str], [bool; 2]); 4] = [
        (true, &[], [true, true]),
        (true, &["-no_rx_cert_comp"], [false, true]),
        (true, &["-no_tx_cert_comp"], [true, false]),
        (false, &[], [false, false]),
    ];
    for (allows, args, [ours, theirs]) in rows {
        let check = |session: Session| {
            let printed = session.close();
            for (way, compressed) in [("<<<", ours), (">>>", theirs)] {
                let counts =
                    ["CompressedCertificate", "Certificate"].map(|name| count(&printed, way, name));
                let want = [usize::from(compressed), usize::from(!compressed)];
                assert_eq!(counts, want, "{allows} {args:?} {way}\n{printed}");
            }
        };
        let own = [
            "-msg",
            "-cert_comp",
            "-Verify",
            "1",
            "-verify_return_error",
            "-CAfile",
            &root,
        ];
        let config = ClientConfig::new(trust(&pki))
            .credential(credential(&client))
            .keep_peer_chain(true)
            .certificate_compression(allows);
        let mut session =
            Session::with_server(&openssl, config, &server, &[&own[..], args].concat());
        session.exchange(0);
        let chain = &session.pith.summary().unwrap().peer_chain;
        assert_eq!(chain.as_ref(), Some(&server.chain), "{args:?}");
        check(session);

        let config = ServerConfig::new(credential(&server))
            .client_auth(ClientAuth::Required(trust(&pki)))
            .keep_peer_chain(true)
            .certificate_compression(allows);
        let listener = Listener::new();
        let args = [&["-msg"], args].concat();
        let peer = openssl.client_as(Some(&client), listener.port(), &pki.root_pem(), &args);
        let pith = listener.accept(config).unwrap();
        let chain = &pith.summary().unwrap().peer_chain;
        assert_eq!(chain.as_ref(), Some(&client.chain), "{args:?}");
        let mut session = Session { pith, peer };
        session.exchange(0);
        check(session);
    }
}

#[test]
fn boringssl_and_pith_compress_certificates_for_each_other() {
    talk(Library::BoringSsl, &["zlib", "brotli"]);
}

#[test]
fn node_and_pith_compress_certificates_for_each_other() {
    talk(Library::Node, &["zlib", "brotli", "zstd"]);
}

/// In both roles, each with a certificate of its own, by each algorithm alone.
fn talk(library: Library, algorithms: &[&str]) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    let (pki, server, client) = identities();
    let root = format!(
        "{}/compression-{library:?}.pem",
        env!("CARGO_TARGET_TMPDIR")
    );
    std::fs::write(&root, pki.root_pem()).unwrap();
    for algorithm in algorithms {
        for allows in [true, false] {
            let config = ClientConfig::new(trust(&pki))
                .credential(credential(&client))
                .keep_peer_chain(true)
                .certificate_compression(allows);
            let args = ["--compress", algorithm, "--ca", &root];
            let session = peer.serve(config, &server, &args);
            check(
                session,
                (library, Role::Server),
                [&server, &client],
                algorithm,
                allows,
            );

            let config = ServerConfig::new(credential(&server))
                .client_auth(ClientAuth::Required(trust(&pki)))
                .keep_peer_chain(true)
                .certificate_compression(allows);
            let args = ["--compress", algorithm];
            let session = peer.visit(config, Some(&client), &pki.root_pem(), &args);
            check(
                session,
                (library, Role::Client),
                [&client, &server],
                algorithm,
                allows,
            );
        }
    }
}

/// Both sides have the other's certificate, and the peer says how each was sent.
fn check(
    mut session: Conversation,
    (library, role): (Library, Role),
    [theirs, ours]: [&Identity; 2],
    algorithm: &str,
    allows: bool,
) {
    session.echo("hello");
    let chain = &session.pith.summary().unwrap().peer_chain;
    assert_eq!(chain.as_ref(), Some(&theirs.chain), "{algorithm}");
    let leaf = hex(ours.chain.first().unwrap());
    assert_eq!(session.fact("peer"), Some(leaf.as_str()), "{algorithm}");
    let built = match algorithm {
        "zlib" => true,
        "brotli" => cfg!(feature = "brotli"),
        _ => cfg!(feature = "zstd"),
    };
    let used = (built && allows).then(|| algorithm.to_owned());
    match library {
        Library::Node => {
            let printed = session.close();
            assert_eq!(
                traced(&printed, "Sent"),
                used,
                "{algorithm} {allows}\n{printed}"
            );
            assert_eq!(
                traced(&printed, "Received"),
                used,
                "{algorithm} {allows}\n{printed}"
            );
        }
        _ => {
            let told = ["compressed", "expanded"].map(|key| session.fact(key).map(str::to_owned));
            // It has it for servers alone.
            let want = match role {
                Role::Server => [used, None],
                Role::Client => [None, used],
            };
            assert_eq!(told, want, "{algorithm} {allows}");
            session.close();
        }
    }
}

/// The algorithm of the one CompressedCertificate that was sent or received in a trace of OpenSSL's.
fn traced(printed: &str, way: &str) -> Option<String> {
    let records = printed
        .split("TLS Record\n")
        .zip(printed.split("TLS Record\n").skip(1));
    let found = records.filter_map(|(before, record)| {
        let (_, message) = record.split_once("CompressedCertificate, Length=")?;
        let (_, name) = message.split_once("Compression type=")?;
        let (name, _) = name.split_once(' ')?;
        before
            .ends_with(&format!("{way} "))
            .then(|| name.to_owned())
    });
    let found: Vec<_> = found.collect();
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next()
}
