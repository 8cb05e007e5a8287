//! `--early-data` of both sides.

use pith_tests::pki::Pki;
use serde_json::Value;

use crate::process::{Folder, Server, check, leaf, run};
use crate::report::{KEYS, object};

/// Servers, and a client that trusts them.
struct Place {
    folder: Folder,
    ca: String,
    identity: (String, String),
}

impl Place {
    fn new(name: &str) -> Self {
        let (folder, pki) = (Folder::new(name), Pki::new());
        let ca = folder.file("trusted.pem", &pki.root_pem());
        let identity = folder.identity("leaf", &leaf(&pki, |_| ()));
        Self {
            folder,
            ca,
            identity,
        }
    }

    fn serve(&self, options: &[&str]) -> Server {
        let (cert, key) = &self.identity;
        Server::with(&[&["--cert", cert, "--key", key], options].concat())
    }

    fn connect(&self, server: &Server, options: &[&str], input: &[u8]) -> std::process::Output {
        let client = [
            "client",
            &server.address,
            "--ca",
            &self.ca,
            "--sni",
            "localhost",
        ];
        run(&[&client[..], options].concat(), input)
    }
}

/// What became of early data on each connection, and whether it resumed.
fn outcomes(output: &std::process::Output) -> Vec<(bool, String)> {
    let text = str::from_utf8(&output.stdout).unwrap();
    let outcome = |line: &str| {
        let value = object(line, &KEYS);
        let early = value["early_data"].as_str().unwrap().to_owned();
        (value["resumed"].as_bool().unwrap(), early)
    };
    text.lines().map(outcome).collect()
}

#[test]
fn each_resumed_connection_sends_early_data() {
    let place = Place::new("early-series");
    let request = place.folder.file("request", "GET / HTTP/1.1\r\n\r\n");
    let first = (false, "not_offered".to_owned());
    for (options, want) in [
        (&["--early-data"][..], "accepted"),
        (&["--early-data", "18"], "accepted"),
        (&[], "not_offered"),
    ] {
        let mut server = place.serve(&[&["--http", "--json"], options].concat());
        let client = ["--json", "--resume", "2", "--early-data", &request];
        let output = place.connect(&server, &client, b"not sent");
        check("series", &output, 0, &[]);
        let resumed = (true, want.to_owned());
        let wanted = [first.clone(), resumed.clone(), resumed];
        assert_eq!(outcomes(&output), wanted, "{options:?}");
        let theirs = (0..3).map(|_| {
            let value: Value = serde_json::from_str(&server.line()).unwrap();
            assert_eq!(value["error"], Value::Null);
            value["early_data"].as_str().unwrap().to_owned()
        });
        let theirs = theirs.filter(|early| early == "accepted").count();
        assert_eq!(theirs, if want == "accepted" { 2 } else { 0 });
        let said = server.stop();
        let told = said.matches(": 18 bytes of early data, which is replayable");
        assert_eq!(told.count(), theirs, "{said}");
        let warned = said.contains("warning: early data is replayable: ");
        assert_eq!(warned, !options.is_empty(), "{said}");
    }
}

#[test]
fn all_that_is_sent_arrives_once_and_in_order() {
    let place = Place::new("early-order");
    let sessions = ["s", "k"].map(|name| place.folder.0.join(name).display().to_string());
    let session = ["--session", &sessions[0], "--session-key", &sessions[1]];
    let server = place.serve(&["--echo", "--early-data", "1000"]);
    let none = place.connect(&server, &session, b"");
    check("first", &none, 0, &[]);
    for (length, said) in [
        (1, "accepted, 1 bytes\n"),
        (1000, "accepted, 1000 bytes\n"),
        (
            1001,
            "accepted, 1000 bytes, which is what the ticket allows; 1 followed after the handshake\n",
        ),
        (
            65_536,
            "accepted, 1000 bytes, which is what the ticket allows; 64536 followed after the handshake\n",
        ),
    ] {
        let data: String = (0..length)
            .map(|place| char::from(b'a' + (place % 23) as u8))
            .collect();
        let file = place.folder.file("data", &data);
        let options = [&session[..], &["--early-data", &file]].concat();
        let output = place.connect(&server, &options, b", and then standard input");
        check("echo", &output, 0, &["early data", said, "none: resumed"]);
        let want = format!("{data}, and then standard input");
        assert!(output.stdout == want.as_bytes(), "{length}");
    }

    // Without a session there is no early data, and the file comes all the same.
    let file = place.folder.file("data", "first");
    let output = place.connect(&server, &["--early-data", &file], b" then");
    let said = "not offered, so it was sent after the handshake\n";
    check("no session", &output, 0, &[said]);
    assert_eq!(output.stdout, b"first then");

    // A page whose request came early.
    let server = place.serve(&["--http", "--early-data"]);
    let options = [&session[..], &["--alpn", "http/1.1"]].concat();
    check(
        "first",
        &place.connect(&server, &options, b"GET / HTTP/1.1\r\n\r\n"),
        0,
        &[],
    );
    let file = place.folder.file("data", "GET / HTTP/1.1\r\n");
    let options = [&options[..], &["--early-data", &file]].concat();
    let output = place.connect(&server, &options, b"\r\n");
    check("page", &output, 0, &["accepted, 16 bytes"]);
    let page = String::from_utf8(output.stdout).unwrap();
    let row = "<dt>early data</dt><dd>accepted, and replayable</dd>";
    assert!(page.contains(row), "{page}");
}

