//! Mutual TLS, several credentials, and what strangers write into certificates.

use pith_tests::pki::{Kind, Pki};

use crate::process::{Folder, Made, Server, check, leaf, run};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn a_server_lets_in_whom_it_is_told_to() {
    let folder = Folder::new("mutual");
    let (made, other) = (
        Made::new(&folder, "made", &[]),
        Made::new(&folder, "other", &[]),
    );
    let known = ["--cert", &made.client[0], "--key", &made.client[1]];
    let stranger = ["--cert", &other.client[0], "--key", &other.client[1]];
    let servers_own = ["--cert", &made.server[0], "--key", &made.server[1]];
    let refused: &[&str] = &["does not let this client in", "unknown_ca"];
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], i32, &'a [&'a str]);
    let rows: [Row<'_>; 8] = [
        (
            "required, known",
            &["required"],
            &known,
            0,
            &["client's signature"],
        ),
        (
            "required, none",
            &["required"],
            &[],
            1,
            &[
                "certificate_required",
                "wants a certificate",
                "--cert and --key",
            ],
        ),
        ("required, stranger", &["required"], &stranger, 1, refused),
        (
            "required, not a client's",
            &["required"],
            &servers_own,
            1,
            &["unsupported_certificate"],
        ),
        (
            "optional, known",
            &["optional"],
            &known,
            0,
            &["client's signature"],
        ),
        ("optional, none", &["optional"], &[], 0, &[]),
        ("optional, stranger", &["optional"], &stranger, 1, refused),
        ("none, known", &[], &known, 0, &[]),
    ];
    for (name, mode, own, exit_code, parts) in rows {
        let [cert, key] = &made.server;
        let auth = mode
            .iter()
            .flat_map(|mode| ["--client-auth", mode, "--ca", &made.ca]);
        let options: Vec<_> = ["--cert", cert, "--key", key]
            .into_iter()
            .chain(auth)
            .collect();
        let server = Server::with(&options);
        let client = [&["client", &server.address, "--ca", &made.ca][..], own].concat();
        let output = run(&client, GET);
        check(name, &output, exit_code, parts);
        let page = String::from_utf8(output.stdout).unwrap();
        let shown = page.contains("<dt>client</dt><dd>CN=client</dd>");
        assert_eq!(
            shown,
            exit_code == 0 && own == known && name != "none, known",
            "{name}: {page}"
        );
        // The refusal comes after the client's handshake is done, and yet it is not missed.
        let output = run(&[&client[..], &["--repeat", "1"]].concat(), b"");
        check(
            name,
            &output,
            exit_code,
            if exit_code == 0 { &[] } else { parts },
        );
    }
}

#[test]
fn what_a_client_wrote_into_its_certificate_is_text() {
    let (folder, pki) = (Folder::new("hostile"), Pki::new());
    let ca = folder.file("ca.pem", &pki.root_pem());
    let hostile = "<script>\"&'\u{1b}[2J\u{202e},O=Bank";
    let client = pki.leaf_with(Kind::P256, &[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, hostile);
        let uri = "x:<script>\u{1b}[2J".try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
    });
    let own = folder.identity("client", &client);
    let (cert, key) = folder.identity("server", &leaf(&pki, |_| ()));
    let auth = [
        "--cert",
        &cert,
        "--key",
        &key,
        "--client-auth",
        "required",
        "--ca",
        &ca,
        "--json",
    ];
    let mut server = Server::with(&auth);
    let client = [
        "client",
        &server.address,
        "--ca",
        &ca,
        "--cert",
        &own.0,
        "--key",
        &own.1,
    ];
    let output = run(&client, GET);
    check("page", &output, 0, &[]);
    let page = String::from_utf8(output.stdout).unwrap();
    for part in [
        "<dd>CN=\\\\&lt;script\\\\&gt;\\\\&quot;&amp;&#39;\\u{1b}[2J\\u{202e}\\\\,O\\\\=Bank</dd>",
        "<dd>x:&lt;script&gt;\\u{1b}[2J</dd>",
    ] {
        assert!(page.contains(part), "no {part} in: {page}");
    }
    let line = server.line();
    let safe = |text: &str| !text.contains(['\u{1b}', '\u{202e}']);
    assert!(
        safe(&page) && !page.contains("<script>") && safe(&line),
        "{page} {line}"
    );
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let subject = json["client_certificate"]["subject"].as_str().unwrap();
    assert_eq!(subject, "CN=\\<script\\>\\\"&'\u{1b}[2J\u{202e}\\,O\\=Bank");

    // The other way round, on a terminal and as JSON.
    let pin = json["client_certificate"]["key_sha256"].as_str().unwrap();
    let server = Server::start(&own, "--echo");
    let output = run(&["client", &server.address, "--pin", pin], b"");
    let escaped = "\\u{1b}[2J\\u{202e}\\\\,O\\\\=Bank";
    check("terminal", &output, 0, &[escaped]);
    assert!(safe(&String::from_utf8(output.stderr).unwrap()));
    let output = run(&["client", &server.address, "--pin", pin, "--json"], b"");
    check("json", &output, 0, &[]);
    assert!(safe(&String::from_utf8(output.stdout).unwrap()));
}

