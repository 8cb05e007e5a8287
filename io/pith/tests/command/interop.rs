//! `pith interop`: what it says of environments that it cannot use, and the exit codes that the runner reads.

use std::fs;

use crate::process::{Folder, Made, check, finish, pith};

/// The directories that the runner mounts.
fn mounts(name: &str) -> Folder {
    let folder = Folder::new(name);
    let made = Made::new(&folder, "pki", &["--name=localhost"]);
    for sub in ["certs", "www"] {
        fs::create_dir_all(folder.0.join(sub)).unwrap();
    }
    let [cert, key] = &made.server;
    for (from, to) in [(cert, "cert.pem"), (key, "priv.key"), (&made.ca, "ca.pem")] {
        fs::copy(from, folder.0.join("certs").join(to)).unwrap();
    }
    folder
}

#[test]
fn exit_codes_of_endpoints() {
    let folder = mounts("interop-codes");
    let [certs, www, downloads, gone] = ["certs", "www", "downloads", "gone"]
        .map(|name| folder.0.join(name).to_str().unwrap().to_owned());
    let client = |requests: &str, certs: &str| {
        [
            "client",
            "--downloads",
            &downloads,
            "--certs",
            certs,
            "--requests",
            requests,
        ]
        .map(str::to_owned)
    };
    let server = |www: &str, certs: &str, address: &str| {
        [
            "server", "--www", www, "--certs", certs, "--listen", address,
        ]
        .map(str::to_owned)
    };
    let (one, any) = ("https://localhost:1/a", "127.0.0.1:0");
    for (name, options, testcase, code, part) in [
        (
            "a client of no such case",
            client(one, &certs),
            "handshakes",
            127,
            "those are: handshake, transfer,",
        ),
        (
            "a server of no such case",
            server(&www, &certs, any),
            "versionnegotiation",
            127,
            "not supported",
        ),
        ("no case", client(one, &certs), "", 127, "not supported"),
        ("no files", client(" ", &certs), "transfer", 1, "got none"),
        (
            "no URL",
            client("http://localhost/a", &certs),
            "transfer",
            1,
            "https alone",
        ),
        (
            "two servers",
            client("https://localhost/a https://[::1]/b", &certs),
            "transfer",
            1,
            "got two servers",
        ),
        (
            "nothing to trust",
            client(one, &www),
            "transfer",
            1,
            "expected ca.pem or cert.pem",
        ),
        (
            "no certificate",
            server(&www, &www, any),
            "transfer",
            1,
            "cert.pem",
        ),
        (
            "no files to serve",
            server(&gone, &certs, any),
            "transfer",
            1,
            "--www expects a directory",
        ),
        (
            "nowhere to listen",
            server(&www, &certs, "192.0.2.1:1"),
            "transfer",
            1,
            "cannot listen on",
        ),
    ] {
        let mut command = pith(&["interop"]);
        command.args(options).env("TESTCASE", testcase);
        check(name, &finish(command, b""), code, &[part]);
    }
}