#[test]
fn rejected_early_data_is_sent_after_the_handshake() {
    let place = Place::new("early-rejected");
    let secret = place.folder.file("secret", &"0123456789abcdef".repeat(2));
    let fleet = format!("fleet:{secret}");
    let sessions = ["s", "k"].map(|name| place.folder.0.join(name).display().to_string());
    let session = ["--session", &sessions[0], "--session-key", &sessions[1]];
    // Its tickets allow early data; the other takes the tickets and no early data.
    let taking = place.serve(&["--echo", "--tickets", &fleet, "--early-data"]);
    let refusing = place.serve(&["--echo", "--tickets", &fleet]);
    check("first", &place.connect(&taking, &session, b""), 0, &[]);
    let file = place.folder.file("data", "sent ");
    let options = [&session[..], &["--early-data", &file]].concat();
    let output = place.connect(&refusing, &options, b"again");
    let said = [
        "none: resumed",
        "rejected, so it was sent after the handshake",
    ];
    check("rejected", &output, 0, &said);
    assert_eq!(output.stdout, b"sent again");

    check("second", &place.connect(&taking, &session, b""), 0, &[]);
    let output = place.connect(&refusing, &[&options[..], &["--json"]].concat(), b"");
    check("json", &output, 0, &[]);
    assert_eq!(outcomes(&output), [(true, "rejected".to_owned())]);
}

#[test]
#[rustfmt::skip]
fn early_data_that_cannot_be_sent_or_taken_is_named() {
    let place = Place::new("early-wrong");
    let empty = place.folder.file("empty", "");
    let most = place.folder.file("most", &"x".repeat(65_536));
    let large = place.folder.file("large", &"x".repeat(65_537));
    let gone = place.folder.0.join("gone").display().to_string();
    let directory = place.folder.0.display().to_string();
    let client: &[(&str, &[&str], i32, &[&str])] = &[
        ("missing", &[&gone], 2, &["expected data to send first", &gone, "cannot be read", "correct the path"]),
        ("directory", &[&directory], 2, &["expected data to send first", "cannot be read"]),
        ("empty", &[&empty], 2, &["--early-data cannot send", &empty, "is empty"]),
        ("too large", &[&large], 2, &["--early-data cannot send", &large, "over 65,536 bytes", "standard input"]),
        ("largest", &[&most], 1, &["no TCP connection"]),
        ("repeated", &[&most, "--repeat", "2"], 2, &["--repeat", "cannot be used with"]),
    ];
    for (name, options, exit_code, parts) in client {
        let client = ["client", "127.0.0.1:1", "--ca", &place.ca, "--early-data"];
        check(name, &run(&[&client, *options].concat(), b""), *exit_code, parts);
    }
    let (cert, key) = &place.identity;
    let server: &[(&str, &[&str], &[&str])] = &[
        ("none", &["--early-data", "0"], &["--early-data", "1..=1048576"]),
        ("too much", &["--early-data", "1048577"], &["--early-data", "1..=1048576"]),
        ("no number", &["--early-data", "all"], &["--early-data", "invalid digit"]),
        ("no tickets", &["--early-data", "--tickets", "none"], &["--early-data comes with tickets", "--tickets none"]),
    ];
    for (name, options, parts) in server {
        let server = ["server", "--listen=127.0.0.1:0", "--cert", cert, "--key", key];
        check(name, &run(&[&server, *options].concat(), b""), 2, parts);
    }
    drop(place.serve(&["--early-data", "1048576"]));
}
