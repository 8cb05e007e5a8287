//! What `pith get` and `pith server` make of versions of QUIC, of another port on the way, and of names in other letters.

use std::fs;

use crate::process::{check, run};
use crate::quic::Site;

#[test]
fn version_2_by_either_side() {
    for (name, client, server, version) in [
        ("neither", &[][..], &[][..], "QUIC v1"),
        ("the client speaks no other", &["--v2"], &[], "QUIC v2"),
        ("the server changes to it", &[], &["--v2"], "QUIC v2"),
    ] {
        let site = Site::serving("--h3", "version-2", server);
        let url = site.url("/");
        let get = [&["get", &url, "--ca", &site.made.ca], client].concat();
        check(name, &run(&get, b""), 0, &[version]);
    }
}

#[test]
fn a_client_moves_while_files_come() {
    let site = Site::serving("--h3", "moves", &[]);
    let (ca, file) = (&site.made.ca, site.path("moved"));
    let large = site.url("/large");
    let get = ["get", &large, "--ca", ca, "-o", &file, "--migrate"];
    check("large", &run(&get, b""), 0, &["moved from port "]);
    assert!(fs::read(&file).unwrap() == site.large, "another file");
    let small = site.url("/");
    let get = ["get", &small, "--ca", ca, "--migrate"];
    check("small", &run(&get, b""), 0, &["not moved: everything was"]);
}

#[test]
fn names_are_decoded_once() {
    for protocol in ["--h3", "--hq"] {
        let site = Site::serving(protocol, "decoded", &[]);
        for (name, text) in [("two words é", "words"), ("%2e%2e", "twice")] {
            fs::write(site.path("www").as_str().to_owned() + "/" + name, text).unwrap();
        }
        for (path, want) in [
            ("/two%20words%20%c3%a9", Some("words")),
            ("/%69ndex.html", Some("the index")),
            ("/%252e%252e", Some("twice")),
            ("/%2e%2e/secret", None),
            ("/sub/%2e%2e%2f%2e%2e%2fsecret", None),
            ("/%2e%2e%5csecret", None),
            ("/index.html%00", None),
            ("/%", None),
        ] {
            let (url, ca) = (site.url(path), site.made.ca.as_str());
            let hq: &[&str] = if protocol == "--hq" { &["--hq"] } else { &[] };
            let output = run(&[&["get", &url, "--ca", ca], hq].concat(), b"");
            let code = i32::from(want.is_none());
            check(&format!("{protocol} {path}"), &output, code, &[]);
            assert_eq!(output.stdout, want.unwrap_or_default().as_bytes(), "{path}");
        }
    }
}