#[test]
fn a_server_shows_the_credential_that_suits() {
    let folder = Folder::new("several");
    let made: Vec<_> = ["a.example", "b.example"]
        .iter()
        .map(|name| Made::new(&folder, name, &["--name", name]))
        .collect();
    let pairs = made
        .iter()
        .flat_map(|made| ["--cert", &*made.server[0], "--key", &*made.server[1]]);
    let server = Server::with(&pairs.collect::<Vec<_>>());
    for (name, made) in ["a.example", "b.example"].iter().zip(&made) {
        let client = [
            "client",
            &server.address,
            "--ca",
            &made.ca,
            "--sni",
            name,
            "--repeat",
            "1",
        ];
        check(name, &run(&client, b""), 0, &[]);
    }
    let said = server.stop();
    assert_eq!(said.matches("--pin ").count(), 2, "{said}");
}

#[test]
#[rustfmt::skip]
fn identity_options_that_do_not_fit_together_are_named() {
    let folder = Folder::new("unfit");
    let made = Made::new(&folder, "made", &[]);
    let ([cert, key], [_, other]) = (&made.server, &made.client);
    let gone = folder.0.join("gone").to_str().unwrap().to_owned();
    let directory = folder.0.to_str().unwrap();
    let server = ["server", "--listen", "127.0.0.1:0"];
    let client = ["client", "a:1", "--ca", &made.ca];
    let rows: &[(&str, &[&str], &[&str], &[&str])] = &[
        ("no certificate", &server, &[], &["expects a certificate and its key", "pith pki"]),
        ("no key", &server, &["--cert", cert], &["one --key for each --cert", "1 of --cert and 0 of --key"]),
        ("one key", &server, &["--cert", cert, "--cert", cert, "--key", key], &["2 of --cert and 1 of --key"]),
        ("second pair", &server, &["--cert", cert, "--key", key, "--cert", cert, "--key", other], &["client.key", "private key"]),
        ("asks nobody", &server, &["--cert", cert, "--key", key, "--ca", &made.ca], &["--client-auth is none", "required"]),
        ("trusts nobody", &server, &["--cert", cert, "--key", key, "--client-auth", "required"], &["expects --ca FILE", "pith pki --client"]),
        ("optional", &server, &["--cert", cert, "--key", key, "--client-auth", "optional"], &["expects --ca FILE"]),
        ("mode", &server, &["--client-auth", "maybe"], &["--client-auth", "none, optional, required"]),
        ("key as CA", &server, &["--cert", cert, "--key", key, "--client-auth", "required", "--ca", key], &["cannot be used for --ca", "private key"]),
        ("client's key gone", &client, &["--cert", cert, "--key", &gone], &["expected a private key", "gone"]),
        ("client's key alone", &client, &["--key", key], &["0 of --cert and 1 of --key"]),
        ("client's other key", &client, &["--cert", cert, "--key", other], &["cannot be used for --cert and --key"]),
        ("a directory", &client, &["--cert", directory, "--key", key], &["expected a certificate chain", directory, "irectory"]),
        ("CA is a directory", &["client", "a:1"], &["--ca", directory], &["expected CA certificates", "irectory"]),
    ];
    for (name, command, options, parts) in rows {
        let output = run(&[*command, *options].concat(), b"");
        check(name, &output, 2, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
}
