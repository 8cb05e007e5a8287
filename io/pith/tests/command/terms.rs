//! What the options let be negotiated, on both sides: policies, groups, suites, protocols, roots, key logs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::process::{Folder, Made, Server, check, finish, pith, run};

struct Pair {
    folder: Folder,
    made: Made,
}

impl Pair {
    fn new(name: &str, options: &[&str]) -> Self {
        let folder = Folder::new(name);
        let made = Made::new(&folder, "made", options);
        Self { folder, made }
    }

    fn serve(&self, options: &[&str]) -> Server {
        let [cert, key] = &self.made.server;
        Server::with(&[&["--cert", cert, "--key", key, "--echo"], options].concat())
    }

    fn connect(&self, server: &Server, options: &[&str]) -> std::process::Output {
        run(
            &[&["client", &server.address, "--ca", &self.made.ca], options].concat(),
            b"hello",
        )
    }
}

#[test]
#[rustfmt::skip]
fn options_decide_what_is_negotiated() {
    let pair = Pair::new("terms", &["--key-type", "ecdsa-p384"]);
    let rows: &[(&str, &[&str], &[&str], &[&str])] = &[
        ("defaults", &[], &[], &["X25519MLKEM768 (post-quantum)", "TLS_AES_128_GCM_SHA256"]),
        ("client's group", &[], &["--groups", "x25519"], &["x25519 (not post-quantum)"]),
        ("client's order", &[], &["--groups", "SecP384r1MLKEM1024, x25519"], &["SecP384r1MLKEM1024"]),
        ("server's group", &["--groups", "secp521r1"], &[], &["secp521r1 (not post-quantum)", "HelloRetryRequest     yes"]),
        ("upper case", &["--groups", "X25519"], &[], &["x25519 (not"]),
        ("on request", &["--groups", "MLKEM512"], &["--groups", "MLKEM768,MLKEM512"], &["MLKEM512 (post-quantum)"]),
        ("client's suite", &[], &["--suites", "TLS_CHACHA20_POLY1305_SHA256"], &["TLS_CHACHA20_POLY1305_SHA256"]),
        ("server's suite", &["--suites", "TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256"], &[], &["TLS_AES_256_GCM_SHA384"]),
        ("CNSA server", &["--policy", "V2026_11_CNSA2"], &["--groups", "SecP384r1MLKEM1024"], &["SecP384r1MLKEM1024", "TLS_AES_256_GCM_SHA384"]),
        ("CNSA client", &[], &["--policy", "V2026_11_CNSA2"], &["SecP384r1MLKEM1024", "ecdsa_secp384r1_sha384"]),
        ("CNSA both", &["--policy", "V2026_11_CNSA2"], &["--policy", "v2026_11_cnsa2"], &["MLKEM1024 (post-quantum)"]),
        ("protocol", &["--alpn", "a,b"], &["--alpn", "c,b"], &["ALPN                  b\n"]),
        ("PQ client", &["--groups", "x25519,SecP256r1MLKEM768"], &["--require-pq"], &["SecP256r1MLKEM768 (post-quantum)"]),
        ("PQ server", &["--require-pq"], &["--groups", "x25519,MLKEM768,SecP384r1MLKEM1024"], &["SecP384r1MLKEM1024 (post-quantum)"]),
        ("PQ and groups", &[], &["--require-pq", "--groups", "SecP256r1MLKEM768"], &["SecP256r1MLKEM768 (post-quantum)"]),
    ];
    for (name, server, client, parts) in rows {
        let server = pair.serve(server);
        let output = pair.connect(&server, client);
        if !output.status.success() {
            println!("the server of {name} said: {}", server.stop());
        }
        check(name, &output, 0, parts);
        assert_eq!(output.stdout, b"hello", "{name}");
    }
}

#[test]
#[rustfmt::skip]
fn what_has_nothing_in_common_is_refused_on_both_sides() {
    let pair = Pair::new("refused", &[]);
    let rows: &[(&str, &[&str], &[&str], &[&str])] = &[
        ("client requires PQ", &["--groups", "x25519"], &["--require-pq"], &["handshake_failure", "--require-pq"]),
        ("server requires PQ", &["--require-pq"], &["--groups", "x25519,secp256r1"], &["ended the handshake with the alert ", "--groups"]),
        ("PQ policy", &["--policy", "V2026_11_PQ_ONLY"], &["--groups", "x25519"], &["insufficient_security", "--policy"]),
        ("suites", &["--suites", "TLS_AES_256_GCM_SHA384"], &["--suites", "TLS_AES_128_GCM_SHA256"], &["handshake_failure", "--suites"]),
        ("protocols", &["--alpn", "a"], &["--alpn", "b"], &["no_application_protocol", "--alpn"]),
    ];
    for (name, server, client, parts) in rows {
        let server = pair.serve(server);
        let output = pair.connect(&server, client);
        check(name, &output, 1, parts);
        assert_eq!(output.stdout, b"", "{name}");
        let said = server.stop();
        assert!(said.contains("pith: 127.0.0.1:"), "{name}: {said}");
    }
}

