//! What Pith and OpenSSL agree on, in both roles, and how they refuse.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use pith_interop::{LIMIT, Listener, OpenSsl, Session, connect, connect_over, tls_error};
use pith_io::std::Socket;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{
    AlertDescription, CipherSuite, ClientConfig, Error, Fault, Group, ServerConfig, SignatureScheme,
};

#[test]
fn openssl_agrees_on_every_suite_and_group() {
    const LABEL: &str = "EXPERIMENTAL interop";
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for suite in CipherSuite::ALL {
        for group in Group::ALL {
            let client = ClientConfig::new(trust(&pki)).suites(&[*suite]);
            let server = ServerConfig::new(credential(&identity)).suites(&[*suite]);
            let mut args = vec!["-ciphersuites", suite.name(), "-groups", group.name()];
            args.extend(["-keymatexport", LABEL, "-keymatexportlen", "40"]);
            for mut session in [
                Session::with_server(&openssl, client.groups(&[*group]), &identity, &args),
                Session::with_client(&openssl, server.groups(&[*group]), &pki.root_pem(), &args),
            ] {
                let summary = session.pith.summary().unwrap();
                assert_eq!((summary.suite, summary.group), (*suite, *group));
                let mut mine = [0; 40];
                let export = session.pith.export(LABEL.as_bytes(), b"", &mut mine);
                export.unwrap();
                session.exchange(0);
                let printed = session.close();
                let exported = format!("Keying material: {}", hex(&mine));
                assert!(printed.contains(&exported), "{args:?}\n{printed}");
                assert!(
                    printed
                        .to_lowercase()
                        .contains(&format!("cipher is {suite}").to_lowercase()),
                    "{args:?}\n{printed}"
                );
            }
        }
    }
}

#[test]
fn openssl_agrees_on_every_signature_scheme() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for (kind, scheme) in [
        (Kind::P256, SignatureScheme::ECDSA_SECP256R1_SHA256),
        (Kind::P384, SignatureScheme::ECDSA_SECP384R1_SHA384),
        (Kind::P521, SignatureScheme::ECDSA_SECP521R1_SHA512),
        (Kind::Ed25519, SignatureScheme::ED25519),
        (Kind::MlDsa44, SignatureScheme::MLDSA44),
        (Kind::MlDsa65, SignatureScheme::MLDSA65),
        (Kind::MlDsa87, SignatureScheme::MLDSA87),
        (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA256),
        (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA384),
        (Kind::Rsa2048, SignatureScheme::RSA_PSS_RSAE_SHA512),
    ] {
        // With intermediates, so that chains are made and read too.
        let pki = Pki::with(kind, 2);
        let identity = pki.leaf_with(kind, &[NAME], |_| ());
        let name = scheme.to_string();
        let args = ["-sigalgs", &name];
        let client = ClientConfig::new(trust(&pki)).keep_peer_chain(true);
        let session = Session::with_server(&openssl, client, &identity, &args);
        let summary = session.pith.summary().unwrap();
        assert_eq!(summary.signature_scheme, Some(scheme));
        assert_eq!(summary.peer_chain.as_ref(), Some(&identity.chain));
        session.close();

        let server = ServerConfig::new(credential(&identity));
        let session = Session::with_client(&openssl, server, &pki.root_pem(), &args);
        assert_eq!(
            session.pith.summary().unwrap().signature_scheme,
            Some(scheme)
        );
        let printed = session.close();
        let wanted = format!("Peer signature type: {name}");
        assert!(printed.contains(&wanted), "{printed}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
    }
}

