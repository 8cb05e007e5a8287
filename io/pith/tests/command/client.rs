//! `pith client` against `pith server` and against peers that do other things.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use pith_io::std::Stream;
use pith_tests::pki::{self, Identity, Kind, Pki};
use pith_tls::{Credential, ServerConfig, key_pin};

use crate::process::{Folder, Server, check, leaf, peer_that_says, pith, run};

#[test]
fn client_shows_the_page_of_the_server() {
    let (folder, pki) = (Folder::new("page"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--http");
    let request = b"GET /any?thing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let output = run(&["client", &server.localhost(), "--ca", &ca], request);
    let negotiated = [
        "connected to ",
        "X25519MLKEM768 (post-quantum)",
        "localhost",
    ];
    check("page", &output, 0, &negotiated);
    let page = String::from_utf8(output.stdout).unwrap();
    for part in [
        "HTTP/1.1 200 OK\r\n",
        "This connection is post-quantum",
        "<dd>X25519MLKEM768 (post-quantum)</dd>",
        "<dt>server name</dt><dd>localhost</dd>",
        "</html>",
    ] {
        assert!(page.contains(part), "no {part:?} in: {page}");
    }
}

#[test]
fn client_ends_when_the_server_does() {
    let (folder, pki) = (Folder::new("ends"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--http");
    let mut client = pith(&["client", &server.address, "--ca", &ca])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(); // and it stays open
    let output = client.wait_with_output().unwrap();
    check("ends", &output, 0, &[]);
    assert!(output.stdout.ends_with(b"</html>\n"));
}

#[test]
fn echo_returns_all_after_half_close() {
    let (folder, pki) = (Folder::new("echo"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--echo");
    for len in [0, 1, 3_000_000] {
        let input: Vec<u8> = (0..len).map(|place| (place % 253) as u8).collect();
        let output = run(&["client", &server.address, "--ca", &ca], &input);
        check("echo", &output, 0, &[]);
        assert!(output.stdout == input, "{len} bytes");
    }
}

#[test]
fn a_self_signed_server_is_pinned() {
    let folder = Folder::new("pin");
    let identity = pki::self_signed(Kind::Ed25519, "localhost");
    let pin = key_pin(&identity.chain[0]).unwrap();
    let pin: String = pin.iter().map(|byte| format!("{byte:02x}")).collect();
    let server = Server::start(&folder.identity("self", &identity), "--echo");
    let output = run(&["client", &server.address, "--pin", &pin], b"hello");
    check("right pin", &output, 0, &["ed25519"]);
    assert_eq!(output.stdout, b"hello");
    let other = "00".repeat(32);
    let output = run(&["client", &server.address, "--pin", &other], b"hello");
    check("wrong pin", &output, 1, &["did not prove", &pin, "pin it"]);
    let said = server.stop();
    assert!(said.contains(&format!("--pin {pin}")), "{said}");
}

#[test]
fn client_names_what_is_wrong_with_the_certificate() {
    let (folder, pki, namesake) = (Folder::new("chains"), Pki::new(), Pki::new());
    let other = Pki::bent(Kind::P256, 0, |_, params| {
        let name = &mut params.distinguished_name;
        name.push(rcgen::DnType::CommonName, "Another Root");
    });
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let rows: [(&str, Identity, &[&str]); 6] = [
        (
            "expired",
            leaf(&pki, pki::expired),
            &["has expired (on ", "renew it"],
        ),
        (
            "early",
            leaf(&pki, pki::not_yet_valid),
            &["is not valid before 2090-01-01", "clock"],
        ),
        ("ca", leaf(&pki, pki::ca_as_leaf), &["is a CA's"]),
        (
            "namesake",
            leaf(&namesake, |_| ()),
            &["the other CA of that name"],
        ),
        (
            "stranger",
            leaf(&other, |_| ()),
            &[
                "leads to no trusted root",
                "Another Root",
                "trust its issuer",
            ],
        ),
        (
            "name",
            pki.leaf("elsewhere.example"),
            &["localhost", "elsewhere.example"],
        ),
    ];
    for (name, identity, parts) in rows {
        let server = Server::start(&folder.identity(name, &identity), "--echo");
        let output = run(&["client", &server.localhost(), "--ca", &ca], b"secret");
        check(name, &output, 1, parts);
        check(
            name,
            &output,
            1,
            &["did not prove that it is localhost", "Nothing was sent"],
        );
        assert_eq!(output.stdout, b"", "{name}");
    }
}

#[test]
fn client_names_what_the_peer_speaks_instead() {
    // A ServerHello of TLS 1.2: version, random, no session id, a suite of 1.2, no compression, no extensions.
    let hello: Vec<u8> = [22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3]
        .into_iter()
        .chain([9; 32])
        .chain([0, 0xc0, 0x2f, 0])
        .collect();
    let rows: [(&str, Vec<u8>, &[&str]); 6] = [
        (
            "old server's alert",
            vec![21, 3, 3, 0, 2, 2, 70],
            &["expected TLS 1.3", "protocol_version", "enable TLS 1.3"],
        ),
        (
            "old server's hello",
            hello,
            &["expected TLS 1.3", "1.2", "enable TLS 1.3"],
        ),
        (
            "http",
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec(),
            &["expected TLS", "plain HTTP", "443"],
        ),
        (
            "something else",
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            &["does not follow TLS 1.3", "See that this port speaks TLS"],
        ),
        (
            "nothing",
            Vec::new(),
            &["closed the connection", "without saying why"],
        ),
        (
            "refusal",
            vec![21, 3, 3, 0, 2, 2, 40],
            &["ended the handshake", "handshake_failure"],
        ),
    ];
    for (name, bytes, parts) in rows {
        let peer = peer_that_says(bytes);
        let output = run(&["client", &peer, "--pin", &"00".repeat(32)], b"");
        check(name, &output, 1, parts);
        check(name, &output, 1, &[&peer]);
    }
}

#[test]
fn client_says_that_what_came_may_be_cut_short() {
    let (folder, pki) = (Folder::new("cut"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let identity = leaf(&pki, |_| ());
    let (chain, key) = (identity.chain_pem.as_bytes(), identity.key_pem.as_bytes());
    let credential = Credential::from_pem(chain, key).unwrap();
    let config = ServerConfig::new(credential).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let mut tls = Stream::accept(config, tcp).unwrap();
        tls.write_all(b"half of").unwrap();
        tls.read_to_end(&mut Vec::new()).unwrap(); // the client is done; this end goes without a goodbye
    });
    let output = run(&["client", &address, "--ca", &ca], b"");
    check(
        "cut",
        &output,
        1,
        &["without close_notify", "may be cut short"],
    );
    assert_eq!(output.stdout, b"half of", "what came is handed on");
    server.join().unwrap();
}

#[test]
#[rustfmt::skip]
fn client_names_what_is_wrong_with_its_arguments() {
    let folder = Folder::new("arguments");
    let empty = folder.file("empty.pem", "");
    let text = folder.file("text.pem", "hello\n");
    let key = folder.file("key.pem", &Pki::new().leaf("localhost").key_pem);
    let gone = folder.0.join("gone.pem").to_str().unwrap().to_owned();
    // The port is ours at another address, so nothing else comes to listen at this one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("127.0.0.2:{}", listener.local_addr().unwrap().port());
    let pin = "00".repeat(32);
    let rows: &[(&str, &[&str], i32, &[&str])] = &[
        ("no CA file", &["a:1", "--ca", &gone], 2, &["expected CA certificates", "gone.pem", "correct the path"]),
        ("empty CA file", &["a:1", "--ca", &empty], 2, &["empty.pem", "--ca", "is empty"]),
        ("text as CA file", &["a:1", "--ca", &text], 2, &["text.pem", "no PEM section"]),
        ("key as CA file", &["a:1", "--ca", &key], 2, &["key.pem", "a private key"]),
        ("no port", &["localhost", "--pin", &pin], 2, &["expected HOST:PORT", "example.org:443"]),
        ("no host", &[":443", "--pin", &pin], 2, &["expected HOST:PORT"]),
        ("bare IPv6", &["::1:443", "--pin", &pin], 2, &["expected HOST:PORT", "[::1]"]),
        ("short pin", &["a:1", "--pin", "00ff"], 2, &["64 hex digits", "00ff"]),
        ("odd pin", &["a:1", "--pin", &"+1".repeat(32)], 2, &["64 hex digits"]),
        ("pin and CA", &["a:1", "--pin", &pin, "--ca", &gone], 2, &["cannot be used with"]),
        ("closed port", &[&closed, "--pin", &pin], 1, &["no TCP connection to ", &closed, "start the server"]),
        ("unknown option", &["a:1", "--insecure"], 2, &["--insecure"]),
    ];
    for (name, arguments, exit_code, parts) in rows {
        let output = run(&[&["client"], *arguments].concat(), b"");
        check(name, &output, *exit_code, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
    let address = listener.local_addr().unwrap().to_string();
    let output = run(&["client", &address, "--pin", &pin, "--sni", "not a name"], b"");
    check("bad name", &output, 2, &["not a name", "--sni"]);
}
