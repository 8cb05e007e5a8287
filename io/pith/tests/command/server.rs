//! `pith server`: bad arguments, and bad clients.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use pith_io::std::Stream;
use pith_tests::pki::{self, Pki};
use pith_tls::{ClientConfig, Trust};

use crate::process::{Folder, Server, check, leaf, run};

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
