//! `--psk` and `--raw-key`: sides without certificates.

use serde_json::Value;

use crate::process::{Folder, Made, Server, check, run};

/// The pin that a server shows for its first key.
fn pin(key: &str) -> String {
    let server = Server::with(&["--raw-key", key, "--echo", "--json"]);
    let client = ["client", &server.address, "--pin", &"0".repeat(64)];
    let output = run(&client, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    let (_, pin) = said.split_once("SHA-256 ").unwrap();
    pin[..64].to_owned()
}

#[test]
fn a_pre_shared_key_stands_for_certificates() {
    let folder = Folder::new("psk");
    let [one, two] = ["one", "two"].map(|name| folder.file(name, &name.repeat(8)));
    let (alice, bob) = (format!("alice:{one}"), format!("bob:{two}"));
    let mut server = Server::with(&["--psk", &alice, "--psk", &bob, "--echo", "--json"]);
    for (identity, psk) in [("alice", &alice), ("bob", &bob)] {
        let address = server.address.clone();
        let client = ["client", &address, "--psk", psk];
        let output = run(&client, b"hello");
        let said = [
            &format!("pre-shared key     {identity}\n"),
            "X25519MLKEM768 (post-quantum)",
        ];
        check(identity, &output, 0, &said);
        check(
            "everybody's key",
            &output,
            0,
            &["pass for either side", "chmod 600"],
        );
        assert_eq!(output.stdout, b"hello");
        let value: Value = serde_json::from_str(&server.line()).unwrap();
        assert_eq!(value["psk"], identity);
        assert_eq!(value["signature_scheme"], Value::Null);
        let output = run(&[&client[..], &["--json"]].concat(), b"");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&value["psk"], &value["resumed"]),
            (&identity.into(), &false.into())
        );
        server.line();
    }
}

#[test]
fn keys_and_certificates_stand_side_by_side() {
    let folder = Folder::new("psk-and");
    let made = Made::new(&folder, "made", &[]);
    let [one, two] = ["one", "two"].map(|name| folder.file(name, &name.repeat(8)));
    let (alice, bob) = (format!("alice:{one}"), format!("bob:{two}"));
    let [cert, key] = &made.server;
    let server = Server::with(&["--psk", &alice, "--cert", cert, "--key", key, "--echo"]);
    let own = Server::with(&["--cert", cert, "--key", key, "--echo"]);
    for (name, server, options, said) in [
        (
            "key",
            &server,
            &["--psk", &alice, "--ca", &made.ca][..],
            "alice",
        ),
        (
            "other key",
            &server,
            &["--psk", &bob, "--ca", &made.ca],
            "ecdsa_",
        ),
        ("certificate", &server, &["--ca", &made.ca], "ecdsa_"),
        (
            "no keys there",
            &own,
            &["--psk", &alice, "--ca", &made.ca],
            "ecdsa_",
        ),
    ] {
        let output = run(&[&["client", &server.address], options].concat(), b"hello");
        check(name, &output, 0, &[said]);
        assert_eq!(output.stdout, b"hello", "{name}");
    }
}

