//! What `pith pki` makes, and what the client and the server do, with another implementation: OpenSSL of 3.5 or later, which has ML-DSA. Imported
//! pre-shared keys are not among it, since its commands take none.
//!
//! The command is named by PITH_OPENSSL, or is the one that `peers/openssl/build.sh` left in the cache. Without it the test says
//! that it was skipped, and with CI=true that fails.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use pith_tls::{SubjectPublicKeyInfoDer, raw_key_pin};
use serde_json::Value;

use crate::process::{Folder, LIMIT, Made, Server, check, finish};

#[test]
fn openssl_takes_the_files_and_speaks_with_the_server() {
    let Some(openssl) = find("openssl_takes_the_files_and_speaks_with_the_server") else {
        return;
    };
    let run = |arguments: &[&str], input: &[u8]| openssl.run(arguments, input);
    let folder = Folder::new("openssl");
    for kind in ["ecdsa-p384", "rsa-3072", "ed25519", "ml-dsa-65"] {
        let made = Made::new(&folder, kind, &["--key-type", kind]);
        for ([cert, key], purpose) in [(&made.server, "sslserver"), (&made.client, "sslclient")] {
            let verify = [
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                &made.ca,
                cert,
            ];
            check(kind, &run(&verify, b""), 0, &[]);
            check(kind, &run(&["pkey", "-in", key, "-noout"], b""), 0, &[]);
        }
        let [cert, key] = &made.server;
        let auth = [
            "--client-auth",
            "required",
            "--ca",
            &made.ca,
            "--require-pq",
        ];
        let server = Server::with(&[&["--cert", cert, "--key", key][..], &auth].concat());
        let [cert, key] = &made.client;
        let client = [
            "s_client",
            "-connect",
            &server.address,
            "-CAfile",
            &made.ca,
            "-cert",
            cert,
            "-key",
            key,
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-servername",
            "localhost",
        ];
        let output = run(&client, b"GET / HTTP/1.1\r\n\r\n");
        check(kind, &output, 0, &[]);
        let page = String::from_utf8(output.stdout).unwrap();
        for part in [
            "<dd>X25519MLKEM768 (post-quantum)</dd>",
            "<dt>client</dt><dd>CN=client</dd>",
            "</html>",
        ] {
            assert!(page.contains(part), "{kind}: no {part} in: {page}");
        }
    }
}

