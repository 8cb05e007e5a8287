//! The command as its users run it: what it prints, and the messages and exit codes for everything that can be wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use pith_io::std::Stream;
use pith_tests::pki::{self, Identity, Kind, Pki};
use pith_tls::{ClientConfig, Credential, ServerConfig, Trust, key_pin};

/// A folder of files, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pith-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn identity(&self, name: &str, identity: &Identity) -> (String, String) {
        (
            self.file(&format!("{name}.pem"), &identity.chain_pem),
            self.file(&format!("{name}.key"), &identity.key_pem),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// `pith server` in a process of its own, ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start((cert, key): &(String, String), service: &str) -> Self {
        let listen = "--listen=127.0.0.1:0";
        let mut child = pith(&["server", listen, "--cert", cert, "--key", key, service])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address = address
            .unwrap_or_else(|| panic!("first line {line:?}"))
            .to_owned();
        Self { child, address }
    }

    /// As a name that its certificate has.
    fn localhost(&self) -> String {
        self.address.replace("127.0.0.1", "localhost")
    }

    /// What it said on standard error.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn pith(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pith"));
    command.args(arguments);
    command
}

/// Runs to the end, with this on standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = pith(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

#[track_caller]
fn check(name: &str, output: &Output, exit_code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{name}: {said}");
    for part in parts {
        assert!(said.contains(part), "{name}: no {part:?} in: {said}");
    }
    assert!(!said.contains("panicked"), "{name}: {said}");
}

/// A peer that takes one connection, waits for the first bytes, says this, and closes.
fn peer_that_says(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        assert!(tcp.read(&mut hello).unwrap() > 0);
        tcp.write_all(&bytes).unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        while tcp.read(&mut hello).is_ok_and(|count| count > 0) {}
    });
    address
}

fn leaf(pki: &Pki, bend: impl Fn(&mut rcgen::CertificateParams)) -> Identity {
    pki.leaf_with(Kind::P256, &["localhost", "127.0.0.1"], bend)
}

