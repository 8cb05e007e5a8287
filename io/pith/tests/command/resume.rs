//! `--resume` and `--tickets`.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::thread;

use pith_io::std::Stream;
use pith_tests::pki::Pki;
use pith_tls::{Credential, ServerConfig, Tickets};
use serde_json::Value;

use crate::process::{Folder, Server, check, leaf, run};
use crate::report::{KEYS, object};

/// Connects this often and once more; of each connection, whether it resumed.
fn resume(server: &Server, ca: &str, more: &str, said: &[&str]) -> Vec<bool> {
    let client = ["client", &server.address, "--ca", ca, "--json", "--resume"];
    let output = run(&[&client[..], &[more]].concat(), b"not sent");
    check("resume", &output, 0, said);
    assert_eq!(output.stderr.is_empty(), said.is_empty());
    let text = String::from_utf8(output.stdout).unwrap();
    let objects = text.lines().map(|line| object(line, &KEYS));
    let resumed = objects.map(|value| {
        assert_eq!(value["group"], "X25519MLKEM768");
        // A server that resumes signs nothing.
        let resumed = value["resumed"].as_bool().unwrap();
        assert_eq!(value["signature_scheme"] == Value::Null, resumed);
        resumed
    });
    resumed.collect()
}

/// Of how many connections among these the server says that they resumed. It reports them in the order in which they end.
fn resumed(server: &mut Server, count: usize) -> usize {
    let lines = (0..count).map(|_| {
        let value: Value = serde_json::from_str(&server.line()).unwrap();
        value["resumed"].as_bool().unwrap()
    });
    lines.filter(|resumed| *resumed).count()
}

#[test]
fn each_connection_resumes_by_the_ticket_of_the_one_before() {
    let (folder, pki) = (Folder::new("resume-tickets"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let (cert, key) = folder.identity("leaf", &leaf(&pki, |_| ()));
    let secret = folder.file("secret", &"0123456789abcdef".repeat(2));
    let fleet = format!("fleet:{secret}");
    let none = [
        "connection 2 did not resume: ",
        "connection 3 did not resume: ",
        "got no ticket",
    ];
    for (tickets, want, said) in [
        (&[][..], [false, true, true], &[][..]),
        (&["--tickets", "rotating"], [false, true, true], &[]),
        (&["--tickets", &fleet], [false, true, true], &[]),
        (&["--tickets", "none"], [false, false, false], &none),
    ] {
        let options = ["--cert", &cert, "--key", &key, "--echo", "--json"];
        let mut server = Server::with(&[&options[..], tickets].concat());
        assert_eq!(resume(&server, &ca, "2", said), want, "{tickets:?}");
        let theirs = resumed(&mut server, want.len());
        let ours = want.iter().filter(|resumed| **resumed).count();
        assert_eq!(theirs, ours, "{tickets:?}");
    }
}

/// A ticket that is older than the connection before is not used, however many there are.
#[test]
fn a_connection_that_brings_no_ticket_ends_the_line() {
    let (folder, pki) = (Folder::new("resume-line"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let identity = leaf(&pki, |_| ());
    let (tickets, none) = (Tickets::rotating(), Tickets::none());
    let [file, key] = ["s", "k"].map(|name| folder.0.join(name).display().to_string());
    // With a file of sessions the client asks for more tickets than it needs.
    for options in [&[][..], &["--session", &file, "--session-key", &key]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let order = [&tickets, &tickets, &none, &tickets, &tickets].map(Clone::clone);
        let (chain, own) = (identity.chain_pem.clone(), identity.key_pem.clone());
        let server = thread::spawn(move || {
            for tickets in order {
                let credential = Credential::from_pem(chain.as_bytes(), own.as_bytes()).unwrap();
                let config = ServerConfig::new(credential).tickets(tickets);
                let (tcp, _) = listener.accept().unwrap();
                let mut tls = Stream::accept(config.build().unwrap(), tcp).unwrap();
                tls.close().unwrap();
                tls.read_to_end(&mut Vec::new()).unwrap();
            }
        });
        let client = ["client", &address, "--ca", &ca, "--json", "--resume", "4"];
        let output = run(&[&client[..], options].concat(), b"");
        let said = [
            "connection 3 did not resume: the server did not take the ticket",
            "connection 4 did not resume: the connection before got no ticket",
        ];
        check("line", &output, 0, &said);
        let text = String::from_utf8(output.stdout).unwrap();
        let values = text
            .lines()
            .map(|line| object(line, &KEYS)["resumed"].clone());
        let want = [false, true, false, false, true].map(Value::Bool);
        assert_eq!(values.collect::<Vec<_>>(), want, "{options:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_person_sees_which_connections_resumed() {
    let (folder, pki) = (Folder::new("resume-lines"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--http");
    let client = ["client", &server.address, "--ca", &ca, "--resume", "1"];
    let output = run(&client, b"");
    check("lines", &output, 0, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("  ecdsa_secp256r1_sha256  "), "{text}");
    assert!(lines[1].contains("  none: resumed  "), "{text}");
}

#[test]
fn what_is_wrong_with_tickets_is_said() {
    let (folder, pki) = (Folder::new("resume-wrong"), Pki::new());
    let (cert, key) = folder.identity("leaf", &leaf(&pki, |_| ()));
    let short = folder.file("short", &"x1".repeat(15));
    let missing = folder.0.join("missing").to_str().unwrap().to_owned();
    assert!(fs::metadata(&missing).is_err());
    for (tickets, parts) in [
        ("sometimes", &["--tickets expects", "\"sometimes\""][..]),
        ("fleet:", &["--tickets expects", "fleet:FILE"]),
        (
            &format!("fleet:{short}"),
            &[&short, "32 bytes", "/dev/urandom"],
        ),
        (&format!("fleet:{missing}"), &[&missing, "cannot be read"]),
    ] {
        let server = ["server", "--listen=127.0.0.1:0", "--cert", &cert, "--key"];
        let options = [&key, "--tickets", tickets];
        let output = run(&[&server[..], &options[..]].concat(), b"");
        check(tickets, &output, 2, parts);
    }
    let client = ["client", "127.0.0.1:1", "--resume"];
    for options in [&["0"][..], &["1", "--repeat", "1"]] {
        let output = run(&[&client[..], options].concat(), b"");
        check("client", &output, 2, &["--resume"]);
    }
}