#[test]
#[rustfmt::skip]
fn pre_shared_keys_that_cannot_be_used_are_named() {
    let folder = Folder::new("psk-wrong");
    let made = Made::new(&folder, "made", &[]);
    let [one, two] = ["one", "two"].map(|name| folder.file(name, &name.repeat(8)));
    let (empty, short) = (folder.file("empty", ""), folder.file("short", &"x".repeat(15)));
    let directory = folder.0.display().to_string();
    let alice = format!("alice:{one}");
    let bad: &[(&str, String, &[&str])] = &[
        ("no file", "alice".to_owned(), &["--psk expects IDENTITY:FILE", "\"alice\""]),
        ("no path", "alice:".to_owned(), &["--psk expects IDENTITY:FILE"]),
        ("no identity", format!(":{one}"), &["--psk expects IDENTITY:FILE"]),
        ("long identity", format!("{}:{one}", "i".repeat(256)), &["--psk", "255"]),
        ("missing", format!("alice:{one}.gone"), &["expected a pre-shared key", "cannot be read"]),
        ("directory", format!("alice:{directory}"), &["expected a pre-shared key", "cannot be read"]),
        ("empty", format!("alice:{empty}"), &["--psk alice", "16 bytes", "/dev/urandom"]),
        ("short", format!("alice:{short}"), &["--psk alice", "16 bytes"]),
    ];
    for (name, psk, parts) in bad {
        for side in [&["client", "127.0.0.1:1"][..], &["server", "--listen=127.0.0.1:0"]] {
            check(name, &run(&[side, &["--psk", psk]].concat(), b""), 2, parts);
        }
    }
    let twice = ["client", "127.0.0.1:1", "--psk", &alice, "--psk", &format!("alice:{two}")];
    check("twice", &run(&twice, b""), 2, &["--psk names \"alice\" twice"]);

    // A wrong key, or one that the other side does not have, lets nobody in.
    let server = Server::with(&["--psk", &alice, "--echo"]);
    let plain = Server::with(&["--cert", &made.server[0], "--key", &made.server[1], "--echo"]);
    let wrong: &[(&str, &Server, String, &[&str])] = &[
        ("wrong key", &server, format!("alice:{two}"), &["decrypt_error", "--psk"]),
        ("unknown", &server, format!("bob:{one}"), &["unknown_psk_identity", "--psk"]),
        ("only certificates", &plain, alice.clone(), &["ended the handshake"]),
    ];
    for (name, server, psk, parts) in wrong {
        let output = run(&["client", &server.address, "--psk", psk], b"secret");
        check(name, &output, 1, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
    let output = run(&["client", &server.address, "--ca", &made.ca], b"secret");
    check("no key", &output, 1, &["unknown_psk_identity"]);
    // It still serves who has the key.
    let output = run(&["client", &server.address, "--psk", &alice], b"hello");
    check("right key", &output, 0, &[]);
    assert_eq!(output.stdout, b"hello");
}

#[test]
fn raw_keys_are_pinned_on_both_sides() {
    let folder = Folder::new("raw");
    for kind in ["ecdsa-p256", "ed25519", "ml-dsa-65"] {
        let made = Made::new(&folder, kind, &["--key-type", kind]);
        let ([_, key], [_, own]) = (&made.server, &made.client);
        let (pin, own_pin) = (pin(key), pin(own));
        let auth = ["--client-auth", "required", "--pin", &own_pin, "--json"];
        let mut server = Server::with(&[&["--raw-key", key, "--echo"], &auth[..]].concat());
        let client = ["client", &server.address, "--pin", &pin, "--raw-key", own];
        let output = run(&client, b"hello");
        let row = format!("server's raw key    SHA-256 {pin}\n");
        check(kind, &output, 0, &[&row]);
        assert_eq!(output.stdout, b"hello", "{kind}");
        let value: Value = serde_json::from_str(&server.line()).unwrap();
        assert_eq!(value["client_certificate"], Value::Null);
        assert_eq!(value["peer_key_sha256"], own_pin);
        let said = server.stop();
        assert!(said.contains(&format!("--pin {pin}")), "{said}");

        // The same keys in certificates, to who pins them; and a server that has both.
        let server = Server::with(&[
            "--cert",
            &made.server[0],
            "--key",
            key,
            "--raw-key",
            key,
            "--echo",
            "--client-auth",
            "optional",
            "--pin",
            &own_pin,
        ]);
        let [cert, own] = &made.client;
        for options in [
            &["--pin", &pin, "--cert", cert, "--key", own][..],
            &["--ca", &made.ca, "--cert", cert, "--key", own],
            &["--pin", &pin],
        ] {
            let output = run(&[&["client", &server.address], options].concat(), b"hello");
            check(kind, &output, 0, &[]);
            assert_eq!(output.stdout, b"hello", "{kind} {options:?}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn raw_keys_that_cannot_be_used_are_named() {
    let folder = Folder::new("raw-wrong");
    let made = Made::new(&folder, "made", &[]);
    let ([cert, key], [_, own]) = (&made.server, &made.client);
    let (empty, gone) = (folder.file("empty", ""), format!("{cert}.gone"));
    let directory = folder.0.display().to_string();
    let bad: &[(&str, &str, &[&str])] = &[
        ("missing", &gone, &["expected a private key", &gone, "cannot be read"]),
        ("directory", &directory, &["expected a private key", "cannot be read"]),
        ("empty", &empty, &["--raw-key", &empty, "is empty"]),
        ("certificate", cert, &["--raw-key", cert, "a certificate"]),
    ];
    let zeros = "0".repeat(64);
    for (name, file, parts) in bad {
        for side in [&["client", "127.0.0.1:1", "--pin", &zeros][..], &["server", "--listen=127.0.0.1:0"]] {
            check(name, &run(&[side, &["--raw-key", file]].concat(), b""), 2, parts);
        }
    }
    let pin = pin(key);
    let auth: &[(&str, &[&str], &[&str])] = &[
        ("pin for nobody", &["--pin", &pin], &["--pin say whose clients are let in", "--client-auth required"]),
        ("nobody pinned", &["--client-auth", "required"], &["--client-auth expects --ca", "--pin"]),
        ("pin and CA", &["--client-auth", "required", "--pin", &pin, "--ca", &made.ca], &["cannot be used with"]),
        ("short pin", &["--client-auth", "required", "--pin", "00"], &["64 hex digits"]),
    ];
    for (name, options, parts) in auth {
        let server = ["server", "--listen=127.0.0.1:0", "--raw-key", key];
        check(name, &run(&[&server, *options].concat(), b""), 2, parts);
    }
    let server = Server::with(&["--raw-key", key, "--echo", "--client-auth", "required", "--pin", &pin]);
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("roots", &["--ca", &made.ca], &["unsupported_certificate", "--pin"]),
        ("wrong pin", &["--pin", &zeros], &["did not prove", &pin, "pin it"]),
        ("no key of its own", &["--pin", &pin], &["certificate_required", "--cert"]),
        ("another key", &["--pin", &pin, "--raw-key", own], &["certificate_unknown"]),
    ];
    for (name, options, parts) in rows {
        let output = run(&[&["client", &server.address], *options].concat(), b"secret");
        check(name, &output, 1, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
}
