//! Data between Pith and OpenSSL in both roles: in bulk, across changes of keys, up to the end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, ErrorKind, Read, Write};

use pith_interop::{OpenSsl, Session, tls_error};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, Error, ServerConfig};

#[test]
fn megabytes_pass_both_ways() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    // Digits mean nothing to OpenSSL's terminal.
    let payload: String = (0..600_000).map(|number| format!("{number:07}")).collect();
    let rows: [&[&str]; 3] = [
        &[],
        &["-record_padding", "4096"],
        &["-max_send_frag", "512", "-split_send_frag", "512"],
    ];
    for args in rows {
        for mut session in sessions(&openssl, args) {
            let mut received = vec![0; payload.len()];
            session.peer.type_meanwhile(payload.clone());
            session.pith.read_exact(&mut received).unwrap();
            assert!(received == payload.as_bytes(), "{args:?}: from OpenSSL");
            session.pith.write_all(payload.as_bytes()).unwrap();
            let printed = session.close();
            assert!(printed.contains(&payload), "{args:?}: to OpenSSL");
        }
    }
}

#[test]
fn keys_are_updated_both_ways() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    const SENT: &str = ">>> TLS 1.3, Handshake [length 0005], KeyUpdate";
    const RECEIVED: &str = "<<< TLS 1.3, Handshake [length 0005], KeyUpdate";
    for mut session in sessions(&openssl, &["-msg"]) {
        let mut exchanges = 0..;
        for round in 0..2 {
            session.pith.update_keys(false).unwrap();
            session.exchange(exchanges.next().unwrap());
            // OpenSSL answers.
            session.pith.update_keys(true).unwrap();
            session.exchange(exchanges.next().unwrap());
            session.peer.wait_for(SENT, 3 * round + 1);
            session.peer.type_in("k\n");
            session.peer.wait_for(SENT, 3 * round + 2);
            session.exchange(exchanges.next().unwrap());
            // Pith answers.
            session.peer.type_in("K\n");
            session.peer.wait_for(SENT, 3 * round + 3);
            session.peer.type_in("now\n");
            session.pith.read_exact(&mut [0; 4]).unwrap();
            session.exchange(exchanges.next().unwrap());
        }
        let printed = session.close();
        assert_eq!(printed.matches(SENT).count(), 6, "{printed}");
        assert_eq!(printed.matches(RECEIVED).count(), 6, "{printed}");
    }
}

#[test]
fn each_side_closes_and_the_other_answers() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    // Pith first.
    for mut session in sessions(&openssl, &["-msg"]) {
        session.exchange(0);
        let printed = session.close();
        let closed = "<<< TLS 1.3, Alert [length 0002], warning close_notify";
        assert!(printed.contains(closed), "{printed}");
        assert!(!printed.contains("unexpected eof"), "{printed}");
    }
    // An `s_client` first, which does not wait for our answer. An `s_server` is first after a page only.
    let [_, mut session] = sessions(&openssl, &["-msg"]);
    session.exchange(0);
    session.peer.type_in("Q\n");
    assert_eq!(session.pith.read(&mut [0; 1]).unwrap(), 0);
    let closed = ">>> TLS 1.3, Alert [length 0002], warning close_notify";
    assert!(session.peer.finish().contains(closed));
}

#[test]
fn a_page_is_fetched_to_its_end() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki));
    let mut session = Session::with_server(&openssl, client, &pki.leaf(NAME), &["-www"]);
    session.pith.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    session.pith.flush().unwrap();
    let mut page = String::new();
    session.pith.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.0 200 ok\r\n"), "{page}");
    assert!(
        page.contains("TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
        "{page}"
    );
    assert!(page.trim_end().ends_with("</HTML>"), "{page}");
}

#[test]
fn truncation_is_reported_by_each_side() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for mut session in sessions(&openssl, &[]) {
        session.exchange(0);
        drop(session.pith);
        let printed = session.peer.finish();
        assert!(
            printed.contains("unexpected eof while reading"),
            "{printed}"
        );
    }
    // `q` closes the socket and says nothing before; so does the end of a process.
    let [mut with_server, mut with_client] = sessions(&openssl, &[]);
    with_server.exchange(0);
    with_server.peer.type_in("q\n");
    with_client.exchange(0);
    with_client.peer.kill();
    for session in [&mut with_server, &mut with_client] {
        let error = session.pith.fill_buf().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(tls_error(error), Error::Truncated);
    }
}

/// A session in each role of Pith.
fn sessions(openssl: &OpenSsl, args: &[&str]) -> [Session; 2] {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let client = ClientConfig::new(trust(&pki));
    let server = ServerConfig::new(credential(&identity));
    [
        Session::with_server(openssl, client, &identity, args),
        Session::with_client(openssl, server, &pki.root_pem(), args),
    ]
}
