//! `--json` and `--repeat`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use pith_tests::pki::Pki;
use serde_json::{Value, json};

use crate::process::{Folder, Made, Server, check, leaf, peer_that_says, run};

pub(crate) const KEYS: [&str; 18] = [
    "peer",
    "version",
    "group",
    "post_quantum",
    "suite",
    "signature_scheme",
    "server_name",
    "protocol",
    "hello_retry_request",
    "resumed",
    "early_data",
    "psk",
    "client_signature_scheme",
    "peer_key_sha256",
    "server_certificate",
    "milliseconds",
    "bytes",
    "error",
];

/// An object with exactly these keys, in this order.
#[track_caller]
pub(crate) fn object(line: &str, keys: &[&str]) -> Value {
    let value: Value = serde_json::from_str(line).unwrap();
    let places = keys.iter().map(|key| line.find(&format!("\"{key}\":")));
    let places: Vec<_> = places
        .map(|place| place.unwrap_or_else(|| panic!("{line}")))
        .collect();
    assert!(places.is_sorted(), "{line}");
    assert_eq!(value.as_object().unwrap().len(), keys.len(), "{line}");
    value
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let (folder, pki) = (Folder::new("json"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--echo");
    let client = [
        "client",
        &server.address,
        "--ca",
        &ca,
        "--sni",
        "localhost",
        "--json",
    ];
    let help = String::from_utf8(run(&["client", "--help"], b"").stdout).unwrap();
    assert!(KEYS.iter().all(|key| help.contains(key)), "{help}");
    let output = run(&client, b"not sent");
    check("json", &output, 0, &[]);
    assert_eq!(output.stderr, b"");
    let line = String::from_utf8(output.stdout).unwrap();
    let mut value = object(line.strip_suffix('\n').unwrap(), &KEYS);
    for (group, keys) in [
        ("milliseconds", &["connect", "handshake", "total"][..]),
        ("bytes", &["sent", "received"]),
        (
            "server_certificate",
            &["subject", "names", "issuer", "not_after", "key_sha256"],
        ),
    ] {
        let part = value[group].take();
        let part = part.as_object().unwrap();
        assert!(keys.iter().all(|key| part.contains_key(*key)), "{line}");
        if group != "server_certificate" {
            assert!(
                part.values().all(|number| number.as_f64().unwrap() > 0.0),
                "{line}"
            );
        } else {
            assert_eq!(part["subject"], "CN=Pith Test Leaf");
            assert_eq!(part["names"], json!(["localhost", "127.0.0.1"]));
            assert_eq!(part["key_sha256"], value["peer_key_sha256"]);
        }
    }
    let pin = value["peer_key_sha256"].clone();
    assert_eq!(pin.as_str().unwrap().len(), 64);
    let want = json!({
        "peer": server.address, "version": "TLS 1.3", "group": "X25519MLKEM768", "post_quantum": true,
        "suite": "TLS_AES_128_GCM_SHA256", "signature_scheme": "ecdsa_secp256r1_sha256",
        "server_name": "localhost", "protocol": null, "hello_retry_request": false,
        "resumed": false, "early_data": "not_offered", "psk": null, "peer_key_sha256": pin,
        "client_signature_scheme": null, "server_certificate": null, "milliseconds": null,
        "bytes": null, "error": null,
    });
    assert_eq!(value, want);
}

#[test]
fn every_connection_of_a_series_is_reported() {
    let (folder, pki) = (Folder::new("repeat"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--http");
    let client = ["client", &server.address, "--ca", &ca, "--repeat", "11"];
    let output = run(&client, b"not sent");
    check("lines", &output, 0, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 12, "{text}");
    assert!(
        lines[0].starts_with(" 1  X25519MLKEM768  TLS_AES_128_GCM_SHA256  "),
        "{text}"
    );
    assert!(lines[10].starts_with("11  X25519MLKEM768  "), "{text}");
    assert!(lines[11].starts_with("handshake: fastest "), "{text}");
    let output = run(&[&client[..], &["--json"]].concat(), b"");
    check("json", &output, 0, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<_> = text.lines().map(|line| object(line, &KEYS)).collect();
    assert_eq!(objects.len(), 11);

    let output = run(&["client", "127.0.0.1:1", "--repeat", "0"], b"");
    check("none", &output, 2, &["--repeat"]);
    let bad_name = [&client[..5], &["3", "--sni", "not a name"]].concat();
    let output = run(&bad_name, b"");
    check("bad name", &output, 2, &["not a name", "--sni"]);
}

#[test]
fn a_series_resumes_each_connection_from_the_one_before() {
    let (folder, pki) = (Folder::new("resume"), Pki::new());
    let ca = folder.file("trusted.pem", &pki.root_pem());
    let server = Server::start(&folder.identity("leaf", &leaf(&pki, |_| ())), "--echo");
    let client = ["client", &server.address, "--ca", &ca, "--json"];
    for (option, want) in [
        ("--resume", [false, true, true, true]),
        ("--repeat", [false; 4]),
    ] {
        let count = if option == "--resume" { "3" } else { "4" };
        let output = run(&[&client[..], &[option, count]].concat(), b"");
        check(option, &output, 0, &[]);
        let lines = String::from_utf8(output.stdout).unwrap();
        let values: Vec<Value> = lines.lines().map(|line| object(line, &KEYS)).collect();
        let resumed: Vec<bool> = values
            .iter()
            .map(|value| value["resumed"].as_bool().unwrap())
            .collect();
        assert_eq!(resumed, want, "{option}");
        for value in &values {
            assert_eq!(value["group"], "X25519MLKEM768", "{option}");
            assert_eq!(
                value["signature_scheme"].is_null(),
                value["resumed"] == true
            );
        }
    }
    let both = [&client[..], &["--repeat", "2", "--resume", "2"]].concat();
    check("both", &run(&both, b""), 2, &["--resume", "--repeat"]);
}

#[test]
fn failed_connections_are_counted_and_named() {
    let pin = "00".repeat(32);
    // The port is ours at another address, so nothing else comes to listen at this one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("127.0.0.2:{}", listener.local_addr().unwrap().port());
    let client = ["client", &closed, "--pin", &pin, "--repeat", "2"];
    let output = run(&client, b"");
    let parts = [
        "connection 1: no TCP connection",
        "connection 2: ",
        "2 of 2 connections failed",
    ];
    check("lines", &output, 1, &parts);
    assert_eq!(output.stdout, b"1  failed\n2  failed\n");
    let output = run(&[&client[..], &["--json"]].concat(), b"");
    check("json", &output, 1, &["2 of 2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        let value = object(line, &KEYS);
        assert_eq!(value["group"], Value::Null);
        assert!(
            value["error"]
                .as_str()
                .unwrap()
                .contains("no TCP connection"),
            "{line}"
        );
    }
    assert_eq!(text.lines().count(), 2);
    let peer = peer_that_says(vec![21, 3, 3, 0, 2, 2, 40]);
    let output = run(&["client", &peer, "--pin", &pin, "--json"], b"");
    check("refused", &output, 1, &["handshake_failure"]);
    let value = object(String::from_utf8(output.stdout).unwrap().trim(), &KEYS);
    assert_eq!(value["bytes"]["received"], 7);
    assert!(
        value["error"]
            .as_str()
            .unwrap()
            .contains("handshake_failure")
    );
}

#[test]
fn a_server_reports_good_and_bad_clients() {
    let folder = Folder::new("server-json");
    let made = Made::new(&folder, "made", &[]);
    let ([cert, key], [own, own_key]) = (&made.server, &made.client);
    let options = [
        "--cert",
        cert,
        "--key",
        key,
        "--json",
        "--client-auth",
        "optional",
        "--ca",
        &made.ca,
    ];
    let mut server = Server::with(&options);
    let keys = KEYS.map(|key| key.replace("server_certificate", "client_certificate"));
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();

    let client = [
        "client",
        &server.localhost(),
        "--ca",
        &made.ca,
        "--alpn",
        "http/1.1",
    ];
    check(
        "anonymous",
        &run(&client, b"GET / HTTP/1.1\r\n\r\n"),
        0,
        &[],
    );
    let value = object(&server.line(), &keys);
    assert_eq!(value["protocol"], "http/1.1");
    assert_eq!(value["server_name"], "localhost");
    assert_eq!(value["client_certificate"], Value::Null);
    assert_eq!(value["error"], Value::Null);
    assert!(value["milliseconds"]["handshake"].as_f64() <= value["milliseconds"]["total"].as_f64());

    let client = [&client[..], &["--cert", own, "--key", own_key]].concat();
    check("known", &run(&client, b"GET / HTTP/1.1\r\n\r\n"), 0, &[]);
    let value = object(&server.line(), &keys);
    assert_eq!(value["client_certificate"]["subject"], "CN=client");
    assert_eq!(value["client_signature_scheme"], "ecdsa_secp256r1_sha256");
    assert!(value["bytes"]["sent"].as_u64() > Some(2000));

    let mut tcp = TcpStream::connect(&server.address).unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    tcp.read_to_end(&mut Vec::new()).ok();
    let value = object(&server.line(), &keys);
    assert_eq!(value["version"], Value::Null);
    assert_eq!(value["bytes"]["received"], 18);
    assert!(value["error"].as_str().unwrap().contains("HTTP"), "{value}");
}
