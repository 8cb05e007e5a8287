//! TLS by libpith in an event loop that knows nothing of it: libevent, by the adapter in `examples`, and its own HTTP client and server on that, with peers of
//! another make. `PITH_VALGRIND` and `PITH_ASAN` as for the other tests in C.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test"
)]

mod compiler;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use compiler::{C99, Ended, Files, command, compile_all, listening, run};

fn build(files: &Files, source: &str) -> PathBuf {
    let sources = [source, "examples/pith_bufferevent.c"];
    compile_all(files, &sources, C99, &["-levent"]).unwrap()
}

/// Something to carry: valgrind takes long for each byte.
fn content(files: &Files) -> Vec<u8> {
    let slow = std::env::var_os("PITH_VALGRIND").is_some();
    let length = if slow { 500_000 } else { 20_000_000 };
    let content = Vec::from_iter((0..length).map(|i: u32| (i * 7 + i / 251).to_le_bytes()[0]));
    std::fs::write(files.path("content"), &content).unwrap();
    content
}

fn get(client: &Path, port: &str, path: &str, more: &[&str]) -> Output {
    let mut get = command(client);
    get.args(["localhost", port, path]).args(more);
    get.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn python(files: &Files) -> (String, Ended) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/https.py");
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    listening(|port| {
        let mut python = Command::new("python3");
        python.arg(script).args(["serve", port, &chain, &key]);
        python.spawn().unwrap()
    })
}

#[test]
#[ignore = "needs libevent, as the stage c has it"]
fn the_adapter_carries_stops_and_ends() {
    let files = Files::new("bufferevent");
    run(&build(&files, "tests/c/bufferevent.c"), &[files.folder()]);
}

#[test]
#[ignore = "needs libevent, and OpenSSL: PITH_OPENSSL names it, as the stage c does"]
fn evhttp_downloads_from_openssl() {
    let openssl = std::env::var_os("PITH_OPENSSL").unwrap();
    let files = Files::new("evhttp_openssl");
    let client = build(&files, "examples/http_get.c");
    let content = content(&files);
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let (port, _server) = listening(|port| {
        let mut server = Command::new(&openssl);
        server.args(["s_server", "-accept", port, "-cert", &chain, "-key", &key]);
        server.args(["-cert_chain", &chain, "-WWW", "-quiet"]);
        server.current_dir(files.folder()).stdin(Stdio::null());
        server.stdout(Stdio::null()).stderr(Stdio::null());
        server.spawn().unwrap()
    });
    let output = get(&client, &port, "/content", &[&files.path("ca.pem")]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == content, "another content");
    assert_eq!(said, "X25519MLKEM768\n");
    // A server that is not believed: what was wrong is said, and nothing is shown.
    let output = get(&client, &port, "/content", &[&files.path("other.pem")]);
    let said = text(&output.stderr);
    assert!(said.contains("leads to no trusted root"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
#[ignore = "needs libevent and Python, as the stage c has them"]
fn evhttp_uploads_to_python() {
    let files = Files::new("evhttp_python");
    let client = build(&files, "examples/http_get.c");
    let content = content(&files);
    let (port, _server) = python(&files);
    let ca = files.path("ca.pem");
    let output = get(&client, &port, "/", &[&ca, &files.path("content")]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == content, "another content");
    // An answer that is cut off is no answer.
    let output = get(&client, &port, "/cut", &[&ca]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cut short"), "{said}");
}

#[test]
#[ignore = "needs libevent and Python, as the stage c has them"]
fn evhttp_serves_python() {
    let files = Files::new("evhttp_server");
    let server = build(&files, "examples/http_server.c");
    content(&files);
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let (port, mut server) = listening(|port| {
        let mut server = command(&server);
        server.args([port, &chain, &key]).spawn().unwrap()
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/https.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .args(["ask", &port, &files.path("ca.pem")]);
    let asked = python.arg(files.path("content")).output().unwrap();
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    assert!(server.0.wait().unwrap().success());
}
