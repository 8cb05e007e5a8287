//! `pith pki`: its files work, are private where they must be, and take nobody else's place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::process::{Folder, Made, Server, check, run};

/// Each kind of key in a CA, a server and a client, with mutual TLS.
#[test]
fn every_kind_of_key_serves_and_connects() {
    let folder = Folder::new("kinds");
    for (kind, scheme) in [
        ("ecdsa-p256", "ecdsa_secp256r1_sha256"),
        ("ecdsa-p384", "ecdsa_secp384r1_sha384"),
        ("ecdsa-p521", "ecdsa_secp521r1_sha512"),
        ("ed25519", "ed25519"),
        ("rsa-2048", "rsa_pss_rsae_sha256"),
        ("rsa-3072", "rsa_pss_rsae_sha256"),
        ("rsa-4096", "rsa_pss_rsae_sha256"),
        ("ml-dsa-44", "mldsa44"),
        ("ml-dsa-65", "mldsa65"),
        ("ml-dsa-87", "mldsa87"),
    ] {
        let made = Made::new(&folder, kind, &["--key-type", kind]);
        let [cert, key] = &made.server;
        let ca = ["--client-auth", "required", "--ca", &made.ca];
        let server = Server::with(&[&["--cert", cert, "--key", key, "--echo"][..], &ca].concat());
        let [cert, key] = &made.client;
        for address in [server.localhost(), server.address.clone()] {
            let arguments = [
                "client", &address, "--ca", &made.ca, "--cert", cert, "--key", key,
            ];
            let output = run(&arguments, b"hello");
            check(
                kind,
                &output,
                0,
                &[scheme, "client's signature", "Pith throwaway CA"],
            );
            assert_eq!(output.stdout, b"hello", "{kind}");
        }
    }
}

#[test]
fn keys_are_private_and_the_cas_is_not_kept() {
    let folder = Folder::new("modes");
    let made = Made::new(&folder, "made", &[]);
    let mut names: Vec<_> = fs::read_dir(folder.0.join("made"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "ca.pem",
            "client.key",
            "client.pem",
            "server.key",
            "server.pem"
        ]
    );
    for key in [&made.server[1], &made.client[1]] {
        let mode = fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new("again");
    for taken in ["ca.pem", "server.key", "client.pem"] {
        let out = folder.0.join(taken.replace('.', "-"));
        fs::create_dir_all(&out).unwrap();
        let link = taken == "client.pem";
        match link {
            // A link into nowhere: what is written there would make a file elsewhere.
            true => symlink(folder.0.join("elsewhere"), out.join(taken)).unwrap(),
            false => fs::write(out.join(taken), "mine").unwrap(),
        }
        let output = run(&["pki", "--client", "--out", out.to_str().unwrap()], b"");
        check(taken, &output, 2, &[taken, "is there already", "--out"]);
        assert_eq!(output.stdout, b"", "{taken}");
        assert_eq!(
            fs::read_dir(&out).unwrap().count(),
            1,
            "{taken}: nothing else was made"
        );
        assert!(
            link || fs::read(out.join(taken)).unwrap() == b"mine",
            "{taken}"
        );
        assert!(!folder.0.join("elsewhere").exists());
    }
}

#[test]
fn names_and_days_are_those_asked_for() {
    let folder = Folder::new("names");
    let names = [
        "--name",
        "*.example.org",
        "--name",
        "192.0.2.7",
        "--name",
        "fd00::7",
    ];
    let made = Made::new(&folder, "made", &[&["--days", "400"], &names[..]].concat());
    let [cert, key] = &made.server;
    let server = Server::with(&["--cert", cert, "--key", key]);
    let arguments = [
        "client",
        &server.address,
        "--ca",
        &made.ca,
        "--json",
        "--sni",
    ];
    let output = run(&[&arguments[..], &["www.example.org"]].concat(), b"");
    check("name", &output, 0, &[]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = &json["server_certificate"];
    let want = serde_json::json!(["*.example.org", "192.0.2.7", "fd00::7"]);
    assert_eq!(shown["names"], want);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let left = shown["not_after"].as_u64().unwrap() - now;
    assert!((399 * 86_400..=400 * 86_400).contains(&left), "{left}");
    for name in ["192.0.2.7", "fd00::7"] {
        check(name, &run(&[&arguments[..], &[name]].concat(), b""), 0, &[]);
    }
    for name in ["example.org", "localhost"] {
        let output = run(&[&arguments[..], &[name]].concat(), b"");
        check(name, &output, 1, &["did not prove", "*.example.org"]);
    }
}

/// What the command tells its user to type next.
#[test]
fn the_commands_that_it_names_work() {
    let folder = Folder::new("next");
    for (name, options) in [
        ("plain", &[][..]),
        ("mutual", &["--client", "alice@example.org"]),
        ("named", &["--name", "*.example.org"]),
    ] {
        let out = folder.0.join(name);
        let output = run(
            &[&["pki", "--out", out.to_str().unwrap()], options].concat(),
            b"",
        );
        check(name, &output, 0, &[]);
        let shown = String::from_utf8(output.stdout).unwrap();
        let words = |role: &str| {
            let line = shown
                .lines()
                .find_map(|line| line.trim().strip_prefix(role))
                .unwrap();
            line.split(' ').map(str::to_owned).collect::<Vec<_>>()
        };
        let server = words("pith server --listen 127.0.0.1:8443 ");
        let server = Server::with(&server.iter().map(String::as_str).collect::<Vec<_>>());
        let port = server.address.rsplit_once(':').unwrap().1;
        let client = words("pith client ");
        let client: Vec<_> = client
            .iter()
            .map(|word| word.replace(":8443", &format!(":{port}")))
            .collect();
        let client = [
            &["client"],
            &*client.iter().map(String::as_str).collect::<Vec<_>>(),
        ]
        .concat();
        let output = run(&client, b"");
        check(name, &output, 0, &[]);
        assert!(output.stdout.starts_with(b"1  X25519MLKEM768  "), "{name}");
    }
}

#[test]
#[rustfmt::skip]
fn pki_names_what_is_wrong_with_its_arguments() {
    let folder = Folder::new("wrong");
    let file = folder.file("file", "");
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("a file", &["--out", &file], &["--out expects a directory", &file, "give another"]),
        ("beneath a file", &["--out", &format!("{file}/x")], &["--out expects a directory"]),
        ("no name", &["--name", "not a name"], &["--name expects a DNS name", "\"not a name\""]),
        ("mail", &["--name", "a@example.org"], &["--name expects a DNS name"]),
        ("inner star", &["--name", "a.*.org"], &["--name expects a DNS name"]),
        ("star address", &["--name", "*.127.0.0.1"], &["--name expects a DNS name"]),
        ("no days", &["--days", "0"], &["--days", "1..=3650"]),
        ("nobody", &["--client="], &["--client"]),
        ("kind", &["--key-type", "dsa"], &["--key-type", "ecdsa-p256", "ml-dsa-87"]),
    ];
    let made = folder.0.join("made");
    let out = ["--out", made.to_str().unwrap()];
    for (name, arguments, parts) in rows {
        let own: &[&str] = if arguments.contains(&"--out") { &[] } else { &out };
        let output = run(&[&["pki"], own, arguments].concat(), b"");
        check(name, &output, 2, parts);
        assert_eq!(output.stdout, b"", "{name}");
        assert!(!made.exists(), "{name}");
    }
}