#[test]
#[rustfmt::skip]
fn terms_that_cannot_be_used_are_named() {
    let pair = Pair::new("bad-terms", &[]);
    let [cert, key] = &pair.made.server;
    let directory = std::env::temp_dir();
    let directory = directory.to_str().unwrap();
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("group", &["--groups", "X25519MLKEM768,x25520"], &["--groups expects names", "\"x25520\"", "SecP384r1MLKEM1024"]),
        ("no group", &["--groups", ""], &["--groups expects names", "\"\""]),
        ("group twice", &["--groups", "x25519,X25519"], &["the groups", "twice"]),
        ("suite", &["--suites", "TLS_RSA"], &["--suites expects names", "\"TLS_RSA\"", "TLS_AES_128_GCM_SHA256"]),
        ("group outside", &["--policy", "V2026_11_PQ_ONLY", "--groups", "x25519"], &["V2026_11_PQ_ONLY", "x25519", "pith policy show V2026_11_PQ_ONLY"]),
        ("suite outside", &["--policy", "V2026_11_CNSA2", "--suites", "TLS_AES_128_GCM_SHA256"], &["V2026_11_CNSA2", "TLS_AES_128_GCM_SHA256"]),
        ("key outside", &["--policy", "V2026_11_CNSA2", "--cert", cert, "--key", key], &["V2026_11_CNSA2", "ecdsa_secp256r1_sha256"]),
        ("PQ and x25519", &["--require-pq", "--groups", "X25519MLKEM768,x25519"], &["--require-pq expects", "x25519"]),
        ("no protocol", &["--alpn", ""], &["application protocol"]),
        ("protocol twice", &["--alpn", "a,a"], &["application protocol", "twice"]),
        ("long protocol", &["--alpn", &"a".repeat(256)], &["application protocol", "255"]),
        ("log is a directory", &["--keylog", directory], &["--keylog expects a file", directory]),
    ];
    for (name, options, parts) in rows {
        let client = ["client", "127.0.0.1:1", "--ca", &pair.made.ca];
        let output = run(&[&client, *options].concat(), b"");
        check(name, &output, 2, parts);
        let own: &[&str] = if options.contains(&"--cert") { &[] } else { &["--cert", cert, "--key", key] };
        let server = ["server", "--listen", "127.0.0.1:0", "--echo"];
        let output = run(&[&server, own, *options].concat(), b"");
        check(name, &output, 2, parts);
        assert_eq!(output.stdout, b"", "{name}");
    }
    let page = ["server", "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, "--alpn", "h2"];
    check("page over h2", &run(&page, b""), 2, &["HTTP/1.1", "\"h2\"", "--echo"]);
}

#[test]
fn secrets_are_appended_to_a_log_that_only_its_owner_reads() {
    let pair = Pair::new("keylog", &[]);
    let logs = ["client.log", "server.log"].map(|name| {
        let path = pair.folder.0.join(name);
        path.to_str().unwrap().to_owned()
    });
    let server = pair.serve(&["--keylog", &logs[1]]);
    for connections in [1, 2] {
        let output = pair.connect(&server, &["--keylog", &logs[0]]);
        check("log", &output, 0, &["warning", &logs[0], "decrypt"]);
        let [mut client, mut server] = logs.clone().map(|path| {
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            let text = fs::read_to_string(path).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(client.len(), 5 * connections, "{client:?}");
        client.sort();
        server.sort();
        assert_eq!(client, server);
        let label = "CLIENT_TRAFFIC_SECRET_0 ";
        assert_eq!(
            client.iter().filter(|line| line.starts_with(label)).count(),
            connections
        );
    }
    assert!(server.stop().contains("decrypt"));
}

#[test]
fn the_roots_of_the_machine_are_trusted_when_asked_for() {
    let pair = Pair::new("roots", &[]);
    let server = pair.serve(&[]);
    let with_store = |file: &str, options: &[&str]| {
        let mut command = pith(&[&["client", &server.address], options].concat());
        command
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR");
        finish(command, b"")
    };
    check(
        "system",
        &with_store(&pair.made.ca, &["--system-roots"]),
        0,
        &[],
    );
    let built_in = with_store(&pair.made.ca, &[]);
    check("built in", &built_in, 1, &["leads to no trusted root"]);
    let gone = format!("{}.gone", pair.made.ca);
    let parts = [
        "--system-roots expects CA certificates",
        "ca-certificates",
        "--ca",
    ];
    check("none", &with_store(&gone, &["--system-roots"]), 2, &parts);
    let both = with_store(&pair.made.ca, &["--system-roots", "--ca", &pair.made.ca]);
    check("both", &both, 2, &["cannot be used with"]);
}