#[test]
fn demo_verifies_and_shows_what_happened() {
    let output = run(&["demo"], b"");
    check("demo", &output, 0, &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "TLS 1.3",
        "X25519MLKEM768 (post-quantum)",
        "TLS_AES_128_GCM_SHA256",
        "ecdsa_secp256r1_sha256",
        "TCP connect",
        "handshake, as the client sees it",
        "1 MiB from client to server",
        "ServerHello to Finished",
        "Verified: ",
    ] {
        assert!(shown.contains(part), "no {part:?} in: {shown}");
    }
}

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
fn json_is_one_object_and_nothing_else() {
    let (folder, pki) = (Folder::new("json"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--echo");
    let arguments = [
        "client",
        &server.address,
        "--ca",
        &ca,
        "--sni",
        "localhost",
        "--json",
    ];
    let output = run(&arguments, b"not sent");
    check("json", &output, 0, &[]);
    assert_eq!(output.stderr, b"");
    let line = String::from_utf8(output.stdout).unwrap();
    let (head, tail) = line.split_once("\"handshake_ms\":").unwrap();
    let want = format!(
        "{{\"peer\":\"{}\",\"version\":\"TLS 1.3\",\"group\":\"X25519MLKEM768\",\"post_quantum\":true,\
         \"suite\":\"TLS_AES_128_GCM_SHA256\",\"signature\":\"ecdsa_secp256r1_sha256\",\
         \"server_name\":\"localhost\",\"alpn\":null,\"hello_retry_request\":false,",
        server.address
    );
    assert_eq!(head, want);
    tail.strip_suffix("}\n").unwrap().parse::<f64>().unwrap();
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

#[test]
#[rustfmt::skip]
fn server_names_what_is_wrong_with_its_arguments() {
    let (folder, pki) = (Folder::new("server"), Pki::new());
    let (cert, key) = folder.identity("leaf", &leaf(&pki, |_| ()));
    let (_, other) = folder.identity("other", &leaf(&pki, |_| ()));
    let empty = folder.file("empty.pem", "");
    let gone = folder.0.join("gone.pem").to_str().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = &listener.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    let rows: &[(&str, &str, &str, &str, i32, &[&str])] = &[
        ("no chain", free, &gone, &key, 2, &["expected a certificate chain", "gone.pem", "correct the path"]),
        ("no key", free, &cert, &gone, 2, &["expected a private key", "gone.pem"]),
        ("empty chain", free, &empty, &key, 2, &["--cert", "is empty"]),
        ("empty key", free, &cert, &empty, 2, &["--key", "is empty"]),
        ("swapped", free, &key, &cert, 2, &["expected a certificate chain", "found a private key"]),
        ("another's key", free, &cert, &other, 2, &["private key", "certificate"]),
        ("busy port", busy, &cert, &key, 1, &["cannot listen on ", busy, "free port"]),
        ("no address", "nonsense", &cert, &key, 1, &["cannot listen on nonsense", "ADDR:PORT"]),
    ];
    for (name, listen, cert, key, exit_code, parts) in rows {
        let output = run(&["server", "--listen", listen, "--cert", cert, "--key", key], b"");
        check(name, &output, *exit_code, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
    let both = ["server", "--listen", free, "--cert", &cert, "--key", &key, "--http", "--echo"];
    check("both services", &run(&both, b""), 2, &["cannot be used with"]);
}

#[test]
fn server_warns_of_a_certificate_that_clients_refuse() {
    let (folder, pki) = (Folder::new("warn"), Pki::new());
    for (name, identity, part) in [
        ("expired", leaf(&pki, pki::expired), "has expired (on "),
        (
            "early",
            leaf(&pki, pki::not_yet_valid),
            "is not valid before 2090-01-01",
        ),
        ("ca", leaf(&pki, pki::ca_as_leaf), "is a CA's"),
    ] {
        let server = Server::start(&folder.identity(name, &identity), "--http");
        // The warning stands before anything about the first client.
        let mut tcp = TcpStream::connect(&server.address).unwrap();
        tcp.write_all(b"hello").unwrap();
        tcp.read_to_end(&mut Vec::new()).ok();
        let said = server.stop();
        assert!(
            said.contains("warning: ") && said.contains(part),
            "{name}: {said}"
        );
    }
}

#[test]
fn server_goes_on_after_every_bad_client() {
    let (folder, pki) = (Folder::new("bad-clients"), Pki::new());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--http");
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let config = ClientConfig::new(trust).build().unwrap();
    let other = Trust::roots_from_pem(Pki::new().root_pem().as_bytes()).unwrap();
    let distrusting = ClientConfig::new(other).build().unwrap();
    let dial = || TcpStream::connect(&server.address).unwrap();
    let get = || request(&config, dial(), b"GET / HTTP/1.1\r\n\r\n");

    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16",
        b"",
        &[0; 20_000],
    ] {
        let mut tcp = dial();
        tcp.write_all(bytes).ok();
        tcp.shutdown(Shutdown::Write).ok();
        tcp.read_to_end(&mut Vec::new()).ok();
        assert!(
            get().starts_with("HTTP/1.1 200 "),
            "after {:?}",
            bytes.get(..5)
        );
    }
    assert!(Stream::connect(distrusting, "localhost", dial()).is_err());
    drop(Stream::connect(Arc::clone(&config), "localhost", dial()).unwrap()); // no goodbye
    let _silent = dial(); // stays, and keeps nobody waiting
    let large = [b"GET / HTTP/1.1\r\nA: ", &*vec![b'a'; 20_000], b"\r\n\r\n"].concat();
    for (bytes, want) in [
        (
            &b"POST / HTTP/1.1\r\n\r\n"[..],
            "405 Method Not Allowed\r\n",
        ),
        (b"nonsense\r\n\r\n", "400 Bad Request\r\n"),
        (b"GET / HTT", "400 Bad Request\r\n"),
        (&large, "431 Request Header Fields Too Large\r\n"),
    ] {
        let response = request(&config, dial(), bytes);
        assert!(
            response.starts_with(&format!("HTTP/1.1 {want}")),
            "{response}"
        );
    }
    assert!(get().starts_with("HTTP/1.1 200 "));
    let said = server.stop();
    assert!(said.contains("plain HTTP"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// What a server answers to this; it must close with close_notify.
fn request(config: &Arc<ClientConfig>, tcp: TcpStream, bytes: &[u8]) -> String {
    let mut tls = Stream::connect(Arc::clone(config), "localhost", tcp).unwrap();
    tls.write_all(bytes).unwrap();
    tls.close().unwrap();
    let mut response = String::new();
    tls.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn help_and_usage_name_the_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["client", "--help"],
        &["server", "--help"],
    ] {
        let output = run(arguments, b"");
        check("help", &output, 0, &[]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(
            help.contains("Exit codes:\n  0  all went well\n  1 "),
            "{help}"
        );
    }
    for arguments in [&[][..], &["nonsense"], &["client"], &["server"]] {
        assert_eq!(run(arguments, b"").status.code(), Some(2), "{arguments:?}");
    }
}
