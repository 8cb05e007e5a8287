//! `pith server --quic --hq` and `pith get --hq`.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use pith_tests::pki::Pki;

use crate::process::{Folder, Made, Server, check, run};

/// Files to serve, and a server that does.
pub(crate) struct Site {
    pub(crate) folder: Folder,
    pub(crate) made: Made,
    pub(crate) server: Server,
    pub(crate) large: Vec<u8>,
}

impl Site {
    fn new(name: &str, options: &[&str]) -> Self {
        Self::serving("--hq", name, options)
    }

    pub(crate) fn serving(protocol: &str, name: &str, options: &[&str]) -> Self {
        let folder = Folder::new(name);
        let made = Made::new(&folder, "pki", &["--name=localhost", "--name=127.0.0.1"]);
        let root = folder.0.join("www");
        fs::create_dir_all(root.join("sub")).unwrap();
        let large: Vec<u8> = (0..3_000_000_u32)
            .flat_map(|at| [(at * 7) as u8, (at >> 8) as u8])
            .collect();
        fs::write(root.join("large"), &large).unwrap();
        fs::write(root.join("index.html"), "the index").unwrap();
        fs::write(root.join("sub/empty"), "").unwrap();
        fs::write(folder.0.join("secret"), "outside").unwrap();
        std::os::unix::fs::symlink(folder.0.join("secret"), root.join("link")).unwrap();
        let [cert, key] = &made.server;
        let root = root.to_str().unwrap();
        let given = [
            "--quic", protocol, "--root", root, "--cert", cert, "--key", key,
        ];
        let server = Server::with(&[&given, options].concat());
        Self {
            folder,
            made,
            server,
            large,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server.localhost())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.0.join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn files_come_as_they_are() {
    let mut site = Site::new("quic-files", &["--json"]);
    let output = run(&["get", "--hq", &site.url("/"), "--ca", &site.made.ca], b"");
    let said = [
        "QUIC v1",
        "X25519MLKEM768 (post-quantum)",
        "hq-interop",
        "localhost",
    ];
    check("index", &output, 0, &said);
    assert_eq!(output.stdout, b"the index");
    let report: serde_json::Value = serde_json::from_str(&site.server.line()).unwrap();
    assert_eq!(report["group"], "X25519MLKEM768");
    assert_eq!(report["protocol"], "hq-interop");
    assert_eq!(report["error"], serde_json::Value::Null);
    assert!(report["bytes"]["sent"].as_u64().unwrap() > 1200);

    let file = site.path("one");
    fs::write(&file, "old").unwrap();
    let get = [
        "get",
        "--hq",
        &site.url("/large?query"),
        "--ca",
        &site.made.ca,
        "-o",
        &file,
    ];
    check("a file", &run(&get, b""), 0, &[]);
    assert!(fs::read(&file).unwrap() == site.large, "another file");

    let out = site.path("out");
    let urls = ["/large", "/sub/empty", "/index.html"].map(|path| site.url(path));
    let get = [
        "get",
        "--hq",
        &urls[0],
        &urls[1],
        &urls[2],
        "--ca",
        &site.made.ca,
        "-o",
        &out,
    ];
    check("files", &run(&get, b""), 0, &[]);
    assert!(fs::read(format!("{out}/large")).unwrap() == site.large);
    assert_eq!(fs::read(format!("{out}/empty")).unwrap(), b"");
    assert_eq!(fs::read(format!("{out}/index.html")).unwrap(), b"the index");
    assert_eq!(
        fs::read_dir(&out).unwrap().count(),
        3,
        "something was left behind"
    );
}

#[test]
fn both_sides_keep_traces_under_one_name() {
    let traces = Folder::new("quic-traces");
    let [of_server, of_client] = ["server", "client"].map(|side| traces.0.join(side));
    let [server, client] = [&of_server, &of_client].map(|folder| folder.to_str().unwrap());
    let site = Site::new("quic-traced", &["--qlog", server]);
    let (url, ca) = (site.url("/"), &site.made.ca);
    let output = run(&["get", "--hq", &url, "--ca", ca, "--qlog", client], b"");
    check("traced", &output, 0, &[]);
    let only = |folder: &Path| {
        let mut files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
        let only = files.next().unwrap();
        assert!(files.next().is_none());
        only.file_name().into_string().unwrap()
    };
    let (file, other) = (only(&of_client), only(&of_server));
    let id = file.strip_suffix("_client.sqlog").unwrap();
    assert_eq!(other, format!("{id}_server.sqlog"));
    let trace = fs::read_to_string(of_client.join(&file)).unwrap();
    for part in [
        "\"qlog_version\":\"0.3\"",
        "transport:packet_sent",
        "connectivity:connection_closed",
    ] {
        assert!(trace.contains(part), "{part}: {trace}");
    }
    assert!(trace.ends_with("}}\n") && !trace.contains("the index"));
}

#[test]
fn what_cannot_be_served_is_said_and_replaces_nothing() {
    let site = Site::new("quic-refused", &[]);
    for (name, path) in [
        ("no file", "/nothing"),
        ("a directory", "/sub"),
        ("a link that leads out", "/link"),
    ] {
        let file = site.path("kept");
        fs::write(&file, "old").unwrap();
        let get = [
            "get",
            "--hq",
            &site.url(path),
            "--ca",
            &site.made.ca,
            "-o",
            &file,
        ];
        check(
            name,
            &run(&get, b""),
            1,
            &["did not come: the server has no such file"],
        );
        assert_eq!(fs::read(&file).unwrap(), b"old", "{name}");
    }
    let climbing = site.url("/sub/../index.html");
    let get = ["get", "--hq", &climbing, "--ca", &site.made.ca];
    check(
        "upwards",
        &run(&get, b""),
        1,
        &["does not understand the request"],
    );
    // What goes wrong with one file does not take another with it.
    let out = site.path("out");
    let get = [
        "get",
        "--hq",
        &site.url("/nothing"),
        &site.url("/large"),
        "--ca",
        &site.made.ca,
        "-o",
        &out,
    ];
    check("one of two", &run(&get, b""), 1, &["/nothing of"]);
    assert!(fs::read(format!("{out}/large")).unwrap() == site.large);
    assert_eq!(
        fs::read_dir(&out).unwrap().count(),
        1,
        "something was left behind"
    );
    let kept = fs::read_dir(&site.folder.0).unwrap();
    let names = kept.map(|entry| entry.unwrap().file_name());
    assert!(
        !names
            .into_iter()
            .any(|name| name.to_str().unwrap().ends_with(".part"))
    );
}

#[test]
fn get_says_why_there_is_no_connection() {
    let site = Site::new("quic-trust", &[]);
    let url = site.url("/");
    let other = site.folder.file("other.pem", &Pki::new().root_pem());
    let pin = "00".repeat(32);
    for (name, options, parts) in [
        (
            "built-in roots",
            &[][..],
            &["did not prove that it is localhost", "Nothing was sent"][..],
        ),
        ("another CA", &["--ca", &other][..], &["did not prove"]),
        ("another key", &["--pin", &pin][..], &["did not prove"]),
        (
            "another name",
            &["--ca", &site.made.ca, "--sni=a.example"][..],
            &["did not prove that it is a.example"],
        ),
        (
            "another protocol",
            &["--ca", &site.made.ca, "--alpn=h3"][..],
            &["no_application_protocol"],
        ),
    ] {
        let output = run(&[&["get", "--hq", &url], options].concat(), b"");
        check(name, &output, 1, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", nobody.local_addr().unwrap());
    let output = run(&["get", "--hq", &url, "--ca", &site.made.ca], b"");
    check(
        "nobody there",
        &output,
        1,
        &["nothing came from 127.0.0.1:", "stops UDP"],
    );
}

#[test]
fn a_server_that_knows_its_clients() {
    let folder = Folder::new("quic-mutual");
    let made = Made::new(&folder, "pki", &["--name=localhost"]);
    let ([cert, key], [own, own_key]) = (&made.server, &made.client);
    let www = folder.0.to_str().unwrap();
    folder.file("index.html", "for friends");
    let options = [
        "--quic", "--hq", "--root", www, "--cert", cert, "--key", key,
    ];
    let mutual = ["--client-auth=required", "--ca", &made.ca];
    let server = Server::with(&[&options[..], &mutual].concat());
    let url = format!("https://{}/", server.localhost());
    let get = ["get", "--hq", &url, "--ca", &made.ca];
    check("a stranger", &run(&get, b""), 1, &["certificate_required"]);
    let known = run(
        &[&get[..], &["--cert", own, "--key", own_key]].concat(),
        b"",
    );
    check("a friend", &known, 0, &["client's signature"]);
    assert_eq!(known.stdout, b"for friends");
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let folder = Folder::new("quic-arguments");
    let made = Made::new(&folder, "pki", &["--name=localhost"]);
    let [cert, key] = &made.server;
    let gone = folder.0.join("gone").to_str().unwrap().to_owned();
    let serve = |more: &[&str]| {
        let front = [
            "server",
            "--listen=127.0.0.1:0",
            "--cert",
            cert,
            "--key",
            key,
        ];
        run(&[&front, more].concat(), b"")
    };
    for (name, options, part) in [
        ("no root", &["--quic", "--hq"][..], "--root"),
        ("no protocol", &["--quic", "--root=."], "--hq"),
        ("no QUIC", &["--hq", "--root=."], "--quic"),
        (
            "a page too",
            &["--quic", "--hq", "--root=.", "--http"],
            "cannot be used with",
        ),
        (
            "no directory",
            &["--quic", "--hq", "--root", &gone],
            "--root expects a directory",
        ),
        (
            "a file",
            &["--quic", "--hq", "--root", cert],
            "--root expects a directory",
        ),
        (
            "traces in a file",
            &["--quic", "--hq", "--root=.", "--qlog", cert],
            "--qlog expects a directory",
        ),
        ("traces without QUIC", &["--qlog=."], "--quic"),
    ] {
        check(name, &serve(options), 2, &[part]);
    }
    let busy = UdpSocket::bind("127.0.0.1:0").unwrap();
    let busy = format!("--listen={}", busy.local_addr().unwrap());
    let output = run(
        &[
            "server", &busy, "--cert", cert, "--key", key, "--quic", "--hq", "--root=.",
        ],
        b"",
    );
    check("a busy port", &output, 1, &["cannot listen on"]);
    for (name, options, part) in [
        ("no URL", &["--hq"][..], "<URL>"),
        (
            "plain",
            &["--hq", "http://localhost/"],
            "QUIC is for https alone",
        ),
        ("no host", &["--hq", "https:///a"], "no name and no address"),
        (
            "two without a place",
            &["--hq", "https://localhost/a", "https://localhost/b"],
            "--output DIR",
        ),
        (
            "a nameless one of two",
            &[
                "--hq",
                "https://localhost/",
                "https://localhost/b",
                "-o",
                &gone,
            ],
            "names no file",
        ),
        (
            "a place that is a file",
            &[
                "--hq",
                "https://localhost/a",
                "https://localhost/b",
                "-o",
                cert,
            ],
            "cannot be one",
        ),
    ] {
        check(name, &run(&[&["get"], options].concat(), b""), 2, &[part]);
    }
}
