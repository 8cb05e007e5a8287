//! `pith get --perf` and `pith server --quic --perf`.

use std::fs;
use std::io::Write;

use pith_io::std::quic::{Endpoint, Error};
use pith_tls::Trust;

use crate::process::{Folder, Made, Server, check, run};
use crate::quic::Site;

#[test]
fn measurements_are_a_table_or_an_object() {
    let folder = Folder::new("perf");
    let made = Made::new(&folder, "pki", &["--name=localhost"]);
    let [cert, key] = &made.server;
    let server = Server::with(&["--quic", "--perf", "--cert", cert, "--key", key]);
    let url = format!("https://{}", server.localhost());
    let get = [
        "get",
        "--perf",
        &url,
        "--perf-bytes=3000001",
        "--perf-requests=250",
        "--ca",
        &made.ca,
    ];
    let output = run(&get, b"");
    check("a table", &output, 0, &["perf"]);
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let [upload, download, requests] = &rows[..] else {
        panic!("{table}");
    };
    assert_eq!(
        (upload[0], upload[1], upload[6]),
        ("upload", "3000001", "Mbit/s")
    );
    assert_eq!((download[0], download[1]), ("download", "3000001"));
    assert_eq!(
        (requests[0], requests[1], requests[6]),
        ("requests", "250", "/s")
    );

    let output = run(&[&get[..], &["--json"]].concat(), b"");
    check("an object", &output, 0, &[]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["upload"]["bytes"], 3_000_001);
    assert_eq!(object["requests"]["count"], 250);
    for (what, unit) in [
        ("upload", "megabits_per_second"),
        ("download", "megabits_per_second"),
        ("requests", "per_second"),
    ] {
        let row = &object[what];
        let [seconds, rate] = ["seconds", unit].map(|name| row[name].as_f64().unwrap());
        let amount = match row["bytes"].as_f64() {
            Some(bytes) => bytes * 8e-6,
            None => 250.0,
        };
        assert!(
            (rate * seconds / amount - 1.0).abs() < 0.01,
            "{what}: {row}"
        );
    }
}

#[test]
fn measurements_beside_files_and_where_there_are_none() {
    let site = Site::serving("--hq", "perf-and-files", &["--perf"]);
    let (ca, url) = (&site.made.ca, site.url("/"));
    let few = ["--perf-bytes=0", "--perf-requests=1", "--ca", ca];
    let measure = [&["get", "--perf", &url], &few[..]].concat();
    check("beside files", &run(&measure, b""), 0, &[]);
    let output = run(&["get", "--hq", &url, "--ca", ca], b"");
    check("files beside", &output, 0, &[]);
    assert_eq!(output.stdout, b"the index");

    let site = Site::serving("--hq", "files-alone", &[]);
    let (ca, url) = (&site.made.ca, site.url("/"));
    let measure = ["get", "--perf", &url, "--ca", ca];
    check(
        "files alone",
        &run(&measure, b""),
        1,
        &["no_application_protocol"],
    );
    let measure = ["get", "--perf", &url, &url, "--ca", ca];
    check("two", &run(&measure, b""), 2, &["--perf expects one URL"]);
    let get = ["get", "--json", &url, "--ca", ca];
    check("json of a file", &run(&get, b""), 2, &["--perf"]);
}

#[test]
fn streams_begin_with_a_number_of_eight_bytes() {
    let folder = Folder::new("perf-streams");
    let made = Made::new(&folder, "pki", &["--name=localhost"]);
    let [cert, key] = &made.server;
    let server = Server::with(&["--quic", "--perf", "--cert", cert, "--key", key]);
    let roots = Trust::roots_from_pem(&fs::read(&made.ca).unwrap()).unwrap();
    let tls = pith_tls::ClientConfig::new(roots).alpn(&[b"perf"]);
    let config = pith_quic::ClientConfig::new(tls.build().unwrap());
    let endpoint = Endpoint::client("127.0.0.1:0").unwrap();
    let address = server.address.parse().unwrap();
    let connected = endpoint.connect(&config.build().unwrap(), address, "localhost");
    let connection = connected.unwrap();
    for (name, sent, want) in [
        ("one byte less", &[0; 7][..], None),
        ("nothing", &[], None),
        ("none wanted", &[0; 8], Some(0)),
        ("some wanted", &[0, 0, 0, 0, 0, 4, 0, 1], Some(0x0004_0001)),
        (
            "more than the number",
            &[0, 0, 0, 0, 0, 0, 0, 3, 9, 9],
            Some(3),
        ),
    ] {
        let (mut send, mut receive) = connection.open_bi().unwrap();
        send.write_all(sent).unwrap();
        send.finish().unwrap();
        match (receive.read_to_end(1 << 20), want) {
            (Ok(came), Some(want)) => assert_eq!(came.len(), want, "{name}"),
            (Err(Error::Reset(code)), None) => assert_eq!(code, 1_u8.into(), "{name}"),
            (other, _) => panic!("{name}: {:?}", other.map(|came| came.len())),
        }
    }
}