#[test]
fn openssl_resumes_and_takes_early_data_of_the_client() {
    let Some(openssl) = find("openssl_resumes_and_takes_early_data_of_the_client") else {
        return;
    };
    let folder = Folder::new("openssl-early");
    let made = Made::new(&folder, "made", &[]);
    let [cert, key] = &made.server;
    let early = folder.file("early", "first second\n");
    let [session, session_key] = ["s", "k"].map(|name| folder.0.join(name).display().to_string());
    for (name, options, want, arrived) in [
        (
            "early data",
            &["-early_data"][..],
            "accepted",
            "first second\n",
        ),
        // Its tickets allow a part of it.
        (
            "less early data",
            &["-early_data", "-max_early_data", "6"],
            "accepted",
            "second\n",
        ),
        ("no early data", &[], "not_offered", "first second\n"),
    ] {
        let server = openssl.serve(&[&["-cert", cert, "-key", key], options].concat());
        let client = [
            "client",
            &server.address,
            "--ca",
            &made.ca,
            "--early-data",
            &early,
        ];
        let series = [&client[..], &["--json", "--resume", "2"]].concat();
        let output = crate::process::run(&series, b"");
        check(name, &output, 0, &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        let outcomes: Vec<(bool, String)> = text.lines().map(outcome).collect();
        let resumed = (true, want.to_owned());
        let wanted = [(false, "not_offered".to_owned()), resumed.clone(), resumed];
        assert_eq!(outcomes, wanted, "{name}");

        // Two processes, with their sessions in a file.
        for resumed in [false, true] {
            let kept = ["--session", &session, "--session-key", &session_key];
            let output = crate::process::run(&[&client[..], &kept].concat(), b"and more\n");
            let early = match (resumed, want) {
                (true, "accepted") => "early data         accepted",
                _ => "not offered, so it was sent after the handshake",
            };
            let signature = if resumed { "none: resumed" } else { "ecdsa_" };
            check(name, &output, 0, &[early, signature]);
        }
        let printed = server.stop();
        assert_eq!(printed.matches(arrived).count(), 5, "{name}: {printed}");
        assert_eq!(
            printed.matches("and more\n").count(),
            2,
            "{name}: {printed}"
        );
        std::fs::remove_file(&session).unwrap(); // the next server has other keys
    }
}

#[test]
fn openssl_sends_early_data_to_the_server() {
    let Some(openssl) = find("openssl_sends_early_data_to_the_server") else {
        return;
    };
    let folder = Folder::new("openssl-request");
    let made = Made::new(&folder, "made", &[]);
    let [cert, key] = &made.server;
    let request = "GET / HTTP/1.1\r\n\r\n";
    let early = folder.file("early", request);
    let session = folder.0.join("session").display().to_string();
    for (options, want) in [
        (&["--early-data"][..], "Early data was accepted"),
        (&[], "Early data was not sent"),
    ] {
        let mut server =
            Server::with(&[&["--cert", cert, "--key", key, "--json"], options].concat());
        let address = server.address.clone();
        let client = [
            "s_client", "-connect", &address, "-CAfile", &made.ca, "-ign_eof",
        ];
        let first = [&client[..], &["-sess_out", &session]].concat();
        check("first", &openssl.run(&first, request.as_bytes()), 0, &[]);
        assert_eq!(outcome(&server.line()), (false, "not_offered".to_owned()));
        let mut second = [&client[..], &["-sess_in", &session]].concat();
        let (input, early) = match options {
            [] => (request, "not_offered"),
            _ => {
                second.extend(["-early_data", &early]);
                ("", "accepted")
            }
        };
        let output = openssl.run(&second, input.as_bytes());
        check("second", &output, 0, &[]);
        let printed = String::from_utf8_lossy(&output.stdout);
        for part in ["Reused, TLSv1.3", want, "</html>"] {
            assert!(printed.contains(part), "no {part} in: {printed}");
        }
        assert_eq!(outcome(&server.line()), (true, early.to_owned()));
    }
}

#[test]
fn openssl_knows_raw_keys_and_shows_them() {
    let Some(openssl) = find("openssl_knows_raw_keys_and_shows_them") else {
        return;
    };
    let folder = Folder::new("openssl-raw");
    let made = Made::new(&folder, "made", &[]);
    let ([cert, key], [own_cert, own]) = (&made.server, &made.client);
    let public = |key: &str| {
        let public = format!("{key}.pub");
        let output = openssl.run(&["pkey", "-in", key, "-pubout", "-out", &public], b"");
        check("public key", &output, 0, &[]);
        let output = openssl.run(
            &[
                "pkey", "-pubin", "-in", &public, "-outform", "DER", "-out", "-",
            ],
            b"",
        );
        let info = SubjectPublicKeyInfoDer::from(output.stdout);
        let pin = raw_key_pin(&info).unwrap();
        let pin: String = pin.iter().map(|byte| format!("{byte:02x}")).collect();
        (public, pin)
    };
    let ((known, pin), (own_known, own_pin)) = (public(key), public(own));

    let both = ["-enable_server_rpk", "-enable_client_rpk"];
    let options = [
        "-cert",
        cert,
        "-key",
        key,
        "-Verify",
        "1",
        "-verify_return_error",
    ];
    let server = openssl.serve(&[&options[..], &["-expected-rpks", &own_known], &both].concat());
    let client = ["client", &server.address, "--pin", &pin, "--raw-key", own];
    let output = crate::process::run(&client, b"from Pith\n");
    check("client", &output, 0, &["server's raw key", &pin]);
    let printed = server.stop();
    assert!(printed.contains("from Pith\n"), "{printed}");

    let auth = ["--client-auth", "required", "--pin", &own_pin, "--json"];
    let mut server = Server::with(&[&["--raw-key", key], &auth[..]].concat());
    let address = server.address.clone();
    let client = [
        "s_client",
        "-connect",
        &address,
        "-ign_eof",
        "-verify_return_error",
    ];
    let own = ["-cert", own_cert, "-key", own, "-expected-rpks", &known];
    let client = [&client[..], &own, &both].concat();
    let output = openssl.run(&client, b"GET / HTTP/1.1\r\n\r\n");
    check("server", &output, 0, &[]);
    let page = String::from_utf8_lossy(&output.stdout);
    let row = format!("<dt>client&#39;s raw key</dt><dd>SHA-256 {own_pin}</dd>");
    assert!(page.contains(&row), "{page}");
    assert_eq!(outcome(&server.line()), (false, "not_offered".to_owned()));
}

/// Whether a connection resumed, and what became of early data, as a report says.
fn outcome(line: &str) -> (bool, String) {
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["error"], Value::Null, "{line}");
    let early = value["early_data"].as_str().unwrap().to_owned();
    (value["resumed"].as_bool().unwrap(), early)
}

struct OpenSsl(PathBuf);

/// `openssl s_server`, ended when dropped.
struct OpenSslServer {
    child: Child,
    printed: Receiver<Vec<u8>>,
    address: String,
}

impl OpenSsl {
    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new(&self.0);
        command.args(arguments);
        finish(command, input)
    }

    fn serve(&self, options: &[&str]) -> OpenSslServer {
        let mut child = Command::new(&self.0)
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, printed) = mpsc::channel();
        let (found, address) = mpsc::channel();
        thread::spawn(move || {
            let (mut line, mut all) = (Vec::new(), Vec::new());
            while stdout
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let text = String::from_utf8_lossy(&line);
                if let Some(address) = text.strip_prefix("ACCEPT ") {
                    found.send(address.trim().to_owned()).ok();
                }
                all.append(&mut line);
            }
            sender.send(all).ok();
        });
        let address = address.recv_timeout(LIMIT).unwrap();
        OpenSslServer {
            child,
            printed,
            address,
        }
    }
}

impl OpenSslServer {
    /// All that it printed.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let printed = self.printed.recv_timeout(LIMIT).unwrap();
        String::from_utf8_lossy(&printed).into_owned()
    }
}

impl Drop for OpenSslServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Says that the test was skipped where there is none, which CI does not allow.
fn find(test: &str) -> Option<OpenSsl> {
    let cached = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("pith/openssl-4.0.3-2/bin/openssl"))
    };
    let named = env::var_os("PITH_OPENSSL").map(PathBuf::from);
    let found = named.or_else(cached).filter(|path| path.is_file());
    if found.is_none() {
        println!("SKIPPED: {test}: OpenSSL is not built: run peers/openssl/build.sh");
        assert!(
            !env::var("CI").is_ok_and(|value| value == "true"),
            "{test} was skipped, and may not be"
        );
    }
    found.map(OpenSsl)
}
