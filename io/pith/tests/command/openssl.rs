//! What `pith pki` makes, in the hands of another implementation: OpenSSL of 3.5 or later, which has ML-DSA.
//!
//! The command is named by PITH_OPENSSL, or is the one that `peers/openssl/build.sh` left in the cache. Without it the test says
//! that it was skipped, and with CI=true that fails.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Folder, Made, Server, check, finish};

#[test]
fn openssl_takes_the_files_and_speaks_with_the_server() {
    let Some(openssl) = find() else {
        let test = "openssl_takes_the_files_and_speaks_with_the_server";
        println!("SKIPPED: {test}: OpenSSL is not built: run peers/openssl/build.sh");
        assert!(
            !env::var("CI").is_ok_and(|value| value == "true"),
            "{test} was skipped, and may not be"
        );
        return;
    };
    let run = |arguments: &[&str], input: &[u8]| {
        let mut command = Command::new(&openssl);
        command.args(arguments);
        finish(command, input)
    };
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

fn find() -> Option<PathBuf> {
    let cached = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("pith/openssl-4.0.3/bin/openssl"))
    };
    let named = env::var_os("PITH_OPENSSL").map(PathBuf::from);
    named.or_else(cached).filter(|path| path.is_file())
}