#[test]
fn openssl_retries_and_is_made_to_retry() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    // No share of what the server has.
    let server_rows: [(&[&str], Group); 2] = [
        (&["-groups", "secp384r1"], Group::Secp384r1),
        (
            &["-groups", "SecP384r1MLKEM1024"],
            Group::SecP384r1MlKem1024,
        ),
    ];
    let client_rows: [(&[&str], &[Group], Group); 3] = [
        // The star marks what OpenSSL sends a share of.
        (
            &["-groups", "*x25519:secp384r1"],
            &[Group::Secp384r1],
            Group::Secp384r1,
        ),
        // Post-quantum is worth a round trip to a server of ours.
        (
            &["-groups", "*x25519:SecP256r1MLKEM768"],
            pith_tls::policy::V2026_11.groups,
            Group::SecP256r1MlKem768,
        ),
        (
            &["-no_middlebox", "-groups", "*x25519:X25519MLKEM768"],
            pith_tls::policy::V2026_11.groups,
            Group::X25519MlKem768,
        ),
    ];
    let with_servers = server_rows.into_iter().map(|(args, group)| {
        let client = ClientConfig::new(trust(&pki));
        let session = Session::with_server(&openssl, client, &identity, args);
        (session, group)
    });
    let with_clients = client_rows.into_iter().map(|(args, groups, group)| {
        let server = ServerConfig::new(credential(&identity)).groups(groups);
        let session = Session::with_client(&openssl, server, &pki.root_pem(), args);
        (session, group)
    });
    for (mut session, group) in with_servers.chain(with_clients) {
        let summary = session.pith.summary().unwrap();
        assert!(summary.retried, "{group}");
        assert_eq!(summary.group, group);
        session.exchange(0);
        session.close();
    }
}

#[test]
fn openssl_gets_its_cookie_back() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let rows: [(&[&str], Group); 2] = [
        (&["-stateless"], Group::X25519MlKem768),
        (&["-stateless", "-groups", "secp521r1"], Group::Secp521r1),
    ];
    for (args, group) in rows {
        let peer = openssl.server(&identity, args);
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, peer.port())).unwrap();
        tcp.set_read_timeout(Some(LIMIT)).unwrap();
        let client = ClientConfig::new(trust(&pki));
        let pith = connect_over(client, WithoutChangeCipherSpec(tcp)).unwrap();
        let summary = pith.summary().unwrap();
        assert!(summary.retried);
        assert_eq!(summary.group, group);
        let mut session = Session { pith, peer };
        session.exchange(0);
        session.close();
    }
}

/// OpenSSL 4.0.3 with -stateless gives up at the ChangeCipherSpec before a second ClientHello, even at its own `s_client`'s.
struct WithoutChangeCipherSpec(TcpStream);

impl Write for WithoutChangeCipherSpec {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // It begins a flight.
        match bytes.strip_prefix(&[20, 3, 3, 0, 1, 1]) {
            Some(rest) => self.0.write_all(rest).map(|()| bytes.len()),
            None => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Read for WithoutChangeCipherSpec {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Socket for WithoutChangeCipherSpec {}

#[test]
fn openssl_as_it_comes_is_post_quantum_without_a_retry() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let client = ClientConfig::new(trust(&pki));
    let server = ServerConfig::new(credential(&identity));
    for session in [
        Session::with_server(&openssl, client, &identity, &[]),
        Session::with_client(&openssl, server, &pki.root_pem(), &[]),
    ] {
        let summary = session.pith.summary().unwrap();
        assert_eq!(summary.group, Group::X25519MlKem768);
        assert!(!summary.retried);
        session.close();
    }
}

#[test]
fn openssl_and_pith_agree_on_a_protocol_or_refuse() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (mine, theirs, want) in [
        (both, Some("http/1.1"), Some(b"http/1.1".as_slice())),
        (both, Some("h2,http/1.1"), Some(b"h2")),
        (both, None, None),
        (&[], Some("h2"), None),
    ] {
        let args = theirs.map_or(vec![], |theirs| vec!["-alpn", theirs]);
        let client = ClientConfig::new(trust(&pki)).alpn(mine);
        let server = ServerConfig::new(credential(&identity)).alpn(mine);
        for session in [
            Session::with_server(&openssl, client, &identity, &args),
            Session::with_client(&openssl, server, &pki.root_pem(), &args),
        ] {
            let summary = session.pith.summary().unwrap();
            assert_eq!(summary.protocol.as_deref(), want, "{args:?}");
            let printed = session.close();
            if let Some(want) = want {
                let want = String::from_utf8_lossy(want);
                let lines = [
                    format!("ALPN protocol: {want}\n"),
                    format!("ALPN protocols selected: {want}\n"),
                ];
                assert!(lines.iter().any(|line| printed.contains(line)), "{printed}");
            }
        }
    }

    let args = ["-alpn", "http/1.1"];
    let peer = openssl.server(&identity, &args);
    let client = ClientConfig::new(trust(&pki)).alpn(&[b"h2"]);
    let error = tls_error(connect(peer.port(), client).err().unwrap());
    assert_eq!(
        error,
        Error::Alert(AlertDescription::NO_APPLICATION_PROTOCOL)
    );
    let listener = Listener::new();
    let peer = openssl.client(listener.port(), &pki.root_pem(), &args);
    let server = ServerConfig::new(credential(&identity)).alpn(&[b"h2"]);
    let error = tls_error(listener.accept(server).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::NoCommonProtocol));
    let printed = peer.finish();
    assert!(printed.contains("SSL alert number 120"), "{printed}");
}

