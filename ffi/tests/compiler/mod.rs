//! The C compiler, and a folder of test certificates for what it makes.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use pith_crypto::SigningKey;
use pith_tests::pki::{Identity, Kind, Pki, self_signed};

/// A language that the header is written for, and a library to link.
#[derive(Clone, Copy)]
pub(crate) struct Language {
    name: &'static str,
    compiler: &'static str,
    flags: &'static [&'static str],
    library: &'static [&'static str],
}

pub(crate) const C99: Language = Language {
    name: "c99",
    compiler: "cc",
    flags: &["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-pedantic"],
    library: &["libpith.so"],
};

pub(crate) const CPP17: Language = Language {
    name: "cpp17",
    compiler: "c++",
    flags: &["-x", "c++", "-std=c++17", "-pedantic"],
    // What rustc --print native-static-libs names.
    library: &[
        "libpith.a",
        "-lgcc_s",
        "-lutil",
        "-lrt",
        "-lpthread",
        "-lm",
        "-ldl",
        "-lc",
    ],
};

const SANITIZERS: &[&str] = &[
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
];

/// A folder of its own for one test, with certificates.
pub(crate) struct Files {
    folder: PathBuf,
    server: Identity,
}

impl Files {
    pub(crate) fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let pki = Pki::with(Kind::P256, 1);
        write("ca.pem", &pki.root_pem());
        let server = pki.leaf_with(
            Kind::P256,
            &["server.example", "localhost", "127.0.0.1"],
            |_| (),
        );
        write("chain.pem", &server.chain_pem);
        write("key.pem", &server.key_pem);
        write("crl.pem", &pki.crl(0, &[], |_| ()).pem().unwrap());
        let client = pki.leaf("client.example");
        write("client.pem", &client.chain_pem);
        write("client.key", &client.key_pem);
        let other = self_signed(Kind::Ed25519, "other.example");
        write("other.pem", &other.chain_pem);
        write("other.key", &other.key_pem);
        Self { folder, server }
    }

    pub(crate) fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

impl Files {
    /// Who `chain.pem` is.
    pub(crate) fn server(&self) -> &Identity {
        &self.server
    }

    /// The key of `chain.pem`.
    pub(crate) fn server_key(&self) -> SigningKey {
        SigningKey::from_der(&self.server.key).unwrap()
    }
}

/// Where cargo put the libraries: beside this test.
pub(crate) fn libraries() -> PathBuf {
    std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned()
}

/// Compiles one file of the crate's folder, and gives the program; none where there is no compiler for it.
pub(crate) fn compile(files: &Files, source: &str, language: Language) -> Option<PathBuf> {
    compile_all(files, &[source], language, &[])
}

/// Compiles files into one program, which is named by the first, with other libraries.
pub(crate) fn compile_all(
    files: &Files,
    sources: &[&str],
    language: Language,
    others: &[&str],
) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = sources.first().unwrap();
    let stem = Path::new(source).file_stem().unwrap().to_str().unwrap();
    let program = PathBuf::from(files.path(&format!("{stem}-{}", language.name)));
    // Under AddressSanitizer, all is linked with the static library that was built for it, and what the C code does has to be defined as well.
    let sanitized = std::env::var_os("PITH_ASAN");
    let (flags, library) = match &sanitized {
        None => (&[][..], language.library),
        Some(_) => (SANITIZERS, CPP17.library),
    };
    let mut command = Command::new(language.compiler);
    command
        .args(language.flags)
        .args(flags)
        .args(["-Wall", "-Wextra", "-Werror", "-g", "-I"])
        .arg(root.join("include"))
        .args(sources.iter().map(|source| root.join(source)))
        .args(["-x", "none", "-pthread", "-o"])
        .arg(&program);
    command.args(others);
    for part in library {
        match (part.starts_with('-'), &sanitized) {
            (true, _) => command.arg(part),
            (false, Some(archive)) => command.arg(archive),
            (false, None) => command.arg(libraries().join(part)),
        };
    }
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound && language.compiler == "c++" => {
            println!("SKIPPED: c_plus_plus: there is no C++ compiler");
            return None;
        }
        output => output.unwrap(),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{source} as {}:\n{errors}",
        language.name
    );
    Some(program)
}

/// A command that runs a program with the shared library at hand, under valgrind if that is wanted.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = match std::env::var_os("PITH_VALGRIND") {
        None => Command::new(program),
        Some(_) => {
            let mut valgrind = Command::new("valgrind");
            valgrind
                .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
                .args(["--show-leak-kinds=definite,indirect,possible"])
                .args(["--errors-for-leak-kinds=definite,indirect,possible"])
                .arg(program);
            valgrind
        }
    };
    // SONAME is libpith.so.0, under which cargo puts no file.
    let links = program.parent().unwrap().join("lib");
    fs::create_dir_all(&links).unwrap();
    let link = links.join("libpith.so.0");
    let target = libraries().join("libpith.so");
    if fs::read_link(&link).ok().as_ref() != Some(&target) {
        fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(target, &link).unwrap();
    }
    command.env("LD_LIBRARY_PATH", links);
    command.env("SSL_CERT_FILE", program.with_file_name("ca.pem"));
    command
}

/// Starts a server on a port that is free, and waits until it listens: by a connection that counts as one of its clients.
pub(crate) fn listening(start: impl FnOnce(&str) -> Child) -> (String, Ended) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let child = Ended(start(&port.to_string()));
    for _ in 0..600 {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => return (port.to_string(), child),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    panic!("nobody listens on port {port}");
}

/// A child that does not outlive its test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Runs a program that is to end with 0.
pub(crate) fn run(program: &Path, arguments: &[&str]) {
    let output = command(program).args(arguments).output().unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let name = program.display();
    assert!(
        output.status.success(),
        "{name}: {}\n{out}{errors}",
        output.status
    );
    assert!(errors.is_empty(), "{name}: {errors}");
}
