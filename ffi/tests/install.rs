//! What `ffi/install.sh` puts in place: libraries that show the functions of the header and nothing else, and files by which pkg-config and CMake find them. The examples are built
//! with them as a user builds his own, and run.
//!
//! `PITH_WRITE_SYMBOLS=1` writes the list of symbols anew: a name that goes away or changes its meaning is a new SONAME.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test"
)]

mod compiler;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use compiler::{Files, libraries, listening};

/// An installed libpith.
struct Installed {
    files: Files,
    prefix: PathBuf,
}

impl Installed {
    fn new(test: &str) -> Self {
        let files = Files::new(test);
        let prefix = PathBuf::from(files.path("prefix"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
        let mut install = Command::new("bash");
        install.arg(script).arg("--prefix").arg(&prefix);
        install.args(["--libdir", "lib/here", "--from"]);
        say(install.arg(libraries()));
        Self { files, prefix }
    }

    fn library(&self, name: &str) -> PathBuf {
        self.prefix.join("lib/here").join(name)
    }

    fn pkg_config(&self, flags: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.library("pkgconfig"));
        let said = say(command.args(flags).arg("pith"));
        said.split_whitespace().map(str::to_owned).collect()
    }

    /// An example, built by the flags of pkg-config.
    fn example(&self, name: &str) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.c"));
        let program = PathBuf::from(self.files.path(name));
        let mut cc = Command::new("cc");
        cc.args([
            "-std=c99",
            "-D_DEFAULT_SOURCE",
            "-Wall",
            "-Wextra",
            "-Werror",
        ]);
        cc.arg(source).arg("-o").arg(&program);
        say(cc.args(self.pkg_config(&["--cflags", "--libs"])));
        program
    }

    fn run(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.library(""));
        command
    }
}

#[test]
fn nothing_can_be_seen_but_what_the_header_has() {
    let installed = Installed::new("symbols");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("symbols.txt");
    let dynamic = symbols(&["-D"], &installed.library("libpith.so"));
    if std::env::var_os("PITH_WRITE_SYMBOLS").is_some() {
        let lines: String = dynamic.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&golden, lines).unwrap();
    }
    let text = fs::read_to_string(golden).unwrap();
    let golden: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(dynamic, golden, "shared");
    let archive = symbols(&["-g"], &installed.library("libpith.a"));
    assert_eq!(archive, golden, "static");
    let header = fs::read_to_string(installed.prefix.join("include/pith.h")).unwrap();
    let declared = header
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '/', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next());
    assert_eq!(
        BTreeSet::from_iter(declared.map(str::to_owned)),
        golden,
        "header"
    );
    assert!(golden.iter().all(|name| name.starts_with("pith_")));
}

fn symbols(flags: &[&str], library: &Path) -> BTreeSet<String> {
    let mut nm = Command::new("nm");
    let listed = say(nm.args(flags).arg("--defined-only").arg(library));
    let names = listed.lines().filter_map(|line| line.split_once(" T "));
    let all = listed.lines().filter(|line| line.contains(' ')).count();
    let names: BTreeSet<_> = names.map(|(_, name)| name.to_owned()).collect();
    assert_eq!(names.len(), all, "data, or weak symbols:\n{listed}");
    names
}

#[test]
#[ignore = "needs pkg-config, as the stage c has it"]
fn the_examples_talk_to_each_other() {
    let installed = Installed::new("examples");
    let clients = ["client", "client_buffers"].map(|name| installed.example(name));
    let server = installed.example("server");
    let (chain, key) = (
        installed.files.path("chain.pem"),
        installed.files.path("key.pem"),
    );
    let (port, mut child) = listening(|port| {
        installed
            .run(&server)
            .args([port, &chain, &key, "3"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    });
    let ca = installed.files.path("ca.pem");
    for client in &clients {
        let mut fetch = installed.run(client);
        let output = fetch.args(["localhost", &port, &ca]).output().unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        assert!(out.ends_with("hello from libpith\n"), "{out}");
        assert!(["", "X25519MLKEM768\n"].contains(&&*err), "{err}");
    }
    assert!(child.0.wait().unwrap().success());
    // What a C program says of its misuse, and of a server that has gone.
    for client in &clients {
        let output = installed.run(client).output().unwrap();
        let err = text(&output.stderr);
        assert!(err.starts_with("usage"), "{err}");
        assert_eq!(output.status.code(), Some(1));
        let mut fetch = installed.run(client);
        let output = fetch.args(["localhost", &port, &ca]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    }
}

#[test]
#[ignore = "needs OpenSSL: PITH_OPENSSL names it, as the stage c does"]
fn the_examples_talk_to_openssl() {
    let openssl = std::env::var_os("PITH_OPENSSL").unwrap();
    let installed = Installed::new("openssl");
    let (client, server) = (
        installed.example("client_buffers"),
        installed.example("server"),
    );
    let path = |name: &str| installed.files.path(name);
    let (chain, key, ca) = (path("chain.pem"), path("key.pem"), path("ca.pem"));

    let (port, child) = listening(|port| {
        let mut command = Command::new(&openssl);
        command.args(["s_server", "-accept", port, "-cert", &chain, "-key", &key]);
        command.args(["-cert_chain", &chain, "-www", "-tls1_3"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    });
    let output = installed
        .run(&client)
        .args(["localhost", &port, &ca])
        .output()
        .unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(out.contains("TLS_AES_128_GCM_SHA256"), "{out}{err}");
    assert!(err.starts_with("X25519MLKEM768"), "{err}");
    drop(child);

    let (port, mut child) = listening(|port| {
        installed
            .run(&server)
            .args([port, &chain, &key, "2"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    });
    let mut command = Command::new(&openssl);
    command.args([
        "s_client",
        "-connect",
        &format!("localhost:{port}"),
        "-CAfile",
        &ca,
    ]);
    command.args(["-verify_return_error", "-ign_eof", "-brief"]);
    let mut asking = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut asking.stdin.take().unwrap(), b"GET / HTTP/1.0\r\n\r\n")
        .unwrap();
    let output = asking.wait_with_output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.ends_with("hello from libpith\n"),
        "{out}{err}"
    );
    assert!(err.contains("X25519MLKEM768"), "{err}");
    assert!(child.0.wait().unwrap().success());
}

#[test]
#[ignore = "needs CMake and Python, as the stage c has them"]
fn cmake_and_python_find_it() {
    let installed = Installed::new("found");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let build = installed.files.path("cmake");
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(&examples).arg("-B").arg(&build);
    say(cmake.arg(format!(
        "-Dpith_DIR={}",
        installed.library("cmake/pith").display()
    )));
    say(Command::new("cmake").args(["--build", &build]));
    let (chain, key) = (
        installed.files.path("chain.pem"),
        installed.files.path("key.pem"),
    );
    let ca = installed.files.path("ca.pem");
    // The one that CMake linked statically needs no library beside it.
    let (port, mut child) = listening(|port| {
        let server = Path::new(&build).join("server");
        Command::new(server)
            .args([port, &chain, &key, "2"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    });
    let mut python = installed.run(Path::new("python3"));
    python
        .arg(examples.join("client.py"))
        .args(["localhost", &port, &ca]);
    let said = say(&mut python);
    assert!(said.ends_with("hello from libpith\n"), "{said}");
    assert!(child.0.wait().unwrap().success());
}

/// Runs a command that is to succeed; what it says.
fn say(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = text(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{errors}",
        output.status
    );
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    { bytes }.read_to_string(&mut text).unwrap();
    text
}