#[test]
fn openssl_and_pith_name_the_server() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for (args, want) in [
        (vec!["-servername", NAME], Some(NAME)),
        (vec!["-noservername"], None),
    ] {
        let server = ServerConfig::new(credential(&identity));
        let session = Session::with_client(&openssl, server, &pki.root_pem(), &args);
        let summary = session.pith.summary().unwrap();
        assert_eq!(summary.server_name.as_deref(), want);
        session.close();
    }

    let second = ["-cert2", "leaf.pem", "-key2", "key.pem"];
    let args = [&["-servername", NAME], &second[..]].concat();
    let client = ClientConfig::new(trust(&pki));
    let printed = Session::with_server(&openssl, client, &identity, &args).close();
    let hostname = format!("Hostname in TLS extension: \"{NAME}\"");
    assert!(printed.contains(&hostname), "{printed}");

    let args = [
        &["-servername_fatal", "-servername", "x.example"],
        &second[..],
    ]
    .concat();
    let peer = openssl.server(&identity, &args);
    let client = ClientConfig::new(trust(&pki));
    let error = tls_error(connect(peer.port(), client).err().unwrap());
    assert_eq!(error, Error::Alert(AlertDescription::UNRECOGNIZED_NAME));
}

#[test]
fn openssl_servers_of_every_setting_are_spoken_with() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let rows: [&[&str]; 16] = [
        &["-no_middlebox"],
        &["-record_padding", "512"],
        &["-max_send_frag", "512", "-split_send_frag", "512"],
        &["-num_tickets", "20"],
        &["-num_tickets", "0"],
        &["-no_ticket", "-no_cache"],
        &["-max_early_data", "10000", "-early_data"],
        &["-psk", "00112233445566778899aabbccddeeff"],
        &["-enable_server_rpk", "-enable_client_rpk"],
        &["-serverpref", "-prioritize_chacha"],
        &["-nbio"],
        &["-read_buf", "65536"],
        &["-tls1_3"],
        &["-status"],
        &["-bugs", "-comp", "-client_renegotiation"],
        &["-no_tx_cert_comp", "-no_rx_cert_comp", "-strict"],
    ];
    for args in rows {
        let client = ClientConfig::new(trust(&pki));
        let mut session = Session::with_server(&openssl, client, &identity, args);
        session.exchange(0);
        session.close();
    }
}

