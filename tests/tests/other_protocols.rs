//! Peers that speak something else are named in the error, so that a person knows what to change: TLS 1.2 and older, SSL 2,
//! plain HTTP, on either side.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::scripted::{ALERT, Bench, HANDSHAKE, Role, message, plain};
use pith_tls::{AlertDescription, Error, Fault};

/// A ClientHello of TLS 1.2 or older, without supported_versions, as OpenSSL sends it.
fn old_client_hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 6, 0xc0, 0x2f, 0xc0, 0x30, 0, 0xff]);
    body.extend([1, 0]);
    let extensions = [
        [0, 0x0a, 0, 4, 0, 2, 0, 0x17].as_slice(),
        &[0, 0x0b, 0, 2, 1, 0],
        &[0, 0x0d, 0, 4, 0, 2, 4, 3],
        &[0, 0x23, 0, 0],
        &[0, 0x16, 0, 0],
        &[0, 0x17, 0, 0],
    ]
    .concat();
    body.extend([0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    plain(HANDSHAKE, &message(1, &body))
}

/// A ServerHello of TLS 1.2 or older. `mark` ends the random value, which is how a server says that it knows TLS 1.3.
fn old_server_hello(version: [u8; 2], mark: &[u8; 8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 24]);
    body.extend(mark);
    body.push(32);
    body.extend([8; 32]);
    body.extend([0xc0, 0x2f, 0]);
    body.extend([0, 11, 0xff, 1, 0, 1, 0, 0, 0x0b, 0, 2, 1, 0]);
    plain(HANDSHAKE, &message(2, &body))
}

/// The connection under test fails with this error, whose text holds these words.
fn fails(role: Role, name: &str, wire: &[u8], want: impl Into<Error>, words: &[&str]) {
    let want = want.into();
    let text = want.to_string();
    for word in words {
        assert!(text.contains(word), "{name}: {word:?} in {text:?}");
    }
    Bench::new(role).fails(name, wire, want);
}

#[test]
fn an_old_client_is_named_by_its_version() {
    let rows = [
        ([3, 3], 0x0303, "only TLS 1.2 or older"),
        ([3, 2], 0x0302, "0x0302"),
        ([3, 1], 0x0301, "0x0301"),
        ([3, 0], 0x0300, "0x0300"),
    ];
    for (version, newest, word) in rows {
        let words = ["does not speak TLS 1.3", word, "protocol_version"];
        let hello = old_client_hello(version);
        fails(
            Role::Server,
            word,
            &hello,
            Fault::NoTls13 { newest },
            &words,
        );
    }
}

#[test]
fn an_old_server_is_named_by_its_version() {
    for (version, newest, word) in [
        ([3, 3], 0x0303, "only TLS 1.2 or older"),
        ([3, 1], 0x0301, "0x0301"),
    ] {
        let words = ["does not speak TLS 1.3", word, "protocol_version"];
        let hello = old_server_hello(version, &[9; 8]);
        fails(
            Role::Client,
            word,
            &hello,
            Fault::NoTls13 { newest },
            &words,
        );
    }
    for mark in [b"DOWNGRD\x01", b"DOWNGRD\x00"] {
        let hello = old_server_hello([3, 3], mark);
        let words = ["knows TLS 1.3", "older version"];
        fails(Role::Client, "marked", &hello, Fault::Downgrade, &words);
    }
}

#[test]
fn an_alert_of_an_old_server_says_what_to_look_at() {
    for (code, word) in [(70, "does not speak TLS 1.3"), (40, "compare the groups")] {
        let want = Error::Alert(AlertDescription(code));
        // Under the version that the server would have spoken.
        let wire = [21, 3, 1, 0, 2, 2, code];
        fails(Role::Client, "alert", &wire, want, &[word]);
    }
}

#[test]
fn plain_http_is_named_on_either_side() {
    let words = ["plain HTTP"];
    for request in [
        &b"GET / HTTP/1.1\r\nHost: server.example\r\n\r\n"[..],
        b"POST /form HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.0\r\n\r\n",
        b"PUT /x HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"CONNECT server.example:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET ",
    ] {
        fails(Role::Server, "request", request, Fault::PlainHttp, &words);
    }
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\n",
    ] {
        fails(Role::Client, "answer", answer, Fault::PlainHttp, &words);
    }
}

#[test]
fn other_protocols_are_refused_by_their_first_byte() {
    // SSL 2 as a hello of old clients, SSH, SMTP, a TLS record without its first byte.
    let ssl2 = [
        &[0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10, 1, 0, 0x80][..],
        &[7; 34],
    ]
    .concat();
    for (name, bytes) in [
        ("SSL 2", &ssl2[..]),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("SMTP", b"220 mail.example ESMTP\r\n"),
        ("one byte", &[3]),
    ] {
        let content_type = bytes[0];
        let want = Fault::UnexpectedRecord { content_type };
        let number = format!("content type {content_type}");
        for role in [Role::Client, Role::Server] {
            fails(role, name, bytes, want, &[&number]);
        }
    }
}

#[test]
fn a_peer_that_says_nothing_of_use_is_no_success() {
    for role in [Role::Client, Role::Server] {
        let mut bench = Bench::new(role);
        assert_eq!(bench.side.tls.eof(), Err(Error::Truncated));
        assert!(bench.side.tls.summary().is_none());
    }
    // An echo server: a client that reads its own hello.
    let hello = Bench::new(Role::Server).peer.next_message().unwrap();
    let mut bench = Bench::new(Role::Client);
    assert!(bench.feed(&plain(HANDSHAKE, &hello)).is_err());
    assert_eq!(bench.peer.contents(ALERT), [[2, 10]]);
}
