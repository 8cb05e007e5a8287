//! Libraries with QUIC as programs that fetch and serve files, and what one run of Pith with one of them needs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pith_tests::network::Dice;
use pith_tests::pki::{Identity, Pki};

use crate::{Process, folder, program};

/// The name in the server's certificate, which this machine finds itself by.
pub const LOCALHOST: &str = "localhost";

/// What a peer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuicLibrary {
    /// quiche on BoringSSL.
    Quiche,
    /// s2n-quic on s2n-tls.
    S2nQuic,
    /// OpenSSL's own QUIC.
    OpenSsl,
    /// quinn on rustls.
    Quinn,
}

/// A program that is built.
#[derive(Debug)]
pub struct QuicPeer {
    /// What it is made of.
    pub library: QuicLibrary,
    program: PathBuf,
}

impl QuicPeer {
    /// The program; `None`, after saying so, where there is none.
    ///
    /// # Panics
    /// As [`program`].
    #[must_use]
    pub fn find(library: QuicLibrary) -> Option<Self> {
        let program = match library {
            QuicLibrary::Quiche => program(
                "PITH_QUICHE",
                "peer-quiche/pith-peer-quiche",
                "peers/rust.sh quiche",
            ),
            QuicLibrary::S2nQuic => program(
                "PITH_S2N_QUIC",
                "peer-s2n-quic/pith-peer-s2n-quic",
                "peers/rust.sh s2n-quic",
            ),
            QuicLibrary::OpenSsl => program(
                "PITH_OPENSSL_QUIC",
                "openssl-4.0.3-2/bin/pith-peer-openssl-quic",
                "peers/openssl/quic.sh",
            ),
            // It is built with these tests.
            QuicLibrary::Quinn => Some(beside_the_test("pith-peer-quinn")),
        };
        program.map(|program| Self { library, program })
    }

    /// A server of a site's files, for any number of connections.
    #[must_use]
    pub fn server(&self, site: &Site, args: &[&str]) -> Process {
        let mut command = self.command("server");
        let certs = site.folder.join("certs");
        command.arg("--cert").arg(certs.join("cert.pem"));
        command.arg("--key").arg(certs.join("priv.key"));
        command.arg("--root").arg(site.folder.join("www"));
        Process::start(command.args(args), folder())
    }

    /// A client that fetches these from the server at this port.
    #[must_use]
    pub fn client(&self, port: u16, site: &Site, names: &[String], args: &[&str]) -> Process {
        let mut command = self.command("client");
        command.args(["--port", &port.to_string(), "--name", LOCALHOST]);
        command
            .arg("--ca")
            .arg(site.folder.join("certs").join("ca.pem"));
        command.arg("--out").arg(site.folder.join("downloads"));
        command.args(["--get", &names.join(" ")]);
        Process::start(command.args(args), folder())
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        // The machine's own settings stay out.
        command.env("OPENSSL_CONF", "/dev/null").arg(role);
        command
    }
}

/// A program of the same build as the test that runs, which lies a folder below it.
fn beside_the_test(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join(name)
}

/// Folders as the interop runner mounts them: `certs`, `www` with files, `downloads` for what a client gets of them.
#[derive(Debug)]
pub struct Site {
    /// Where they are.
    pub folder: PathBuf,
    /// The files.
    pub names: Vec<String>,
}

impl Site {
    /// With so many files of so many bytes, for each of the sizes. `identity` is the server's.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn new(pki: &Pki, identity: &Identity, sizes: &[(usize, usize)]) -> Self {
        let folder = folder();
        for name in ["certs", "www", "downloads"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let certs = folder.join("certs");
        fs::write(certs.join("cert.pem"), &identity.chain_pem).unwrap();
        fs::write(certs.join("priv.key"), &identity.key_pem).unwrap();
        fs::write(certs.join("ca.pem"), pki.root_pem()).unwrap();
        let mut names = Vec::new();
        for (count, size) in sizes {
            for _ in 0..*count {
                // As long as the names that the runner has for early data.
                let name = format!("{}-{}", names.len(), "n".repeat(40));
                fs::write(folder.join("www").join(&name), bytes(names.len(), *size)).unwrap();
                names.push(name);
            }
        }
        Self { folder, names }
    }

    /// Whether each of the files has come, and is what was served.
    ///
    /// # Panics
    /// If not.
    pub fn check(&self, what: &str) {
        for name in &self.names {
            let read = |folder| fs::read(self.folder.join(folder).join(name));
            let (served, got) = (read("www").unwrap(), read("downloads"));
            let got = got.unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            assert!(served == got, "{what}: {name} is not what was served");
        }
    }

    /// All that Pith's traces of connections say until now.
    #[must_use]
    pub fn traces(&self) -> String {
        let Ok(folder) = fs::read_dir(self.folder.join("qlog")) else {
            return String::new();
        };
        let files = folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        files.collect()
    }

    /// `pith interop` in this role, with this test case.
    #[must_use]
    pub fn pith(&self, pith: &Path, role: &str, case: &str) -> Command {
        let mut command = Command::new(pith);
        command.current_dir(&self.folder);
        command.args(["interop", role, "--certs", "certs"]);
        command.env("TESTCASE", case).env("QLOGDIR", "qlog");
        command.env_remove("SSLKEYLOGFILE");
        command
    }

    /// What a client asks a server at this address for.
    #[must_use]
    pub fn requests(&self, server: SocketAddr) -> String {
        let host = match server {
            SocketAddr::V4(_) => LOCALHOST,
            SocketAddr::V6(_) => "[::1]",
        };
        let port = server.port();
        let urls = self
            .names
            .iter()
            .map(|name| format!("https://{host}:{port}/{name}"));
        urls.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What stays in the folder for temporary files does no harm.
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

fn bytes(seed: usize, size: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed.try_into().unwrap());
    let numbers = std::iter::repeat_with(|| dice.roll().to_le_bytes());
    numbers.flatten().take(size).collect()
}