#[test]
fn openssl_clients_of_every_setting_are_served() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let rows: [&[&str]; 16] = [
        &["-no_middlebox"],
        &["-record_padding", "512"],
        &["-max_send_frag", "512", "-split_send_frag", "512"],
        &["-maxfraglen", "512"],
        &["-no_ticket"],
        &["-psk", "00112233445566778899aabbccddeeff"],
        &["-enable_server_rpk", "-enable_client_rpk"],
        &["-enable_pha"],
        &["-ech_grease"],
        &["-status"],
        &["-serverinfo", "1000,1001,65000"],
        &["-fallback_scsv"],
        &["-tls1_3"],
        &["-nbio"],
        &[
            "-bugs",
            "-comp",
            "-legacy_renegotiation",
            "-nextprotoneg",
            "a",
        ],
        &["-use_srtp", "SRTP_AES128_CM_SHA1_80", "-read_buf", "65536"],
    ];
    for args in rows {
        let server = ServerConfig::new(credential(&identity));
        let mut session = Session::with_client(&openssl, server, &pki.root_pem(), args);
        session.exchange(0);
        session.close();
    }
}

#[test]
fn early_data_for_another_server_is_skipped() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let file = |name: &str| format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    let (ticket, early) = (file("ticket.pem"), file("early-data"));
    std::fs::write(&early, "x".repeat(10_000)).unwrap();
    // A server of OpenSSL's gives the client a ticket that allows early data.
    let other = openssl.server(&identity, &["-early_data", "-max_early_data", "16384"]);
    let args = ["-sess_out", &ticket, "-servername", NAME];
    let client = openssl.client(other.port(), &pki.root_pem(), &args);
    other.type_in("behind the ticket\n");
    client.wait_for("behind the ticket\n", 1);
    client.type_in("Q\n");
    let printed = client.finish();
    assert!(printed.contains("Max Early Data: 16384"), "{printed}");

    let rows: [(&[&str], bool); 2] = [(&[], false), (&["-groups", "*x25519:X25519MLKEM768"], true)];
    for (groups, retried) in rows {
        let args = ["-sess_in", &ticket, "-early_data", &early];
        let args = [&args[..], groups].concat();
        let server = ServerConfig::new(credential(&identity));
        let suite = CipherSuite::Aes256GcmSha384; // the ticket's
        let server = server.suites(&[suite]);
        let mut session = Session::with_client(&openssl, server, &pki.root_pem(), &args);
        assert_eq!(session.pith.summary().unwrap().retried, retried);
        session.exchange(0);
        let printed = session.close();
        assert!(printed.contains("Early data was rejected"), "{printed}");
    }
}

#[test]
fn middlebox_compatibility_is_the_clients_to_ask_for() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for (args, want) in [(vec!["-msg"], true), (vec!["-msg", "-no_middlebox"], false)] {
        let server = ServerConfig::new(credential(&identity));
        let session = Session::with_client(&openssl, server, &pki.root_pem(), &args);
        let printed = session.close();
        let sent = printed.contains("<<< TLS 1.3, ChangeCipherSpec");
        assert_eq!(sent, want, "{args:?}\n{printed}");
    }
}

#[test]
fn openssl_with_only_tls12_is_named() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let peer = openssl.server(&identity, &["-tls1_2"]);
    let client = ClientConfig::new(trust(&pki));
    let error = tls_error(connect(peer.port(), client).err().unwrap());
    assert_eq!(error, Error::Alert(AlertDescription::PROTOCOL_VERSION));
    assert!(error.to_string().contains("does not speak TLS 1.3"));

    let listener = Listener::new();
    let peer = openssl.client(listener.port(), &pki.root_pem(), &["-msg", "-tls1_2"]);
    let server = ServerConfig::new(credential(&identity));
    let error = tls_error(listener.accept(server).err().unwrap());
    assert_eq!(error, Error::Fault(Fault::NoTls13 { newest: 0x0303 }));
    assert!(error.to_string().contains("only TLS 1.2"));
    let printed = peer.finish();
    assert!(printed.contains("fatal protocol_version"), "{printed}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}
